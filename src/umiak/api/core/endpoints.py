"""Endpoints: the addresses behind a Service, superseded by EndpointSlice."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column
from umiak.api.registry import builtin
from umiak.objects.types import Object

_SHOWN = 3


def default(obj: Object) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def _pairs(subset: Object) -> list[str]:
    hosts = [a.get("ip") or "" for a in subset.get("addresses") or ()]
    ports = subset.get("ports") or ()
    if not ports:
        return hosts
    texts = [f"[{host}]" if ":" in host else host for host in hosts]
    return [f"{host}:{port.get('port') or 0}" for port in ports for host in texts]


def addresses(obj: Object, now: float) -> Any:
    found = [pair for subset in obj.get("subsets") or () for pair in _pairs(subset)]
    text = ",".join(found[:_SHOWN])
    if len(found) > _SHOWN:
        return f"{text} + {len(found) - _SHOWN} more..."
    return text or NONE


KIND = builtin(
    "v1",
    "Endpoints",
    default=default,
    columns=(NAME, column("Endpoints", addresses, "Endpoints.subsets"), AGE),
    creates_on_update=True,
)
