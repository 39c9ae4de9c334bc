"""Paths and operations of kinds, in OpenAPI 3's form."""

from collections.abc import Iterable, Iterator

import msgspec

from umiak.api import compiled
from umiak.api.kind import Kind, Subresource
from umiak.objects.types import Object
from umiak.server.openapi.schemas import META

TYPES = ("application/json", "application/vnd.kubernetes.protobuf", "application/yaml")
STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
BUILT_IN_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
STRATEGIC = "application/strategic-merge-patch+json"
CONNECTS = {"attach", "exec", "portforward", "proxy"}
PROXY_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
METHODS = {"get": "get", "update": "put", "patch": "patch", "create": "post", "delete": "delete"}
VERBS = {"get": "read", "update": "replace", "patch": "patch", "create": "create", "delete": "delete"}
UNAUTHORIZED: Object = {"description": "Unauthorized"}
RESPONSES = {"create": (200, 201, 202), "update": (200, 201), "patch": (200, 201), "delete": (200, 202)}
WORDS = {200: "OK", 201: "Created", 202: "Accepted"}

WRITING = {"dryRun": "string", "fieldManager": "string", "fieldValidation": "string"}
DELETING = {
    "dryRun": "string",
    "gracePeriodSeconds": "integer",
    "ignoreStoreReadErrorWithClusterBreakingPotential": "boolean",
    "orphanDependents": "boolean",
    "propagationPolicy": "string",
}
SELECTING = {
    "continue": "string",
    "fieldSelector": "string",
    "labelSelector": "string",
    "limit": "integer",
    "resourceVersion": "string",
    "resourceVersionMatch": "string",
    "sendInitialEvents": "boolean",
    "shardSelector": "string",
    "timeoutSeconds": "integer",
}
LISTING = {"allowWatchBookmarks": "boolean", **SELECTING, "watch": "boolean"}
LOG = {
    "container": "string",
    "follow": "boolean",
    "insecureSkipTLSVerifyBackend": "boolean",
    "limitBytes": "integer",
    "previous": "boolean",
    "sinceSeconds": "integer",
    "stream": "string",
    "tailLines": "integer",
    "timestamps": "boolean",
}
STREAMING = {
    "container": "string",
    "stderr": "boolean",
    "stdin": "boolean",
    "stdout": "boolean",
    "tty": "boolean",
}
PART_PARAMETERS = {
    "log": LOG,
    "attach": STREAMING,
    "exec": {"command": "string", **STREAMING},
    "portforward": {"ports": "integer"},
    "proxy": {"path": "string"},
}


def camel(group: str, version: str) -> str:
    """`RbacAuthorizationV1`, as operation ids begin their subject."""
    plain = group.removesuffix(".k8s.io") if group.endswith(".k8s.io") else group
    parts = plain.split(".") if plain else ["core"]
    return "".join(part[:1].upper() + part[1:] for part in parts) + version[:1].upper() + version[1:]


def tag(group: str, version: str) -> str:
    name = camel(group, "")
    return f"{name[:1].lower()}{name[1:]}" + (f"_{version}" if version else "")


def parameter(name: str, kind: str, where: str = "query") -> Object:
    found: Object = {"name": name, "in": where}
    if where == "path":
        found["required"] = True
    return {**found, "schema": {"type": kind, "uniqueItems": True}}


def parameters(wanted: dict[str, str]) -> list[Object]:
    return [parameter(name, kind) for name, kind in wanted.items()]


def content(name: str, types: Iterable[str] = TYPES) -> Object:
    """`name` of a definition, or empty for plain text."""
    schema = {"$ref": f"#/components/schemas/{name}"} if name else {"type": "string"}
    return {kind: {"schema": schema} for kind in types}


def responses(name: str, codes: Iterable[int] = (200,), types: Iterable[str] = TYPES) -> Object:
    types = tuple(types)
    found: Object = {str(code): {"description": WORDS[code], "content": content(name, types)} for code in codes}
    return {**found, "401": UNAUTHORIZED}


def simple(where: str, identity: str, name: str, types: Iterable[str] = TYPES) -> Object:
    """A path item that can only be read."""
    return {"get": {"tags": [where], "operationId": identity, "responses": responses(name, types=types)}}


class Paths(msgspec.Struct, frozen=True):
    """The paths of one kind and its parts."""

    kind: Kind

    @property
    def _root(self) -> str:
        kind = self.kind
        return f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"

    @property
    def _scope(self) -> str:
        return "Namespaced" if self.kind.namespaced else ""

    @property
    def _definition(self) -> str:
        return self.kind.schema.definition

    def _is_custom(self) -> bool:
        return self.kind.is_custom

    @property
    def _list_definition(self) -> str:
        return self._definition.removesuffix(self.kind.kind) + self.kind.list_kind

    def _common(self, *names: str) -> list[Object]:
        found = [parameter(name, "string", "path") for name in names]
        return [*found, parameter("pretty", "string")]

    def _operation(
        self, verb: str, action: str, what: str, *, prefix: str = "", group: str = "", version: str = "", kind: str = ""
    ) -> Object:
        own = self.kind
        named = {"group": group or own.group, "version": version or own.version, "kind": kind or own.kind}
        if kind and version:
            named["group"] = group
        return {
            "tags": [tag(own.group, own.version)],
            "operationId": f"{verb}{camel(own.group, own.version)}{prefix}{what}",
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": named,
        }

    def items(self) -> Iterator[tuple[str, Object]]:
        """(path, path item) of everything the kind serves; parameters of a single operation are those of its path."""
        for path, item in self._items():
            methods = [method for method in item if method != "parameters"]
            if len(methods) == 1 and "parameters" in item[methods[0]]:
                item["parameters"] = [*item[methods[0]].pop("parameters"), *item["parameters"]]
            yield path, item

    def _items(self) -> Iterator[tuple[str, Object]]:
        kind = self.kind
        inside = f"{self._root}/namespaces/{{namespace}}" if kind.namespaced else self._root
        where = ("namespace",) if kind.namespaced else ()
        if collection := self._collection():
            yield f"{inside}/{kind.plural}", {**collection, "parameters": self._common(*where)}
        if one := self._one():
            yield f"{inside}/{kind.plural}/{{name}}", {**one, "parameters": self._common("name", *where)}
        for part in kind.subresources:
            yield from self._part(f"{inside}/{kind.plural}/{{name}}/{part.name}", part, where)
        if kind.namespaced and "list" in kind.verbs:
            listed = self._list("ForAllNamespaces", scope="")
            found = {"get": listed, "parameters": [*parameters(LISTING), *self._common()]}
            yield f"{self._root}/{kind.plural}", found
        if "watch" in kind.verbs and not self._is_custom():
            yield from self._watches(where)

    def _collection(self) -> Object:
        kind, found = self.kind, {}
        if "list" in kind.verbs:
            found["get"] = {**self._list("", self._scope), "parameters": parameters(LISTING)}
        if "create" in kind.verbs:
            found["post"] = self._write("create", kind.kind, self._definition)
        if "deletecollection" in kind.verbs:
            what = f"Collection{self._scope}{kind.kind}"
            found["delete"] = {
                **self._operation("delete", "deletecollection", what),
                "parameters": parameters({**DELETING, **SELECTING}),
                "requestBody": {"content": content(META + "DeleteOptions", ("*/*",))},
                "responses": responses(META + "Status"),
            }
        return found

    def _list(self, suffix: str, scope: str) -> Object:
        operation = self._operation("list", "list", f"{scope}{self.kind.kind}{suffix}")
        return {**operation, "responses": responses(self._list_definition, types=(*TYPES, *STREAMS))}

    def _write(self, verb: str, what: str, definition: str, **named: str) -> Object:
        """Create, update or patch, of the object or of a part."""
        body, wanted = content(definition, ("*/*",)), dict(WRITING)
        if verb == "patch":
            patches = BUILT_IN_PATCHES if self._is_custom() else (*BUILT_IN_PATCHES, STRATEGIC)
            body, wanted = content(META + "Patch", patches), {**WRITING, "force": "boolean"}
        return {
            **self._operation(VERBS[verb], METHODS[verb], f"{self._scope}{what}", **named),
            "parameters": parameters(wanted),
            "requestBody": {"content": body, "required": True},
            "responses": responses(definition, RESPONSES[verb]),
        }

    def _one(self) -> Object:
        kind, found = self.kind, {}
        if "get" in kind.verbs:
            operation = self._operation("read", "get", f"{self._scope}{kind.kind}")
            found["get"] = {**operation, "responses": responses(self._definition)}
        for verb in ("update", "patch"):
            if verb in kind.verbs:
                found[METHODS[verb]] = self._write(verb, kind.kind, self._definition)
        if "delete" in kind.verbs:
            gone = self._definition if kind.deletion_returns_object else META + "Status"
            found["delete"] = {
                **self._operation("delete", "delete", f"{self._scope}{kind.kind}"),
                "parameters": parameters(DELETING),
                "requestBody": {"content": content(META + "DeleteOptions", ("*/*",))},
                "responses": responses(gone, RESPONSES["delete"]),
            }
        return found

    def _part(self, path: str, part: Subresource, where: tuple[str, ...]) -> Iterator[tuple[str, Object]]:
        what = self.kind.kind + part.name[:1].upper() + part.name[1:]
        extra = parameters(PART_PARAMETERS.get(part.name, {}))
        if part.name in CONNECTS:
            methods = PROXY_METHODS if part.name == "proxy" else ("get", "post")
            item = {method: self._connect(method, what, part) for method in methods}
            plain = [p for p in self._common("name", *where) if p["name"] != "pretty"]
            yield path, {**item, "parameters": [*plain, *extra]}
            if part.name == "proxy":
                deeper = {method: self._connect(method, f"{what}WithPath", part) for method in methods}
                rest = parameter("path", "string", "path")
                yield f"{path}/{{path}}", {**deeper, "parameters": [*plain, rest, *extra]}
            return
        yield path, {**self._part_methods(part, what), "parameters": [*self._common("name", *where), *extra]}

    def _connect(self, method: str, what: str, part: Subresource) -> Object:
        operation = self._operation(
            "connect", "connect", f"{method.capitalize()}{self._scope}{what}", **self._named(part)
        )
        return {**operation, "responses": responses("", types=("*/*",))}

    def _named(self, part: Subresource) -> dict[str, str]:
        own = (part.group, part.version) == ("", "")
        version = self.kind.version if own else part.version
        return {"group": self.kind.group if own else part.group, "version": version, "kind": part.kind}

    def _part_methods(self, part: Subresource, what: str) -> Object:
        named = self._named(part)
        version = f"{named['group']}/{named['version']}" if named["group"] else named["version"]
        own = self._is_custom() and part.kind == self.kind.kind
        definition = self._definition if own else _definition_of(version, part.kind)
        found: Object = {}
        for verb in ("get", "update", "patch", "create"):
            if verb not in part.verbs:
                continue
            if verb != "get":
                found[METHODS[verb]] = self._write(verb, what, definition, **named)
                continue
            types = ("text/plain", *TYPES) if part.name == "log" else TYPES
            shown = responses("" if part.name == "log" else definition, types=types)
            found["get"] = {**self._operation("read", "get", f"{self._scope}{what}", **named), "responses": shown}
        return found

    def _watches(self, where: tuple[str, ...]) -> Iterator[tuple[str, Object]]:
        """The old paths for watching, which still work."""
        kind, root = self.kind, f"{self._root}/watch"
        inside = f"{root}/namespaces/{{namespace}}" if kind.namespaced else root
        if kind.namespaced:
            yield f"{root}/{kind.plural}", self._watch("watchlist", f"{kind.kind}ListForAllNamespaces", ())
        yield f"{inside}/{kind.plural}", self._watch("watchlist", f"{self._scope}{kind.kind}List", where)
        one = self._watch("watch", f"{self._scope}{kind.kind}", ("name", *where))
        yield f"{inside}/{kind.plural}/{{name}}", one

    def _watch(self, action: str, what: str, where: tuple[str, ...]) -> Object:
        shown = responses(META + "WatchEvent", types=(*TYPES, *STREAMS))
        get = {**self._operation("watch", action, what), "responses": shown}
        return {"get": get, "parameters": [*parameters(LISTING), *self._common(*where)]}


def _definition_of(api_version: str, kind: str) -> str:
    return compiled.schema(api_version, kind).definition
