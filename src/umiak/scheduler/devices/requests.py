"""What a claim asks for: requests, their alternatives, and constraints between the devices that they get."""

from collections.abc import Iterable
from typing import Any

import msgspec

from umiak.objects.types import Object
from umiak.scheduler.devices.capacity import wanted
from umiak.scheduler.devices.pools import DeviceId, Pool, PoolId

ALL = "All"
PREVENTING = ("NoSchedule", "NoExecute")


class Candidate(msgspec.Struct, frozen=True, eq=False):
    """A device where it is published."""

    id: DeviceId
    device: Object
    slice: Object
    pool: PoolId


class Request(msgspec.Struct):
    """One request, or one alternative of it. `parent` names the request that it is an alternative of."""

    name: str
    parent: str
    spec: Object
    device_class: Object
    capacity: dict[str, Any] = {}
    count: int = 0
    everything: list[Candidate] | None = None
    """For a request of all devices: the ones that are meant."""
    verdicts: dict[DeviceId, bool] = {}
    """What its selectors said of devices."""

    @property
    def full_name(self) -> str:
        return f"{self.parent}/{self.name}" if self.parent else self.name

    @property
    def administers(self) -> bool:
        return bool(self.spec.get("adminAccess")) and not self.parent

    def tolerates(self, device: Object) -> bool:
        taints = (t for t in device.get("taints") or () if t.get("effect") in PREVENTING)
        tolerations = self.spec.get("tolerations") or ()
        return all(any(tolerates(toleration, taint) for toleration in tolerations) for taint in taints)


def tolerates(toleration: Object, taint: Object) -> bool:
    """An empty effect or key stands for any."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    same = (toleration.get("value") or "") == (taint.get("value") or "")
    return operator == "Exists" or (operator == "Equal" and same)


def make(spec: Object, device_class: Object, parent: str = "") -> Request:
    """`spec` is a request's `exactly`, or an alternative, with its name."""
    return Request(spec["name"], parent, spec, device_class, wanted(spec))


def attribute(candidate: Candidate, name: str) -> tuple[str, Any] | None:
    """Kind and value of an attribute by its full name; what belongs to the driver is published without it."""
    known = candidate.device.get("attributes") or {}
    domain, slash, own = name.partition("/")
    found = known.get(name)
    if found is None and slash and domain == candidate.id[0]:
        found = known.get(own)
    if found is None:
        return None
    return next(((kind, found[kind]) for kind in ("string", "int", "bool", "version") if kind in found), None)


class Constraint:
    """Devices of some requests have the same value of an attribute, or each its own."""

    def __init__(self, told: Object) -> None:
        self._requests = frozenset(told.get("requests") or ())
        self._distinct = told.get("matchAttribute") is None
        self._attribute = str(told.get("matchAttribute") or told.get("distinctAttribute"))
        self._values: list[tuple[str, Any]] = []

    def _concerns(self, request: Request) -> bool:
        names = {request.parent or request.name, request.full_name}
        return not self._requests or not self._requests.isdisjoint(names)

    def add(self, request: Request, candidate: Candidate) -> bool:
        """Whether the device may come to those before."""
        if not self._concerns(request):
            return True
        value = attribute(candidate, self._attribute)
        if value is None or (self._values and self._clashes(value)):
            return False
        self._values.append(value)
        return True

    def _clashes(self, value: tuple[str, Any]) -> bool:
        return value in self._values if self._distinct else value != self._values[0]

    def remove(self, request: Request) -> None:
        if self._concerns(request):
            self._values.pop()


def candidates_of(pools: Iterable[Pool]) -> list[Candidate]:
    """The devices that may be taken, in the order in which they are tried."""
    return [
        Candidate((*pool.id, device["name"]), device, slice_, pool.id)
        for pool in pools
        if pool.is_usable
        for slice_ in pool.slices
        for device in slice_["spec"].get("devices") or ()
    ]
