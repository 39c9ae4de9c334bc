"""Which webhooks a write concerns: rules, selectors. Pure.

Source: apiserver's `pkg/admission/plugin/webhook/predicates` and `generic.ShouldCallHook`.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from umiak.api.common.checks import is_empty_selector, selector_matches
from umiak.objects.types import Object
from umiak.server.contract import Admitted

EXEMPT_GROUP = "admissionregistration.k8s.io"
QUESTIONS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
"""Groups whose resources are questions to this server."""


class Target(msgspec.Struct, frozen=True):
    """What a webhook is told that a write is about: the resource of the request, or another name of it."""

    group: str
    version: str
    resource: str
    subresource: str = ""


def target_of(request: Admitted) -> Target:
    asked = request.attributes
    return Target(asked.group, asked.version, asked.resource, asked.subresource)


def is_exempt(request: Admitted) -> bool:
    """Nobody is asked about webhooks and policies, or a bad one could never be mended; nor about questions."""
    asked = request.attributes
    return asked.group in QUESTIONS or (asked.group == EXEMPT_GROUP and not asked.subresource)


def namespace_of(request: Admitted) -> str:
    """A namespace itself counts as lying within itself."""
    asked = request.attributes
    return asked.namespace or (asked.name if asked.resource == "namespaces" and not asked.group else "")


def name_of(request: Admitted) -> str:
    """A name that was generated is known once the object is complete; in a collection nobody is named."""
    if request.attributes.verb == "deletecollection":
        return ""
    about = (request.new or {}).get("metadata") or {}
    return request.attributes.name or about.get("name") or ""


def concerned(webhook: Object, request: Admitted, others: tuple[Target, ...] = ()) -> Target | None:
    """As what the write concerns the webhook by its rules, None when it does not. `others` are further names of the
    same resource, which count where the webhook's matchPolicy is Equivalent."""
    rules = webhook.get("rules") or ()
    wanted = target_of(request)
    if any(matches(rule, request, wanted) for rule in rules):
        return wanted
    if webhook.get("matchPolicy") == "Equivalent":
        for rule in rules:
            for other in others:
                if matches(rule, request, other):
                    return other
    return None


def chosen(match: Object, request: Admitted, others: Callable[[], tuple[Target, ...]]) -> Target | None:
    """As what a write is among the resources that `match`, the MatchResources of a policy or binding, describes.
    `others` gives further names of the same resource."""
    rules, excluded = match.get("resourceRules") or (), match.get("excludeResourceRules") or ()
    exact = match.get("matchPolicy") != "Equivalent"
    if excluded and _by_names(excluded, request, others, exact) is not None:
        return None
    return _by_names(rules, request, others, exact) if rules else target_of(request)


def _by_names(
    rules: Sequence[Object], request: Admitted, others: Callable[[], tuple[Target, ...]], exact: bool
) -> Target | None:
    own = target_of(request)
    if any(matches(rule, request, own) and _is_named(rule, request) for rule in rules):
        return own
    for rule in () if exact else rules:
        for other in others():
            if matches(rule, request, other) and _is_named(rule, request):
                return other
    return None


def _is_named(rule: Object, request: Admitted) -> bool:
    names = rule.get("resourceNames")
    return not names or name_of(request) in names


def matches(rule: Object, request: Admitted, target: Target) -> bool:
    return (
        _in_scope(rule.get("scope") or "*", request, target)
        and _has(rule.get("operations"), request.operation)
        and _has(rule.get("apiGroups"), target.group)
        and _has(rule.get("apiVersions"), target.version)
        and any(_is_resource(name, target) for name in rule.get("resources") or ())
    )


def _has(items: list[str] | None, wanted: str) -> bool:
    return any(item in ("*", wanted) for item in items or ())


def _in_scope(scope: str, request: Admitted, target: Target) -> bool:
    is_namespaced = bool(namespace_of(request)) and (target.group, target.resource) != ("", "namespaces")
    return scope == "*" or (scope == "Namespaced") == is_namespaced


def _is_resource(pattern: str, target: Target) -> bool:
    resource, _, subresource = pattern.partition("/")
    return resource in ("*", target.resource) and subresource in ("*", target.subresource)


def object_matches(webhook: Object, request: Admitted) -> bool:
    """Whether the object selector takes the object as it is or as it was; what has no metadata, only if empty."""
    selector = webhook.get("objectSelector") or {}
    if is_empty_selector(selector):
        return True
    labelled = [obj for obj in (request.new, request.old) if obj is not None and "metadata" in obj]
    return any(bool(selector_matches(selector, _labels(obj))) for obj in labelled)


def needs_namespace(webhook: Object, request: Admitted) -> bool:
    """Whether the namespace's labels have to be known."""
    return bool(namespace_of(request)) and not is_empty_selector(webhook.get("namespaceSelector") or {})


def namespace_matches(webhook: Object, labels: Mapping[str, str]) -> bool:
    return bool(selector_matches(webhook["namespaceSelector"], labels))


def own_namespace_labels(request: Admitted) -> Mapping[str, str] | None:
    """The labels a namespace is about to have, when the write is about one; else None."""
    asked = request.attributes
    is_namespace = (asked.group, asked.resource, asked.subresource) == ("", "namespaces", "")
    if is_namespace and request.operation in ("CREATE", "UPDATE"):
        return _labels(request.new or {})
    return None


def _labels(obj: Object) -> Mapping[str, str]:
    found: Mapping[str, str] = (obj.get("metadata") or {}).get("labels") or {}
    return found
