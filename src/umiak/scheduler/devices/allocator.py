"""Finds devices for claims on one node: the first that fit, taken back one by one when later requests find none.

Source: `structured/internal/incubating/allocator_incubating.go`. Decisions are made in its order, so that the same
devices are chosen.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from umiak.objects import meta
from umiak.objects.quantity import Quantity
from umiak.objects.types import Object
from umiak.scheduler.devices import capacity, requests
from umiak.scheduler.devices.capacity import CapacityFault
from umiak.scheduler.devices.pools import Counters, DeviceId, Pool, PoolId, amounts, gather, reaches
from umiak.scheduler.devices.requests import Candidate, Constraint, Request, candidates_of
from umiak.scheduler.devices.selectors import SelectorFailed, matches
from umiak.scheduler.devices.state import Taken, add
from umiak.scheduler.nodes import NodeView

MOST_DEVICES = 32
"""Of one claim."""
MOST_STEPS = 50_000
"""Devices that are looked at for one node, in place of the reference's ten seconds."""
Choice = Request | list[Request]
"""What one entry of a claim's requests offers: itself, or alternatives, the best first."""


class AllocationFailed(Exception):
    """Something is wrong with a claim, class or device; no other node would do better."""


class NotOnNode(Exception):
    """Nothing can be had on this node for a reason of its own; the text says which."""


class TooMany(Exception):
    """More devices than a claim may have."""


class Chosen(msgspec.Struct, frozen=True, eq=False):
    """One device for a request. `share` marks what is consumed of a device that others may use, too."""

    request: Request
    candidate: Candidate
    share: str = ""
    consumed: dict[str, Quantity] = {}


class Result(msgspec.Struct):
    """For one claim: devices in the order of its requests, and the request or alternative that each entry came to."""

    chosen: list[Chosen] = []
    selected: list[Request] = []


class Allocator:
    """For one node and one set of claims; used once."""

    def __init__(
        self,
        node: NodeView,
        pools: Sequence[Pool],
        taken: Taken,
        classes: Callable[[str], Object | None],
        new_share: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._node, self._pools, self._taken, self._classes, self._new_share = node, pools, taken, classes, new_share
        self._candidates = candidates_of(pools)
        self._claims: list[Object] = []
        self._choices: list[list[Choice]] = []
        self._constraints: list[list[Constraint]] = []
        self._results: list[Result] = []
        self._claimed: dict[DeviceId, list[int]] = {}
        """By device, the claims of this round that it was taken for alone."""
        self._sharing: dict[DeviceId, dict[str, Quantity]] = {}
        self._counters: dict[PoolId, Counters] = {}
        """What is left in pools of what their devices share."""
        self._steps = 0

    def allocate(self, claims: Sequence[Object]) -> list[Result] | None:
        """None when the claims cannot be had here. Raises AllocationFailed, NotOnNode."""
        self._claims = list(claims)
        self._choices = [[self._choice(claim, one) for one in _requests(claim)] for claim in claims]
        for claim, choices in zip(claims, self._choices, strict=True):
            self._check_size(claim, choices)
        self._constraints = [_constraints(claim) for claim in claims]
        self._results = [Result() for _ in claims]
        try:
            if self._next_request(0, 0):
                return self._results
        except TooMany:
            return None
        if any(pool.fault for pool in self._pools):
            raise NotOnNode("invalid resource pools were encountered")
        return None

    # ----- what is asked for

    def _choice(self, claim: Object, told: Object) -> Choice:
        if told.get("exactly") is not None:
            return self._request(claim, {**told["exactly"], "name": told["name"]}, "")
        return [self._request(claim, one, told["name"]) for one in told.get("firstAvailable") or ()]

    def _request(self, claim: Object, spec: Object, parent: str) -> Request:
        about = f"claim {meta.key(claim)}, request {spec['name']}"
        name = spec.get("deviceClassName") or ""
        device_class = self._classes(name)
        if not name:
            raise AllocationFailed(f"{about}: missing device class name (unsupported request type?)")
        if device_class is None:
            raise AllocationFailed(f"{about}: could not retrieve device class {name}: not found")
        request = requests.make(spec, device_class, parent)
        mode = spec.get("allocationMode") or "ExactCount"
        if mode not in ("ExactCount", requests.ALL):
            raise AllocationFailed(f"{about}: unsupported count mode {mode}")
        for i, selector in enumerate(spec.get("selectors") or ()):
            if selector.get("cel") is None:
                raise AllocationFailed(f"{about}, selector #{i}: CEL expression empty (unsupported selector type?)")
        if mode != requests.ALL:
            request.count = spec.get("count") or 1
            return request
        for pool in self._pools:
            if not pool.is_usable:
                state = "being updated" if pool.is_incomplete else "invalid"
                where = f"resource pool {'/'.join(pool.id)} is currently {state}"
                raise AllocationFailed(f"{about}: asks for all devices, but {where}")
        meant = [c for c in self._candidates if self._suits(claim, request, c)]
        request.everything = [c for c in meant if self._has_room(claim, request, c, {})]
        request.count = len(request.everything)
        return request

    def _check_size(self, claim: Object, choices: Sequence[Choice]) -> None:
        before = 0
        for told, choice in zip(_requests(claim), choices, strict=True):
            least = choice.count if isinstance(choice, Request) else min((r.count for r in choice), default=0)
            if before + least > MOST_DEVICES:
                limit = f"adding {least} devices exceeds the claim limit of {MOST_DEVICES}, with {before} already"
                raise AllocationFailed(f"claim {meta.key(claim)}, request {told['name']}: {limit} accounted for")
            before += least

    def _suits(self, claim: Object, request: Request, candidate: Candidate) -> bool:
        """Whether a device is of the class, is what the request describes, and is there on the node."""
        known = request.verdicts.get(candidate.id)
        if known is None:
            known = request.verdicts[candidate.id] = self._judge(claim, request, candidate)
        return known

    def _judge(self, claim: Object, request: Request, candidate: Candidate) -> bool:
        of_class = f"class {meta.name(request.device_class)}"
        for owner, selectors in (
            (of_class, (request.device_class.get("spec") or {}).get("selectors") or ()),
            (f"claim {meta.key(claim)}", request.spec.get("selectors") or ()),
        ):
            for i, selector in enumerate(selectors):
                try:
                    if not matches(selector["cel"]["expression"], candidate.id[0], candidate.device):
                        return False
                except SelectorFailed as error:
                    where = f" on device {'/'.join(candidate.id)}" if error.on_device else ""
                    raise AllocationFailed(f"{owner}: selector #{i}{where}: {error}") from error
        return not candidate.slice["spec"].get("perDeviceNodeSelection") or reaches(candidate.device, self._node)

    # ----- the search

    def _next_request(self, claim: int, request: int) -> bool:
        if claim == len(self._claims):
            return True
        if request == len(self._choices[claim]):
            try:
                return self._next_request(claim + 1, 0)
            except TooMany:
                return False
        choice = self._choices[claim][request]
        if isinstance(choice, Request):
            return self._take(claim, request, choice, 0, 0)
        return self._first_available(claim, request, choice)

    def _first_available(self, claim: int, request: int, alternatives: list[Request]) -> bool:
        all_too_many = True
        for alternative in alternatives:
            try:
                if self._take(claim, request, alternative, 0, 0):
                    return True
                all_too_many = False
            except TooMany:
                continue
        if all_too_many:
            raise TooMany
        return False

    def _take(self, claim: int, index: int, request: Request, have: int, start: int) -> bool:
        """Takes the rest of the devices of a request, of which it has some, then goes on. `start`: the first candidate
        to look at; those before were tried."""
        if request.everything is not None and not request.everything:
            return False
        if have == request.count:
            return self._go_on(claim, index, request)
        if request.count - have > MOST_DEVICES - len(self._results[claim].chosen):
            raise TooMany
        if request.everything is not None:
            undo = self._try(claim, request, request.everything[have])
            if undo is None:
                return False
            return self._or_undo(undo, partial(self._take, claim, index, request, have + 1, 0))
        for at in range(start, len(self._candidates)):
            self._count_step()
            candidate = self._candidates[at]
            if self._is_used(claim, request, candidate) or not self._suits(self._claims[claim], request, candidate):
                continue
            undo = self._try(claim, request, candidate)
            if undo is None:
                continue
            if self._or_undo(undo, partial(self._take, claim, index, request, have + 1, at + 1)):
                return True
        return False

    def _go_on(self, claim: int, index: int, request: Request) -> bool:
        self._results[claim].selected.append(request)
        return self._or_undo(self._results[claim].selected.pop, lambda: self._next_request(claim, index + 1))

    def _or_undo(self, undo: Callable[[], object], rest: Callable[[], bool]) -> bool:
        done = False
        try:
            done = rest()
        finally:
            if not done:
                undo()
        return done

    def _count_step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise AllocationFailed(f"node {self._node.name}: timed out trying to allocate devices")

    # ----- one device

    def _is_used(self, claim: int, request: Request, candidate: Candidate) -> bool:
        """Administrators may have what others use, but not twice for one claim."""
        mine = self._claimed.get(candidate.id) or ()
        if request.administers:
            return claim in mine
        return candidate.id in self._taken.whole or bool(mine)

    def _try(self, claim: int, request: Request, candidate: Candidate) -> Callable[[], None] | None:
        """Takes the device, and tells how to give it back; None when it cannot be had."""
        shared = bool(candidate.device.get("allowMultipleAllocations"))
        if not (shared and request.administers) and self._is_used(claim, request, candidate):
            return None
        in_use = self._in_use(candidate.id)
        if not self._has_room(self._claims[claim], request, candidate, in_use):
            return None
        if not request.tolerates(candidate.device):
            return None
        undone: list[Callable[[], object]] = []
        counts = not (shared and self._is_shared(candidate.id))
        if counts and not self._take_counters(candidate, undone):
            return None
        if not self._respects_constraints(claim, request, candidate, undone):
            _undo(undone)
            return None
        self._results[claim].chosen.append(self._choose(claim, request, candidate, shared, undone))
        undone.append(self._results[claim].chosen.pop)
        return lambda: _undo(undone)

    def _choose(
        self, claim: int, request: Request, candidate: Candidate, shared: bool, undone: list[Callable[[], object]]
    ) -> Chosen:
        if not shared:
            self._claimed.setdefault(candidate.id, []).append(claim)
            undone.append(lambda: self._claimed[candidate.id].remove(claim))
            return Chosen(request, candidate)
        amounts_taken = capacity.consumed(request.capacity, candidate.device)
        before = self._sharing.get(candidate.id)
        self._sharing[candidate.id] = dict(before or {})
        add(self._sharing[candidate.id], amounts_taken)
        undone.append(lambda: _restore(self._sharing, candidate.id, before))
        return Chosen(request, candidate, self._new_share(), amounts_taken)

    def _has_room(self, claim: Object, request: Request, candidate: Candidate, in_use: capacity.Amounts) -> bool:
        try:
            return capacity.fits(request.capacity, candidate.device, in_use)
        except CapacityFault as error:
            about = f"claim {meta.key(claim)}, request {request.name}"
            device = "/".join(candidate.id)
            raise AllocationFailed(f"{about}: checking capacity for device {device}: {error}") from error

    def _in_use(self, device: DeviceId) -> dict[str, Quantity]:
        total = dict(self._taken.shared.get(device) or {})
        add(total, self._sharing.get(device) or {})
        return total

    def _is_shared(self, device: DeviceId) -> bool:
        return device in self._taken.shared or device in self._sharing

    def _respects_constraints(
        self, claim: int, request: Request, candidate: Candidate, undone: list[Callable[[], object]]
    ) -> bool:
        for constraint in self._constraints[claim]:
            if not constraint.add(request, candidate):
                if request.everything is not None:
                    about = f"claim {meta.key(self._claims[claim])}, request {request.name}"
                    why = "because a claim constraint would not be satisfied"
                    raise AllocationFailed(f"{about}: cannot add device {'/'.join(candidate.id)} {why}")
                return False
            undone.append(partial(constraint.remove, request))
        return True

    def _take_counters(self, candidate: Candidate, undone: list[Callable[[], object]]) -> bool:
        """Takes what the device needs of what its pool's devices share, if it is there."""
        uses = candidate.device.get("consumesCounters") or ()
        if not uses:
            return True
        left = self._left(candidate.pool)
        wanted = [
            (use["counterSet"], name, amount) for use in uses for name, amount in amounts(use.get("counters")).items()
        ]
        for at, (set_, name, amount) in enumerate(wanted):
            left[set_][name] = left[set_][name] - amount
            if left[set_][name] < _NOTHING:
                _give_back(left, wanted[: at + 1])
                return False
        undone.append(lambda: _give_back(left, wanted))
        return True

    def _left(self, key: PoolId) -> Counters:
        """What devices that are taken leave of a pool's counters."""
        known = self._counters.get(key)
        if known is None:
            pool = next(pool for pool in self._pools if pool.id == key)
            known = self._counters[key] = {name: dict(counters) for name, counters in pool.counters.items()}
            for slice_ in (*pool.slices, *pool.others):
                for device in slice_["spec"].get("devices") or ():
                    if self._taken.has((*key, device["name"])):
                        _subtract(known, device)
        return known


_NOTHING = Quantity(0)


def _requests(claim: Object) -> list[Object]:
    return (claim["spec"].get("devices") or {}).get("requests") or []


def _constraints(claim: Object) -> list[Constraint]:
    told = (claim["spec"].get("devices") or {}).get("constraints") or ()
    for i, one in enumerate(told):
        if one.get("matchAttribute") is None and one.get("distinctAttribute") is None:
            why = "empty constraint (unsupported constraint type?)"
            raise AllocationFailed(f"claim {meta.key(claim)}, constraint #{i}: {why}")
    return [Constraint(one) for one in told]


def _undo(steps: list[Callable[[], object]]) -> None:
    while steps:
        steps.pop()()


def _restore(kept: dict[DeviceId, dict[str, Quantity]], key: DeviceId, before: dict[str, Quantity] | None) -> None:
    if before is None:
        kept.pop(key, None)
    else:
        kept[key] = before


def _give_back(left: Counters, taken: Sequence[tuple[str, str, Quantity]]) -> None:
    for set_, name, amount in taken:
        left[set_][name] = left[set_][name] + amount


def _subtract(left: Counters, device: Object) -> None:
    for use in device.get("consumesCounters") or ():
        for name, amount in amounts(use.get("counters")).items():
            known: Mapping[str, Quantity] = left.get(use["counterSet"]) or {}
            if name in known:
                left[use["counterSet"]][name] = known[name] - amount


def on_node(
    node: NodeView,
    candidates: Sequence[Object],
    everything: Sequence[Object],
    taken: Taken,
    classes: Callable[[str], Object | None],
) -> Allocator:
    """An allocator for a node; `candidates` are the ResourceSlices that may be about it."""
    return Allocator(node, gather(candidates, node, everything), taken, classes)
