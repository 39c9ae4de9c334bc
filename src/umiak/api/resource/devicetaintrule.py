"""DeviceTaintRule: marks devices as not to be used."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, column, reads, since
from umiak.api.common.checks import check
from umiak.api.common.device_requests import default_time, driver, pool_name, taint
from umiak.api.common.strategy import keep_status, nothing_but_status, reset_status
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError
from umiak.objects.types import Object


def default_times(obj: Object, now: str) -> None:
    default_time(obj.setdefault("spec", {}).setdefault("taint", {}), now)


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    spec = obj["spec"]
    selector, path = spec.get("deviceSelector") or {}, "spec.deviceSelector"
    if selector.get("driver") is not None:
        driver(selector["driver"], f"{path}.driver", errors)
    if selector.get("pool") is not None:
        pool_name(selector["pool"], f"{path}.pool", errors)
    if selector.get("device") is not None:
        check(names.dns_label, selector["device"], f"{path}.device", errors)
    taint(spec.get("taint") or {}, "spec.taint", errors, late)
    return errors + late


def added(obj: Object, now: float) -> Any:
    moment = ((obj.get("spec") or {}).get("taint") or {}).get("timeAdded")
    return since(moment, now) if moment else ""


_TAINT = ("spec", "taint")

KIND = builtin(
    "resource.k8s.io/v1",
    "DeviceTaintRule",
    default_times=default_times,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    validate=validate,
    columns=(
        NAME,
        column("Key", reads(*_TAINT, "key"), "DeviceTaint.key"),
        column("Value", reads(*_TAINT, "value"), "DeviceTaint.value"),
        column("Effect", reads(*_TAINT, "effect"), "DeviceTaint.effect"),
        column("TimeAdded", added, "DeviceTaint.timeAdded"),
        AGE,
    ),
    counts_generation=True,
)
