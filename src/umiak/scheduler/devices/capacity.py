"""How much of a device that several claims may share one of them takes (KEP-5075).

Source: `structured/internal/incubating/consumable_capacity.go`.
"""

from collections.abc import Mapping

from umiak.objects import quantity
from umiak.objects.quantity import Quantity
from umiak.objects.types import Object

MILLI = -3
MOST = 2**63 - 1
UNREPRESENTABLE = "capacity request cannot be represented in the device's range arithmetic"
NOTHING = Quantity(0)
Amounts = Mapping[str, Quantity]


class CapacityFault(Exception):
    """A request that cannot be reckoned with; the text says why."""


def wanted(request: Object) -> dict[str, Quantity]:
    """What a request asks for, by capacity."""
    asked = (request.get("capacity") or {}).get("requests") or {}
    return {name: quantity.parse(text) for name, text in asked.items()}


def taken(asked: Quantity | None, capacity: Object) -> Quantity:
    """What is taken of a capacity: what is asked for, rounded up as its policy says, or else the policy's default, or
    else all of it. Raises CapacityFault."""
    policy = capacity.get("requestPolicy") or {}
    if asked is None:
        return quantity.parse(policy.get("default") or capacity["value"])
    valid, values = policy.get("validRange") or {}, policy.get("validValues")
    if valid.get("min") is not None:
        return _in_range(asked, valid)
    if values:
        return next((value for value in map(quantity.parse, values) if asked <= value), asked)
    return asked


def _in_range(asked: Quantity, valid: Object) -> Quantity:
    least = quantity.parse(valid["min"])
    if asked < least:
        return least
    if valid.get("step") is None:
        return asked
    step = quantity.parse(valid["step"])
    width, start, want = step.in_units(MILLI), least.in_units(MILLI), asked.in_units(MILLI)
    if abs(want) > MOST or Quantity(want, MILLI) != asked:
        raise CapacityFault(f"{UNREPRESENTABLE}: request {asked} is not a representable milli value")
    value = start + width * -((start - want) // width)
    if value > MOST:
        why = "up to the next step passes the milli-value range"
        raise CapacityFault(f"{UNREPRESENTABLE}: rounding request {asked} {why}")
    return Quantity(value // 1000, 0, step.format) if value % 1000 == 0 else Quantity(value, MILLI, step.format)


def violates(amount: Quantity, policy: Object | None) -> bool:
    """Whether a policy forbids to take this much."""
    if not policy or (policy.get("default") is not None and quantity.parse(policy["default"]) == amount):
        return False
    valid, values = policy.get("validRange"), policy.get("validValues")
    if valid is not None:
        if valid.get("max") is not None and amount > quantity.parse(valid["max"]):
            return True
        if valid.get("step") is None:
            return False
        start, width = (quantity.parse(valid[name]).in_units(MILLI) for name in ("min", "step"))
        return (amount.in_units(MILLI) - start) % width != 0
    return bool(values) and all(quantity.parse(value) != amount for value in values or ())


def consumed(asked: Amounts, device: Object) -> dict[str, Quantity]:
    """Of each capacity. Raises CapacityFault."""
    found: dict[str, Quantity] = {}
    for name, capacity in (device.get("capacity") or {}).items():
        try:
            found[name] = taken(asked.get(name), capacity)
        except CapacityFault as error:
            raise CapacityFault(f'capacity "{name}": {error}') from None
        if found[name] < NOTHING:
            raise CapacityFault(f'capacity "{name}": capacity value is negative')
    return found


def fits(asked: Amounts, device: Object, in_use: Amounts) -> bool:
    """Whether a device has what is asked for beside what is `in_use` already. Raises CapacityFault."""
    capacities = device.get("capacity") or {}
    if not asked.keys() <= capacities.keys():
        return False
    for name, amount in consumed(asked, device).items():
        if violates(amount, capacities[name].get("requestPolicy")):
            return False
        total = amount + in_use[name] if name in in_use else amount
        if total > quantity.parse(capacities[name]["value"]):
            return False
    return True
