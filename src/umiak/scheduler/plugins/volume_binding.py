"""Place a pod where its volumes are, or can be made; bind or have made what waits for its first consumer (KEP-1495).

Source: `plugins/volumebinding/volume_binding.go`.
"""

from collections.abc import Sequence
from math import floor

import msgspec

from umiak.api.core import persistentvolume, persistentvolumeclaim
from umiak.api.storage import csidriver, csistoragecapacity
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import Context
from umiak.scheduler.contract import (
    FITS,
    MAX_SCORE,
    SKIP,
    Before,
    BindingFailed,
    Cycle,
    Event,
    Plugin,
    Reject,
    RejectAll,
    Verdict,
    Word,
    always,
)
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.strategies import Shape, shape_of
from umiak.scheduler.volume_plan import (
    SELECTED_NODE,
    Needs,
    Plan,
    Waiting,
    amount,
    asked,
    capacity,
    has_room,
    plan,
    serves,
)
from umiak.scheduler.volumes import (
    claim_not_found,
    claim_of,
    class_name,
    class_named,
    is_its_claim,
    volume_name,
    volume_named,
)

NAME = "VolumeBinding"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
MIGRATED = "storage.alpha.kubernetes.io/migrated-plugins"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
LOOK_SECONDS = 0.02
LOOK_LIMIT = 1.0


class Settings(msgspec.Struct, frozen=True):
    """How many seconds a pod waits for its volumes once a node is chosen, and what nodes are worth by how much of
    their storage is then used."""

    wait_seconds: float = 600
    shape: Shape = Shape(((0, MAX_SCORE), (100, 0)))


DEFAULTS = Settings()


def settings(args: Object) -> Settings:
    return Settings(args["bindTimeoutSeconds"], shape_of(args["shape"]))


def is_bound(claim: Object) -> bool:
    return bool(volume_name(claim)) and BIND_COMPLETED in meta.annotations(claim)


def prefilter(cycle: Cycle) -> Before:
    if not cycle.pod.claims:
        return SKIP
    found = [(name, claim_of(cycle, name)) for name in cycle.pod.claims]
    for name, claim in found:
        problem = _unusable(cycle, name, claim)
        if problem:
            return RejectAll(problem)
    claims = [claim for _, claim in found if claim is not None]
    needs = Needs([volume_named(cycle, volume_name(claim)) for claim in claims if is_bound(claim)])
    open_claims = [claim for claim in claims if not is_bound(claim)]
    if not all(_waits_for_consumer(cycle, claim) for claim in open_claims):
        return RejectAll(UNBOUND)
    if open_claims:
        needs.waiting = _waiting(cycle, open_claims)
    cycle.notes[NAME] = needs
    return None


def _unusable(cycle: Cycle, name: str, claim: Object | None) -> str:
    """Why the pod must wait for one of its claims, if so."""
    pod, ephemeral = cycle.pod, name in cycle.pod.ephemeral_claims
    if claim is None:
        controller = "waiting for ephemeral volume controller to create the persistentvolumeclaim"
        return f'{controller} "{name}"' if ephemeral else claim_not_found(name)
    if (claim.get("status") or {}).get("phase") == "Lost":
        return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume_name(claim)}"'
    if meta.is_being_deleted(claim):
        return f'persistentvolumeclaim "{name}" is being deleted'
    if ephemeral and (meta.controller_of(claim) or {}).get("uid") != pod.uid:
        about = f"{pod.namespace}/{name} was not created for pod {pod.namespace}/{pod.name}"
        return f"PVC {about} (pod is not owner)"
    return ""


def _waits_for_consumer(cycle: Cycle, claim: Object) -> bool:
    found = class_named(cycle, class_name(claim))
    waits = found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"
    return waits and not volume_name(claim)


def _waiting(cycle: Cycle, claims: list[Object]) -> list[Waiting]:
    volumes = sorted(cycle.cache.list(persistentvolume.KIND), key=lambda v: (capacity(v), meta.name(v)))
    found = []
    for claim in claims:
        storage_class = class_named(cycle, class_name(claim)) or {}
        rooms = _rooms(cycle, claim, storage_class)
        found.append(Waiting(claim, storage_class, [v for v in volumes if serves(v, claim)], rooms))
    return found


def _rooms(cycle: Cycle, claim: Object, storage_class: Object) -> list[Object] | None:
    """Where a new volume for a claim would fit; None when the driver does not say what room it has, or the claim
    not what it needs."""
    driver = cycle.cache.get(csidriver.KIND, Key("", storage_class.get("provisioner") or "")) or {}
    sized = "storage" in (((claim.get("spec") or {}).get("resources") or {}).get("requests") or {})
    if not sized or not (driver.get("spec") or {}).get("storageCapacity"):
        return None
    every, name = cycle.cache.list(csistoragecapacity.KIND), meta.name(storage_class)
    return [room for room in every if has_room(room, claim, name)]


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    needs: Needs = cycle.notes[NAME]
    found = plan(needs, node)
    if found.reasons:
        return Reject(tuple(found.reasons), hopeless=True)
    needs.plans[node.name] = found
    return FITS


def prescore(cycle: Cycle, nodes: Sequence[NodeView]) -> Word | None:
    return None if NAME in cycle.notes else SKIP


def score(cycle: Cycle, node: NodeView) -> int:
    """How well the storage fits what is asked of it, by storage class: of the volumes to bind, or else of the room
    for new ones (KEP-4049)."""
    found: Plan = cycle.notes[NAME].plans.get(node.name) or Plan()
    used: dict[str, tuple[int, int]] = {}
    for claim, volume in found.bindings:
        wanted, offered = used.get(class_name(volume), (0, 0))
        used[class_name(volume)] = (wanted + asked(claim), offered + capacity(volume))
    if not found.bindings:
        for claim, room in found.provisions:
            if room is not None:
                wanted, _ = used.get(class_name(claim), (0, 0))
                used[class_name(claim)] = (wanted + asked(claim), amount(room.get("capacity")))
    shape = cycle.settings.get(NAME, DEFAULTS).shape
    rates = [shape.rate(wanted, offered) if offered else shape.at(100) for wanted, offered in used.values()]
    return floor(sum(rates) / len(rates) + 0.5) if rates else 0


async def prebind(ctx: Context, cycle: Cycle, node: NodeView) -> None:
    """Binds chosen volumes, asks provisioners for the rest, and waits until all claims are bound."""
    needs: Needs = cycle.notes[NAME]
    if not needs.waiting:
        return
    chosen = plan(needs, node)
    if chosen.reasons:
        raise BindingFailed(chosen.reasons[0])
    for claim, volume in chosen.bindings:
        await _promise(ctx, claim, volume)
    for claim, _ in chosen.provisions:
        await _ask_provisioner(ctx, claim, node)
    await _wait(ctx, cycle, cycle.settings.get(NAME, DEFAULTS).wait_seconds)


async def _promise(ctx: Context, claim: Object, volume: Object) -> None:
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "uid": meta.uid(claim)}
    reference |= {"namespace": meta.namespace(claim), "name": meta.name(claim)}
    reference["resourceVersion"] = meta.resource_version(claim)
    volume["spec"]["claimRef"] = reference
    volume["metadata"].setdefault("annotations", {})[BOUND_BY_CONTROLLER] = "yes"
    await ctx.client.update(persistentvolume.KIND, volume)


async def _ask_provisioner(ctx: Context, claim: Object, node: NodeView) -> None:
    if meta.annotations(claim).get(SELECTED_NODE) == node.name:
        return
    patch = {"metadata": {"annotations": {SELECTED_NODE: node.name}, "resourceVersion": meta.resource_version(claim)}}
    await ctx.client.patch(persistentvolumeclaim.KIND, meta.name(claim), meta.namespace(claim), patch)


async def _wait(ctx: Context, cycle: Cycle, limit: float) -> None:
    """Looks again and again in the cache, ever more rarely; the provisioner takes the selection back if it fails."""
    waited, pause = 0.0, LOOK_SECONDS
    while waited < limit:
        await ctx.clock.sleep(pause)
        waited, pause = waited + pause, min(pause * 1.5, LOOK_LIMIT)
        claims = [ctx.cache.get(persistentvolumeclaim.KIND, Key(cycle.pod.namespace, n)) for n in cycle.pod.claims]
        if any(claim is None for claim in claims):
            raise BindingFailed("a persistentvolumeclaim was deleted while it was being bound")
        open_claims = [claim for claim in claims if claim is not None and not is_bound(claim)]
        if not open_claims:
            return
        if waited > 1 and any(_given_up(claim, ctx) for claim in open_claims):
            raise BindingFailed("provisioning failed on the selected node")
    raise BindingFailed("timed out waiting for volumes to be bound")


def _given_up(claim: Object, ctx: Context) -> bool:
    """No node is selected any more and no volume names the claim."""
    if SELECTED_NODE in meta.annotations(claim):
        return False
    volumes = ctx.cache.list(persistentvolume.KIND)
    return not any(((v.get("spec") or {}).get("claimRef") or {}).get("uid") == meta.uid(claim) for v in volumes)


def other_topologies(cycle: Cycle, old: Object, new: Object) -> bool:
    return (old.get("allowedTopologies") or []) != (new.get("allowedTopologies") or [])


def other_plugins_migrated(cycle: Cycle, old: Object, new: Object) -> bool:
    return meta.annotations(old).get(MIGRATED) != meta.annotations(new).get(MIGRATED)


def limit_of(room: Object) -> int:
    return amount(room.get("maximumVolumeSize", room.get("capacity")))


def made_room(cycle: Cycle, old: Object, new: Object) -> bool:
    return limit_of(new) > limit_of(old)


def stopped_telling(cycle: Cycle, old: Object, new: Object) -> bool:
    """Whether a driver whose room was too small no longer says so; only of inline volumes, as in the reference."""
    mine = any((v.get("csi") or {}).get("driver") == meta.name(new) for v in cycle.pod.spec.get("volumes") or ())
    told, tells = ((each.get("spec") or {}).get("storageCapacity") for each in (old, new))
    return mine and bool(told) and not tells


PLUGIN = Plugin(
    name=NAME,
    order=90,
    prefilter=prefilter,
    weight=1,
    filter=filter_node,
    prescore=prescore,
    score=score,
    prebind=prebind,
    settings=settings,
    points=frozenset({"reserve"}),
    retry_on={
        Event.CLASS_ADDED: always,
        Event.CLASS_CHANGED: other_topologies,
        Event.CLAIM_ADDED: is_its_claim,
        Event.CLAIM_CHANGED: is_its_claim,
        Event.VOLUME_ADDED: always,
        Event.VOLUME_CHANGED: always,
        Event.NODE_ADDED: always,
        Event.NODE_LABELS: always,
        Event.CSINODE_ADDED: always,
        Event.CSINODE_CHANGED: other_plugins_migrated,
        Event.CSIDRIVER_CHANGED: stopped_telling,
        Event.STORAGE_ROOM_ADDED: always,
        Event.STORAGE_ROOM_CHANGED: made_room,
    },
)
