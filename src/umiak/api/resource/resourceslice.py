"""ResourceSlice: devices that a driver offers."""

from umiak.api.common import switched_off
from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.common.checks import Errors, check, immutable
from umiak.api.common.device_requests import default_time, taint
from umiak.api.common.pod_scheduling import node_selector
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, invalid_value, required, too_long, too_many
from umiak.objects.types import Object

_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_VALUES = ("int", "bool", "string", "version", "ints", "bools", "strings", "versions")
_DEVICES = 128


def default_times(obj: Object, now: str) -> None:
    for device in (obj.get("spec") or {}).get("devices") or ():
        for mark in device.get("taints") or ():
            default_time(mark, now)


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    late: Errors = []
    spec = obj.get("spec") or {}
    if not spec.get("driver"):
        errors.append(required("spec.driver"))
    elif len(spec["driver"]) > 63:
        errors.append(too_long("spec.driver", 63))
    check(names.dns_subdomain, spec.get("driver") or "a", "spec.driver", errors)
    _pool(spec.get("pool") or {}, "spec.pool", errors)
    _place(spec, errors)
    devices = spec.get("devices") or []
    if len(devices) > _DEVICES:
        errors.append(too_many("spec.devices", len(devices), _DEVICES))
    seen: set[str] = set()
    for index, device in enumerate(devices):
        path, name = f"spec.devices[{index}]", device.get("name") or ""
        check(names.dns_label, name, f"{path}.name", errors)
        _attributes(device.get("attributes") or {}, f"{path}.attributes", late)
        for at, mark in enumerate(device.get("taints") or ()):
            taint(mark, f"{path}.taints[{at}]", errors, late)
        if name in seen:
            errors.append(duplicate(path, name))
        seen.add(name)
    return errors + late


def _pool(pool: Object, path: str, errors: Errors) -> None:
    name = pool.get("name") or ""
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        for part in name.split("/"):
            check(names.dns_subdomain, part, f"{path}.name", errors)
    if (pool.get("resourceSliceCount") or 0) <= 0:
        count = pool.get("resourceSliceCount") or 0
        errors.append(invalid_value(f"{path}.resourceSliceCount", count, "must be greater than zero"))
    if (pool.get("generation") or 0) < 0:
        text = "must be greater than or equal to zero"
        errors.append(invalid_value(f"{path}.generation", pool["generation"], text))


def _place(spec: Object, errors: Errors) -> None:
    """Where the devices can be used."""
    given = [name for name in _PLACES if spec.get(name) not in (None, False, "")]
    if spec.get("nodeName"):
        check(names.dns_subdomain, spec["nodeName"], "spec.nodeName", errors)
    elif spec.get("nodeName") is not None:
        errors.append(invalid_value("spec.nodeName", "", "must be either unset or set to a non-empty string"))
    if spec.get("nodeSelector") is not None:
        node_selector(spec["nodeSelector"], "spec.nodeSelector", errors)
    for name in ("allNodes", "perDeviceNodeSelection"):
        if spec.get(name) is False:
            errors.append(invalid_value(f"spec.{name}", False, "must be either unset or set to true"))
    if not given:
        errors.append(required("spec", _ONE_PLACE))
    elif len(given) > 1:
        shown = "{" + ", ".join(f"`{name}`" for name in given) + "}"
        errors.append(invalid_value("spec", shown, f"{_ONE_PLACE}, but multiple fields are set"))


def _attributes(attributes: Object, path: str, errors: Errors) -> None:
    listed = ", ".join(f"`{name}`" for name in _VALUES)
    for name in sorted(attributes):
        given = [value for value in _VALUES if (attributes[name] or {}).get(value) is not None]
        if not given:
            errors.append(invalid_value(f"{path}[{name}]", "", f"must specify one of: {listed}"))
        elif len(given) > 1:
            shown = "{" + ", ".join(given) + "}"
            errors.append(invalid_value(f"{path}[{name}]", shown, f"must specify exactly one of: {listed}"))


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: Errors = []
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    immutable(spec.get("driver"), before.get("driver"), "spec.driver", errors)
    for field in ("nodeName", "nodeSelector", "allNodes"):
        immutable(spec.get(field), before.get(field), f"spec.{field}", errors)
    immutable((spec.get("pool") or {}).get("name"), (before.get("pool") or {}).get("name"), "spec.pool.name", errors)
    return errors


KIND = builtin(
    "resource.k8s.io/v1",
    "ResourceSlice",
    drop=lambda obj: switched_off.of_slice(obj.get("spec") or {}),
    default_times=default_times,
    validate=validate,
    validate_update=validate_update,
    columns=(
        NAME,
        column("Node", reads("spec", "nodeName"), "ResourceSliceSpec.nodeName"),
        column("Driver", reads("spec", "driver"), "ResourceSliceSpec.driver"),
        column("Pool", reads("spec", "pool", "name"), "ResourcePool.name"),
        AGE,
    ),
    selectable={
        "spec.nodeName": lambda obj: (obj.get("spec") or {}).get("nodeName") or "",
        "spec.driver": lambda obj: (obj.get("spec") or {}).get("driver") or "",
    },
    counts_generation=True,
    deletion_returns_object=True,
)
