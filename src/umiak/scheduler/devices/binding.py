"""Devices that their drivers have to get ready once they are chosen (KEP-5007): whether they are."""

from datetime import datetime, timedelta

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.scheduler.devices.state import device_id, results


class DeviceFailed(Exception):
    """A driver gave a device up; the text says why."""


def _results(claim: Object) -> list[Object]:
    return results((claim.get("status") or {}).get("allocation"))


def waits_for_drivers(claim: Object) -> bool:
    return any(result.get("bindingConditions") for result in _results(claim))


def is_ready(claim: Object) -> bool:
    """Raises DeviceFailed."""
    known = {device_id(one): one.get("conditions") or () for one in (claim.get("status") or {}).get("devices") or ()}
    for result in _results(claim):
        needed = result.get("bindingConditions") or ()
        if not needed:
            continue
        if device_id(result) not in known:
            return False
        true = {c["type"]: c for c in known[device_id(result)] if c.get("status") == "True"}
        for name in result.get("bindingFailureConditions") or ():
            if name in true:
                why = f'reason={true[name].get("reason") or ""}, message="{true[name].get("message") or ""}"'
                raise DeviceFailed(f"claim={meta.name(claim)}, {why}")
        if not true.keys() >= set(needed):
            return False
    return True


def is_up(claim: Object, limit: float, now: datetime) -> bool:
    """Whether the drivers' time, in seconds since the devices were chosen, is over."""
    stamp = ((claim.get("status") or {}).get("allocation") or {}).get("allocationTimestamp")
    if stamp is None or not waits_for_drivers(claim):
        return False
    return meta.parse_time(stamp) + timedelta(seconds=limit) < now
