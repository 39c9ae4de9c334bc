"""CSINode: the storage drivers of a node."""

from umiak.api.common.cells import AGE, NAME, column, counts
from umiak.api.common.checks import check, nonnegative
from umiak.api.common.metadata import label_key
from umiak.api.common.volume_sources import csi_driver_name
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, duplicate, invalid_value, required
from umiak.objects.types import Object

_NODE_ID = 256


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, driver in enumerate((obj.get("spec") or {}).get("drivers") or ()):
        _driver(driver, seen, f"spec.drivers[{index}]", errors)
    return errors


def _driver(driver: Object, seen: set[str], path: str, errors: list[FieldError]) -> None:
    name, node = driver.get("name") or "", driver.get("nodeID") or ""
    csi_driver_name(name, f"{path}.name", errors)
    if not node:
        errors.append(required(f"{path}.nodeID"))
    if len(node) > _NODE_ID:
        errors.append(invalid_value(f"{path}.nodeID", node, f"must be {_NODE_ID} characters or less"))
    nonnegative(driver.get("allocatable") or {}, "count", f"{path}.allocatable", errors)
    if name in seen:
        errors.append(duplicate(f"{path}.name", name))
    seen.add(name)
    keys: set[str] = set()
    for key in driver.get("topologyKeys") or ():
        if not key:
            errors.append(required(path))
        if key in keys:
            errors.append(duplicate(path, key))
        keys.add(key)
        check(label_key, key, path, errors)


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """A driver keeps all but how many volumes it takes."""
    before = {d.get("name"): _fixed(d) for d in (old.get("spec") or {}).get("drivers") or ()}
    changed = [
        d
        for d in (new.get("spec") or {}).get("drivers") or ()
        if d.get("name") in before and _fixed(d) != before[d.get("name")]
    ]
    return [invalid_value("spec.drivers", d, "field is immutable") for d in changed]


def _fixed(driver: Object) -> Object:
    return {k: v for k, v in driver.items() if k != "allocatable"}


KIND = builtin(
    "storage.k8s.io/v1",
    "CSINode",
    validate=validate,
    validate_update=validate_update,
    columns=(
        NAME,
        column(
            "Drivers",
            counts("spec", "drivers"),
            "Drivers indicates the number of CSI drivers registered on the node",
            type="integer",
        ),
        AGE,
    ),
    updates_unconditionally=False,
    deletion_returns_object=True,
)
