"""Built-in storage: a claim of class `local-path` gets a folder on the node that its first pod is scheduled to.

How the parts work together:
- This controller makes the class (WaitForFirstConsumer) when it is missing, and for each claim that the scheduler
  has chosen a node for, a PersistentVolume of type hostPath (DirectoryOrCreate: the node makes the folder when a
  pod first mounts it), bound to that node by node affinity, with the finalizer `umiak.dev/local-path`.
- When the volume is released and its policy is Delete, it is annotated `umiak.dev/delete-path-on: NODE` and deleted.
  That node's agent removes the folder `spec.hostPath.path`, then the finalizer, and the volume is gone.
- When the node itself is gone, so is the folder: then the finalizer is removed here.
"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import PurePosixPath

from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.storage.storageclass import KIND as STORAGE_CLASS
from umiak.controllers import _volumes as rules
from umiak.controllers._act import is_code
from umiak.controllers._volumes import phase, spec
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome, RetryAfter

PROVISIONER = "umiak.dev/local-path"
FINALIZER = "umiak.dev/local-path"
DELETE_ON = "umiak.dev/delete-path-on"
CLASS_NAME = "local-path"
HOSTNAME = "kubernetes.io/hostname"
MODES = {"ReadWriteOnce", "ReadWriteOncePod"}
AGAIN = RetryAfter(timedelta(seconds=15))


class CannotProvision(Exception):
    """The claim asks for what a folder on one node cannot be."""


def volume_name(claim: Object) -> str:
    return f"pvc-{meta.uid(claim)}"


def folder(root: str, claim: Object) -> str:
    """Where the data lives; the names are there for people who look."""
    name = f"{volume_name(claim)}_{meta.namespace(claim)}_{meta.name(claim)}"
    return str(PurePosixPath(root) / name[:255])


def is_ours(volume: Object) -> bool:
    return meta.annotations(volume).get(rules.PROVISIONED_BY) == PROVISIONER


def node_of(volume: Object) -> str:
    """The node that our volume lives on."""
    return meta.annotations(volume).get(rules.SELECTED_NODE, "")


def volume_for(claim: Object, storage_class: Object, node: Object, root: str) -> Object:
    """The volume to make; raises CannotProvision."""
    modes = spec(claim).get("accessModes") or []
    if not set(modes) <= MODES:
        raise CannotProvision(f"access modes {', '.join(modes)}: only ReadWriteOnce and ReadWriteOncePod are supported")
    if spec(claim).get("volumeMode") == "Block":
        raise CannotProvision("block volumes are not supported")
    if spec(claim).get("selector"):
        raise CannotProvision("claim.Spec.Selector is not supported")
    host = meta.labels(node).get(HOSTNAME) or meta.name(node)
    term = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [host]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": volume_name(claim),
            "annotations": {rules.PROVISIONED_BY: PROVISIONER, rules.SELECTED_NODE: meta.name(node)},
            "finalizers": [FINALIZER],
        },
        "spec": {
            "capacity": {"storage": str(rules.requested(claim))},
            "accessModes": modes,
            "volumeMode": "Filesystem",
            "storageClassName": meta.name(storage_class),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "hostPath": {"path": folder(root, claim), "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": meta.namespace(claim),
                "name": meta.name(claim),
                "uid": meta.uid(claim),
                "resourceVersion": meta.resource_version(claim),
            },
        },
    }


def storage_class_to_make(classes: Iterable[Object]) -> Object | None:
    """The class `local-path`, the default unless there is another default; None when it is there."""
    present = list(classes)
    if any(meta.name(c) == CLASS_NAME for c in present):
        return None
    about: Object = {"name": CLASS_NAME}
    if rules.default_class(present) is None:
        about["annotations"] = {rules.DEFAULT_CLASS: "true"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": about,
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


async def provision(ctx: Context, claim: Object) -> Outcome:
    if spec(claim).get("volumeName") or meta.is_being_deleted(claim):
        return DONE
    storage_class = ctx.cache.get(STORAGE_CLASS, Key("", rules.class_name(claim)))
    if storage_class is None or storage_class.get("provisioner") != PROVISIONER:
        return DONE
    name = meta.annotations(claim).get(rules.SELECTED_NODE, "")
    if not name and rules.waits_for_consumer(storage_class):
        return DONE
    if ctx.cache.get(VOLUME, Key("", volume_name(claim))):
        return DONE
    try:
        await _make(ctx, claim, storage_class, name)
    except CannotProvision as error:
        message = f'failed to provision volume with StorageClass "{meta.name(storage_class)}": {error}'
        ctx.events.event(claim, "Warning", "ProvisioningFailed", message)
        return AGAIN
    return DONE


async def _make(ctx: Context, claim: Object, storage_class: Object, node_name: str) -> None:
    about = f'"{meta.namespace(claim)}/{meta.name(claim)}"'
    ctx.events.event(claim, "Normal", "Provisioning", f"External provisioner is provisioning volume for claim {about}")
    node = ctx.cache.get(NODE, Key("", node_name))
    if node is None:
        missing = f'node "{node_name}" not found' if node_name else "no node was specified"
        raise CannotProvision(f"configuration error, {missing}")
    volume = volume_for(claim, storage_class, node, ctx.options.local_path_root)
    try:
        await ctx.client.create(VOLUME, volume)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
    message = f"Successfully provisioned volume {meta.name(volume)}"
    ctx.events.event(claim, "Normal", "ProvisioningSucceeded", message)


async def dispose(ctx: Context, volume: Object) -> Outcome:
    """Sees a released volume, or one being deleted, through to its end."""
    if not is_ours(volume) or FINALIZER not in (meta.metadata(volume).get("finalizers") or ()):
        return DONE
    name, node = meta.name(volume), node_of(volume)
    deleting, marked = meta.is_being_deleted(volume), DELETE_ON in meta.annotations(volume)
    if phase(volume) == "Released" and spec(volume).get("persistentVolumeReclaimPolicy") == "Delete":
        if not marked:
            await ctx.client.patch(VOLUME, name, "", {"metadata": {"annotations": {DELETE_ON: node}}})
        if not deleting:
            await ctx.client.delete(VOLUME, name)
        elif await _is_gone(ctx, node):
            await _let_go(ctx, volume)
    elif deleting and phase(volume) != "Bound":
        await _let_go(ctx, volume)
    return DONE


async def _is_gone(ctx: Context, node: str) -> bool:
    if ctx.cache.get(NODE, Key("", node)):
        return False
    try:
        await ctx.client.get(NODE, node)
    except StatusError as error:
        return is_code(error, 404)
    return False


async def _let_go(ctx: Context, volume: Object) -> None:
    """Nobody has to clean up: the node is gone, or the volume was never used, or its data is to be kept."""
    rest = [f for f in meta.metadata(volume)["finalizers"] if f != FINALIZER]
    about = {"resourceVersion": meta.resource_version(volume), "finalizers": rest}
    await ctx.client.patch(VOLUME, meta.name(volume), "", {"metadata": about})


async def reconcile(ctx: Context, key: Key) -> Outcome:
    """A claim by its namespace and name; without a namespace, a volume, or the class when there is no name."""
    if not ctx.options.local_path_root:
        return DONE
    if key.namespace:
        claim = ctx.cache.get(CLAIM, key)
        return DONE if claim is None else await provision(ctx, claim)
    if key.name:
        volume = ctx.cache.get(VOLUME, key)
        return DONE if volume is None else await dispose(ctx, volume)
    missing = storage_class_to_make(ctx.cache.list(STORAGE_CLASS))
    if missing is not None:
        await ctx.client.create(STORAGE_CLASS, missing)
    return DONE


THE_CLASS = Key("", "")


def wakes_of_volume(volume: Object, cache: Cache) -> Iterable[Key]:
    return [Key("", meta.name(volume))] if is_ours(volume) else []


def wakes_of_class(storage_class: Object, cache: Cache) -> Iterable[Key]:
    waiting = [c for c in cache.list(CLAIM) if not spec(c).get("volumeName")]
    return [THE_CLASS, *(meta.key(c) for c in waiting)]


def wakes_of_node(node: Object, cache: Cache) -> Iterable[Key]:
    """A node's coming may be what a claim waits for, its going what a volume waits for. The first sees to the class."""
    volumes = [v for v in cache.list(VOLUME) if is_ours(v) and node_of(v) == meta.name(node)]
    return [THE_CLASS, *(Key("", meta.name(v)) for v in volumes)]


def came_or_went(old: Object | None, new: Object | None) -> bool:
    return old is None or new is None


CONTROLLER = Controller(
    name="local-path",
    watches=CLAIM,
    reconcile=reconcile,
    also=[
        Also(VOLUME, wakes_of_volume),
        Also(STORAGE_CLASS, wakes_of_class),
        Also(NODE, wakes_of_node, should_wake=came_or_went),
    ],
    component=PROVISIONER,
)
