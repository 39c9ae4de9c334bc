"""ServiceCIDR: a range that Services get their addresses from."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.strategy import keep_status, nothing_but_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.types import Object


def cidrs(obj: Object, now: float) -> Any:
    return ",".join((obj.get("spec") or {}).get("cidrs") or ())


KIND = builtin(
    "networking.k8s.io/v1",
    "ServiceCIDR",
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    columns=(NAME, column("CIDRs", cidrs, "ServiceCIDRSpec.cidrs"), AGE),
)
