"""Paths into a structural schema, as selectable fields and validation rules name them: `.spec.a`, `.spec['a.b']`."""

import re
from collections.abc import Iterator

from umiak.objects.structural.prune import additional
from umiak.objects.types import Object

_TOKEN = re.compile(r"[.\[\]]|'(?:\\.|[^'\\])*'|[^.\[\]]+")


class NoSuchField(ValueError):
    """The path leads nowhere in the schema; says why."""


def resolve(path: str, schema: Object, *, arrays: bool = True) -> tuple[str, Object]:
    """(the path in the usual form, the schema it leads to). Names in brackets only if `arrays`. Raises NoSuchField."""
    tokens = iter(_TOKEN.findall(path))
    usual = ""
    for token in tokens:
        if token == "[":
            if not arrays:
                raise NoSuchField("array notation is not allowed")
            name = _quoted(_next(tokens))
            usual, schema = _step(usual, schema, name)
            if (end := _next(tokens)) != "]":
                raise NoSuchField(f"expected ] but got {end}")
        elif token == ".":
            usual, schema = _step(usual, schema, _next(tokens))
        else:
            raise NoSuchField(f"expected [ or . but got: {token}")
    return usual, schema


def _next(tokens: Iterator[str]) -> str:
    found = next(tokens, None)
    if found is None:
        raise NoSuchField("unexpected end of JSON path")
    return found


def _quoted(token: str) -> str:
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise NoSuchField(f"expected single quoted string but got {token}")
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _step(path: str, schema: Object, name: str) -> tuple[str, Object]:
    properties = schema.get("properties")
    if properties:
        if name not in properties:
            raise NoSuchField("does not refer to a valid field")
        return (f"{path}.{name}" if path else name), properties[name]
    others = additional(schema)
    if others is None:
        raise NoSuchField("does not refer to a valid field")
    return f"{path}[{name}]", others
