"""Whole documents: one per group-version for OpenAPI 3, one for all for OpenAPI 2."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from umiak.api.kind import Kind
from umiak.objects.types import Object
from umiak.server.openapi.operations import Paths, camel, simple, tag
from umiak.server.openapi.schemas import META, VERSION_INFO, Writer, references
from umiak.server.settings import VERSION

TITLE = "Kubernetes"
BEARER: Object = {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}}
GROUPS = META + "APIGroupList"

FIXED: dict[str, tuple[str, Object]] = {
    ".well-known/openid-configuration": (
        "/.well-known/openid-configuration/",
        simple("WellKnown", "getServiceAccountIssuerOpenIDConfiguration", "", ("application/json",)),
    ),
    "api": ("/api/", simple("core", "getCoreAPIVersions", META + "APIVersions")),
    "apis": ("/apis/", simple("apis", "getAPIVersions", GROUPS)),
    "openid/v1/jwks": (
        "/openid/v1/jwks/",
        simple("openid", "getServiceAccountIssuerOpenIDKeyset", "", ("application/jwk-set+json",)),
    ),
    "version": ("/version/", simple("version", "getCodeVersion", VERSION_INFO, ("application/json",))),
}
"""Documents of paths that belong to no group-version."""

Kinds = Callable[[], Iterable[Kind]]


def info() -> Object:
    return {"title": TITLE, "version": ".".join(VERSION.removeprefix("v").split(".")[:2])}


def name_of(group: str, version: str = "") -> str:
    """Where a document is found below /openapi/v3."""
    root = f"apis/{group}" if group else "api"
    return f"{root}/{version}" if version else root


def names(kinds: Iterable[Kind]) -> list[str]:
    """Every document there is, sorted."""
    found = {*FIXED, *(name_of(kind.group, kind.version) for kind in kinds)}
    return sorted(found | {name_of(kind.group) for kind in kinds if kind.group})


def paths_of(name: str, kinds: Iterable[Kind]) -> dict[str, Object]:
    """The paths of one document; none when there is no such document."""
    if name in FIXED:
        path, item = FIXED[name]
        return {path: item}
    mine = [kind for kind in kinds if name_of(kind.group, kind.version) == name]
    if mine:
        return dict(sorted(_version_paths(name, mine)))
    groups = [kind.group for kind in kinds if kind.group and name_of(kind.group) == name]
    if not groups:
        return {}
    about = simple(tag(groups[0], ""), f"get{camel(groups[0], '')}APIGroup", META + "APIGroup")
    return {f"/{name}/": about}


def _version_paths(name: str, kinds: list[Kind]) -> Iterator[tuple[str, Object]]:
    group, version = kinds[0].group, kinds[0].version
    listed = simple(tag(group, version), f"get{camel(group, version)}APIResources", META + "APIResourceList")
    yield f"/{name}/", listed
    for kind in kinds:
        yield from Paths(kind).items()


def writer_of(version: int, kinds: list[Kind]) -> Writer:
    """One that knows the schemas of custom kinds, too."""
    writer = Writer(version)
    if any(kind.is_custom for kind in kinds):
        from umiak.api.apiextensions._embedded import OBJECT_META
        from umiak.server.custom import openapi

        explained = openapi.explained(writer.definition(OBJECT_META))
        writer.own = openapi.definitions(kinds, writer.reference, version) | {OBJECT_META: explained}
    return writer


def version_3(name: str, kinds: Iterable[Kind]) -> Object | None:
    kinds = [kind for kind in kinds if name.startswith(name_of(kind.group))]
    paths = paths_of(name, kinds)
    if not paths:
        return None
    used = {reference.rpartition("/")[2] for reference in references(paths)}
    components: Object = {"securitySchemes": BEARER}
    if used:
        components = {"schemas": writer_of(3, kinds).definitions(used), **components}
    return {"openapi": "3.0.0", "info": info(), "paths": paths, "components": components}


def version_2(kinds: Iterable[Kind]) -> Object:
    kinds = list(kinds)
    writer = writer_of(2, kinds)
    paths: dict[str, Object] = {}
    for name in names(kinds):
        for path, item in paths_of(name, kinds).items():
            paths[path] = writer.convert(_item_2(item))
    used = {reference.rpartition("/")[2] for reference in references(paths)}
    return {
        "swagger": "2.0",
        "info": info(),
        "paths": dict(sorted(paths.items())),
        "definitions": writer.definitions(used),
        "securityDefinitions": BEARER,
        "security": [{"BearerToken": []}],
    }


def _item_2(item: Object) -> Object:
    """A path item in OpenAPI 2's form."""
    return {
        method: [_parameter_2(p) for p in part] if method == "parameters" else _operation_2(part)
        for method, part in item.items()
    }


def _parameter_2(parameter: Object) -> Object:
    plain = {key: value for key, value in parameter.items() if key != "schema"}
    return {**plain, **parameter["schema"]}


def _operation_2(operation: Object) -> Object:
    found: dict[str, Any] = {key: value for key, value in operation.items() if key not in ("requestBody", "responses")}
    parameters = [_parameter_2(p) for p in operation.get("parameters", ())]
    if body := operation.get("requestBody"):
        (first, *_) = body["content"].values()
        parameters.insert(0, {"name": "body", "in": "body", "schema": first["schema"]})
        if body.get("required"):
            parameters[0]["required"] = True
    if parameters:
        found["parameters"] = parameters
    body_types = list((operation.get("requestBody") or {"content": {"*/*": {}}})["content"])
    found |= {"consumes": body_types, "schemes": ["https"]}
    found["produces"] = list((operation["responses"].get("200") or {}).get("content", ()))
    found["responses"] = {code: _response_2(part) for code, part in operation["responses"].items()}
    return found


def _response_2(response: Object) -> Object:
    found = {"description": response["description"]}
    for part in response.get("content", {}).values():
        return {**found, "schema": part["schema"]}
    return found
