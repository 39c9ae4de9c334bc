"""Says what is wrong with a body, in the words of Go's JSON decoder (sigs.k8s.io/json).

Walks a body that the fast way could not read. A type error is kept, the first one wins, and the walk goes on; a type
that decodes itself (quantity, time) ends the walk at once with its own error, which wins over those kept.
"""

import binascii
import json
from math import isfinite
from typing import Any

from umiak.api.schema import Schema
from umiak.objects import quantity, times
from umiak.objects.encoding import Doubled as Doubled
from umiak.objects.errors import bad_request
from umiak.objects.go_text import quoted
from umiak.objects.types import Object

MOST_FAULTS = 100
HEAD_TYPE = (
    'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)
SCHEME = 'in scheme "pkg/runtime/scheme.go:111"'


class Refused(Exception):
    """Ends the walk: a type that decodes itself has failed."""


class Mismatch(Refused):
    """A type error; one from inside a type that decodes itself gets the surrounding struct and field names added."""

    def __init__(self, value: str, go_type: str, struct: str = "", names: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.value, self.go_type, self.struct, self.names = value, go_type, struct, names

    def __str__(self) -> str:
        if not (self.struct or self.names):
            return f"json: cannot unmarshal {self.value} into Go value of type {self.go_type}"
        field = f"{self.struct}.{'.'.join(self.names)}"
        return f"json: cannot unmarshal {self.value} into Go struct field {field} of type {self.go_type}"

    def within(self, struct: str, names: tuple[str, ...]) -> "Mismatch":
        return Mismatch(self.value, self.go_type, struct, (*names, *self.names)) if struct or names else self


def explain(schema: Schema, obj: Object, kind: str, version: str) -> list[str]:
    """The strict faults, taking what they name out of `obj`. Raises bad_request when a value cannot be read at all."""
    walk = _Walk()
    try:
        walk.value(schema, obj, "")
        error = walk.error
    except Mismatch as found:
        error = found.within(walk.struct, walk.names)
    except Refused as found:
        error = found
    if error:
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {error}')
    return walk.faults


def described(value: Any) -> str:
    """The kind of JSON value, as Go's errors say."""
    if isinstance(value, bool):
        return "bool"
    for python, word in ((str, "string"), (dict, "object"), (list, "array")):
        if isinstance(value, python):
            return word
    return "number"


def number_text(value: float) -> str:
    """A number as it was most likely written."""
    return json.dumps(value)


class _Walk:
    def __init__(self) -> None:
        self.faults: list[str] = []
        self.error: Refused | None = None
        self.struct = ""
        self.names: tuple[str, ...] = ()

    def keep(self, value: str, go_type: str) -> None:
        self.error = self.error or Mismatch(value, go_type, self.struct, self.names)

    def fault(self, text: str, path: str) -> None:
        fault = f"{text} {quoted(path)}"
        if len(self.faults) < MOST_FAULTS and fault not in self.faults:
            self.faults.append(fault)

    def value(self, node: Schema, value: Any, path: str) -> None:
        if node.type in _READERS:
            _READERS[node.type](node, value)
        elif value is None:
            return
        elif node.type == "object":
            self.read_object(node, value, path)
        elif node.type == "map":
            self.read_map(node, value, path)
        elif node.type == "list":
            self.read_list(node, value, path)
        else:
            self.scalar(node, value)

    def read_object(self, node: Schema, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            self.keep(described(value), node.go_type)
            return
        before = self.struct, self.names
        seen: set[str] = set()
        for key, item in _pairs(value):
            here = f"{path}.{key}" if path else key
            field = node.properties.get(key)
            if field is None:
                self.fault("unknown field", here)
                value.pop(key, None)
                continue
            if key in seen:
                self.fault("duplicate field", here)
            seen.add(key)
            self.struct, self.names = node.struct, (*before[1], *field.embedded, key)
            self.value(field, item, here)
            self.struct, self.names = before

    def read_map(self, node: Schema, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            self.keep(described(value), node.go_type)
            return
        seen: set[str] = set()
        for key, item in _pairs(value):
            here = f"{path}.{key}" if path else key
            if key in seen:
                self.fault("duplicate field", here)
            seen.add(key)
            self.value(node.values, item, here)

    def read_list(self, node: Schema, value: Any, path: str) -> None:
        if not isinstance(value, list):
            self.keep(described(value), node.go_type)
            return
        for index, item in enumerate(value):
            self.value(node.items, item, f"{path}[{index}]")

    def byte_list(self, value: list[Any]) -> None:
        """Go reads bytes from a list of numbers, too."""
        for item in value:
            if isinstance(item, bool) or not isinstance(item, int | float):
                self.keep(described(item), "uint8")
            elif isinstance(item, float) or not 0 <= item < 256:
                self.keep(f"number {number_text(item)}", "uint8")

    def scalar(self, node: Schema, value: Any) -> None:
        if node.type == "bytes" and isinstance(value, list):
            self.byte_list([item for item in value if item is not None])
            return
        fits = _FITS[node.type]
        if not isinstance(value, fits) or (isinstance(value, bool) and node.type != "boolean"):
            numeric = node.type == "integer" and type(value) is float
            self.keep(f"number {number_text(value)}" if numeric else described(value), node.go_type)
        elif (node.type == "integer" and not _in_range(node, value)) or (node.type == "number" and not isfinite(value)):
            self.keep(f"number {number_text(value)}", node.go_type)
        elif node.type == "bytes":
            at = bad_base64(value)
            if at is not None:
                self.error = self.error or Refused(f"illegal base64 data at input byte {at}")


def _pairs(value: Object) -> list[tuple[str, Any]]:
    """All members, a doubled key's too."""
    return value.pairs if isinstance(value, Doubled) else list(value.items())


_FITS: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "bytes": str,
}


def _in_range(node: Schema, value: int) -> bool:
    limit = 2**31 if node.format == "int32" else 2**63
    return -limit <= value < limit


def _read_quantity(node: Schema, value: Any) -> None:
    if value is None:
        return
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    try:
        quantity.parse(text.strip())
    except quantity.InvalidQuantity as error:
        raise Refused(str(error)) from None


def _read_time(node: Schema, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise Mismatch(described(value), "string")
    try:
        (times.canonical if node.type == "time" else times.canonical_micro)(value)
    except times.InvalidTime as error:
        raise Refused(str(error)) from None


def _read_int_or_string(node: Schema, value: Any) -> None:
    if value is None or isinstance(value, str):
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mismatch(described(value), "int32")
    if isinstance(value, float) or not -(2**31) <= value < 2**31:
        raise Mismatch(f"number {number_text(value)}", "int32")


def _read_schema_or(node: Schema, value: Any) -> None:
    """apiextensions' unions decode with a decoder of their own, which is not strict."""
    if node.type == "schema-or-bool" and not isinstance(value, dict | bool):
        raise Refused("boolean or JSON schema expected")
    inner = _Walk()
    try:
        _walk_union(inner, node, value)
    except Mismatch as found:
        raise found.within(inner.struct, inner.names) from None
    if inner.error:
        raise inner.error


def _walk_union(walk: _Walk, node: Schema, value: Any) -> None:
    if isinstance(value, dict):
        walk.value(node.items, value, "")
    elif isinstance(value, list):
        for item in value:
            if node.type == "schema-or-array":
                walk.value(node.items, item, "")
            elif not isinstance(item, str):
                walk.keep(described(item), "string")


def _read_anything(node: Schema, value: Any) -> None:
    """Keeps its raw text."""


_READERS = {
    "quantity": _read_quantity,
    "time": _read_time,
    "micro-time": _read_time,
    "int-or-string": _read_int_or_string,
    "schema-or-array": _read_schema_or,
    "schema-or-bool": _read_schema_or,
    "schema-or-strings": _read_schema_or,
    "any": _read_anything,
    "raw": _read_anything,
    "fields": _read_anything,
}


def read_itself(node: Schema, value: Any) -> None:
    """Lets a type that decodes itself read `value`; raises Refused, or Mismatch, which is one too."""
    _READERS[node.type](node, value)


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def bad_base64(text: str) -> int | None:
    """Where Go's decoder stops reading, None when it reads all."""
    plain = text.replace("\r", "").replace("\n", "")
    try:
        binascii.a2b_base64(plain, strict_mode=True)
    except ValueError:
        return _base64_fault(text.encode("utf-8", "surrogatepass"))
    return None


def _base64_fault(data: bytes) -> int:
    """encoding/base64's decodeQuantum, for its error offsets: groups of four, line breaks skipped."""
    at = 0
    while True:
        group = 0
        while group < 4:
            if at == len(data):
                return at - group if group else at
            char = chr(data[at])
            at += 1
            if char in "\r\n":
                continue
            if char in _BASE64:
                group += 1
                continue
            if char != "=" or group < 2:
                return at - 1
            return _padding_fault(data, at, group)


def _padding_fault(data: bytes, at: int, group: int) -> int:
    """The fault at or after a `=` that was read just before `at`, `group` characters into its group."""

    def skip(position: int) -> int:
        while position < len(data) and data[position] in b"\r\n":
            position += 1
        return position

    at = skip(at)
    if group == 2:
        if at == len(data):
            return len(data)
        if data[at] != ord("="):
            return at - 1
        at = skip(at + 1)
    return at
