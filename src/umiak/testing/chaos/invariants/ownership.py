"""Nobody takes or deletes what is another's; nothing is left whose owners are all gone."""

from collections.abc import Iterable, Iterator

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.chaos.invariants.contract import Invariant
from umiak.testing.chaos.world import Change, World

COLLECTOR = "garbage-collector"
OWNERS = {
    "deployment-controller": "Deployment",
    "replicaset-controller": "ReplicaSet",
    "statefulset-controller": "StatefulSet",
    "daemonset-controller": "DaemonSet",
    "job-controller": "Job",
}
FOREGROUND = "foregroundDeletion"


def _existing(world: World) -> dict[str, Object]:
    return {meta.uid(o): o for table in world.by_kind.values() for o in table.values()}


def at_write(world: World, change: Change) -> Iterable[str]:
    if change.deed in OWNERS:
        yield from _adoption(world, change)
        if change.old is not None and change.begins_deletion:
            yield from _foreign(world, change)
    elif change.deed == COLLECTOR and change.old is not None and change.begins_deletion:
        yield from _collected(world, change)


def _adoption(world: World, change: Change) -> Iterable[str]:
    before, after = meta.controller_of(change.old or {}), meta.controller_of(change.new or {})
    if change.old is None or after is None or (before or {}).get("uid") == after["uid"]:
        return
    if before is not None:
        yield f"{change.kind} {change.key.name} was {before['kind']} {before['name']}'s; {change.deed} took it"
    owner = next((o for u, o in _existing(world).items() if u == after["uid"]), None)
    since = world.gone.get(after["uid"], 0.0)
    if owner is None and world.time() - since > world.patience:
        yield f"{change.kind} {change.key.name} was given to {after['name']}, which is gone"


def _foreign(world: World, change: Change) -> Iterable[str]:
    mine = OWNERS[change.deed]
    if change.kind != "Pod" or any(_controller(pod) == mine for pod in _lately(world, change.uid)):
        return
    yield f"{change.deed} deleted {change.key.name}, which is {_controller(change.old or {}) or 'nobody'}'s"


def _controller(obj: Object) -> str:
    """The kind of its controller."""
    return str((meta.controller_of(obj) or {}).get("kind") or "")


def _lately(world: World, uid: str) -> Iterator[Object]:
    """An object as it is, and as somebody may still believe it to be."""
    for version in reversed(world.past.get(uid, ())):
        yield version.object
        if version.since < world.time() - world.patience:
            return


def _collected(world: World, change: Change) -> Iterable[str]:
    owners, existing = meta.owners(change.old or {}), _existing(world)
    if not owners:
        yield f"{change.kind} {change.key.name} was collected though it has no owner"
    for reference in owners:
        if reference["uid"] in existing and not _was_leaving(world, reference["uid"]):
            yield f"{change.kind} {change.key.name} was collected though {reference['name']} is there"


def _was_leaving(world: World, uid: str) -> bool:
    """Whether a collector may still believe that the owner takes its dependents along: who deleted it so may have
    changed their mind since, and asked for orphans."""
    return any(FOREGROUND in (meta.metadata(owner).get("finalizers") or ()) for owner in _lately(world, uid))


def at_rest(world: World) -> Iterable[str]:
    existing = _existing(world)
    for obj in existing.values():
        owners = [o["uid"] for o in meta.owners(obj)]
        if owners and not any(uid in existing for uid in owners):
            yield f"{obj['kind']} {meta.name(obj)} is left without its owners"
        if meta.is_being_deleted(obj):
            yield f"{obj['kind']} {meta.name(obj)} is still being deleted: {meta.metadata(obj).get('finalizers')}"


INVARIANT = Invariant("ownership", at_write, at_rest)
