"""FlowSchema: which requests go to which priority level."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column, condition, number, reads
from umiak.api.common.checks import check
from umiak.api.common.flow_rules import rules_with_subjects
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, invalid_value, not_supported, required
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj["spec"]
    precedence, method = spec["matchingPrecedence"], spec.get("distinguisherMethod")
    path = "spec.matchingPrecedence"
    if precedence <= 0:
        errors.append(invalid_value(path, precedence, "must be a positive value"))
    if precedence > 10_000:
        errors.append(invalid_value(path, precedence, "must not be greater than 10000"))
    if precedence == 1 and (obj.get("metadata") or {}).get("name") != "exempt":
        errors.append(invalid_value(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"))
    if method is not None and method.get("type") not in ("ByNamespace", "ByUser"):
        shown = {"Type": method.get("type") or ""}
        errors.append(not_supported("spec.distinguisherMethod.type", shown, ("ByNamespace", "ByUser")))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name")
    if level:
        check(names.dns_subdomain, level, "spec.priorityLevelConfiguration.name", errors)
    else:
        errors.append(required("spec.priorityLevelConfiguration.name", "must reference a priority level"))
    for index, rule in enumerate(spec.get("rules") or ()):
        rules_with_subjects(rule, f"spec.rules[{index}]", errors)
    return errors


def dangling(obj: Object, now: float) -> Any:
    found = condition(obj, "Dangling")
    return "?" if found is None else found.get("status") or ""


KIND = builtin(
    "flowcontrol.apiserver.k8s.io/v1",
    "FlowSchema",
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    columns=(
        NAME,
        column(
            "PriorityLevel",
            reads("spec", "priorityLevelConfiguration", "name"),
            "PriorityLevelConfigurationReference.name",
        ),
        column("MatchingPrecedence", number("spec", "matchingPrecedence"), "FlowSchemaSpec.matchingPrecedence"),
        column(
            "DistinguisherMethod",
            reads("spec", "distinguisherMethod", "type", otherwise=NONE),
            "FlowSchemaSpec.distinguisherMethod",
        ),
        AGE,
        column("MissingPL", dangling, "references a broken or non-existent PriorityLevelConfiguration"),
    ),
    counts_generation=True,
)
