"""ServiceCIDR: a range that Services get their addresses from."""

from ipaddress import ip_network
from typing import Any

from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.checks import check
from umiak.api.common.metadata import IMMUTABLE
from umiak.api.common.service_validation import range_faults
from umiak.api.common.strategy import keep_status, nothing_but_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value, required
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    return _range_list((obj.get("spec") or {}).get("cidrs") or [])


def _range_list(ranges: list[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    if not ranges:
        errors.append(required("spec.cidrs", "at least one CIDR required"))
    if len(ranges) > 2:
        return [invalid_value("spec.cidrs", {"CIDRs": ranges}, "may only hold up to 2 values")]
    for index, value in enumerate(ranges):
        check(range_faults, value, f"spec.cidrs[{index}]", errors)
    if len(ranges) == 2 and all(map(_can_be_read, ranges)) and len({":" in r for r in ranges}) == 1:
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        errors.append(invalid_value("spec.cidrs", ranges, text))
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """A second range may come, of the other family; otherwise ranges stay."""
    ranges, before = ((obj.get("spec") or {}).get("cidrs") for obj in (new, old))
    now, then = ranges or [], before or []
    pairs = enumerate(zip(now, then, strict=False))
    changed = [invalid_value(f"spec.cidrs[{i}]", value, IMMUTABLE) for i, (value, own) in pairs if value != own]
    if len(now) == len(then):
        return changed
    if (len(then), len(now)) == (1, 2):
        return [*changed, *_range_list(now)]
    return [invalid_value("spec.cidrs", ranges, IMMUTABLE)]


def _can_be_read(value: str) -> bool:
    try:
        ip_network(value, strict=False)
    except ValueError:
        return False
    return "/" in value


def cidrs(obj: Object, now: float) -> Any:
    return ",".join((obj.get("spec") or {}).get("cidrs") or ())


KIND = builtin(
    "networking.k8s.io/v1",
    "ServiceCIDR",
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(NAME, column("CIDRs", cidrs, "ServiceCIDRSpec.cidrs"), AGE),
)
