"""Questions to the authorizer. Whether an access is allowed is asked of a function that the caller hands in."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from umiak.objects import names
from umiak.objects.cel import types
from umiak.objects.cel.call_costs import CHECK, selector
from umiak.objects.cel.cost import fixed
from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.values import Function, Opaque

SCOPE = "kubernetes.authorization."
OVERLOADS = """
authorizer_path: @Authorizer path(string) -> @PathCheck
authorizer_group: @Authorizer group(string) -> @GroupCheck
authorizer_serviceaccount: @Authorizer serviceAccount(string, string) -> @Authorizer
groupcheck_resource: @GroupCheck resource(string) -> @ResourceCheck
resourcecheck_subresource: @ResourceCheck subresource(string) -> @ResourceCheck
resourcecheck_namespace: @ResourceCheck namespace(string) -> @ResourceCheck
resourcecheck_name: @ResourceCheck name(string) -> @ResourceCheck
authorizer_fieldselector: @ResourceCheck fieldSelector(string) -> @ResourceCheck
authorizer_labelselector: @ResourceCheck labelSelector(string) -> @ResourceCheck
pathcheck_check: @PathCheck check(string) -> @Decision
resourcecheck_check: @ResourceCheck check(string) -> @Decision
decision_allowed: @Decision allowed() -> bool
decision_reason: @Decision reason() -> string
decision_errored: @Decision errored() -> bool
decision_error: @Decision error() -> string
""".replace("@", SCOPE)
AUTHORIZER = types.struct(SCOPE + "Authorizer")
RESOURCE_CHECK = types.struct(SCOPE + "ResourceCheck")


class Decision(Opaque, msgspec.Struct, frozen=True):
    """An answer; `error` is empty when none came up."""

    type_name = SCOPE + "Decision"
    allowed: bool
    reason: str = ""
    error: str = ""


class Question(msgspec.Struct, frozen=True):
    """An access: to a path, or to a resource when `path` is empty. `service_account` is (namespace, name) when not the
    user of the request is meant."""

    verb: str = ""
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""
    service_account: tuple[str, str] | None = None


Decide = Callable[[Question], Decision]


class _Asking(Opaque, msgspec.Struct, frozen=True):
    decide: Decide
    question: Question = Question()

    def asked(self, **more: Any) -> Question:
        return replace(self.question, **more)


class Authorizer(_Asking, frozen=True):
    """The value of the variable `authorizer`."""

    type_name = SCOPE + "Authorizer"


class PathCheck(_Asking, frozen=True):
    type_name = SCOPE + "PathCheck"


class GroupCheck(_Asking, frozen=True):
    type_name = SCOPE + "GroupCheck"


class ResourceCheck(_Asking, frozen=True):
    """Also the value of `authorizer.requestResource`."""

    type_name = SCOPE + "ResourceCheck"


def _path(authorizer: Authorizer, path: str) -> PathCheck:
    if not path.strip():
        raise EvaluationError("path must not be empty")
    return PathCheck(authorizer.decide, authorizer.asked(path=path))


def _service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    if names.dns_subdomain(name):
        raise EvaluationError("Invalid service account name")
    if names.dns_label(namespace):
        raise EvaluationError("Invalid service account namespace")
    return Authorizer(authorizer.decide, authorizer.asked(service_account=(namespace, name)))


def _resource(group: GroupCheck, resource: str) -> ResourceCheck:
    if not resource.strip():
        raise EvaluationError("resource must not be empty")
    return ResourceCheck(group.decide, group.asked(resource=resource))


def _setting(field: str) -> Function:
    return lambda check, value: ResourceCheck(check.decide, check.asked(**{field: value}))


_FUNCTIONS: dict[str, Function] = {
    "path": _path,
    "group": lambda authorizer, group: GroupCheck(authorizer.decide, authorizer.asked(group=group)),
    "serviceAccount": _service_account,
    "resource": _resource,
    "subresource": _setting("subresource"),
    "namespace": _setting("namespace"),
    "name": _setting("name"),
    "fieldSelector": _setting("field_selector"),
    "labelSelector": _setting("label_selector"),
    "check": lambda check, verb: check.decide(check.asked(verb=verb)),
    "allowed": lambda decision: decision.allowed,
    "reason": lambda decision: decision.reason,
    "errored": lambda decision: bool(decision.error),
    "error": lambda decision: decision.error,
}


def _selector_cost(operands: list[Any], result: Any) -> int:
    return selector(fixed(len(operands[1]))).most


_COSTS: dict[str, Any] = {"check": CHECK, "fieldSelector": _selector_cost, "labelSelector": _selector_cost}
LIBRARY = library(OVERLOADS, _FUNCTIONS, _COSTS)
