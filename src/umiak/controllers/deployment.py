"""Rolls a Deployment's pod template out through ReplicaSets.

`decide` turns a snapshot into a `Plan`: at most one step of the rollout, the same step that kube-controller-manager
would take, and the status after it. `reconcile` reads, carries the plan out, and writes the status once.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from umiak.api.apps import deployment, replicaset
from umiak.api.core import pod as pods
from umiak.controllers import _rollout as rollout
from umiak.controllers._act import delete_if_there, has_cause, is_code, write_status
from umiak.controllers._claims import candidates, claim, selector_of, waking_keys
from umiak.controllers._hash import without_label
from umiak.controllers._pods import is_terminal
from umiak.controllers._rollout import size
from umiak.controllers._status import find_condition
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome, RetryAfter

log = logging.getLogger(__name__)
Event = tuple[str, str, str]
"""Type, reason and message."""


class Plan(msgspec.Struct):
    """What to do, in this order; None and empty mean nothing."""

    deployment: Object
    """As it should be, with its status."""
    create: Object | None = None
    update: dict[str, Object] = msgspec.field(default_factory=dict)
    """ReplicaSets by uid."""
    remove: list[Object] = msgspec.field(default_factory=list)
    events: list[Event] = msgspec.field(default_factory=list)
    rewrites_spec: bool = False
    """A rollback: write the Deployment itself; its status comes with the next look."""


def editable(obj: Object) -> Object:
    """A copy whose annotations and fields of spec can be set without changing the snapshot."""
    about = {**obj["metadata"], "annotations": dict(meta.annotations(obj))}
    if not about["annotations"]:
        del about["annotations"]
    return {**obj, "metadata": about, "spec": dict(obj["spec"]), "status": dict(obj.get("status") or {})}


class Planner:
    """Takes one step on working copies and notes it in `plan`."""

    def __init__(self, deployment: Object, sets: Sequence[Object], now: datetime) -> None:
        self.now = now
        self.deployment = editable(deployment)
        self.new, self.old = rollout.split(deployment, list(map(editable, sets)))
        self.plan = Plan(self.deployment)

    @property
    def sets(self) -> list[Object]:
        return [*self.old, *([self.new] if self.new else [])]

    def tell(self, type: str, reason: str, message: str) -> None:
        self.plan.events.append((type, reason, message))

    def note(self, value: str, reason: str, message: str) -> None:
        """Sets the Progressing condition."""
        condition = rollout.deployment_condition("Progressing", value, reason, message, self.now)
        rollout.set_condition(self.deployment["status"], condition)

    @property
    def progressing(self) -> Object | None:
        return find_condition(self.deployment["status"], "Progressing")

    def note_pause(self) -> None:
        """A pause stops the progress deadline from running; resuming starts it anew."""
        reason = (self.progressing or {}).get("reason")
        if not rollout.has_deadline(self.deployment) or reason == "ProgressDeadlineExceeded":
            return
        paused = bool(self.deployment["spec"].get("paused"))
        if paused and reason != "DeploymentPaused":
            self.note("Unknown", "DeploymentPaused", "Deployment is paused")
        elif not paused and reason == "DeploymentPaused":
            self.note("Unknown", "DeploymentResumed", "Deployment is resumed")

    def sync_revision(self, *, create: bool = False) -> None:
        """Numbers the new ReplicaSet after all old ones, making it when asked to, and the Deployment like it."""
        number = max((rollout.revision(rs) for rs in self.old), default=0) + 1
        if self.new is not None:
            self._adjust(self.new, number)
        elif create:
            self._make(number)
        if self.new is not None:
            notes = self.deployment["metadata"].setdefault("annotations", {})
            notes[rollout.REVISION] = meta.annotations(self.new).get(rollout.REVISION, "")

    def _adjust(self, new: Object, number: int) -> None:
        changed = rollout.annotate_new(self.deployment, new, max(number, 1))
        wait = self.deployment["spec"].get("minReadySeconds") or 0
        if changed or (new["spec"].get("minReadySeconds") or 0) != wait:
            new["spec"]["minReadySeconds"] = wait
            self._save(new)
        if rollout.has_deadline(self.deployment) and self.progressing is None:
            self.note("True", "FoundNewReplicaSet", f'Found new replica set "{meta.name(new)}"')

    def _make(self, number: int) -> None:
        self.new = self.plan.create = rollout.new_replica_set(self.deployment, max(number, 1), self.old)
        name = meta.name(self.new)
        if size(self.new) > 0:
            self.tell("Normal", "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size(self.new)}")
        if rollout.has_deadline(self.deployment):
            self.note("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')

    def _save(self, rs: Object) -> None:
        if rs is not self.plan.create:
            self.plan.update[meta.uid(rs)] = rs

    def resize(self, rs: Object, count: int, *, force: bool = False) -> bool:
        """Whether the size changes. `force` brings the annotations up to date even when it does not."""
        before = size(rs)
        if before == count and not force:
            return False
        noted = rollout.annotate_sizes(self.deployment, rs)
        rs["spec"]["replicas"] = count
        if noted or before != count:
            self._save(rs)
        if before != count:
            way = "up" if before < count else "down"
            message = f"Scaled {way} replica set {meta.name(rs)} from {before} to {count}"
            self.tell("Normal", "ScalingReplicaSet", message)
        return before != count

    def _resize_all(self, sets: Iterable[Object], sizes: dict[str, int]) -> bool:
        changed = [self.resize(rs, sizes[meta.uid(rs)]) for rs in sets if meta.uid(rs) in sizes]
        return any(changed)

    def can_scale(self) -> bool:
        """Not while several sets are in use and all pods are to be replaced at once: then that comes first, and brings
        the new size. (The reference waits for ever for the sets to be scaled.)"""
        alone = rollout.only_active_or_latest(self.new, self.old)
        return alone is not None or rollout.is_rolling(self.deployment)

    def scale(self) -> None:
        """Follows a change of spec.replicas, apart from any rollout."""
        alone = rollout.only_active_or_latest(self.new, self.old)
        if alone is not None:
            # noted also where the size is right already: else it would look like a change of size for ever, and no
            # rollout would go on (the reference's does not)
            self.resize(alone, size(self.deployment), force=True)
        elif rollout.is_saturated(self.deployment, self.new):
            for rs in rollout.active(self.old):
                self.resize(rs, 0)
        elif rollout.is_rolling(self.deployment):
            for rs, count in rollout.proportional(self.deployment, self.sets):
                self.resize(rs, count, force=True)

    def clean_up(self) -> None:
        self.plan.remove += rollout.expendable(self.deployment, self.old)

    def roll(self) -> None:
        """One step of a rolling update: grow the new, else shrink the old, else tidy up."""
        self.sync_revision(create=True)
        assert self.new is not None
        if self._grow(self.new) or self._shrink(self.new):
            return
        if rollout.is_complete(self.deployment, self.deployment["status"]):
            self.clean_up()

    def _grow(self, new: Object) -> bool:
        if size(new) > size(self.deployment):
            return self.resize(new, size(self.deployment))
        return self.resize(new, rollout.new_size(self.deployment, self.sets, new))

    def _shrink(self, new: Object) -> bool:
        """Old pods that are not available go first: they hold the rollout up without serving anybody."""
        old = rollout.active(self.old)
        least = size(self.deployment) - rollout.max_unavailable(self.deployment)
        waiting = size(new) - rollout.serving([new])
        most = rollout.total_size(self.sets) - least - waiting
        if not old or most <= 0:
            return False
        cleaned = self._resize_all(old, rollout.shrink_unhealthy(old, most))
        available = rollout.serving([*old, new])
        return self._resize_all(old, rollout.shrink_old(self.deployment, old, available)) or cleaned

    def recreate(self, *, old_pods_left: bool) -> None:
        """One step of a rollout that ends all old pods before it starts the first new one."""
        shrunk = [self.resize(rs, 0) for rs in rollout.active(self.old)]
        if any(shrunk) or old_pods_left or rollout.reported(self.old, "replicas") > 0:
            return
        self.sync_revision(create=True)
        assert self.new is not None
        self.resize(self.new, size(self.deployment))
        if rollout.is_complete(self.deployment, self.deployment["status"]):
            self.clean_up()

    def roll_back(self, target: int) -> None:
        """Puts the template of an old revision (0: the last one) back into the Deployment."""
        self.sync_revision(create=True)
        self.plan.rewrites_spec = True
        self.deployment["metadata"]["annotations"].pop(rollout.ROLLBACK_TO, None)
        wanted = target or rollout.last_revision(self.sets)
        if wanted == 0:
            self.tell("Warning", "DeploymentRollbackRevisionNotFound", "Unable to find last revision.")
            return
        found = next((rs for rs in self.sets if rollout.revision(rs) == wanted), None)
        if found is None:
            message = "Unable to find the revision to rollback to."
            self.tell("Warning", "DeploymentRollbackRevisionNotFound", message)
        else:
            self._put_back(found, wanted)

    def _put_back(self, rs: Object, number: int) -> None:
        name = meta.name(self.deployment)
        template = rs["spec"]["template"]
        if rollout.same_template(template, self.deployment["spec"]["template"]):
            message = f'The rollback revision contains the same template as current deployment "{name}"'
            self.tell("Warning", "DeploymentRollbackTemplateUnchanged", message)
            return
        self.deployment["spec"]["template"] = without_label(template, rollout.HASH_LABEL)
        kept = {k: v for k, v in meta.annotations(self.deployment).items() if k in rollout.NOT_COPIED}
        copied = {k: v for k, v in meta.annotations(rs).items() if k not in rollout.NOT_COPIED}
        self.deployment["metadata"]["annotations"] = {**kept, **copied}
        self.tell("Normal", "DeploymentRollback", f'Rolled back deployment "{name}" to revision {number}')

    def finish(self, *, rolling_out: bool) -> Plan:
        """The plan with the status after it; `rolling_out` judges progress and failures too."""
        status = rollout.status_of(self.deployment, self.new, self.old, self.now)
        if rolling_out:
            rollout.note_progress(self.deployment, status, self.new, self.now)
            rollout.note_failures(status, self.new, self.old)
        self.deployment["status"] = status
        return self.plan


def rollback_target(deployment: Object) -> int | None:
    """The revision that the deprecated annotation asks for, if it is a number."""
    text = meta.annotations(deployment).get(rollout.ROLLBACK_TO, "")
    return int(text) if text.removeprefix("-").isdecimal() else None


def selects_all(deployment: Object) -> Plan:
    planned = Planner(deployment, (), datetime.max)
    message = "This deployment is selecting all pods. A non-empty selector is required."
    planned.tell("Warning", "SelectingAll", message)
    planned.deployment["status"]["observedGeneration"] = meta.generation(deployment)
    return planned.plan


def decide(deployment: Object, sets: Sequence[Object], old_pods_left: bool, now: datetime) -> Plan:
    """The next step. `old_pods_left`: whether a pod of another template still runs (matters to Recreate)."""
    if not deployment["spec"]["selector"]:
        return selects_all(deployment)
    planner = Planner(deployment, sets, now)
    if meta.is_being_deleted(deployment):
        planner.sync_revision()
        return planner.finish(rolling_out=False)
    planner.note_pause()
    target = rollback_target(deployment)
    paused = bool(deployment["spec"].get("paused"))
    if target is not None and not paused:
        planner.roll_back(target)
        return planner.plan
    planner.sync_revision()
    if paused or (rollout.was_scaled(deployment, planner.sets) and planner.can_scale()):
        planner.scale()
        if paused and target is None:
            planner.clean_up()
        return planner.finish(rolling_out=False)
    strategy = (deployment["spec"].get("strategy") or {}).get("type")
    if strategy == "Recreate":
        planner.recreate(old_pods_left=old_pods_left)
    elif strategy == "RollingUpdate":
        planner.roll()
    else:
        raise ValueError(f"unexpected deployment strategy type: {strategy}")
    return planner.finish(rolling_out=True)


def retry(plan: Plan, now: datetime) -> Outcome:
    """When to look whether the rollout got stuck: a second after its deadline."""
    status = plan.deployment["status"]
    condition = find_condition(status, "Progressing")
    if condition is None or not rollout.has_deadline(plan.deployment) or plan.deployment["spec"].get("paused"):
        return DONE
    if rollout.is_complete(plan.deployment, status) or condition.get("reason") == "ProgressDeadlineExceeded":
        return DONE
    left = rollout.deadline(plan.deployment, condition) - now
    return RetryAfter(max(left, timedelta(0)) + timedelta(seconds=1))


async def _create(ctx: Context, plan: Plan, rs: Object) -> None:
    """Makes the new ReplicaSet. One of its name that is not ours means a hash collision: count it, try again."""
    try:
        await ctx.client.create(replicaset.KIND, rs)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            await _report_failure(ctx, plan, rs, error)
            raise
        found = await ctx.client.get(replicaset.KIND, meta.name(rs), meta.namespace(rs))
        owner = meta.controller_of(found) or {}
        ours = owner.get("uid") == meta.uid(plan.deployment)
        if ours and rollout.same_template(found["spec"]["template"], rs["spec"]["template"]):
            plan.events = [e for e in plan.events if meta.name(rs) not in e[2]]
            return
        status = plan.deployment["status"]
        status["collisionCount"] = (status.get("collisionCount") or 0) + 1
        await write_status(ctx, deployment.KIND, plan.deployment, status)
        raise


async def _report_failure(ctx: Context, plan: Plan, rs: Object, error: StatusError) -> None:
    if has_cause(error, "NamespaceTerminating"):
        return
    message = f'Failed to create new replica set "{meta.name(rs)}": {error}'
    ctx.events.event(plan.deployment, "Warning", "ReplicaSetCreateError", message)
    if rollout.has_deadline(plan.deployment):
        now = ctx.clock.now()
        failed = rollout.deployment_condition("Progressing", "False", "ReplicaSetCreateError", message, now)
        rollout.set_condition(plan.deployment["status"], failed)
        await write_status(ctx, deployment.KIND, plan.deployment, plan.deployment["status"])


async def carry_out(ctx: Context, plan: Plan) -> None:
    """All but the status. Events are told once what they tell of is done."""
    if plan.create is not None:
        await _create(ctx, plan, plan.create)
    for rs in plan.update.values():
        await ctx.client.update(replicaset.KIND, rs)
    for rs in plan.remove:
        await delete_if_there(ctx, replicaset.KIND, rs)
    if plan.rewrites_spec:
        await ctx.client.update(deployment.KIND, plan.deployment)
    for event in plan.events:
        ctx.events.event(plan.deployment, *event)


def _old_pods_left(cache: Cache, found: Object, sets: Sequence[Object]) -> bool:
    _, old = rollout.split(found, sets)
    return any(not is_terminal(p) for rs in old for p in cache.owned(pods.KIND, meta.uid(rs)))


async def reconcile(ctx: Context, key: Key) -> Outcome:
    found = ctx.cache.get(deployment.KIND, key)
    if found is None:
        return DONE
    selector = selector_of(found)
    known = candidates(ctx.cache, replicaset.KIND, found, selector) if found["spec"]["selector"] else []
    sets = await claim(ctx, replicaset.KIND, deployment.KIND, found, selector, known)
    recreates = (found["spec"].get("strategy") or {}).get("type") == "Recreate"
    left = recreates and _old_pods_left(ctx.cache, found, sets)
    now = ctx.clock.now()
    plan = decide(found, sets, left, now)
    try:
        await carry_out(ctx, plan)
    except StatusError as error:
        if has_cause(error, "NamespaceTerminating") or (is_code(error, 404) and plan.rewrites_spec):
            return DONE
        raise
    if plan.rewrites_spec:
        return DONE
    await _write(ctx, found, plan.deployment)
    return retry(plan, now)


async def _write(ctx: Context, found: Object, wanted: Object) -> None:
    """Writes status and revision: together, as the status takes annotations along, else one after the other."""
    number = meta.annotations(wanted).get(rollout.REVISION)
    if wanted["status"] != (found.get("status") or {}):
        found = await write_status(ctx, deployment.KIND, wanted, wanted["status"])
    if number is not None and number != meta.annotations(found).get(rollout.REVISION):
        note = {"metadata": {"annotations": {rollout.REVISION: number}}}
        await ctx.client.patch(deployment.KIND, meta.name(wanted), meta.namespace(wanted), note)


keys_of_replica_set = waking_keys(deployment.KIND, selector_of)


def keys_of_pod(pod: Object, cache: Cache) -> list[Key]:
    owner = meta.controller_of(pod)
    if owner is None or owner["kind"] != "ReplicaSet":
        return []
    rs = cache.get(replicaset.KIND, Key(meta.namespace(pod), owner["name"]))
    return [] if rs is None else keys_of_replica_set(rs, cache)


def has_ended(old: Object | None, new: Object | None) -> bool:
    """A Recreate rollout waits for the end of old pods; their other changes come through ReplicaSets."""
    return new is None or is_terminal(new)


CONTROLLER = Controller(
    name="deployment-controller",
    watches=deployment.KIND,
    reconcile=reconcile,
    also=(Also(replicaset.KIND, keys_of_replica_set), Also(pods.KIND, keys_of_pod, has_ended)),
)
