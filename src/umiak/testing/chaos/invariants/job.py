"""A Job counts every pod of its once, makes no more than it needs, and lets go of all of them."""

from collections.abc import Iterable

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.chaos.invariants._pods import is_active, is_over, phase
from umiak.testing.chaos.invariants.contract import Invariant
from umiak.testing.chaos.world import Change, World

DOER = "job-controller"
FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"


def _is_indexed(job: Object) -> bool:
    return job["spec"].get("completionMode") == "Indexed"


def _parallelism(job: Object) -> int:
    found = job["spec"].get("parallelism")
    return 1 if found is None else int(found)


def _index(pod: Object) -> int:
    return int(meta.annotations(pod).get(INDEX, "-1"))


def _is_tracked(pod: Object) -> bool:
    return FINALIZER in (meta.metadata(pod).get("finalizers") or ())


def indexes(text: str | None) -> list[int]:
    """`0-2,5` as numbers."""
    found: list[int] = []
    for piece in (text or "").split(",") if text else ():
        first, _, last = piece.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _is_finished(job: Object) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def pods_ever(world: World, job: Object) -> list[Object]:
    """The last state of every pod that the Job ever had, those that are gone too."""
    return [world.past[uid][-1].object for uid in world.ever_owned.get(meta.uid(job), ())]


def _won(world: World, pod: Object) -> bool:
    """Whether it succeeded while it counted: a Job that was suspended lets go of pods before it deletes them."""
    return any(phase(v.object) == "Succeeded" and _is_tracked(v.object) for v in world.past[meta.uid(pod)])


def at_write(world: World, change: Change) -> Iterable[str]:
    if change.kind == "Job" and change.new is not None:
        yield from _counts(world, change)
    elif change.kind == "Pod" and change.deed == DOER:
        uid = (meta.controller_of(change.last) or {}).get("uid")
        job = next((j for j in world.objects("Job") if meta.uid(j) == uid), None)
        if job is None:
            return
        if change.old is None and not world.crowded:
            yield from _making(world, job, change.last)
        elif change.old is not None and _is_tracked(change.old) and not _is_tracked(change.last):
            yield from _letting_go(world, job, change.old)


def _counts(world: World, change: Change) -> Iterable[str]:
    job, status = change.last, change.last.get("status") or {}
    before = (change.old or {}).get("status") or {}
    notes = status.get("uncountedTerminatedPods") or {}
    pods = pods_ever(world, job)
    won = [p for p in pods if phase(p) == "Succeeded"]
    lost = [p for p in pods if phase(p) == "Failed" or (meta.is_being_deleted(p) and phase(p) != "Succeeded")]
    failed = (status.get("failed") or 0) + len(notes.get("failed") or ())
    if failed > len(lost):
        yield f"{meta.name(job)} counts {failed} failed pods; there were {len(lost)}"
    if (status.get("failed") or 0) < (before.get("failed") or 0):
        yield f"{meta.name(job)} forgets failed pods: {before.get('failed')} became {status.get('failed')}"
    if _is_indexed(job):
        unearned = set(indexes(status.get("completedIndexes"))) - {_index(p) for p in won}
        if unearned:
            yield f"{meta.name(job)} counts indexes {sorted(unearned)}, for which no pod succeeded"
        return
    succeeded = (status.get("succeeded") or 0) + len(notes.get("succeeded") or ())
    if succeeded > len(won):
        yield f"{meta.name(job)} counts {succeeded} succeeded pods; there were {len(won)}"


def _making(world: World, job: Object, pod: Object) -> Iterable[str]:
    pods = world.owned("Pod", meta.uid(job))
    active = [p for p in pods if is_active(p)]
    if len(active) > world.most(job, _parallelism):
        yield f"{meta.name(job)} has {len(active)} active pods; {world.most(job, _parallelism)} are allowed"
    if _is_indexed(job):
        same = [p for p in active if _index(p) == _index(pod) and meta.uid(p) != meta.uid(pod)]
        if same:
            yield f"{meta.name(job)} has a second active pod for index {_index(pod)}: {meta.name(same[0])}"
    won = [p for p in pods_ever(world, job) if _won(world, p)]
    if _is_indexed(job) and _index(pod) in {_index(p) for p in won}:
        yield f"{meta.name(job)} makes a pod for index {_index(pod)}, which has succeeded"
    if not _is_indexed(job) and len(active) + len(won) > (job["spec"].get("completions") or 1):
        yield f"{meta.name(job)} has {len(won)} successes and {len(active)} active pods, more than completions"


def _letting_go(world: World, job: Object, pod: Object) -> Iterable[str]:
    """A pod that has ended is noted before it is let go."""
    if not is_over(pod) or _is_finished(job) or meta.is_being_deleted(job) or not world.recent(meta.uid(job), 0):
        return
    status = job.get("status") or {}
    notes = status.get("uncountedTerminatedPods") or {}
    noted = {*(notes.get("succeeded") or ()), *(notes.get("failed") or ())}
    counted = _is_indexed(job) and _index(pod) in indexes(status.get("completedIndexes"))
    if meta.uid(pod) not in noted and not counted:
        yield f"{meta.name(job)} lets go of {meta.name(pod)} ({phase(pod)}) without counting it"


def at_rest(world: World) -> Iterable[str]:
    for job in world.objects("Job"):
        name, status = meta.name(job), job.get("status") or {}
        if not _is_finished(job):
            yield f"Job {name} has not finished: {status}"
            continue
        tracked = [meta.name(p) for p in world.owned("Pod", meta.uid(job)) if _is_tracked(p)]
        if tracked:
            yield f"Job {name} is finished but holds {tracked}"
        if notes := status.get("uncountedTerminatedPods"):
            yield f"Job {name} is finished but has yet to count {notes}"
        yield from _completions(world, job)


def _completions(world: World, job: Object) -> Iterable[str]:
    status, wanted = job.get("status") or {}, job["spec"].get("completions") or 1
    conditions = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
    if "Complete" not in conditions:
        return
    if _is_indexed(job):
        if indexes(status.get("completedIndexes")) != list(range(wanted)):
            yield f"Job {meta.name(job)} is complete with indexes {status.get('completedIndexes')} of {wanted}"
    elif (status.get("succeeded") or 0) < wanted or (not world.crowded and status["succeeded"] > wanted):
        yield f"Job {meta.name(job)} is complete with {status.get('succeeded')} of {wanted}"


INVARIANT = Invariant("job", at_write, at_rest)
