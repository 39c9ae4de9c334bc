"""Find devices for the pod's ResourceClaims, and keep to where those are that have devices already (KEP-4381).

Source: `plugins/dynamicresources/dynamicresources.go` and `extendeddynamicresources.go`.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from umiak.api.common.resource_requirements import is_extended
from umiak.api.configuration import seconds
from umiak.api.core import pod
from umiak.api.resource import deviceclass, devicetaintrule, resourceclaim, resourceslice
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import Context
from umiak.scheduler.claims import NoClaim, Writing, allocation_of, claims_of, is_reserved_for, reserved_for
from umiak.scheduler.contract import (
    FITS,
    SKIP,
    Before,
    BindingFailed,
    CannotDecide,
    Cycle,
    Event,
    Plugin,
    Reject,
    RejectAll,
    Relief,
    Verdict,
    Word,
    always,
    normalize_highest,
)
from umiak.scheduler.devices import state
from umiak.scheduler.devices.binding import DeviceFailed, is_ready, is_up, waits_for_drivers
from umiak.scheduler.devices.taints import tainted
from umiak.scheduler.extended_resources import (
    claim_for,
    is_made,
    requests_and_mappings,
    served,
    status_patch,
    to_create,
)
from umiak.scheduler.node_affinity import terms_match
from umiak.scheduler.nodes import NodeView

NAME = "DynamicResources"
NOT_THERE = "resourceclaim not available on the node"
NOT_ALL = "cannot allocate all claims"
LEFT_OVER = "cannot schedule extended resource claim"
NOBODY_SERVES = "cannot fit resource"
BEST_OF = 8
"""The most alternatives that a request may have; the first of them scores as much."""
LOOK_SECONDS = 5.0


class Settings(msgspec.Struct, frozen=True):
    """How many seconds drivers may take to get devices ready once a node is chosen."""

    binding_timeout: float = 600


DEFAULTS = Settings()


def settings(args: Object) -> Settings:
    return Settings(seconds(args, "bindingTimeout", DEFAULTS.binding_timeout))


class Wanted(msgspec.Struct):
    """The pod's claims, what there is, and what was found on nodes."""

    claims: list[Object] = []
    unallocated: list[Object] = []
    taken: state.Taken = msgspec.field(default_factory=state.Taken)
    slices: list[Object] = []
    shared: list[Object] = []
    """Of `slices`, those that are not about one node."""
    by_node: dict[str, list[Object]] = {}
    """Of `slices`, those about one node, by its name."""
    asking: dict[str, list[Object]] = {}
    """By node, the claims that get devices if it is chosen: `unallocated`, and one for extended resources."""
    found: dict[str, list[Object]] = {}
    """By node, an allocation for each of `asking`."""
    served: dict[str, str] = {}
    """Extended resources that devices could serve, with the class of those."""
    extra: Object | None = None
    """The claim for these, yet to be made or left behind by an attempt before."""
    mappings: dict[str, list[Object]] = {}
    """By node, which request of the claim for extended resources serves which container."""
    made: Object | None = None
    """That claim, once it is made."""
    unavailable: set[int] = set()
    """Those of `claims` whose devices some node cannot reach."""


def admit(cycle: Cycle) -> bool:
    try:
        claims_of(cycle.pod, cycle.cache)
    except NoClaim:
        return False
    return True


def prefilter(cycle: Cycle) -> Before:
    wanted = cycle.notes[NAME] = Wanted()
    try:
        wanted.claims = claims_of(cycle.pod, cycle.cache)
    except NoClaim as error:
        return RejectAll(str(error))
    wanted.served = served(cycle)
    if wanted.served:
        wanted.extra = claim_for(cycle)
    elif not wanted.claims:
        return SKIP
    for claim in wanted.claims:
        if allocation_of(claim) is None:
            wanted.unallocated.append(claim)
            if problem := _problem(cycle, claim):
                return RejectAll(problem)
    if wanted.unallocated or wanted.extra is not None:
        _look_around(cycle, wanted)
    return None


def _problem(cycle: Cycle, claim: Object) -> str:
    if meta.uid(claim) in cycle.pending:
        return f"resource claim {meta.key(claim)} is in the process of being allocated"
    for request in (claim["spec"].get("devices") or {}).get("requests") or ():
        name, exactly = request["name"], request.get("exactly")
        alternatives = [(f"{name}/{one['name']}", one) for one in request.get("firstAvailable") or ()]
        for full_name, spec in [(name, exactly)] if exactly is not None else alternatives:
            if cycle.cache.get(deviceclass.KIND, Key("", spec["deviceClassName"])) is None:
                return f"request {full_name}: device class {spec['deviceClassName']} does not exist"
    return ""


def _look_around(cycle: Cycle, wanted: Wanted) -> None:
    """What devices there are, and which are taken."""
    written = [allocation_of(claim) for claim in cycle.cache.list(resourceclaim.KIND)]
    wanted.taken = state.gather([*written, *cycle.pending.values()])
    wanted.slices = tainted(cycle.cache.list(resourceslice.KIND), cycle.cache.list(devicetaintrule.KIND))
    for each in wanted.slices:
        node = each["spec"].get("nodeName")
        (wanted.by_node.setdefault(node, []) if node else wanted.shared).append(each)


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    wanted: Wanted = cycle.notes[NAME]
    asking = _asking(cycle, wanted, node)
    if isinstance(asking, Reject):
        return asking
    missing = {i for i, claim in enumerate(wanted.claims) if not _is_available(cycle, claim, node)}
    if asking:
        found = _allocate(cycle, wanted, node, asking)
        if isinstance(found, Reject):
            return found
        wanted.asking[node.name], wanted.found[node.name] = asking, found
    if missing:
        wanted.unavailable |= missing
        return Reject((NOT_THERE,), hopeless=True)
    return FITS


def _asking(cycle: Cycle, wanted: Wanted, node: NodeView) -> list[Object] | Reject:
    """The claims that are to get devices on a node: which extended resources are among them, depends on what it has."""
    if wanted.extra is None:
        return wanted.unallocated
    if (wanted.extra["spec"].get("devices") or {}).get("requests"):
        return Reject((LEFT_OVER,), hopeless=True)
    asked = [name for name, amount in cycle.pod.requests.items() if amount and is_extended(name)]
    if any(name not in wanted.served and name not in node.allocatable for name in asked):
        return Reject((NOBODY_SERVES,), hopeless=True)
    by_devices = {name: class_ for name, class_ in wanted.served.items() if not node.allocatable.get(name)}
    if not by_devices:
        return wanted.unallocated
    requests, wanted.mappings[node.name] = requests_and_mappings(cycle.pod, by_devices)
    return [*wanted.unallocated, {**wanted.extra, "spec": {"devices": {"requests": requests}}}]


def _is_available(cycle: Cycle, claim: Object, node: NodeView) -> bool:
    """Whether the devices that a claim has can be used on the node, and come up in time."""
    allocation = allocation_of(claim)
    if allocation is None:
        return True
    selector = allocation.get("nodeSelector")
    if selector is not None and not terms_match(selector.get("nodeSelectorTerms") or (), node.labels, node.name):
        return False
    limit = cycle.settings.get(NAME, DEFAULTS).binding_timeout
    try:
        return is_ready(claim) or not is_up(claim, limit, cycle.now)
    except DeviceFailed:
        return False


def _allocate(cycle: Cycle, wanted: Wanted, node: NodeView, asking: list[Object]) -> list[Object] | Reject:
    from umiak.scheduler.devices.allocator import AllocationFailed, NotOnNode, on_node
    from umiak.scheduler.devices.results import allocation

    candidates = [*wanted.by_node.get(node.name, ()), *wanted.shared]
    classes = partial(_device_class, cycle)
    try:
        found = on_node(node, candidates, wanted.slices, wanted.taken, classes).allocate(asking)
    except NotOnNode as error:
        return Reject((str(error),), hopeless=True)
    except AllocationFailed as error:
        raise CannotDecide(f'running "{NAME}" filter plugin: {error}') from error
    if found is None:
        return Reject((NOT_ALL,), hopeless=True)
    return [allocation(claim, one, node.name) for claim, one in zip(asking, found, strict=True)]


def _device_class(cycle: Cycle, name: str) -> Object | None:
    return cycle.cache.get(deviceclass.KIND, Key("", name))


def prescore(cycle: Cycle, nodes: Sequence[NodeView]) -> Word | None:
    wanted: Wanted | None = cycle.notes.get(NAME)
    return None if wanted is not None and wanted.claims else SKIP


def score(cycle: Cycle, node: NodeView) -> int:
    """The earlier alternatives were to be had, the better."""
    wanted: Wanted = cycle.notes[NAME]
    new = dict(zip(map(meta.uid, wanted.unallocated), wanted.found.get(node.name, ()), strict=False))
    if wanted.unallocated and not new:
        return 0
    return sum(points(claim, allocation_of(claim) or new[meta.uid(claim)]) for claim in wanted.claims)


def points(claim: Object, allocation: Object) -> int:
    """Of one claim with its devices."""
    came_to = {result["request"] for result in state.results(allocation)}
    requests = (claim["spec"].get("devices") or {}).get("requests") or ()
    return sum(
        BEST_OF - place
        for request in requests
        for place, one in enumerate(request.get("firstAvailable") or ())
        if f"{request['name']}/{one['name']}" in came_to
    )


def normalize(cycle: Cycle, scores: dict[str, int]) -> None:
    normalize_highest(scores)


def relieve(cycle: Cycle) -> Relief | None:
    """Takes the devices from a claim that nobody else uses and that keeps the pod from other nodes. A pod that was
    refused before its claims were looked at is told `not found`, as by the reference, and nobody leaves for it."""
    wanted: Wanted | None = cycle.notes.get(NAME)
    if wanted is None:
        return Relief("not found", ends=True)
    for claim in (wanted.claims[i] for i in sorted(wanted.unavailable)):
        if all(one.get("uid") == cycle.pod.uid for one in reserved_for(claim)):
            act = partial(_deallocate, cycle, claim)
            return Relief("deallocation of ResourceClaim completed", act)
    if wanted.extra is not None and is_made(wanted.extra):
        return Relief("deletion of ResourceClaim completed", partial(_delete, cycle, wanted.extra))
    return None


async def _deallocate(cycle: Cycle, claim: Object, ctx: Context) -> None:
    await Writing(ctx, cycle.pod).deallocate(claim)


async def _delete(cycle: Cycle, claim: Object, ctx: Context) -> None:
    await Writing(ctx, cycle.pod).delete(claim)


def reserve(cycle: Cycle, node: NodeView) -> None:
    wanted: Wanted = cycle.notes[NAME]
    for claim, allocation in _chosen(wanted, node).values():
        cycle.pending[meta.uid(claim)] = allocation


def _chosen(wanted: Wanted, node: NodeView) -> Mapping[str, tuple[Object, Object]]:
    """Claim and allocation, by uid, of those that get their devices now."""
    pairs = zip(wanted.asking.get(node.name, ()), wanted.found.get(node.name, ()), strict=True)
    return {meta.uid(claim): (claim, allocation) for claim, allocation in pairs}


async def unreserve(ctx: Context, cycle: Cycle, node: NodeView) -> None:
    wanted: Wanted = cycle.notes[NAME]
    for uid in _chosen(wanted, node):
        cycle.pending.pop(uid, None)
    for claim in _now(ctx, wanted.claims):
        if allocation_of(claim) is not None and is_reserved_for(claim, cycle.pod.uid):
            await Writing(ctx, cycle.pod).release(claim)
    if wanted.made is not None:
        await Writing(ctx, cycle.pod).delete(wanted.made)


def _now(ctx: Context, claims: Sequence[Object]) -> list[Object]:
    """The claims as they are by now, those that are still there."""
    found = [(ctx.cache.get(resourceclaim.KIND, meta.key(claim)), meta.uid(claim)) for claim in claims]
    return [claim for claim, uid in found if claim is not None and meta.uid(claim) == uid]


async def prebind(ctx: Context, cycle: Cycle, node: NodeView) -> None:
    """Writes what was chosen, then waits for drivers that have to get devices ready first."""
    wanted: Wanted = cycle.notes[NAME]
    chosen, writing = _chosen(wanted, node), Writing(ctx, cycle.pod)
    for claim in wanted.claims:
        if not is_reserved_for(claim, cycle.pod.uid):
            _, allocation = chosen.get(meta.uid(claim)) or (claim, None)
            await writing.take(claim, allocation)
    claims = wanted.claims
    if wanted.extra is not None and meta.uid(wanted.extra) in chosen:
        wanted.made = await _make(ctx, cycle, node, *chosen[meta.uid(wanted.extra)])
        claims = [*claims, wanted.made]
    for uid in chosen:
        cycle.pending.pop(uid, None)
    if any(map(waits_for_drivers, _now(ctx, claims))):
        await _wait(ctx, cycle, claims, node)


async def _make(ctx: Context, cycle: Cycle, node: NodeView, claim: Object, allocation: Object) -> Object:
    """Makes the claim for extended resources, with its devices, and tells the pod of it."""
    wanted: Wanted = cycle.notes[NAME]
    about, client = cycle.pod, ctx.client
    wanted.made = made = await client.create(resourceclaim.KIND, to_create(claim), namespace=about.namespace)
    await Writing(ctx, about).take(made, allocation)
    patch = status_patch(about, meta.name(made), wanted.mappings[node.name])
    await client.patch(pod.KIND, about.name, about.namespace, patch, type="strategic", subresource="status")
    return made


async def _wait(ctx: Context, cycle: Cycle, claims: Sequence[Object], node: NodeView) -> None:
    about = {"name": cycle.pod.name, "namespace": cycle.pod.namespace, "uid": cycle.pod.uid}
    message = f"waiting for binding conditions for device on node {node.name}"
    subject = {"apiVersion": "v1", "kind": "Pod", "metadata": about}
    ctx.events.report(subject, "Normal", "BindingConditionsPending", "Scheduling", message)
    limit = cycle.settings.get(NAME, DEFAULTS).binding_timeout
    while True:
        try:
            waiting = [claim for claim in _now(ctx, claims) if not is_ready(claim)]
        except DeviceFailed as error:
            raise BindingFailed(f"device binding failed: {error}") from error
        late = next((claim for claim in waiting if is_up(claim, limit, ctx.clock.now())), None)
        if late is not None:
            raise BindingFailed(f"device binding timeout: claim={meta.name(late)}")
        if not waiting:
            return
        await ctx.clock.sleep(LOOK_SECONDS)


def claim_helps(cycle: Cycle, old: Object | None, new: Object | None) -> bool:
    """Devices became free, or one of the pod's own claims changed so that it can be used."""
    if new is None:
        return old is not None and allocation_of(old) is not None
    try:
        own = any(meta.uid(claim) == meta.uid(new) for claim in claims_of(cycle.pod, cycle.cache))
    except NoClaim:
        return False
    if old is not None and allocation_of(old) is not None and allocation_of(new) is None:
        return True
    return own and (old is None or (old.get("status") or {}) != (new.get("status") or {}))


def has_its_claims(cycle: Cycle, old: object, new: object) -> bool:
    return admit(cycle)


PLUGIN = Plugin(
    name=NAME,
    order=115,
    weight=2,
    admit=admit,
    prefilter=prefilter,
    filter=filter_node,
    prescore=prescore,
    score=score,
    normalize=normalize,
    relieve=relieve,
    reserve=reserve,
    unreserve=unreserve,
    prebind=prebind,
    settings=settings,
    retry_on={
        Event.NODE_ADDED: always,
        Event.NODE_LABELS: always,
        Event.NODE_ROOM: always,
        Event.RESOURCE_CLAIM_ADDED: claim_helps,
        Event.RESOURCE_CLAIM_CHANGED: claim_helps,
        Event.RESOURCE_CLAIM_REMOVED: claim_helps,
        Event.OWN_CLAIMS: has_its_claims,
        Event.DEVICE_CLASS_ADDED: always,
        Event.DEVICE_CLASS_CHANGED: always,
        Event.SLICE_ADDED: always,
        Event.SLICE_CHANGED: always,
    },
)
