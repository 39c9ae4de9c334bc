"""Which devices are taken, by what claims say and by what was decided but is not written yet."""

from collections.abc import Iterable

import msgspec

from umiak.objects import quantity
from umiak.objects.quantity import Quantity
from umiak.objects.types import Object
from umiak.scheduler.devices.pools import DeviceId


class Taken(msgspec.Struct):
    """`whole` are used by one claim alone; `shared` says how much of others is used."""

    whole: set[DeviceId] = set()
    shared: dict[DeviceId, dict[str, Quantity]] = {}

    def has(self, device: DeviceId) -> bool:
        return device in self.whole or device in self.shared


def device_id(result: Object) -> DeviceId:
    return result["driver"], result["pool"], result["device"]


def results(allocation: Object | None) -> list[Object]:
    return ((allocation or {}).get("devices") or {}).get("results") or []


def gather(allocations: Iterable[Object | None]) -> Taken:
    """Who only administers a device takes nothing of it."""
    taken = Taken()
    for allocation in allocations:
        for result in results(allocation):
            if result.get("adminAccess"):
                continue
            if result.get("shareID") is None:
                taken.whole.add(device_id(result))
            else:
                add(taken.shared.setdefault(device_id(result), {}), result.get("consumedCapacity") or {})
    return taken


def add(total: dict[str, Quantity], more: Object) -> None:
    for name, text in more.items():
        amount = quantity.parse(text) if isinstance(text, str) else text
        total[name] = total[name] + amount if name in total else amount
