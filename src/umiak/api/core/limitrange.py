"""LimitRange: bounds and defaults for what objects of a namespace may ask."""

from umiak.api.common.resources import round_up
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    for item in obj.setdefault("spec", {}).get("limits") or ():
        if item.get("type") == "Container":
            limit = {**(item.get("max") or {}), **(item.get("default") or {})}
            request = {**(item.get("min") or {}), **limit, **(item.get("defaultRequest") or {})}
            for name, value in (("default", limit), ("defaultRequest", request)):
                if value:
                    item[name] = value
        for name in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            if item.get(name):
                round_up(item[name])


KIND = builtin(
    "v1",
    "LimitRange",
    default=default,
    creates_on_update=True,
)
