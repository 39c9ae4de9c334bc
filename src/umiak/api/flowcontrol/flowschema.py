"""FlowSchema: which requests go to which priority level."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column, condition, number, reads
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000


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
