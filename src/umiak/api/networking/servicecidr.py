"""ServiceCIDR: a range that Services get their addresses from."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.checks import check
from umiak.api.common.service_validation import cidr_faults
from umiak.api.common.strategy import keep_status, nothing_but_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value, required
from umiak.objects.types import Object


def _range_faults(value: str) -> list[str]:
    """As for any range; the hint how to write it better is left out."""
    return [text.partition(" (e.g. use")[0] for text in cidr_faults(value)]


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    ranges = (obj.get("spec") or {}).get("cidrs") or []
    if not ranges:
        errors.append(required("spec.cidrs", "at least one CIDR required"))
    if len(ranges) > 2:
        return [invalid_value("spec.cidrs", {"CIDRs": ranges}, "may only hold up to 2 values")]
    for index, value in enumerate(ranges):
        check(_range_faults, value, f"spec.cidrs[{index}]", errors)
    if len(ranges) == 2 and len({":" in r for r in ranges}) == 1:
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        errors.append(invalid_value("spec.cidrs", ranges, text))
    return errors


def cidrs(obj: Object, now: float) -> Any:
    return ",".join((obj.get("spec") or {}).get("cidrs") or ())


KIND = builtin(
    "networking.k8s.io/v1",
    "ServiceCIDR",
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    validate=validate,
    columns=(NAME, column("CIDRs", cidrs, "ServiceCIDRSpec.cidrs"), AGE),
)
