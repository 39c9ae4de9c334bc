"""What a path asks for, as apiserver's `RequestInfoFactory` reads it."""

from functools import lru_cache
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

from umiak.objects.selectors import InvalidSelector, parse_fields
from umiak.server.contract import Attributes, Request, User

VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
NAMESPACE_PARTS = frozenset({"status", "finalize"})
"""What may follow a namespace's name without being a resource inside it."""


class Route(msgspec.Struct, frozen=True):
    """A path in the words of authorization. `rest` is what follows the subresource, for proxies.

    `well_formed` tells whether the parts may stand like this at all (no empty ones, nothing after a plain subresource).
    """

    path: str
    verb: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    watch_prefix: bool = False
    well_formed: bool = True

    def attributes(self, user: User, fields: str = "", labels: str = "") -> Attributes:
        return Attributes(
            user,
            self.verb,
            self.group,
            self.version,
            self.resource,
            self.subresource,
            self.namespace,
            self.name,
            self.path,
            self.is_resource,
            fields,
            labels,
        )


def route(request: Request) -> Route:
    """The route of a request; reads the query where a path alone does not tell a get from a list or watch."""
    found = by_path(request.method, request.path)
    if not found.is_resource or found.name or found.verb not in ("get", "delete", "watch"):
        return found
    if found.verb == "delete":
        return replace(found, verb="deletecollection")
    verb = "watch" if found.watch_prefix or truth(request.option("watch")) else "list"
    name = exact_name(request.option("fieldSelector")) if "fieldSelector" in request.query else ""
    return replace(found, verb=verb, name=name)


def truth(text: str) -> bool:
    """A boolean of a query, which Go reads leniently: anything but an explicit no is yes, absent is no."""
    return bool(text) and text.lower() not in ("false", "0", "f")


def exact_name(fields: str) -> str:
    """The name that a field selector demands, or empty. Read by the parser that selects: what authorization takes for
    a request about one name must not be one about others."""
    try:
        wanted = next((r for r in parse_fields(fields) if r.field == "metadata.name" and not r.negated), None)
    except InvalidSelector:
        return ""
    name = wanted.value if wanted else ""
    return "" if "/" in name or "%" in name or name in (".", "..") else name


@lru_cache(4096)
def by_path(method: str, path: str) -> Route:
    """`path` is as it came over the wire; escaped slashes separate, as in Go's URL.Path."""
    plain = unquote(path)
    other = Route(plain, method.lower())
    parts = plain.strip("/").split("/")
    if len(parts) < 3 or parts[0] not in ("api", "apis"):
        return other
    group = ""
    if parts[0] == "apis":
        if len(parts) < 4:
            return other
        group = parts[1]
    version, parts = (parts[1], parts[2:]) if parts[0] == "api" else (parts[2], parts[3:])
    return _resource(plain, method, group, version, parts)


def _resource(path: str, method: str, group: str, version: str, parts: list[str]) -> Route:
    well_formed = all(parts)
    verb = VERBS.get(method, "")
    watch_prefix = parts[0] == "watch" and len(parts) > 1
    if watch_prefix:
        verb, parts = "watch", parts[1:]
    elif parts[0] == "proxy" and len(parts) > 1:  # a way that is gone, but for its name
        verb, parts = "proxy", parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in NAMESPACE_PARTS:
            parts = parts[2:]
    resource, name, subresource = [*parts, "", "", ""][:3]
    rest = "/".join(parts[3:])
    return Route(
        path,
        verb,
        True,
        group,
        version,
        namespace,
        resource,
        name,
        subresource,
        rest + ("/" if rest and path.endswith("/") else ""),
        watch_prefix,
        well_formed or subresource == "proxy",
    )
