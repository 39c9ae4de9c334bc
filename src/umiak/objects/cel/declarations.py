"""Functions an expression may call: their overloads, what runs them and what they cost.

A library writes its overloads as text, one per line: `id: [target ]name(argument, ...) -> result`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from umiak.objects.cel import types
from umiak.objects.cel.types import Type
from umiak.objects.cel.values import type_name

STRUCTS = re.compile(r"kubernetes\.[A-Za-z.]+")
_OVERLOAD = re.compile(
    r"(?P<id>\S+): (?:(?P<target>[^( ]+(?:\([^ ]*\))?) )?(?P<name>[^\s(]+)\((?P<args>.*)\) -> (?P<result>\S+)"
)


class Overload(msgspec.Struct, frozen=True):
    id: str
    function: str
    args: tuple[Type, ...]
    """Of a member, the target first."""
    result: Type
    is_member: bool
    params: frozenset[str]


def parse_type(text: str) -> Type:
    """`list(A)`, `map(string,dyn)`, `net.IP`; one capital letter is a type parameter."""
    name, bracket, rest = text.partition("(")
    if not bracket:
        if name in types.PRIMITIVES:
            return types.PRIMITIVES[name]
        if len(name) == 1:
            return types.param(name)
        return types.struct(name) if STRUCTS.fullmatch(name) else types.opaque(name)
    inner = [parse_type(part) for part in _split(rest[:-1])]
    match name:
        case "list" | "map" | "type":
            return Type(name, name, inner)
    return Type("opaque", name, inner)


def _split(text: str) -> list[str]:
    """At the commas outside of parentheses."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def _params(type: Type) -> set[str]:
    if type.kind == "param":
        return {type.name}
    return {name for inner in type.params for name in _params(inner)}


def parse_overload(line: str) -> Overload:
    match = _OVERLOAD.fullmatch(line)
    if match is None:
        raise ValueError(f"not an overload: {line}")
    args = [parse_type(part) for part in _split(match["args"])]
    if match["target"]:
        args.insert(0, parse_type(match["target"]))
    result = parse_type(match["result"])
    params = frozenset(name for type in (*args, result) for name in _params(type))
    return Overload(match["id"], match["name"], tuple(args), result, bool(match["target"]), params)


def each(template: str, names: Iterable[str]) -> str:
    """One line per type name, put in for `$`."""
    return "\n".join(line.replace("$", name) for name in names for line in template.strip().splitlines())


Cost = Callable[[list[Any], Any], int]
"""(operands, result) -> what the call cost."""


class Library(msgspec.Struct, frozen=True):
    """`functions` run an overload by its id, or all overloads of a function by its name; `costs` likewise."""

    overloads: tuple[Overload, ...]
    functions: Mapping[str, Callable[..., Any]]
    costs: Mapping[str, Cost | int] = msgspec.field(default_factory=dict)
    types: Mapping[str, Type] = msgspec.field(default_factory=dict)
    """Names that stand for types."""


def library(
    text: str,
    functions: Mapping[str, Callable[..., Any]],
    costs: Mapping[str, Cost | int] | None = None,
    types: Mapping[str, Type] | None = None,
) -> Library:
    lines = (line.strip() for line in text.splitlines())
    return Library(tuple(parse_overload(line) for line in lines if line), functions, costs or {}, types or {})


_RUNTIME = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration", "null": "null_type"}


def matches(type: Type, value: Any) -> bool:
    """Whether a value at run time is of a declared type, as far as its outside tells."""
    if type.kind in ("dyn", "param", "any"):
        return True
    name = type_name(value)
    if type.kind in ("list", "map") and name == type.kind:
        parts = next(iter(value.items()), ()) if name == "map" else value[:1]
        return all(map(matches, type.params, parts))
    return name == (_RUNTIME.get(type.kind) or (type.name if type.kind in ("struct", "opaque") else type.kind))
