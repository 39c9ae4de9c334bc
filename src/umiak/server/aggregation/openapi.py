"""OpenAPI 2 documents of other servers, made part of ours (kube-aggregator's `openapi/aggregator`). Pure.

Only paths below a group and version count, and the definitions they need. A definition that we have as well, but with
another content, gets a name of its own; prose makes no difference, as ours has none.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from umiak.objects.types import Object
from umiak.server.openapi.schemas import references

PLACE = "#/definitions/"
OURS = ("io.k8s.apimachinery.", "io.k8s.api.")
"""Definitions that mean the same everywhere."""
PROSE = ("description", "x-kubernetes-group-version-kind")


def merged(document: Object, others: Iterable[tuple[Object, list[str]]]) -> Object:
    """`document` with what is below the given paths of the others; these come as (document, paths), best first."""
    paths, definitions = dict(document["paths"]), dict(document["definitions"])
    for other, roots in others:
        own = {path: item for path, item in (other.get("paths") or {}).items() if _is_below(path, roots)}
        known = other.get("definitions") or {}
        needed = {name: known[name] for name in _needed(own, known)}
        names = {name: _name(name, definition, definitions) for name, definition in needed.items()}
        for name, definition in needed.items():
            definitions.setdefault(names[name], _renamed(definition, names))
        for path, item in own.items():
            paths.setdefault(path, _renamed(item, names))
    return {**document, "paths": dict(sorted(paths.items())), "definitions": dict(sorted(definitions.items()))}


def _is_below(path: str, roots: list[str]) -> bool:
    return any(path.startswith(f"{root}/") for root in roots)


def _needed(paths: Object, definitions: Object) -> list[str]:
    """The names of all definitions that the paths refer to, also by way of others."""
    found: dict[str, None] = {}
    due = list(_names(paths))
    while due:
        name = due.pop()
        if name not in found and name in definitions:
            found[name] = None
            due += _names(definitions[name])
    return list(found)


def _names(value: Any) -> Iterator[str]:
    return (reference.rpartition("/")[2] for reference in references(value))


def _name(name: str, definition: Object, ours: Object) -> str:
    """What the definition is called among ours."""
    free, number = name, 1
    while free in ours and not name.startswith(OURS) and _bare(ours[free]) != _bare(definition):
        number += 1
        free = f"{name}_v{number}"
    return free


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key not in PROSE}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        found = {key: _renamed(item, names) for key, item in value.items()}
        reference = found.get("$ref")
        if isinstance(reference, str) and reference.startswith(PLACE):
            name = reference.removeprefix(PLACE)
            found["$ref"] = PLACE + names.get(name, name)
        return found
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value
