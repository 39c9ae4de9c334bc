"""Paths of custom resources that lead nowhere, in the words of apiextensions' own handler."""

from umiak.api.kind import Kind
from umiak.objects.errors import method_not_supported, not_found
from umiak.server.route import Route

ACROSS_NAMESPACES = ("list", "watch")
PARTS = ("get", "update", "patch")


def leads_nowhere(found: Route, kind: Kind) -> bool:
    """Whether a namespace is missing, or stands where there is none. Raises 404 and 405 for parts of an object."""
    if kind.namespaced and not found.namespace and found.verb not in ACROSS_NAMESPACES:
        return True
    if found.namespace and not kind.namespaced:
        return True
    if found.subresource:
        _check_part(found, kind)
    return False


def _check_part(found: Route, kind: Kind) -> None:
    if all(part.name != found.subresource for part in kind.subresources):
        raise not_found(kind.group, kind.plural, found.name)
    if found.verb not in PARTS:
        raise method_not_supported(kind.group, kind.plural, found.verb)
