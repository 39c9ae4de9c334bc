"""Validates the spec of Jobs, by themselves and in the templates of CronJobs."""

import re
from collections.abc import Collection

from umiak.api.common.checks import Errors, check, domain_prefixed_path, nonnegative
from umiak.api.common.metadata import label_key
from umiak.api.common.pod_validation import pod_template
from umiak.api.internal import shown
from umiak.objects.errors import (
    FieldError,
    duplicate,
    invalid_value,
    not_supported,
    required,
    too_long,
    too_many,
)
from umiak.objects.go_text import whole
from umiak.objects.types import Object

MANY = 100_000
MANY_PARALLEL = 10_000
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


def quoted(values: Collection[str]) -> str:
    """A list as Go's %q prints it."""
    return "[" + " ".join(f'"{value}"' for value in values) + "]"


def without_value(path: str, text: str) -> FieldError:
    """A fault of the whole, whose value would be too much to print."""
    return FieldError("FieldValueInvalid", path, f"Invalid value: {text}")


def job_spec(spec: Object, path: str, errors: Errors) -> None:
    """Everything but the selector."""
    for name in _COUNTS:
        nonnegative(spec, name, path, errors)
    if spec.get("managedBy") is not None:
        domain_prefixed_path(spec["managedBy"], f"{path}.managedBy", errors)
        if len(spec["managedBy"]) > 63:
            errors.append(too_long(f"{path}.managedBy", 63))
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        errors.append(not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed")))
    if mode == "Indexed":
        _indexed(spec, path, errors)
    elif mode in (None, "NonIndexed"):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                errors.append(invalid_value(f"{path}.{name}", spec[name], "requires indexed completion mode"))
    if spec.get("podFailurePolicy") is not None:
        _failure_policy(spec, f"{path}.podFailurePolicy", errors)
    if spec.get("successPolicy") is not None:
        _success_policy(spec, mode == "Indexed", f"{path}.successPolicy", errors)
    _replacement(spec, f"{path}.podReplacementPolicy", errors)
    pod_template(spec.get("template") or {}, f"{path}.template", errors)
    _restart_policy(spec, f"{path}.template.spec.restartPolicy", errors)


def _indexed(spec: Object, path: str, errors: Errors) -> None:
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        errors.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism is not None and parallelism > MANY:
        text = f"must be less than or equal to {MANY} when completion mode is Indexed"
        errors.append(invalid_value(f"{path}.parallelism", parallelism, text))
    if completions is not None and failed is not None and failed > completions:
        errors.append(invalid_value(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
    if failed is not None and failed > MANY:
        errors.append(invalid_value(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {MANY}"))
    if completions is not None and completions > MANY and spec.get("backoffLimitPerIndex") is not None:
        _very_many(parallelism, failed, path, errors)


def _very_many(parallelism: int | None, failed: int | None, path: str, errors: Errors) -> None:
    above = f"when completions are above {MANY} and used with backoff limit per index"
    text = f"must be less than or equal to {MANY_PARALLEL} {above}"
    if failed is None:
        errors.append(required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {MANY}"))
    if parallelism is not None and parallelism > MANY_PARALLEL:
        errors.append(invalid_value(f"{path}.parallelism", parallelism, text))
    if failed is not None and failed > MANY_PARALLEL:
        errors.append(invalid_value(f"{path}.maxFailedIndexes", failed, text))


def _failure_policy(spec: Object, path: str, errors: Errors) -> None:
    rules = spec["podFailurePolicy"].get("rules") or ()
    pod = (spec.get("template") or {}).get("spec") or {}
    known = {c.get("name") for n in ("containers", "initContainers") for c in pod.get(n) or ()}
    if len(rules) > 20:
        errors.append(too_many(f"{path}.rules", len(rules), 20))
    for index, rule in enumerate(rules):
        _failure_rule(spec, rule, known, f"{path}.rules[{index}]", errors)


def _failure_rule(spec: Object, rule: Object, known: set[str | None], path: str, errors: Errors) -> None:
    action, codes, conditions = rule.get("action") or "", rule.get("onExitCodes"), rule.get("onPodConditions") or ()
    if not action:
        errors.append(required(f"{path}.action", f"valid values: {quoted(_ACTIONS)}"))
    elif action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            errors.append(invalid_value(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    elif action not in _ACTIONS:
        errors.append(not_supported(f"{path}.action", action, _ACTIONS))
    if codes is not None:
        _exit_codes(codes, known, f"{path}.onExitCodes", errors)
    if len(conditions) > 20:
        errors.append(too_many(f"{path}.onPodConditions", len(conditions), 20))
    for index, pattern in enumerate(conditions):
        where = f"{path}.onPodConditions[{index}]"
        check(label_key, pattern.get("type") or "", f"{where}.type", errors)
        allowed = ("False", "True", "Unknown")
        if pattern.get("status") not in allowed:
            errors.append(not_supported(f"{where}.status", pattern.get("status") or "", allowed))
    if codes is not None and conditions:
        errors.append(without_value(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        errors.append(without_value(path, "specifying one of OnExitCodes and OnPodConditions is required"))


def _exit_codes(codes: Object, known: set[str | None], path: str, errors: Errors) -> None:
    operator, container, values = codes.get("operator") or "", codes.get("containerName"), codes.get("values") or []
    if not operator:
        errors.append(required(f"{path}.operator", f"valid values: {quoted(('In', 'NotIn'))}"))
    elif operator not in ("In", "NotIn"):
        errors.append(not_supported(f"{path}.operator", operator, ("In", "NotIn")))
    if container is not None and container not in known:
        text = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid_value(f"{path}.containerName", container, text))
    if not values:
        errors.append(invalid_value(f"{path}.values", values, "at least one value is required"))
    elif len(values) > 255:
        errors.append(too_many(f"{path}.values", len(values), 255))
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            errors.append(invalid_value(f"{path}.values[{index}]", value, "must not be 0 for the In operator"))
        if value in values[:index]:
            errors.append(duplicate(f"{path}.values[{index}]", value))
    if values != sorted(values):
        errors.append(invalid_value(f"{path}.values", values, "must be ordered"))


def _success_policy(spec: Object, is_indexed: bool, path: str, errors: Errors) -> None:
    rules = spec["successPolicy"].get("rules") or []
    if not is_indexed:
        printed = shown("batch.SuccessPolicy", spec["successPolicy"])
        errors.append(invalid_value(path, printed, "requires indexed completion mode"))
        return
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        errors.append(required(f"{path}.rules", text))
    if len(rules) > 20:
        errors.append(too_many(f"{path}.rules", len(rules), 20))
    for index, rule in enumerate(rules):
        _success_rule(rule, spec.get("completions") or 0, f"{path}.rules[{index}]", errors)


def _success_rule(rule: Object, completions: int, path: str, errors: Errors) -> None:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        text = "at least one of succeededCount or succeededIndexes must be specified"
        errors.append(required(path, text))
    total = 0
    if indexes is not None:
        if len(indexes) > 64 * 1024:
            errors.append(too_long(f"{path}.succeededIndexes", 64 * 1024))
        try:
            total = count_indexes(indexes, completions)
        except ValueError as fault:
            text = f"error parsing succeededIndexes: {fault}"
            errors.append(invalid_value(f"{path}.succeededIndexes", indexes, text))
    if count is not None:
        nonnegative(rule, "succeededCount", path, errors)
        if count > completions:
            text = f"must be less than or equal to {completions} (the number of specified completions)"
            errors.append(invalid_value(f"{path}.succeededCount", count, text))
        if indexes is not None and count > total:
            noun = "the number of indexes in the specified succeededIndexes field"
            text = f"must be less than or equal to {total} ({noun})"
            errors.append(invalid_value(f"{path}.succeededCount", count, text))


def count_indexes(text: str, completions: int) -> int:
    """How many indexes `1,3-5` names. Raises ValueError, in the reference's words."""
    total, last = 0, -1
    for interval in text.split(",") if text else ():
        first, end = _interval(interval, completions)
        if last >= first:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        total, last = total + end - first + 1, end
    return total


def _interval(text: str, completions: int) -> tuple[int, int]:
    limits = text.split("-")
    if len(limits) > 2:
        raise ValueError(
            f'the fragment "{text}" violates the requirement'
            " that an index interval can have at most two parts separated by '-'"
        )
    numbers = []
    for part in limits:
        if not re.fullmatch(r"[+-]?\d+", part, re.ASCII):
            raise ValueError(f'cannot convert string to integer for index: "{part}"')
        number = whole(part)
        if number >= completions:
            raise ValueError(f'too large index: "{part}"')
        numbers.append(number)
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise ValueError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def _replacement(spec: Object, path: str, errors: Errors) -> None:
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return
    allowed = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    if policy not in allowed:
        errors.append(not_supported(path, policy, allowed))


def _restart_policy(spec: Object, path: str, errors: Errors) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy in (None, "", "Always"):
        errors.append(required(path, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        errors.append(not_supported(path, policy, ("OnFailure", "Never")))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        errors.append(invalid_value(path, policy, 'only "Never" is supported when podFailurePolicy is specified'))
