"""IPAddress: one address of a Service range that is taken."""

import ipaddress
from typing import Any

from umiak.api.common.cells import NAME, NONE, age, column
from umiak.api.common.checks import check, declared_immutable
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, required
from umiak.objects.types import Object


def address_name(name: str, is_prefix: bool) -> list[str]:
    """The name is the address, in its shortest form."""
    try:
        canonical = str(ipaddress.ip_address(name))
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if canonical == name else [f'must be in canonical form ("{canonical}")']


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    ref, path = (obj.get("spec") or {}).get("parentRef"), "spec.parentRef"
    if ref is None:
        return [required(path)]
    if ref.get("group"):
        check(names.dns_subdomain, ref["group"], f"{path}.group", errors)
    for field in ("resource", "name"):
        if ref.get(field):
            check(names.path_segment, ref[field], f"{path}.{field}", errors)
        else:
            late.append(required(f"{path}.{field}"))
    if ref.get("namespace"):
        check(names.path_segment, ref["namespace"], f"{path}.namespace", errors)
    return errors + late


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    mine, its = ((o.get("spec") or {}).get("parentRef") for o in (new, old))
    declared_immutable(mine, its, "spec.parentRef", errors)
    return errors


def parent(obj: Object, now: float) -> Any:
    """The owner as `resource.group/namespace/name`, lower case in its first part."""
    ref = (obj.get("spec") or {}).get("parentRef")
    if not ref:
        return NONE
    group = f".{ref['group']}" if ref.get("group") else ""
    namespace = f"/{ref['namespace']}" if ref.get("namespace") else ""
    return f"{ref.get('resource') or ''}{group}".lower() + f"{namespace}/{ref.get('name') or ''}"


KIND = builtin(
    "networking.k8s.io/v1",
    "IPAddress",
    validate=validate,
    validate_update=validate_update,
    validate_name=address_name,
    columns=(NAME, column("ParentRef", parent, "IPAddressSpec.parentRef"), column("", age)),
)
