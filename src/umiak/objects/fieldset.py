"""Sets of fields, as `metadata.managedFields` keeps them (FieldsV1, KEP-555).

A set is the nested dict that is written: `{"f:spec": {"f:replicas": {}}}`. Its keys are path elements: `f:` a field,
`k:` the item of a list with these keys, `v:` the item of a set with this value, `i:` an index. A node belongs to the
set when it is empty or has "."; any other only leads to nodes that do. Sets are never changed in place: they share
nodes with each other, and what is left out leaves no empty node behind.
"""

from collections.abc import Iterator
from functools import cmp_to_key, lru_cache
from typing import Any

import msgspec

from umiak.objects import go_text

FieldSet = dict[str, Any]
Path = tuple[str, ...]

NONE: FieldSet = {}
"""The set of nothing; not to be changed."""
LEAF: FieldSet = {}
"""A node that belongs to its set and has nothing below; not to be changed."""
SELF = "."


class InvalidFields(ValueError):
    """What was sent as FieldsV1 is none."""


def belongs(node: FieldSet) -> bool:
    return not node or SELF in node


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    if not a or a is b:
        return b
    if not b:
        return a
    out = dict(a)
    for element, node in b.items():
        found = out.get(element)
        out[element] = node if found is None else _joined(found, node)
    return out


def _joined(a: FieldSet, b: FieldSet) -> FieldSet:
    if not a:
        return b if belongs(b) else {SELF: LEAF, **b}
    if not b:
        return a if SELF in a else {SELF: LEAF, **a}
    return union(a, b)


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """What is in `a` and not in `b`; what lies below a field of `b` stays unless it is in `b` itself."""
    if not b or not a:
        return a
    out = {}
    for element, node in a.items():
        other = b.get(element)
        if other is None:
            out[element] = node
        elif element != SELF and (left := _reduced(node, other)) is not None:
            out[element] = left
    return out


def _reduced(a: FieldSet, b: FieldSet) -> FieldSet | None:
    below = difference({e: n for e, n in a.items() if e != SELF}, b)
    if belongs(a) and not belongs(b):
        return {SELF: LEAF, **below} if below else LEAF
    return below or None


def without(a: FieldSet, b: FieldSet) -> FieldSet:
    """What is in `a`, but neither in `b` nor below a field of `b`."""
    if not b or not a:
        return a
    out = {}
    for element, node in a.items():
        other = b.get(element)
        if other is None:
            out[element] = node
        elif element != SELF and not belongs(other) and (left := _cut(node, other)) is not None:
            out[element] = left
    return out


def _cut(a: FieldSet, b: FieldSet) -> FieldSet | None:
    below = without({e: n for e, n in a.items() if e != SELF}, b)
    if belongs(a):
        return {SELF: LEAF, **below} if below else LEAF
    return below or None


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    out = {}
    for element, node in a.items():
        other = b.get(element)
        if other is not None and (shared := _shared(node, other)) is not None:
            out[element] = shared
    return out


def _shared(a: FieldSet, b: FieldSet) -> FieldSet | None:
    below = intersection({e: n for e, n in a.items() if e != SELF}, b)
    if belongs(a) and belongs(b):
        return {SELF: LEAF, **below} if below else LEAF
    return below or None


def has(fields: FieldSet, path: Path) -> bool:
    for element in path:
        found = fields.get(element)
        if found is None:
            return False
        fields = found
    return bool(path) and belongs(fields)


def of_paths(*paths: Path) -> FieldSet:
    """The set of these paths."""
    out: FieldSet = {}
    for path in paths:
        add(out, path, LEAF)
    return out


def add(fields: FieldSet, path: Path | list[str], node: FieldSet) -> None:
    """Puts a node into a set that is still being made and shares nothing on the way there."""
    for element in path[:-1]:
        found = fields.get(element)
        if not found:
            below = {} if found is None else {SELF: LEAF}
            found = fields[element] = below
        fields = found
    found = fields.get(path[-1])
    fields[path[-1]] = node if found is None else _joined(found, node)


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """All that belongs to the set, fields before what lies below them."""
    elements = in_order(e for e in fields if e != SELF)
    for element in elements:
        if belongs(fields[element]):
            yield (*prefix, element)
    for element in elements:
        yield from paths(fields[element], (*prefix, element))


def ordered(fields: FieldSet, known: FieldSet = NONE) -> FieldSet:
    """The same set with its elements in the order in which they are written. Nodes that it shares with `known`, which
    is in order, need not be looked at."""
    out: FieldSet = {}
    for element in in_order(fields):
        node, before = fields[element], known.get(element, NONE)
        out[element] = node if not node or node is before else ordered(node, before)
    return out


def in_order(elements: Any) -> list[str]:
    """`.`, then fields, keys, values and indexes, each by their value."""
    found = sorted(elements)
    if not found or found[-1].startswith("f:") or len(found) == 1:
        return found
    return sorted(found, key=_order)


_KINDS = ".fkvi"


@lru_cache(4096)
def _order(element: str) -> tuple[Any, ...]:
    kind = _KINDS.index(element[0])
    if kind < 2:
        return kind, element
    value = msgspec.json.decode(element[2:])
    if isinstance(value, dict):
        return kind, tuple(part for name in value for part in (name, _value_key(value[name])))
    return kind, _value_key(value)


def _compared(a: Any, b: Any) -> int:
    """Numbers before strings, booleans, lists and maps; null at the end (structured-merge-diff's value.Compare)."""
    if (rank := _rank(a) - _rank(b)) or a is None:
        return rank
    if isinstance(a, list):
        return next((c for x, y in zip(a, b, strict=False) if (c := _compared(x, y))), len(a) - len(b))
    if isinstance(a, dict):
        left, right = sorted(a), sorted(b)
        if left != right:
            return -1 if left < right else 1
        return next((c for name in left if (c := _compared(a[name], b[name]))), 0)
    return (a > b) - (a < b)


def _rank(value: Any) -> int:
    if isinstance(value, bool):
        return 2
    ranks = {int: 0, float: 0, str: 1, list: 3, dict: 4}
    return ranks.get(type(value), 5)


_value_key = cmp_to_key(_compared)


def field(name: str) -> str:
    return "f:" + name


@lru_cache(8192)
def one_key(name: str, value: str) -> str:
    """The item of a list whose only key is a string."""
    return "k:{" + _written(name) + ":" + _written(value) + "}"


def keys(values: dict[str, Any]) -> str:
    """The item of a list with these keys."""
    return "k:{" + ",".join(f"{_written(name)}:{_written(values[name])}" for name in sorted(values)) + "}"


def value(item: Any) -> str:
    """An item of a set."""
    return "v:" + _written(item)


@lru_cache(8192)
def text_value(item: str) -> str:
    """The same for a string, quicker."""
    return value(item)


_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def _written(item: Any) -> str:
    """As Go's encoding/json writes it."""
    text = msgspec.json.encode(item).decode()
    for char, escape in _ESCAPES.items():
        if char in text:
            text = text.replace(char, escape)
    return text


def parse(data: Any) -> FieldSet:
    """Reads FieldsV1 as a client may have sent it; elements of kinds unknown are left out. Raises InvalidFields."""
    return {e: n for e, n in _parsed(data).items() if e != SELF}


def _parsed(data: Any) -> FieldSet:
    if data is None:
        return LEAF
    if not isinstance(data, dict):
        raise InvalidFields("a set of fields is an object")
    out: FieldSet = {}
    for text, below in data.items():
        if text == SELF:
            out[SELF] = LEAF
        elif element := _element(text):
            out[element] = _parsed(below)
    return LEAF if len(out) == 1 and SELF in out else out


def _element(text: str) -> str:
    """Its canonical form; empty when it is of an unknown kind."""
    if len(text) < 2:
        raise InvalidFields("key must be 2 characters long:")
    if text[1] != ":":
        raise InvalidFields(f"missing colon: {text}")
    kind, rest = text[0], text[2:]
    if kind == "f":
        return text
    if kind not in "vki":
        return ""
    try:
        if kind == "i":
            return f"i:{int(rest)}"
        found = msgspec.json.decode(rest)
    except ValueError as error:
        raise InvalidFields(str(error)) from None
    if kind == "v":
        return value(found)
    if not isinstance(found, dict):
        raise InvalidFields("keys are an object")
    return keys(found)


def text(path: Path) -> str:
    """A path as error messages show it: `.spec.ports[port=80,protocol="TCP"].name`."""
    return "".join(map(element_text, path))


def element_text(element: str) -> str:
    kind, rest = element[0], element[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "i":
        return f"[{rest}]"
    found = msgspec.json.decode(rest)
    if kind == "v":
        return f"[={_value_text(found)}]"
    return "[" + ",".join(f"{name}={_value_text(item)}" for name, item in found.items()) + "]"


def _value_text(item: Any) -> str:
    if item is None:
        return "null"
    if isinstance(item, list):
        return "[" + ",".join(map(_value_text, item)) + "]"
    if isinstance(item, dict):
        return "".join(f"{name}={_value_text(inner)}" for name, inner in item.items())
    return go_text.quoted(item) if isinstance(item, str) else go_text.plain(item)
