"""Judges writes by ValidatingAdmissionPolicies: refuses, warns, or notes for the audit log.

Source: apiserver's `pkg/admission/plugin/policy/validating/{dispatcher,validator}.go`.
"""

from typing import TYPE_CHECKING

import msgspec

from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.server.admission._common import refuse
from umiak.server.contract import Admitted
from umiak.server.policies.book import Policy, PolicyBook
from umiak.server.policies.selection import Met, met
from umiak.server.policies.subject import Subject, as_asked

if TYPE_CHECKING:
    from umiak.objects.cel.program import Budget
    from umiak.server.policies.evaluation import Decide, Result, Values

LONGEST_MESSAGE, LONGEST_ANNOTATION = 5 * 1024, 10 * 1024
"""Bytes."""

MOST_FAILURES = 50
FAILURES = "validation.policy.admission.k8s.io/validation_failure"
CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413}
"""Of the reasons a validation may give; 422 for all others."""


class Denial(msgspec.Struct, frozen=True):
    """A policy is not content: because of the validation number `index`, or because something failed."""

    message: str
    reason: str = ""
    index: int = 0


class Verdict(msgspec.Struct):
    """Of one policy with one set of parameters. `failures` refuse whatever the binding says."""

    denials: list[Denial] = msgspec.field(default_factory=list)
    failures: list[Denial] = msgspec.field(default_factory=list)
    annotations: list[tuple[str, str]] = msgspec.field(default_factory=list)


class _Outcome(msgspec.Struct):
    """Of all policies. Refusals have the binding's name, or none."""

    refusals: list[tuple[str, str, Denial]] = msgspec.field(default_factory=list)
    for_audit: list[Object] = msgspec.field(default_factory=list)


async def validate(book: PolicyBook, subject: Subject) -> None:
    """Raises what the first policy that refuses says."""
    outcome, request = _Outcome(), subject.request
    annotations: dict[str, list[str]] = {}
    for one in await met(book, book.validating.in_force, subject):
        if one.fault and not one.policy.ignores_errors:
            outcome.refusals.append((one.policy.name, one.binding, Denial(one.fault)))
        for verdict in await _verdicts(one, subject) if one.params else ():
            _take(outcome, request, one, verdict)
            for key, value in verdict.annotations:
                annotations.setdefault(f"{one.policy.name}/{key}", []).append(value)
    for key, values in annotations.items():
        request.annotations[key] = ", ".join(dict.fromkeys(values))
    _conclude(outcome, request)


async def _verdicts(one: Met, subject: Subject) -> list[Verdict]:
    namespace, seen = await subject.namespace(), await subject.seen(one.target)
    found = []
    for param in one.params:

        def work(decide: "Decide", param: Object | None = param) -> Verdict:
            values = {**subject.values(one.target, seen, decide), "params": param}
            return judged(one.policy, values, namespace)

        found.append(await subject.judged(work))
    return found


def judged(policy: Policy, values: "Values", namespace: Object | None) -> Verdict:
    """Raises Unanswered."""
    from umiak.objects.cel.environment import RUNTIME_BUDGET
    from umiak.objects.cel.program import Budget
    from umiak.server.policies.evaluation import OutOfBudget, Undecided, conditions_hold, evaluate

    compiled = policy.compiled
    try:
        if not conditions_hold(compiled.conditions, compiled.variables, as_asked(values)):
            return Verdict()
        values = {**values, "namespaceObject": namespace}
        budget = Budget(RUNTIME_BUDGET)
        results = evaluate(compiled.validations, compiled.variables, values, budget)
        verdict = Verdict(_denials(policy, results, values, budget))
        audits = evaluate(compiled.audits, compiled.variables, values, Budget(RUNTIME_BUDGET))
    except (Undecided, OutOfBudget) as error:
        return Verdict([] if policy.ignores_errors else [Denial(str(error))])
    for audit, result in zip(policy.spec.get("auditAnnotations") or (), audits, strict=True):
        _annotate(verdict, policy, audit["key"], result)
    return verdict


def _denials(policy: Policy, results: "list[Result]", values: "Values", budget: "Budget") -> list[Denial]:
    from umiak.server.policies.evaluation import OutOfBudget, evaluate

    compiled, lost = policy.compiled, ""
    messages: list[Result] = []
    try:
        messages = evaluate(compiled.messages, compiled.variables, values, budget)
    except OutOfBudget as error:
        lost = f"failed messageExpression: {error}"
    found = []
    for index, (validation, result) in enumerate(zip(policy.spec.get("validations") or (), results, strict=True)):
        if failed := result.error or lost:
            if not policy.ignores_errors:
                found.append(Denial(failed, index=index))
        elif result.value is not True:
            said = messages[index].value
            found.append(Denial(message_of(validation, said), validation.get("reason") or "", index))
    return found


def message_of(validation: Object, said: object) -> str:
    """What the message expression said if that will do, else the message, else the expression itself."""
    text = said.strip() if isinstance(said, str) else ""
    if text and len(text.encode()) <= LONGEST_MESSAGE and "\n" not in text:
        return text
    return (validation.get("message") or "").strip() or f"failed expression: {validation['expression'].strip()}"


def _annotate(verdict: Verdict, policy: Policy, key: str, result: "Result") -> None:
    if result.error:
        if not policy.ignores_errors:
            verdict.failures.append(Denial(result.error))
    elif isinstance(result.value, str) and (text := result.value.strip()):
        verdict.annotations.append((key, text.encode()[:LONGEST_ANNOTATION].decode(errors="ignore")))


def _take(outcome: _Outcome, request: Admitted, one: Met, verdict: Verdict) -> None:
    """Does with the denials what the binding says."""
    policy, binding = one.policy.name, one.binding
    for denial in verdict.denials:
        for action in one.actions:
            if action == "Deny":
                outcome.refusals.append((policy, binding, denial))
            elif action == "Warn":
                head = f"Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{binding}'"
                request.warnings += [w for w in (f"{head}: {denial.message}",) if w not in request.warnings]
            elif action == "Audit":
                outcome.for_audit.append(_noted(one, denial))
    outcome.refusals += [(policy, binding, failure) for failure in verdict.failures]


def _noted(one: Met, denial: Denial) -> Object:
    """A denial as the audit log has it."""
    return {
        "message": denial.message,
        "policy": one.policy.name,
        "binding": one.binding,
        "expressionIndex": denial.index,
        "validationActions": one.actions,
    }


def _conclude(outcome: _Outcome, request: Admitted) -> None:
    if outcome.for_audit:
        request.annotations[FAILURES] = msgspec.json.encode(outcome.for_audit[:MOST_FAILURES]).decode()
    for refusal in outcome.refusals[:1]:
        raise refused(request, *refusal)


def refused(request: Admitted, policy: str, binding: str, denial: Denial) -> StatusError:
    with_binding = f" with binding '{binding}'" if binding else ""
    message = f"ValidatingAdmissionPolicy '{policy}'{with_binding} denied request: {denial.message}"
    found = refuse(request, message)
    details = {**(found.details or {}), "causes": [{"message": message}]}
    return StatusError(CODES.get(denial.reason, 422), denial.reason or "Invalid", found.message, details)
