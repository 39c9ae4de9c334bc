"""Changes objects by MutatingAdmissionPolicies.

Source: apiserver's `pkg/admission/plugin/policy/mutating/dispatcher.go`, `generic/policy_dispatcher.go`.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from umiak.api.kind import Kind
from umiak.objects.errors import StatusError, internal
from umiak.objects.go_text import quoted
from umiak.objects.types import Object
from umiak.server import reinvocation
from umiak.server.admission._common import refuse
from umiak.server.contract import Admitted
from umiak.server.policies.book import Policy, PolicyBook
from umiak.server.policies.selection import met
from umiak.server.policies.subject import Subject
from umiak.server.webhooks import matching
from umiak.server.webhooks.matching import Target
from umiak.server.webhooks.versions import read

if TYPE_CHECKING:
    from umiak.server.policies.evaluation import Decide, Expression, Values

NAME = "MutatingAdmissionPolicy"


class Invocation(msgspec.Struct, frozen=True):
    """A policy, one of its bindings and one set of parameters that apply to a write."""

    policy: Policy
    binding: str
    target: Target
    param: Object | None

    @property
    def key(self) -> tuple[str, ...]:
        about = (self.param or {}).get("metadata") or {}
        return self.policy.name, self.binding, about.get("namespace") or "", about.get("name") or ""


class Failure(msgspec.Struct, frozen=True):
    """Why a policy could not do its part; `reason` as the answer gives it, when it is not Forbidden."""

    policy: Policy
    binding: str
    message: str
    reason: str = ""

    def __str__(self) -> str:
        if self.binding:
            return f"policy '{self.policy.name}' with binding '{self.binding}' denied request: {self.message}"
        return f"policy {quoted(self.policy.name)} denied request: {self.message}"


class Failed(Exception):
    """A mutation or condition did not work out; the text says why."""


async def mutate(book: PolicyBook, subject: Subject) -> None:
    """Raises 403 when a policy that does not ignore its failures has one."""
    request = subject.request
    invocations, failures = await _invocations(book, subject)
    if invocations:
        again, turns = reinvocation.start(request, NAME)
        namespace = await subject.namespace()
        for invocation in invocations:
            failures += await _invoke(invocation, subject, namespace, again, turns)
        if again.is_wanted:
            turns.call_again()
        reinvocation.end(request, turns)
    if serious := [failure for failure in failures if not failure.policy.ignores_errors]:
        raise refused(request, serious)


async def _invocations(book: PolicyBook, subject: Subject) -> tuple[list[Invocation], list[Failure]]:
    """All that the write concerns, found before the first of them changes it."""
    found, failures = [], []
    for one in await met(book, book.mutating.in_force, subject):
        if one.fault:
            failures.append(Failure(one.policy, one.binding, one.fault))
        params = [_as_cached(one.param_kind, param) for param in one.params]
        found += [Invocation(one.policy, one.binding, one.target, param) for param in params]
    return found, failures


def _as_cached(kind: Kind | None, param: Object | None) -> Object | None:
    """Parameters of built-in kinds come without their kind, as they lie in the reference's cache."""
    if param is None or kind is None or kind.is_custom:
        return param
    return {name: value for name, value in param.items() if name not in ("kind", "apiVersion")}


async def _invoke(
    invocation: Invocation,
    subject: Subject,
    namespace: Object | None,
    again: reinvocation.Reinvocation,
    turns: reinvocation.Turns,
) -> list[Failure]:
    policy, request = invocation.policy, subject.request
    try:
        if not await _holds(invocation, subject):
            return []
    except Failed as error:
        return [Failure(policy, invocation.binding, str(error), "Invalid")]
    if again.is_second and invocation.key not in turns.due:
        return []
    failures: list[Failure] = []
    for index in range(len(policy.compiled.mutations) if request.new is not None else 0):
        before = request.new
        try:
            await _mutate_once(invocation, index, subject, namespace)
        except Failed as error:
            failures.append(Failure(policy, invocation.binding, str(error), "Invalid"))
            continue
        again.is_wanted = True
        if request.new != before:
            turns.call_again()
    if policy.spec.get("reinvocationPolicy") == "IfNeeded":
        turns.eager.add(invocation.key)
    return failures


async def _holds(invocation: Invocation, subject: Subject) -> bool:
    """Whether the policy's match conditions do. Raises Failed."""
    from umiak.server.policies.evaluation import Undecided

    compiled = invocation.policy.compiled
    if not compiled.conditions:
        return True
    try:
        return await subject.conditions_hold(
            compiled.conditions, compiled.variables, invocation.target, invocation.param
        )
    except Undecided as error:
        raise Failed(str(error)) from None


async def _mutate_once(invocation: Invocation, index: int, subject: Subject, namespace: Object | None) -> None:
    """Makes one mutation of a policy. Raises Failed, and 500 when the outcome is no object of the kind."""
    from umiak.server.policies.patches import Unusable, configured, patched

    request, target, policy = subject.request, invocation.target, invocation.policy
    seen = await subject.seen(target)
    assert seen.new is not None
    kind = request.kind if target == matching.target_of(request) else subject.equivalents.kind(target)
    expression = policy.compiled.mutations[index]

    def work(decide: "Decide") -> Any:
        values = {**subject.values(target, seen, decide), "params": invocation.param, "namespaceObject": namespace}
        return _evaluated(expression, policy, values)

    value = await subject.judged(work)
    try:
        if policy.spec["mutations"][index]["patchType"] == "JSONPatch":
            changed = patched(seen.new, value)
        else:
            changed = configured(kind, seen.new, value)
    except Unusable as error:
        raise Failed(str(error)) from None
    if (changed.get("apiVersion"), changed.get("kind")) != (seen.new.get("apiVersion"), seen.new.get("kind")):
        raise _turned(kind, changed)
    changed = read(kind, changed, strict=True)
    if kind is not request.kind:
        changed = await subject.around.objects.in_version(changed, kind, request.kind)
    request.new = changed


def _turned(kind: Kind, changed: Object) -> StatusError:
    """A policy made an object of another kind of this one."""
    package = kind.group.partition(".")[0] or "core"
    version = str(changed.get("apiVersion") or "").rpartition("/")[2]
    conversion = f"converting ({version}.{changed.get('kind')}) to ({package}.{kind.kind})"
    return internal(f"failed to convert object: {conversion}: unknown conversion")


def _evaluated(expression: "Expression", policy: Policy, values: "Values") -> Any:
    """What the expression yields. Raises Failed, Unanswered."""
    from umiak.objects.cel.checked import Fault
    from umiak.objects.cel.environment import RUNTIME_BUDGET
    from umiak.objects.cel.program import Budget
    from umiak.server.policies.evaluation import OutOfBudget, evaluate

    if isinstance(expression.program, Fault):
        raise Failed(expression.program.detail)
    try:
        [result] = evaluate([expression], policy.compiled.variables, values, Budget(RUNTIME_BUDGET))
    except OutOfBudget as error:
        raise Failed(str(error)) from None
    if result.error:
        raise Failed(result.error)
    return result.value


def refused(request: Admitted, failures: list[Failure]) -> StatusError:
    """Tells all failures; the first is the message."""
    found, first = refuse(request, ""), failures[0]
    details = {**(found.details or {}), "causes": [{"message": str(failure)} for failure in failures]}
    return StatusError(403, first.reason or "Forbidden", str(first), details)
