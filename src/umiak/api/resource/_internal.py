"""The spec of a claim template as the reference keeps it for itself and shows it in errors: by the names of Go."""

from typing import Any

import msgspec

from umiak.objects.types import Object


class Struct(msgspec.Struct, frozen=True):
    """`fields` has, by Go's name: the key in JSON, and what the value is: a struct, a list of one, or what stands for
    a plain value that is missing. `may_be_null` is whether the struct itself may be missing."""

    fields: dict[str, tuple[str, Any]]
    may_be_null: bool = False

    def shown(self, value: Object | None) -> Object | None:
        if value is None and self.may_be_null:
            return None
        given = value or {}
        return {name: _shown(kind, given.get(key)) for name, (key, kind) in self.fields.items()}


def _shown(kind: Any, value: Any) -> Any:
    if isinstance(kind, Struct):
        return kind.shown(value)
    if isinstance(kind, list):
        return [kind[0].shown(item) for item in value] if value else None
    return kind if value is None else value


_SELECTOR = Struct({"CEL": ("cel", Struct({"Expression": ("expression", "")}, may_be_null=True))})
_TOLERATION = Struct(
    {
        "Key": ("key", ""),
        "Operator": ("operator", ""),
        "Value": ("value", ""),
        "Effect": ("effect", ""),
        "TolerationSeconds": ("tolerationSeconds", None),
    }
)
_CAPACITY = Struct({"Requests": ("requests", None)}, may_be_null=True)
_CLASS = {
    "DeviceClassName": ("deviceClassName", ""),
    "Selectors": ("selectors", [_SELECTOR]),
    "AllocationMode": ("allocationMode", ""),
    "Count": ("count", 0),
}
_REST = {"Tolerations": ("tolerations", [_TOLERATION]), "Capacity": ("capacity", _CAPACITY)}
_DERIVED = {"DerivedAttributes": ("derivedAttributes", None)}
_EXACT = Struct({**_CLASS, "AdminAccess": ("adminAccess", None), **_REST, **_DERIVED}, may_be_null=True)
_CHOICE = Struct({"Name": ("name", ""), **_CLASS, **_REST, **_DERIVED})
_REQUEST = Struct(
    {"Name": ("name", ""), "Exactly": ("exactly", _EXACT), "FirstAvailable": ("firstAvailable", [_CHOICE])}
)
_CONSTRAINT = Struct(
    {
        "Requests": ("requests", None),
        "MatchAttribute": ("matchAttribute", None),
        "DistinctAttribute": ("distinctAttribute", None),
    }
)
_OPAQUE = Struct({"Driver": ("driver", ""), "Parameters": ("parameters", None)}, may_be_null=True)
_CONFIG = Struct({"Requests": ("requests", None), "Opaque": ("opaque", _OPAQUE)})
_DEVICES = Struct(
    {
        "Requests": ("requests", [_REQUEST]),
        "Constraints": ("constraints", [_CONSTRAINT]),
        "Config": ("config", [_CONFIG]),
    }
)
_SPEC = Struct({"Devices": ("devices", _DEVICES)})


def template_spec(spec: Object) -> Object:
    """Of metadata the reference shows what there is, under its usual names."""
    metadata = {name: value for name, value in (spec.get("metadata") or {}).items() if value}
    return {**metadata, "Spec": _SPEC.shown(spec.get("spec"))}
