"""Validates the status of a ResourceClaim: what was allocated, for whom, and how the devices fare.

Source: `validateResourceClaimStatusUpdate` of `pkg/apis/resource/validation/validation.go`; `late` gathers what the
reference's generated rules say, after the written ones.
"""

from collections.abc import Iterable

from umiak.api.common.checks import Errors, check
from umiak.api.common.device_requests import configuration, driver, pool_name, references, request_names
from umiak.api.common.pod_scheduling import node_selector
from umiak.objects import names
from umiak.objects.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    invalid_value,
    not_supported,
    required,
    too_many,
)
from umiak.objects.types import Object

CONSUMERS, RESULTS, CONFIGURATIONS, CONDITIONS = 256, 32, 64, 8
SOURCES = ("FromClaim", "FromClass")
_FIXED = "field cannot be modified once set"
_LEAVING = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: Errors = []
    late: Errors = []
    status, before = new.get("status") or {}, old.get("status") or {}
    allocation, consumers = status.get("allocation"), status.get("reservedFor") or []
    for index, consumer in enumerate(consumers):
        for field in ("resource", "name", "uid"):
            if not consumer.get(field):
                errors.append(required(f"status.reservedFor[{index}].{field}"))
    _devices(status.get("devices") or [], allocation, errors, late)
    if consumers and allocation is None:
        errors.append(field_forbidden("status.reservedFor", "may not be specified when `allocated` is not set"))
    elif new["metadata"].get("deletionTimestamp") and any(
        c not in (before.get("reservedFor") or ()) for c in consumers
    ):
        errors.append(field_forbidden("status.reservedFor", _LEAVING))
    if allocation is not None and before.get("allocation") is None:
        _allocation(allocation, request_names(new["spec"].get("devices") or {}), errors, late)
    elif allocation is not None and allocation != before["allocation"]:
        late.append(invalid_value("status.allocation", None, _FIXED))
    _set(consumers, (c.get("uid") for c in consumers), CONSUMERS, "status.reservedFor", late)
    return errors + late


def _has_more(new: list[Object], old: list[Object]) -> bool:
    return any(item not in old for item in new)


def _set(items: list[Object], keys: Iterable[object], limit: int, path: str, late: Errors) -> None:
    if len(items) > limit:
        late.append(too_many(path, len(items), limit))
        return
    seen: list[object] = []
    for index, (item, key) in enumerate(zip(items, keys, strict=True)):
        if key in seen:
            late.append(duplicate(f"{path}[{index}]", item))
        seen.append(key)


def _identity(device: Object) -> tuple[object, ...]:
    return tuple(device.get(field) for field in ("driver", "pool", "device", "shareID"))


def _devices(devices: list[Object], allocation: Object | None, errors: Errors, late: Errors) -> None:
    results = ((allocation or {}).get("devices") or {}).get("results") or ()
    allocated = {_identity(result) for result in results}
    for index, device in enumerate(devices):
        path = f"status.devices[{index}]"
        _place(device, path, errors, errors)
        if _identity(device) not in allocated:
            shown = "/".join(str(part or "") for part in _identity(device)[:3])
            errors.append(invalid_value(path, shown, "must be an allocated device in the claim"))
        if len(device.get("conditions") or ()) > CONDITIONS:
            errors.append(too_many(f"{path}.conditions", len(device["conditions"]), CONDITIONS))
    seen: set[tuple[object, ...]] = set()
    for index, device in enumerate(devices):
        if _identity(device) in seen:
            late.append(duplicate(f"status.devices[{index}]", device))
        seen.add(_identity(device))


def _place(device: Object, path: str, errors: Errors, covered: Errors) -> None:
    """Which device; `covered` takes what the generated rules say of driver and pool."""
    driver(device.get("driver") or "", f"{path}.driver", covered)
    pool_name(device.get("pool") or "", f"{path}.pool", covered)
    if not device.get("device"):
        errors.append(required(f"{path}.device"))
    else:
        check(names.dns_label, device["device"], f"{path}.device", errors)


def _allocation(allocation: Object, known: set[str], errors: Errors, late: Errors) -> None:
    path, devices = "status.allocation.devices", allocation.get("devices") or {}
    results, configs = devices.get("results") or [], devices.get("config") or []
    for index, result in enumerate(results):
        where = f"{path}.results[{index}]"
        references({"requests": [result.get("request") or ""]}, known, where, errors, single="request")
        _place(result, where, errors, late)
    for index, config in enumerate(configs):
        where = f"{path}.config[{index}]"
        if not config.get("source"):
            late.append(required(f"{where}.source"))
        elif config["source"] not in SOURCES:
            late.append(not_supported(f"{where}.source", config["source"], SOURCES))
        references(config, known, where, errors)
        configuration(config, where, errors, late)
    if allocation.get("nodeSelector") is not None:
        node_selector(allocation["nodeSelector"], "status.allocation.nodeSelector", errors)
    for items, limit, field in ((results, RESULTS, "results"), (configs, CONFIGURATIONS, "config")):
        if len(items) > limit:
            late.append(too_many(f"{path}.{field}", len(items), limit))
