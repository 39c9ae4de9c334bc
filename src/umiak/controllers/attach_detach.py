"""Attaches volumes to the nodes whose pods need them, and detaches them once no pod there does.

Works node by node: what CSI drivers shall attach is a VolumeAttachment, which the driver's attacher answers; what is
attached is told to the node in its status. `_attachments.plan` decides. Only nodes that leave attaching to this
controller (an annotation) are looked after; those that are gone have their attachments cleared away.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from umiak.api.common.moved_volumes import Untranslatable
from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.storage.csidriver import KIND as DRIVER
from umiak.api.storage.volumeattachment import KIND as ATTACHMENT
from umiak.controllers import _attachable as attachable
from umiak.controllers._act import every
from umiak.controllers._attachable import Volume, plugin_of
from umiak.controllers._attachments import (
    Detach,
    Elsewhere,
    Known,
    NodeState,
    Plan,
    Situation,
    Wanted,
    blocks,
    is_attached,
    plan,
)
from umiak.controllers._memory import Memory, Places
from umiak.controllers._pods import has_ended, is_ready, node_name
from umiak.controllers._volumes import claim_names, phase
from umiak.controllers._waits import Waits
from umiak.controllers.pod_gc import OUT_OF_SERVICE
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Hindered, Measure, Outcome, RetryAfter

MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"
FAILURES = Waits(first=0.5, limit=122)
KNOWN: Memory[Known] = Memory()
LAST_USE: Memory[frozenset[str]] = Memory()
"""What each node said last of the volumes it uses, for when it is gone."""
PODS = Places()
"""Pods with volumes that may need attaching: by the name of their node, and by the key of a claim."""
ATTACHING: Memory[str] = Memory()
"""The node to which a volume (its driver and handle) is being attached this very moment."""
ATTACHMENTS = Places()
"""VolumeAttachments, by the name of their node, and by (attacher, persistent volume)."""


# what is there


def state_of(name: str, node: Object | None, last_use: frozenset[str]) -> NodeState:
    if node is None:
        return NodeState(name, False, False, False, last_use, {})
    status = node.get("status") or {}
    taints = (node.get("spec") or {}).get("taints") or ()
    return NodeState(
        name,
        exists=True,
        ready=is_ready(node),
        out_of_service=any(t["key"] == OUT_OF_SERVICE for t in taints),
        in_use=frozenset(status.get("volumesInUse") or ()),
        reported={v["name"]: v.get("devicePath") or "" for v in status.get("volumesAttached") or ()},
    )


def pods_on(cache: Cache, node: str) -> list[Object]:
    """Pods that need volumes there."""

    def still(key: Key) -> Object | None:
        pod = cache.get(POD, key)
        return pod if pod is not None and node_name(pod) == node and not has_ended(pod) else None

    return PODS.find(cache, node, still)


def all_volumes_of(cache: Cache, pod: Object) -> list[Volume]:
    return attachable.volumes_of(
        pod,
        lambda name: cache.get(CLAIM, Key(meta.namespace(pod), name)),
        lambda name: cache.get(VOLUME, Key("", name)),
    )


def volumes_of(cache: Cache, pod: Object) -> list[Volume]:
    """Those that a driver, or nobody, attaches; not those whose driver does without."""
    found = all_volumes_of(cache, pod)
    return [v for v in found if not v.driver or attachable.attaches(cache.get(DRIVER, Key("", v.driver)))]


def wanted_on(cache: Cache, node: str) -> dict[str, Wanted]:
    wanted: dict[str, Wanted] = {}
    for pod in pods_on(cache, node):
        for volume in volumes_of(cache, pod):
            before = wanted.get(volume.name)
            wanted[volume.name] = Wanted(volume, (*(before.pods if before else ()), pod))
    return wanted


def of_attachment(cache: Cache, attachment: Object) -> Volume | None:
    name = attachment["spec"]["source"].get("persistentVolumeName")
    try:
        return attachable.of_attachment(attachment, cache.get(VOLUME, Key("", name)) if name else None)
    except Untranslatable:
        return None


def attachments_on(cache: Cache, node: str, names: Iterable[str]) -> dict[str, Object]:
    """By the name of the volume; `names` are those known already, for when the persistent volume is gone.

    Attachments that somebody else made, and called otherwise, are left alone.
    """

    def still(key: Key) -> Object | None:
        found = cache.get(ATTACHMENT, key)
        return found if found is not None and found["spec"]["nodeName"] == node else None

    there = {meta.name(a): a for a in ATTACHMENTS.find(cache, node, still)}
    parts = {name: attachable.split_csi_name(name) for name in names}
    found = {n: there.get(attachable.attachment_name(*p, node)) for n, p in parts.items() if p is not None}
    for name, attachment in there.items():
        volume = of_attachment(cache, attachment)
        if volume is not None and volume.attachment(node) == name:
            found[volume.name] = attachment
    return {name: a for name, a in found.items() if a is not None}


def elsewhere(cache: Cache, volume: Volume) -> list[Elsewhere]:
    """Who else has a volume that only one node may have."""
    if not volume.driver:
        nodes = [n for n in cache.list(NODE) if volume.name in state_of("", n, frozenset()).reported]
        return [Elsewhere(meta.name(n), True, _users(cache, meta.name(n), volume)) for n in nodes]
    place = (volume.driver, (volume.source or {}).get("persistentVolumeName"))
    there = ATTACHMENTS.find(cache, place, lambda key: cache.get(ATTACHMENT, key))
    holders = [a for a in there if _attaches(a, volume) and blocks(a)]
    names = {a["spec"]["nodeName"]: is_attached(a) and not meta.is_being_deleted(a) for a in holders}
    soon = ATTACHING.at(cache).get((volume.driver, volume.handle))
    if soon is not None:
        names.setdefault(soon, False)
    return [Elsewhere(n, confirmed, _users(cache, n, volume)) for n, confirmed in names.items()]


def _attaches(attachment: Object, volume: Volume) -> bool:
    return meta.name(attachment) == volume.attachment(attachment["spec"]["nodeName"])


def _users(cache: Cache, node: str, volume: Volume) -> tuple[Object, ...]:
    found = wanted_on(cache, node).get(volume.name)
    return found.pods if found else ()


def is_managed(node: Object | None) -> bool:
    """A node that is gone is: nobody else clears up after it."""
    return node is None or MANAGED in meta.annotations(node)


# what is done


async def reconcile(ctx: Context, key: Key) -> Outcome:
    node = ctx.cache.get(NODE, key)
    if not is_managed(node):
        return DONE
    last_use, known = LAST_USE.of(ctx), KNOWN.of(ctx)
    state = state_of(key.name, node, last_use.get(key.name, frozenset()))
    wanted = wanted_on(ctx.cache, key.name)
    attachments = attachments_on(ctx.cache, key.name, {*wanted, *state.reported, *state.in_use})
    _remember(ctx, state, {*wanted, *attachments, *state.reported})
    situation = Situation(
        state,
        wanted,
        attachments,
        known=lambda name: known.setdefault((key.name, name), Known()),
        elsewhere=partial(elsewhere, ctx.cache),
        now=ctx.clock.monotonic(),
    )
    made = plan(situation)
    with _claimed(ctx, made.attach, key.name):
        _tell(ctx, key.name, made)
        fresh = await _report(ctx, node, state, made.report)
        await every(_detach(ctx, d, fresh, key.name) for d in made.detach)
        await every(_attach(ctx, v, key.name) for v in made.attach)
    return DONE if made.later is None else RetryAfter(timedelta(seconds=made.later))


@contextmanager
def _claimed(ctx: Context, volumes: Iterable[Volume], node: str) -> Iterator[None]:
    """Keeps other nodes off volumes that are about to be attached: nothing that they could see tells of it yet."""
    attaching = ATTACHING.of(ctx)
    names = [(volume.driver, volume.handle) for volume in volumes]
    attaching.update(dict.fromkeys(names, node))
    try:
        yield
    finally:
        for name in names:
            attaching.pop(name, None)


def _remember(ctx: Context, state: NodeState, names: set[str]) -> None:
    """Forgets volumes that the node no longer has to do with."""
    known, last_use = KNOWN.of(ctx), LAST_USE.of(ctx)
    for place in [p for p in known if isinstance(p, tuple) and p[0] == state.name and p[1] not in names]:
        del known[place]
    if names:
        last_use[state.name] = state.in_use
    else:
        last_use.pop(state.name, None)


def _tell(ctx: Context, node: str, made: Plan) -> None:
    for pod, type, reason, message in made.told:
        ctx.events.event(pod, type, reason, message)
    for wanted, error in made.failed:
        place = (node, wanted.volume.name)
        if not FAILURES.left(ctx, place):
            FAILURES.again(ctx, place)
            message = f'AttachVolume.Attach failed for volume "{wanted.volume.title}" : {error}'
            for pod in wanted.pods:
                ctx.events.event(pod, "Warning", "FailedAttachVolume", message)
        made.look_again(FAILURES.left(ctx, place).total_seconds())


async def _report(ctx: Context, node: Object | None, state: NodeState, names: Iterable[str]) -> Object | None:
    """Tells the node what is attached; answers the node as it is now, None when it is gone."""
    if node is None:
        return None
    wanted = set(names)
    if wanted == set(state.reported):
        return node
    kept = [name for name in state.reported if name in wanted]
    listed = [{"name": n, "devicePath": state.reported.get(n, "")} for n in (*kept, *sorted(wanted - set(kept)))]
    try:
        change = {"status": {"volumesAttached": listed or None}}
        return await ctx.client.patch(NODE, state.name, "", change, subresource="status")
    except StatusError as error:
        if error.code != 404:
            raise
        return None


async def _attach(ctx: Context, volume: Volume, node: str) -> None:
    spec = {"attacher": volume.driver, "nodeName": node, "source": volume.source}
    made = {"kind": ATTACHMENT.kind, "metadata": {"name": volume.attachment(node)}, "spec": spec}
    try:
        await ctx.client.create(ATTACHMENT, {"apiVersion": ATTACHMENT.api_version, **made})
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise


async def _detach(ctx: Context, detach: Detach, node: Object | None, node_name: str) -> None:
    """Deletes the attachment, unless the server knows of a use that the cache did not."""
    if not detach.attachment:
        return
    if not detach.forced and await _is_in_use(ctx, detach.volume, node, node_name):
        raise InUse(f'volume "{detach.volume}" is still in use by node "{node_name}", according to Node status')
    if detach.forced:
        ctx.metrics.counters(
            "attach_detach_controller_attachdetach_controller_forced_detaches",
            "Number of times the A/D Controller performed a forced detach",
            "reason",
        ).at(detach.forced).inc()
    try:
        await ctx.client.delete(ATTACHMENT, detach.attachment)
    except StatusError as error:
        if error.code != 404:
            raise


class InUse(Hindered):
    """The node began to use a volume that was about to be detached."""


async def _is_in_use(ctx: Context, volume: str, node: Object | None, name: str) -> bool:
    if node is None:
        return False
    try:
        fresh = await ctx.client.get(NODE, name)
    except StatusError as error:
        if error.code != 404:
            raise
        return False
    return volume in ((fresh.get("status") or {}).get("volumesInUse") or ())


# what wakes it


def nodes_of_pod(pod: Object, cache: Cache) -> Iterable[Key]:
    name = node_name(pod)
    if not name:
        return ()
    PODS.put(cache, name, meta.key(pod))
    for claim, _ in claim_names(pod):
        PODS.put(cache, Key(meta.namespace(pod), claim), meta.key(pod))
    return (Key("", name),)


def pod_matters(old: Object | None, new: Object | None) -> bool:
    """A pod that comes to a node, ends there, or goes."""
    pod = new or old
    if pod is None or not node_name(pod) or not attachable.may_need_attaching(pod):
        return False
    return old is None or new is None or not node_name(old) or has_ended(old) != has_ended(new)


def nodes_of_claim(claim: Object, cache: Cache) -> Iterable[Key]:
    return _nodes_with(cache, meta.key(claim))


def _nodes_with(cache: Cache, claim: Key) -> Iterable[Key]:
    """The nodes of the pods that use a claim."""
    names = PODS.find(cache, claim, lambda key: node_name(cache.get(POD, key) or {"spec": {}}) or None)
    return [Key("", name) for name in dict.fromkeys(names)]


def claim_matters(old: Object | None, new: Object | None) -> bool:
    if old is None or new is None:
        return True
    return phase(old) != phase(new) or old["spec"].get("volumeName") != new["spec"].get("volumeName")


def nodes_of_volume(volume: Object, cache: Cache) -> Iterable[Key]:
    ref = volume["spec"].get("claimRef") or {}
    return _nodes_with(cache, Key(ref.get("namespace") or "", ref.get("name") or ""))


def volume_matters(old: Object | None, new: Object | None) -> bool:
    return old is None or new is None or old["spec"].get("claimRef") != new["spec"].get("claimRef")


def nodes_of_attachment(attachment: Object, cache: Cache) -> Iterable[Key]:
    """Its own node, and those that wait for the volume."""
    spec = attachment["spec"]
    source = spec["source"].get("persistentVolumeName")
    ATTACHMENTS.put(cache, spec["nodeName"], meta.key(attachment))
    ATTACHMENTS.put(cache, (spec["attacher"], source), meta.key(attachment))
    volume = cache.get(VOLUME, Key("", source)) if source else None
    return [Key("", spec["nodeName"]), *(nodes_of_volume(volume, cache) if volume else ())]


def nodes_with_volumes(driver: Object, cache: Cache) -> Iterable[Key]:
    """Every node with pods that may need volumes attached."""
    return [Key("", place) for place in PODS.places(cache) if isinstance(place, str)]


def driver_matters(old: Object | None, new: Object | None) -> bool:
    return attachable.attaches(old) != attachable.attaches(new)


def node_matters(old: Object | None, new: Object | None) -> bool:
    """Anything but its heartbeat."""
    if old is None or new is None:
        return True
    before, after = (state_of("", n, frozenset()) for n in (old, new))
    return before != after or is_managed(old) != is_managed(new)


# what is counted


def nodes_known(cache: Cache) -> list[str]:
    """Nodes with pods that may need volumes, or with attachments."""
    places = (*PODS.places(cache), *ATTACHMENTS.places(cache))
    return sorted({place for place in places if isinstance(place, str)})


def in_use(cache: Cache) -> Mapping[tuple[str, ...], float]:
    """Volumes of pods by node and plugin."""
    nodes = nodes_known(cache)
    return Counter((n, v.plugin) for n in nodes for pod in pods_on(cache, n) for v in all_volumes_of(cache, pod))


def totals(cache: Cache) -> Mapping[tuple[str, ...], float]:
    """Volumes on nodes by plugin: as they are to be, and as they are."""
    counts: Counter[tuple[str, ...]] = Counter()
    for name in nodes_known(cache):
        node = cache.get(NODE, Key("", name))
        if is_managed(node):
            wanted = wanted_on(cache, name)
            reported = state_of(name, node, frozenset()).reported
            there = {*reported, *attachments_on(cache, name, {*wanted, *reported})}
            counts.update((w.volume.plugin, "desired_state_of_world") for w in wanted.values())
            counts.update((plugin_of(volume), "actual_state_of_world") for volume in there)
    return counts


MEASURES = (
    Measure(
        "storage_count_attachable_volumes_in_use", "Measure number of volumes in use", ("node", "volume_plugin"), in_use
    ),
    Measure(
        "attachdetach_controller_total_volumes", "Number of volumes in A/D Controller", ("plugin_name", "state"), totals
    ),
)

CONTROLLER = Controller(
    name="persistentvolume-attach-detach",
    component="attachdetach-controller",
    watches=NODE,
    reconcile=reconcile,
    should_wake=node_matters,
    also=(
        Also(POD, nodes_of_pod, pod_matters),
        Also(CLAIM, nodes_of_claim, claim_matters),
        Also(VOLUME, nodes_of_volume, volume_matters),
        Also(ATTACHMENT, nodes_of_attachment),
        Also(DRIVER, nodes_with_volumes, driver_matters),
    ),
    workers=10,
    measures=MEASURES,
)
