"""EndpointSlice: a part of the addresses behind a Service."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, UNSET, column, reads
from umiak.api.registry import builtin
from umiak.objects.types import Object

_SHOWN = 3


def default(obj: Object) -> None:
    for port in obj.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        if port.get("protocol") is None:
            port["protocol"] = "TCP"


def _short(texts: list[str]) -> str:
    text = ",".join(texts[:_SHOWN])
    return f"{text} + {len(texts) - _SHOWN} more..." if len(texts) > _SHOWN else text


def ports(obj: Object, now: float) -> Any:
    found = obj.get("ports") or ()
    return _short([str(next((p[f] for f in ("port", "name") if p.get(f) is not None), "*")) for p in found]) or UNSET


def endpoints(obj: Object, now: float) -> Any:
    found = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return _short(found) or UNSET


KIND = builtin(
    "discovery.k8s.io/v1",
    "EndpointSlice",
    default=default,
    columns=(
        NAME,
        column("AddressType", reads("addressType"), "EndpointSlice.addressType"),
        column("Ports", ports, "EndpointSlice.ports"),
        column("Endpoints", endpoints, "EndpointSlice.endpoints"),
        AGE,
    ),
    counts_generation=True,
)
