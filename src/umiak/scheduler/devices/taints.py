"""Taints that rules put on devices (KEP-5055), beside those that their drivers publish."""

from collections.abc import Iterable

from umiak.objects.types import Object


def tainted(slices: list[Object], rules: Iterable[Object]) -> list[Object]:
    """The slices, changed in place: with what the rules say about their devices."""
    known = [rule["spec"] for rule in rules if rule["spec"].get("deviceSelector") is not None]
    for slice_ in slices if known else ():
        for device in slice_["spec"].get("devices") or ():
            more = [rule["taint"] for rule in known if selects(rule["deviceSelector"], slice_, device)]
            if more:
                device["taints"] = [*(device.get("taints") or ()), *more]
    return slices


def selects(selector: Object, slice_: Object, device: Object) -> bool:
    """What a selector does not name may be anything."""
    spec = slice_["spec"]
    parts = (("driver", spec["driver"]), ("pool", spec["pool"]["name"]), ("device", device["name"]))
    return all(selector.get(field) in (None, value) for field, value in parts)
