"""Keeps workloads as large as their load asks for (HorizontalPodAutoscaler v2).

Every 15 seconds each metric proposes a number of replicas (`_autoscaler_proposals`); the largest counts, within the
bounds, rates and windows of the autoscaler (`_autoscaler_limits`), and is written to the target's scale subresource.
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from umiak.api.autoscaling import horizontalpodautoscaler as autoscalers
from umiak.api.core import pod as pods
from umiak.api.kind import Kind
from umiak.client.contract import Unreachable
from umiak.controllers import _autoscaler_limits as limits
from umiak.controllers._act import write_status
from umiak.controllers._autoscaler_counting import NoCount, Tolerances
from umiak.controllers._autoscaler_limits import Bounds, History
from umiak.controllers._autoscaler_metrics import kind_of
from umiak.controllers._autoscaler_proposals import Found, Target, prefix_of, propose
from umiak.controllers._memory import Memory
from umiak.objects import meta, quantity
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.selectors import Selector, parse_labels
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Outcome, RetryAfter

EVERY = timedelta(seconds=15)
TRIES = 5
ABLE, ACTIVE, LIMITED, TO_ZERO = "AbleToScale", "ScalingActive", "ScalingLimited", "ScaledToZero"
HISTORIES: Memory[History] = Memory()
SELECTORS: Memory[Selector] = Memory()
"""What each autoscaler selected last, by key: no pod may belong to two."""


class Failed(Exception):
    """This turn is over; the condition says why."""


class Turn(msgspec.Struct):
    """One look at an autoscaler, and what its status becomes."""

    ctx: Context
    key: Key
    obj: Object
    conditions: list[Object] = msgspec.field(default_factory=list)
    metrics: list[Object] = msgspec.field(default_factory=list)

    @property
    def spec(self) -> Object:
        spec: Object = self.obj["spec"]
        return spec

    @property
    def least(self) -> int:
        found = self.spec.get("minReplicas")
        return 1 if found is None else int(found)

    def say(self, type_: str, value: bool, reason: str, message: str) -> None:
        """Sets a condition; its time moves when its status does."""
        known = next((c for c in self.conditions if c["type"] == type_), None)
        if known is None:
            known = {"type": type_}
            self.conditions.append(known)
        if known.get("status") != str(value):
            known["lastTransitionTime"] = meta.format_time(self.ctx.clock.now())
        known |= {"status": str(value), "reason": reason, "message": message}

    def holds(self, type_: str) -> bool:
        return any(c["type"] == type_ and c["status"] == "True" for c in self.conditions)

    def warn(self, reason: str, message: str) -> None:
        self.ctx.events.event(self.obj, "Warning", reason, message)

    def give_up(self, event: str, type_: str, reason: str, message: str, said: str = "") -> Failed:
        """Event and condition of a failure; `said` is the condition's text where it is another."""
        self.warn(event, message)
        self.say(type_, False, reason, said or message)
        return Failed(message)


# the target


class Scale(msgspec.Struct, frozen=True):
    """A scale subresource and where it is."""

    path: str
    obj: Object

    @property
    def replicas(self) -> int:
        return (self.obj.get("spec") or {}).get("replicas") or 0

    @property
    def running(self) -> int:
        return (self.obj.get("status") or {}).get("replicas") or 0

    @property
    def selector(self) -> str:
        return (self.obj.get("status") or {}).get("selector") or ""


async def find_scale(turn: Turn) -> Scale:
    """Raises Failed."""
    target = turn.spec["scaleTargetRef"]
    try:
        kind: Kind = await kind_of(turn.ctx, target.get("apiVersion", "").rpartition("/")[0], target["kind"])
        path = kind.path(turn.key.namespace, target["name"], "scale")
        obj = msgspec.json.decode((await turn.ctx.client.raw("GET", path)).body)
    except (NoCount, StatusError, Unreachable) as error:
        said = f"the HPA controller was unable to get the target's current scale: {error}"
        raise turn.give_up("FailedGetScale", ABLE, "FailedGetScale", str(error), said) from None
    turn.say(ABLE, True, "SucceededGetScale", "the HPA controller was able to get the target's current scale")
    return Scale(path, obj)


async def rescale(turn: Turn, scale: Scale, wanted: int, reason: str) -> None:
    """Writes the number, again when somebody else was faster. Raises Failed."""
    for left in reversed(range(TRIES)):
        obj = {**scale.obj, "spec": {**(scale.obj.get("spec") or {}), "replicas": wanted}}
        try:
            await turn.ctx.client.raw("PUT", scale.path, obj)
        except (StatusError, Unreachable) as error:
            if left and isinstance(error, StatusError) and error.code == 409:
                scale = await find_scale(turn)
                continue
            said = f"the HPA controller was unable to update the target scale: {error}"
            text = f"New size: {wanted}; reason: {reason}; error: {error}"
            raise turn.give_up("FailedRescale", ABLE, "FailedUpdateScale", text, said) from None
        break
    turn.say(ABLE, True, "SucceededRescale", f"the HPA controller was able to update the target scale to {wanted}")
    turn.ctx.events.event(turn.obj, "Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {reason}")


# what the metrics ask for


def tolerances_of(spec: Object) -> Tolerances:
    behavior, found = spec.get("behavior") or {}, {}
    for name, field_ in (("down", "scaleDown"), ("up", "scaleUp")):
        text = (behavior.get(field_) or {}).get("tolerance")
        if text is not None:
            found[name] = quantity.parse(text).as_float()
    return Tolerances(**found)


def target_of(turn: Turn, scale: Scale) -> Target:
    """Raises Failed when it is not clear which pods are meant."""
    if not scale.selector:
        said = "the HPA target's scale is missing a selector"
        raise turn.give_up("SelectorRequired", ACTIVE, "InvalidSelector", "selector is required", said)
    try:
        selector = parse_labels(scale.selector)
    except (ValueError, StatusError) as error:
        text = f"couldn't convert selector into a corresponding internal selector object: {error}"
        raise turn.give_up("InvalidSelector", ACTIVE, "InvalidSelector", text) from None
    known = SELECTORS.of(turn.ctx)
    known[turn.key] = selector
    found = turn.ctx.cache.list(pods.KIND, turn.key.namespace, selector)
    _check_alone(turn, scale.selector, known, found)
    return Target(turn.key.namespace, scale.replicas, scale.running, selector, found, tolerances_of(turn.spec))


def _check_alone(turn: Turn, text: str, known: "dict[object, Selector]", found: Sequence[Object]) -> None:
    def selects(selector: Selector) -> bool:
        return any(selector.matches(meta.labels(pod)) for pod in found)

    keys = [k for k, s in known.items() if isinstance(k, Key) and k.namespace == turn.key.namespace and selects(s)]
    if len(keys) > 1:
        which = " ".join(f"{{{k.name} {k.namespace}}}" for k in keys[:2])
        message = f"pods by selector {text} are controlled by more than one HPA (e.g. [{which}])"
        raise turn.give_up("AmbiguousSelector", ACTIVE, "AmbiguousSelector", message)


async def measure(turn: Turn, target: Target) -> Found:
    """The largest proposal. A metric that fails is passed over unless the workload would shrink. Raises Failed."""
    best: Found | None = None
    failures: list[tuple[Object, NoCount]] = []
    for metric in turn.spec.get("metrics") or ():
        try:
            found = await propose(turn.ctx, metric, target)
        except NoCount as error:
            failures.append((metric, error))
            turn.warn(f"FailedGet{metric['type']}Metric", str(error))
            turn.metrics.append({"type": ""})
            continue
        turn.metrics.append(found.status)
        if best is None or found.replicas > best.replicas:
            best = found
    if best is None or (failures and best.replicas < target.replicas):
        raise _invalid(turn, failures)
    text = f"the HPA was able to successfully calculate a replica count from {best.name}"
    turn.say(ACTIVE, True, "ValidMetricFound", text)
    return best


def _invalid(turn: Turn, failures: list[tuple[Object, NoCount]]) -> Failed:
    if not failures:
        return Failed("no metrics")
    metric, error = failures[0]
    count, of = len(failures), len(turn.spec["metrics"])
    message = f"invalid metrics ({count} invalid out of {of}), first error is: {prefix_of(metric)}: {error}"
    said = f"the HPA was unable to compute the replica count: {error}"
    return turn.give_up("FailedComputeMetricsReplicas", ACTIVE, f"FailedGet{metric['type']}Metric", message, said)


# the decision


def out_of_bounds(turn: Turn, current: int) -> tuple[int, str] | None:
    """(number, reason) where no metric need be asked."""
    most: int = turn.spec["maxReplicas"]
    if current > most:
        return most, "Current number of replicas above Spec.MaxReplicas"
    if 0 < current < turn.least:
        return turn.least, "Current number of replicas below Spec.MinReplicas"
    return None


def may_leave_zero(turn: Turn) -> bool:
    """At zero only what we took there ourselves is taken up again; otherwise somebody switched scaling off."""
    from_outside = any(m["type"] in ("Object", "External") for m in turn.spec.get("metrics") or ())
    return turn.holds(TO_ZERO) and (turn.least != 0 or from_outside)


async def decide(turn: Turn, scale: Scale, history: History) -> tuple[int, str]:
    """(number of replicas, why it is another than now). Raises Failed."""
    current = scale.replicas
    if current == 0 and not may_leave_zero(turn):
        text = "scaling is disabled since the replica count of the target is zero"
        turn.say(ACTIVE, False, "ScalingDisabled", text)
        return 0, ""
    if (forced := out_of_bounds(turn, current)) is not None:
        return forced
    best = await measure(turn, target_of(turn, scale))
    bounds = Bounds(current, turn.least, turn.spec["maxReplicas"])
    found = limits.bounded(best.replicas, bounds, turn.spec.get("behavior"), history, turn.ctx.clock.now())
    turn.say(ABLE, True, *found.able)
    turn.say(LIMITED, found.is_limited, *found.limited)
    wanted = max(found.replicas, turn.least) if current == 0 else found.replicas
    return wanted, f"{best.name} above target" if best.replicas > current else _why_less(best.replicas, current, wanted)


def _why_less(proposed: int, current: int, wanted: int) -> str:
    if proposed < current:
        return "All metrics below target"
    return "Current number of replicas below Spec.MinReplicas" if wanted > current else ""


def note_zero(turn: Turn, before: int, after: int) -> None:
    """Whether it was we who took the workload to zero (KEP-2021)."""
    from_outside = any(m["type"] in ("Object", "External") for m in turn.spec.get("metrics") or ())
    if before > 0 and after == 0 and turn.least == 0 and from_outside:
        turn.say(TO_ZERO, True, "ScaledToZero", "the HPA controller scaled the workload to zero")
    else:
        turn.say(TO_ZERO, False, "NotScaledToZero", "the HPA controller did not scale the workload to zero")


async def take(turn: Turn) -> Object:
    """The status after this turn."""
    old = turn.obj.get("status") or {}
    status = {"desiredReplicas": 0, **old, "conditions": turn.conditions}
    try:
        scale = await find_scale(turn)
    except Failed:
        return status
    current, now = scale.replicas, turn.ctx.clock.now()
    history: History = HISTORIES.of(turn.ctx).setdefault(turn.key, History())
    if not history.recommendations:
        history.recommend(current, now, EVERY)
    status |= {"currentReplicas": current, "observedGeneration": meta.generation(turn.obj)}
    try:
        wanted, reason = await decide(turn, scale, history)
        if wanted != current:
            await rescale(turn, scale, wanted, reason)
            history.scaled(current, wanted, turn.spec.get("behavior"), now)
            note_zero(turn, current, wanted)
            status["lastScaleTime"] = meta.format_time(now)
        status["desiredReplicas"] = wanted
    except Failed:
        pass
    return {**status, "currentMetrics": turn.metrics or None}


async def reconcile(ctx: Context, key: Key) -> Outcome:
    obj = ctx.cache.get(autoscalers.KIND, key)
    if obj is None:
        HISTORIES.of(ctx).pop(key, None)
        SELECTORS.of(ctx).pop(key, None)
        return DONE
    known = [dict(c) for c in (obj.get("status") or {}).get("conditions") or ()]
    status = {k: v for k, v in (await take(Turn(ctx, key, obj, known))).items() if v is not None}
    if status != obj.get("status"):
        try:
            await write_status(ctx, autoscalers.KIND, obj, status)
        except StatusError as error:
            ctx.events.event(obj, "Warning", "FailedUpdateStatus", str(error))
    return RetryAfter(EVERY)


def is_new_wish(old: Object | None, new: Object | None) -> bool:
    """Our own reports are no reason to look again before the time."""
    return old is None or new is None or meta.generation(old) != meta.generation(new)


CONTROLLER = Controller(
    name="horizontal-pod-autoscaler",
    watches=autoscalers.KIND,
    reads=(pods.KIND,),
    reconcile=reconcile,
    should_wake=is_new_wish,
    component="horizontal-pod-autoscaler",
)
