"""The arithmetic and the bookkeeping of a Deployment's rollout; all pure.

Revisions and sizes are noted in annotations of the ReplicaSets, where `kubectl rollout history` and `undo` read them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import floor

from umiak.controllers._hash import same, template_hash, without_label
from umiak.controllers._pods import by_age, created
from umiak.controllers._scaled import scaled
from umiak.controllers._status import compact, drop_condition, find_condition, new_condition, put_condition
from umiak.objects import meta
from umiak.objects.types import Object

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
ROLLBACK_TO = "deprecated.deployment.rollback.to"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOT_COPIED = frozenset((LAST_APPLIED, REVISION, HISTORY, DESIRED, MAXIMUM, ROLLBACK_TO))
MAX_INT32 = 2**31 - 1
MAX_HISTORY = 2000
"""Characters of the revision-history annotation, about a hundred revisions."""
MAX_NAME = 253


def size(obj: Object | None) -> int:
    """spec.replicas."""
    if obj is None:
        return 0
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def total_size(sets: Iterable[Object]) -> int:
    return sum(map(size, sets))


def reported(sets: Iterable[Object], field: str) -> int:
    """The sum of a number over the statuses."""
    return sum((rs.get("status") or {}).get(field) or 0 for rs in sets)


def active(sets: Iterable[Object]) -> list[Object]:
    return [rs for rs in sets if size(rs) > 0]


def is_rolling(deployment: Object) -> bool:
    return (deployment["spec"].get("strategy") or {}).get("type") == "RollingUpdate"


def fenceposts(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; where both come to zero, one may be unavailable."""
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge"), size(deployment), round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable"), size(deployment), round_up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def max_surge(deployment: Object) -> int:
    return fenceposts(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    if not is_rolling(deployment) or size(deployment) == 0:
        return 0
    return min(fenceposts(deployment)[1], size(deployment))


def has_deadline(deployment: Object) -> bool:
    return deployment["spec"].get("progressDeadlineSeconds") not in (None, MAX_INT32)


# Which ReplicaSet is which


def same_template(a: Object, b: Object) -> bool:
    return same(without_label(a, HASH_LABEL), without_label(b, HASH_LABEL))


def split(deployment: Object, sets: Sequence[Object]) -> tuple[Object | None, list[Object]]:
    """The ReplicaSet of the current template (the oldest if there are several), and all others, oldest first."""
    ordered = sorted(sets, key=by_age)
    template = deployment["spec"]["template"]
    new = next((rs for rs in ordered if same_template(rs["spec"]["template"], template)), None)
    return new, [rs for rs in ordered if rs is not new]


def revision(obj: Object) -> int:
    """The number in the annotation; 0 when it is absent or no number."""
    text = meta.annotations(obj).get(REVISION, "")
    return int(text) if text.removeprefix("-").isdecimal() else 0


def last_revision(sets: Iterable[Object]) -> int:
    """The second highest revision, 0 when there is none."""
    found = sorted(map(revision, sets), reverse=True)
    return max(found[1], 0) if len(found) > 1 else 0


def replica_set_name(deployment_name: str, hashed: str) -> str:
    return f"{deployment_name[: MAX_NAME - 1 - len(hashed)]}-{hashed}"


def new_replica_set(deployment: Object, revision_number: int, others: Sequence[Object]) -> Object:
    """The ReplicaSet for the current template, sized as the strategy allows beside `others`."""
    spec = deployment["spec"]
    hashed = template_hash(spec["template"], (deployment.get("status") or {}).get("collisionCount"))
    labels = {**meta.labels(spec["template"]), HASH_LABEL: hashed}
    selector = dict(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: hashed}
    about = {**(spec["template"].get("metadata") or {}), "labels": labels}
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": replica_set_name(meta.name(deployment), hashed),
            "namespace": meta.namespace(deployment),
            "labels": labels,
            "ownerReferences": [meta.owner_reference(deployment)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": selector,
            "template": {**spec["template"], "metadata": about},
        },
    }
    made["spec"]["replicas"] = new_size(deployment, [*others, made], made)
    annotate_new(deployment, made, revision_number)
    annotate_sizes(deployment, made)
    return made


# Annotations


def _annotations(obj: Object) -> dict[str, str]:
    """Made if absent, so that they can be written to."""
    found: dict[str, str] = obj["metadata"].get("annotations") or {}
    obj["metadata"]["annotations"] = found
    return found


def annotate_new(deployment: Object, rs: Object, revision_number: int) -> bool:
    """Copies the Deployment's annotations and raises the revision; whether anything changed."""
    notes = _annotations(rs)
    before = dict(notes)
    notes.update({k: v for k, v in meta.annotations(deployment).items() if k not in NOT_COPIED})
    old = notes.get(REVISION, "")
    if old and not old.removeprefix("-").isdecimal():
        return False
    if int(old or 0) < revision_number:
        notes[REVISION] = str(revision_number)
        if old:
            _remember(notes, old)
    return notes != before


def _remember(notes: dict[str, str], old: str) -> None:
    """Keeps a revision that this ReplicaSet also was, forgetting the oldest ones when there is no room."""
    past = notes.get(HISTORY, "").split(",") if notes.get(HISTORY) else []
    while past and len(",".join([*past, old])) > MAX_HISTORY:
        past.pop(0)
    notes[HISTORY] = ",".join([*past, old])


def size_notes(deployment: Object) -> dict[str, str]:
    return {DESIRED: str(size(deployment)), MAXIMUM: str(size(deployment) + max_surge(deployment))}


def annotate_sizes(deployment: Object, rs: Object) -> bool:
    """Notes the size that the Deployment has; whether anything changed."""
    notes, wanted = _annotations(rs), size_notes(deployment)
    changed = any(notes.get(k) != v for k, v in wanted.items())
    notes.update(wanted)
    return changed


def noted(rs: Object, annotation: str) -> int | None:
    """A number from an annotation; None unless it is an int32 of zero or more."""
    text = meta.annotations(rs).get(annotation, "")
    return int(text) if text.isdecimal() and int(text) <= MAX_INT32 else None


def was_scaled(deployment: Object, sets: Iterable[Object]) -> bool:
    """Whether a ReplicaSet in use was last sized for another number of replicas."""
    return any(noted(rs, DESIRED) not in (None, size(deployment)) for rs in active(sets))


# Sizes


def new_size(deployment: Object, sets: Iterable[Object], new: Object) -> int:
    """How far the new ReplicaSet may grow now."""
    if not is_rolling(deployment):
        return size(deployment)
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {}
    limit = size(deployment) + scaled(rolling.get("maxSurge"), size(deployment), round_up=True)
    room = limit - total_size(sets)
    if room <= 0:
        return size(new)
    return size(new) + min(room, size(deployment) - size(new))


def is_saturated(deployment: Object, rs: Object | None) -> bool:
    """Whether the ReplicaSet has all the pods there should be, and they are available."""
    if rs is None:
        return False
    count = size(deployment)
    return size(rs) == count and noted(rs, DESIRED) == count and reported([rs], "availableReplicas") == count


def only_active_or_latest(new: Object | None, old: Sequence[Object]) -> Object | None:
    """The one ReplicaSet in use, or the newest when none is; None when several are in use."""
    in_use = active([*old, *([new] if new else [])])
    if len(in_use) > 1:
        return None
    if in_use:
        return in_use[0]
    if new is not None:
        return new
    return max(old, key=by_age) if old else None


def serving(sets: Iterable[Object]) -> int:
    """How many pods are available and to stay.

    A status may be older than the size: of the pods that it counts those beyond the size are on their way out. (The
    reference counts them, and can give up the same pod twice.)
    """
    return sum(min(size(rs), reported([rs], "availableReplicas")) for rs in sets)


def shrink_unhealthy(old: Sequence[Object], most: int) -> dict[str, int]:
    """New sizes by uid that take away up to `most` pods which are not available anyway."""
    sizes: dict[str, int] = {}
    for rs in sorted(old, key=by_age):
        unhealthy = size(rs) - reported([rs], "availableReplicas")
        gone = min(most, unhealthy)
        if size(rs) and gone > 0:
            sizes[meta.uid(rs)] = size(rs) - gone
            most -= gone
    return sizes


def shrink_old(deployment: Object, old: Sequence[Object], available: int) -> dict[str, int]:
    """New sizes by uid that keep as many pods available as promised. `old` already has its new sizes."""
    most = available - (size(deployment) - max_unavailable(deployment))
    sizes: dict[str, int] = {}
    for rs in sorted(old, key=by_age):
        gone = min(size(rs), most)
        if gone > 0:
            sizes[meta.uid(rs)] = size(rs) - gone
            most -= gone
    return sizes


def _round(number: float) -> int:
    """To the nearest, halves away from zero."""
    return floor(number + 0.5) if number >= 0 else -floor(-number + 0.5)


def share(deployment: Object, rs: Object, to_add: int, added: int) -> int:
    """The ReplicaSet's part of a change of the Deployment's size, by its part of the pods; signed."""
    if size(rs) == 0 or to_add == added:
        return 0
    if size(deployment) == 0:
        fraction = -size(rs)
    else:
        before = noted(rs, MAXIMUM) or reported([deployment], "replicas")
        after = size(rs) * (size(deployment) + max_surge(deployment))
        fraction = _round(after / before) - size(rs) if before else 0
    left = to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def proportional(deployment: Object, sets: Sequence[Object]) -> list[tuple[Object, int]]:
    """New sizes for all ReplicaSets in use in the middle of a rollout, so that its progress keeps its risk."""
    limit = size(deployment) + max_surge(deployment) if size(deployment) else 0
    in_use = active(sets)
    to_add = limit - total_size(in_use)
    ordered = sorted(in_use, key=by_age)
    if to_add > 0:
        ordered = sorted(ordered, key=lambda rs: (size(rs), created(rs), meta.name(rs)), reverse=True)
    elif to_add < 0:
        ordered = sorted(ordered, key=lambda rs: -size(rs))
    added, sizes = 0, []
    for rs in ordered:
        part = share(deployment, rs, to_add, added) if to_add else 0
        added += part
        sizes.append(size(rs) + part)
    if ordered and to_add:
        sizes[0] = max(0, sizes[0] + to_add - added)
    return list(zip(ordered, sizes, strict=True))


def expendable(deployment: Object, old: Sequence[Object]) -> list[Object]:
    """Old ReplicaSets beyond revisionHistoryLimit that hold no pods."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit in (None, MAX_INT32):
        return []
    alive = sorted((rs for rs in old if not meta.is_being_deleted(rs)), key=lambda rs: (revision(rs), by_age(rs)))
    return [rs for rs in alive[: max(0, len(alive) - int(limit or 0))] if _is_empty(rs)]


def _is_empty(rs: Object) -> bool:
    settled = meta.generation(rs) <= ((rs.get("status") or {}).get("observedGeneration") or 0)
    return size(rs) == 0 and reported([rs], "replicas") == 0 and settled


# Status


def deployment_condition(type: str, value: str, reason: str, message: str, now: datetime) -> Object:
    made = new_condition(type, value, reason, message, now)
    return {**made, "lastUpdateTime": made["lastTransitionTime"]}


def set_condition(status: Object, condition: Object) -> None:
    """Keeps the old one when status and reason are the same, and its transition time when the status is."""
    known = find_condition(status, condition["type"])
    if known is not None and known["status"] == condition["status"]:
        if known.get("reason") == condition.get("reason"):
            return
        condition = {**condition, "lastTransitionTime": known.get("lastTransitionTime")}
    put_condition(status, condition)


def _terminating(sets: Sequence[Object]) -> int | None:
    """None as long as a ReplicaSet that was synced does not tell."""
    total = 0
    for status in (rs.get("status") or {} for rs in sets):
        count = status.get("terminatingReplicas")
        if count is None and status.get("observedGeneration"):
            return None
        total += count or 0
    return total


def status_of(deployment: Object, new: Object | None, old: Sequence[Object], now: datetime) -> Object:
    """Counts and the Available condition; other conditions as they were."""
    sets = [*old, *([new] if new else [])]
    was = deployment.get("status") or {}
    available = reported(sets, "availableReplicas")
    status = compact(
        {
            "observedGeneration": meta.generation(deployment),
            "replicas": reported(sets, "replicas"),
            "updatedReplicas": reported([new] if new else [], "replicas"),
            "readyReplicas": reported(sets, "readyReplicas"),
            "availableReplicas": available,
            "unavailableReplicas": max(0, total_size(sets) - available),
        }
    )
    terminating = _terminating(sets)
    if terminating is not None:
        status["terminatingReplicas"] = terminating
    for field in ("collisionCount", "conditions"):
        if was.get(field) is not None:
            status[field] = was[field]
    set_condition(status, _availability(available >= size(deployment) - max_unavailable(deployment), now))
    return status


def _availability(enough: bool, now: datetime) -> Object:
    if enough:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
    else:
        reason, message = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return deployment_condition("Available", "True" if enough else "False", reason, message, now)


def is_complete(deployment: Object, status: Object) -> bool:
    """All pods are new and available, and no old ones are left."""
    count = size(deployment)
    counts = (status.get(f) or 0 for f in ("updatedReplicas", "replicas", "availableReplicas"))
    observed = (status.get("observedGeneration") or 0) >= meta.generation(deployment)
    return observed and all(found == count for found in counts)


def has_progressed(old: Object, new: Object) -> bool:
    def count(status: Object, field: str) -> int:
        return status.get(field) or 0

    def outdated(status: Object) -> int:
        return count(status, "replicas") - count(status, "updatedReplicas")

    more = any(count(new, f) > count(old, f) for f in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return more or outdated(new) < outdated(old)


def deadline(deployment: Object, condition: Object) -> datetime:
    """When the rollout counts as stuck unless it progresses before."""
    since = meta.parse_time(condition.get("lastUpdateTime") or condition["lastTransitionTime"])
    return since + timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])


def _is_late(deployment: Object, status: Object, now: datetime) -> bool:
    condition = find_condition(status, "Progressing")
    if condition is None or condition.get("reason") == "NewReplicaSetAvailable":
        return False
    return condition.get("reason") == "ProgressDeadlineExceeded" or deadline(deployment, condition) < now


def note_progress(deployment: Object, status: Object, new: Object | None, now: datetime) -> None:
    """Brings the Progressing condition of the new `status` up to date."""
    if not has_deadline(deployment):
        drop_condition(status, "Progressing")
        return
    subject = f'ReplicaSet "{meta.name(new)}"' if new else f'Deployment "{meta.name(deployment)}"'
    was = deployment.get("status") or {}
    known = find_condition(was, "Progressing")
    settled = (status.get("replicas") or 0) == (status.get("updatedReplicas") or 0)
    if settled and known is not None and known.get("reason") == "NewReplicaSetAvailable":
        return

    def put(value: str, reason: str, what: str) -> None:
        set_condition(status, deployment_condition("Progressing", value, reason, f"{subject} {what}", now))

    if is_complete(deployment, status):
        put("True", "NewReplicaSetAvailable", "has successfully progressed.")
    elif has_progressed(was, status):
        drop_condition(status, "Progressing")  # so that the time of the last update moves on
        put("True", "ReplicaSetUpdated", "is progressing.")
        if known is not None and known["status"] == "True":
            status["conditions"][-1]["lastTransitionTime"] = known.get("lastTransitionTime")
    elif _is_late(deployment, status, now):
        put("False", "ProgressDeadlineExceeded", "has timed out progressing.")


def note_failures(status: Object, new: Object | None, old: Sequence[Object]) -> None:
    """Shows the first ReplicaFailure of a ReplicaSet, the new one's before the others'."""
    for rs in [*([new] if new else []), *old]:
        failure = find_condition(rs.get("status") or {}, "ReplicaFailure")
        if failure is not None:
            set_condition(status, {**failure, "lastUpdateTime": failure.get("lastTransitionTime")})
            return
    drop_condition(status, "ReplicaFailure")
