"""Place a pod where its volumes are, or can be made; bind or have made what waits for its first consumer (KEP-1495)."""

from collections.abc import Iterable

import msgspec

from umiak.api.core import persistentvolume, persistentvolumeclaim
from umiak.api.storage import storageclass
from umiak.objects import meta, quantity
from umiak.objects.meta import Key
from umiak.objects.selectors import from_label_selector
from umiak.objects.types import Object
from umiak.reconcile.contract import Context
from umiak.scheduler.contract import FITS, SKIP, Before, Cycle, Event, Plugin, Reject, RejectAll, Verdict, always
from umiak.scheduler.node_affinity import terms_match
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.volumes import is_its_claim

NAME = "VolumeBinding"
NOTHING_TO_BIND = "node(s) didn't find available persistent volumes to bind"
WRONG_NODE = "node(s) didn't match PersistentVolume's node affinity"
LOST = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
MIGRATED = "storage.alpha.kubernetes.io/migrated-plugins"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
LOOK_SECONDS = 0.02
LOOK_LIMIT = 1.0


class Settings(msgspec.Struct, frozen=True):
    """How many seconds a pod waits for its volumes once a node is chosen."""

    wait_seconds: float = 600


DEFAULTS = Settings()


def settings(args: Object) -> Settings:
    return Settings(args["bindTimeoutSeconds"])


class BindingFailed(Exception):
    """The volumes could not be had on the chosen node; the pod is tried again."""


class Needs(msgspec.Struct):
    """A pod's claims, sorted by what must be done about them."""

    bound: list[Object] = msgspec.field(default_factory=list)
    """PersistentVolumes of claims that are bound."""
    lost: bool = False
    """A bound claim's volume does not exist."""
    waiting: list[tuple[Object, Object]] = msgspec.field(default_factory=list)
    """Claims that wait for their first consumer, with their storage class."""
    volumes: list[Object] = msgspec.field(default_factory=list)
    """Every PersistentVolume that might serve a waiting claim."""


def is_bound(claim: Object) -> bool:
    return bool((claim.get("spec") or {}).get("volumeName")) and BIND_COMPLETED in meta.annotations(claim)


def class_name(obj: Object) -> str:
    """The storage class of a claim or volume; the old annotation wins."""
    old = meta.annotations(obj).get("volume.beta.kubernetes.io/storage-class")
    return (old if old is not None else (obj.get("spec") or {}).get("storageClassName")) or ""


def prefilter(cycle: Cycle) -> Before:
    if not cycle.pod.claims:
        return SKIP
    needs = Needs()
    for name in cycle.pod.claims:
        claim = cycle.cache.get(persistentvolumeclaim.KIND, Key(cycle.pod.namespace, name))
        problem = _problem(cycle, needs, name, claim)
        if problem:
            return RejectAll(problem)
    if needs.waiting:
        volumes = cycle.cache.list(persistentvolume.KIND)
        needs.volumes = sorted(volumes, key=lambda v: (_capacity(v), meta.name(v)))
    cycle.notes[NAME] = needs
    return None


def _problem(cycle: Cycle, needs: Needs, name: str, claim: Object | None) -> str:
    """Sorts one claim into `needs`, or says why the pod must wait."""
    if claim is None:
        ephemeral = name not in [
            v["persistentVolumeClaim"]["claimName"]
            for v in cycle.pod.spec.get("volumes") or ()
            if "persistentVolumeClaim" in v
        ]
        if ephemeral:
            return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        return f'persistentvolumeclaim "{name}" not found'
    if (claim.get("status") or {}).get("phase") == "Lost":
        return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim["spec"]["volumeName"]}"'
    if meta.is_being_deleted(claim):
        return f'persistentvolumeclaim "{name}" is being deleted'
    if is_bound(claim):
        volume = cycle.cache.get(persistentvolume.KIND, Key("", claim["spec"]["volumeName"]))
        if volume is None:
            needs.lost = True
        else:
            needs.bound.append(volume)
        return ""
    found = cycle.cache.get(storageclass.KIND, Key("", class_name(claim))) if class_name(claim) else None
    waits = found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"
    if found is None or not waits or claim["spec"].get("volumeName"):
        return UNBOUND
    needs.waiting.append((claim, found))
    return ""


def reaches(volume: Object, node: NodeView) -> bool:
    """Whether a volume's node affinity allows the node."""
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return required is None or terms_match(required.get("nodeSelectorTerms") or (), node.labels, node.name)


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    needs: Needs = cycle.notes[NAME]
    if needs.lost:
        return Reject((LOST,), hopeless=True)
    if not all(reaches(volume, node) for volume in needs.bound):
        return Reject((WRONG_NODE,), hopeless=True)
    if plan(needs, node) is None:
        return Reject((NOTHING_TO_BIND,), hopeless=True)
    return FITS


def plan(needs: Needs, node: NodeView) -> list[tuple[Object, Object | None]] | None:
    """For each waiting claim the volume to bind, or None to have one made; None altogether when neither goes."""
    chosen: list[tuple[Object, Object | None]] = []
    taken: set[str] = set()
    for claim, storage_class in needs.waiting:
        picked = meta.annotations(claim).get(SELECTED_NODE)
        if picked and picked != node.name:
            return None
        volume = None if picked else best_volume(claim, needs.volumes, node, taken)
        if volume is not None:
            taken.add(meta.name(volume))
        elif not can_provision(storage_class, node):
            return None
        chosen.append((claim, volume))
    return chosen


def can_provision(storage_class: Object, node: NodeView) -> bool:
    if storage_class.get("provisioner") in (None, "", NO_PROVISIONER):
        return False
    topologies = storage_class.get("allowedTopologies")
    return not topologies or any(_in_topology(term, node) for term in topologies)


def _in_topology(term: Object, node: NodeView) -> bool:
    return all(node.labels.get(e["key"]) in (e.get("values") or ()) for e in term.get("matchLabelExpressions") or ())


def _capacity(volume: Object) -> int:
    return quantity.parse(((volume.get("spec") or {}).get("capacity") or {}).get("storage", "0")).value()


def best_volume(claim: Object, volumes: Iterable[Object], node: NodeView, taken: set[str]) -> Object | None:
    """The smallest free volume that serves the claim on the node; one already meant for it comes first."""
    usable = [v for v in volumes if meta.name(v) not in taken and serves(v, claim) and reaches(v, node)]
    meant = [v for v in usable if (v["spec"].get("claimRef") or {})]
    return next(iter(meant or usable), None)


def serves(volume: Object, claim: Object) -> bool:
    spec, wanted = volume.get("spec") or {}, claim.get("spec") or {}
    reference = spec.get("claimRef")
    if reference:
        same = (reference.get("namespace"), reference.get("name")) == tuple(meta.key(claim))
        if not same or reference.get("uid") not in (None, "", meta.uid(claim)):
            return False
    elif (volume.get("status") or {}).get("phase") not in ("Available", None):
        return False
    asked = ((wanted.get("resources") or {}).get("requests") or {}).get("storage", "0")
    selector = wanted.get("selector")
    return (
        class_name(volume) == class_name(claim)
        and not meta.is_being_deleted(volume)
        and (spec.get("volumeMode") or "Filesystem") == (wanted.get("volumeMode") or "Filesystem")
        and set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ())
        and _capacity(volume) >= quantity.parse(asked).value()
        and (selector is None or from_label_selector(selector).matches(meta.labels(volume)))
    )


async def prebind(ctx: Context, cycle: Cycle, node: NodeView) -> None:
    """Binds chosen volumes, asks provisioners for the rest, and waits until all claims are bound."""
    needs: Needs = cycle.notes[NAME]
    if not needs.waiting:
        return
    chosen = plan(needs, node)
    if chosen is None:
        raise BindingFailed(NOTHING_TO_BIND)
    for claim, volume in chosen:
        if volume is None:
            await _ask_provisioner(ctx, claim, node)
        else:
            await _promise(ctx, claim, volume)
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


PLUGIN = Plugin(
    name=NAME,
    order=90,
    prefilter=prefilter,
    filter=filter_node,
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
    },
)
