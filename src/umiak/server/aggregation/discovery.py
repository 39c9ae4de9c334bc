"""What other servers say they serve, as entries of aggregated discovery (KEP-3352). Pure."""

from typing import Any

from umiak.objects.types import Object

NO_KIND: Object = {"group": "", "version": "", "kind": ""}


def entry(version: str, resources: list[Object], is_current: bool) -> Object:
    """One version of a group."""
    found: Object = {"version": version}
    if resources:
        found["resources"] = resources
    return {**found, "freshness": "Current" if is_current else "Stale"}


def of_list(document: Any, group: str, version: str) -> list[Object]:
    """The resources of a version in a server's aggregated discovery; none when it does not mention the version."""
    for found in document.get("items") or ():
        if (found.get("metadata") or {}).get("name", "") != group:
            continue
        for each in found.get("versions") or ():
            if each.get("version") == version:
                return [_complete(resource) for resource in each.get("resources") or ()]
    return []


def _complete(resource: Object) -> Object:
    """Some clients can not do without the kind of an answer."""
    found = {**resource, "responseKind": resource.get("responseKind") or NO_KIND}
    if parts := resource.get("subresources"):
        found["subresources"] = [{**part, "responseKind": part.get("responseKind") or NO_KIND} for part in parts]
    return found


def of_version(document: Any) -> list[Object]:
    """The resources of a plain `APIResourceList`. Raises ValueError when a resource and its part differ in scope."""
    found: dict[str, Object] = {}
    every = document.get("resources") or ()
    for one in every:
        if "/" not in one["name"]:
            found[one["name"]] = _resource(one)
    for one in every:
        name, slash, part = one["name"].partition("/")
        if not slash:
            continue
        parent = found.setdefault(name, {"resource": name, "responseKind": NO_KIND, "scope": _scope(one)})
        if parent["scope"] != _scope(one):
            raise ValueError(f"{name} is {parent['scope']}, but {part} is {_scope(one)}")
        kind = _kind(one) if one.get("kind") else NO_KIND
        parts = parent.setdefault("subresources", [])
        parts.append({"subresource": part, "responseKind": kind, "verbs": one.get("verbs") or []})
    return list(found.values())


def _resource(one: Object) -> Object:
    about = {
        "resource": one["name"],
        "responseKind": _kind(one),
        "scope": _scope(one),
        "singularResource": one.get("singularName") or "",
        "verbs": one.get("verbs") or [],
    }
    names = {field: one[field] for field in ("shortNames", "categories") if one.get(field)}
    return {**about, **names}


def _kind(one: Object) -> Object:
    return {"group": one.get("group") or "", "version": one.get("version") or "", "kind": one.get("kind") or ""}


def _scope(one: Object) -> str:
    return "Namespaced" if one.get("namespaced") else "Cluster"
