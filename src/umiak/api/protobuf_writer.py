"""Plain JSON data to protobuf messages, field by field in the order of numbers, as Go's generated code writes them.

Each message gets its writer when it is first needed: a row of bytes with a place for every field, filled with what an
absent field leaves (nothing, or the empty value of what Go keeps by value), and a function per field that is present.
"""

import binascii
import struct
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import msgspec

from umiak.api import compiled
from umiak.api.messages import EXTENSIONS, META, fields_of, is_list
from umiak.api.schema import Schema
from umiak.objects import meta
from umiak.objects.types import Object

_VARINT, _FIXED64, _BYTES = 0, 1, 2
_DOUBLE = struct.Struct("<d")
_SCHEMA = EXTENSIONS + "JSONSchemaProps"

Put = Callable[[Any], bytes]
"""A value to a whole field: tag, length where there is one, content."""


def varint(value: int) -> bytes:
    """Negative numbers are sent as 64 bits in two's complement."""
    if value < 0:
        value += 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = tuple(varint(value) for value in range(1024))


def length(size: int) -> bytes:
    return _SMALL[size] if size < 1024 else varint(size)


def tag(number: int, wire: int = _BYTES) -> bytes:
    return varint(number << 3 | wire)


def part(number: int, data: bytes) -> bytes:
    """A field that is bytes, a string or a message."""
    return tag(number) + length(len(data)) + data


def message(name: str, obj: Object) -> bytes:
    """An object's message, without the envelope."""
    return _message(name).write(obj)


class _Message:
    """Writes one message. Made ready on its first use, since schemas contain schemas."""

    __slots__ = ("_name", "_row", "_steps", "_within")

    def __init__(self, name: str) -> None:
        self._name = name
        self._row: list[bytes] | None = None
        self._steps: dict[str, tuple[int, Put]] = {}
        self._within: list[tuple[int, Put]] = []
        """Messages whose fields are flat in JSON."""

    def write(self, obj: Object) -> bytes:
        row = self._row
        if row is None:
            row = self._row = self._prepared()
        row, steps = row.copy(), self._steps
        for field, value in obj.items():
            step = steps.get(field)
            if step is not None and value is not None:
                row[step[0]] = step[1](value)
        for index, put in self._within:
            row[index] = put(obj)
        return b"".join(row)

    def _prepared(self) -> list[bytes]:
        properties, row = _properties(self._name), []
        for index, (number, (field, kind, how)) in enumerate(fields_of(self._name).items()):
            row.append(b"")
            if how == ".":
                self._within.append((index, _one(number, kind)))
                continue
            self._steps[field] = index, _PUTS[how](number, kind)
            if not how and field in properties and not properties[field].pointer:
                row[index] = _empty(number, kind)
        return row


@cache
def _message(name: str) -> _Message:
    return _Message(name)


def _properties(name: str) -> dict[str, Schema]:
    try:
        return compiled.definition(name).properties
    except KeyError:
        return {}


# Fields


@cache
def _one(number: int, kind: str) -> Put:
    if kind in _SCALARS:
        return _SCALARS[kind](number)
    content = _CONTENTS.get(kind)
    if content is None:
        content = _strings if is_list(kind) else _message(kind).write
    start = tag(number)

    def put(value: Any) -> bytes:
        data = content(value)
        return start + length(len(data)) + data

    return put


def _repeated(number: int, kind: str) -> Put:
    one = _one(number, kind)
    return lambda values: b"".join([one(value) for value in values])


def _map(number: int, kind: str) -> Put:
    """Entries in the order of keys, each a message of key and value."""
    start, of_key, of_value = tag(number), _one(1, "s"), _one(2, kind)

    def put(values: Object) -> bytes:
        out: list[bytes] = []
        for key in sorted(values):
            entry = of_key(key) + of_value(values[key])
            out += (start, length(len(entry)), entry)
        return b"".join(out)

    return put


_PUTS: dict[str, Callable[[int, str], Put]] = {"": _one, "r": _repeated, "m": _map}


def _text(number: int) -> Put:
    start = tag(number)

    def put(value: str) -> bytes:
        data = value.encode()
        size = len(data)
        return start + (_SMALL[size] if size < 1024 else varint(size)) + data

    return put


def _binary(number: int) -> Put:
    return lambda value: part(number, binascii.a2b_base64(value))


def _truth(number: int) -> Put:
    no, yes = tag(number, _VARINT) + b"\0", tag(number, _VARINT) + b"\1"
    return lambda value: yes if value else no


def _integer(number: int) -> Put:
    start = tag(number, _VARINT)
    return lambda value: start + varint(int(value))


def _double(number: int) -> Put:
    start = tag(number, _FIXED64)
    return lambda value: start + _DOUBLE.pack(value)


_SCALARS: dict[str, Callable[[int], Put]] = {"s": _text, "b": _binary, "B": _truth, "i": _integer, "d": _double}
_ZEROS: dict[str, Any] = {"s": "", "B": False, "i": 0, "d": 0.0}


def _empty(number: int, kind: str) -> bytes:
    """What Go writes of a value it does not keep by pointer when nothing was said."""
    if kind in _ZEROS:
        return _one(number, kind)(_ZEROS[kind])
    if kind == "b" or is_list(kind):
        return b""
    if kind.endswith((".Time", ".MicroTime", ".RawExtension", ".JSON", ".FieldsV1")):
        return part(number, b"")
    if kind.endswith(".Quantity"):
        return _one(number, kind)("0")
    return _one(number, kind)(0 if kind.endswith(".IntOrString") else {})


# Messages that are no objects in JSON


def _strings(value: list[str]) -> bytes:
    one = _one(1, "s")
    return b"".join([one(item) for item in value])


@lru_cache(4096)
def _time(text: str) -> bytes:
    return _timestamp(text, micro=False)


@lru_cache(4096)
def _micro_time(text: str) -> bytes:
    return _timestamp(text, micro=True)


def _timestamp(text: str, *, micro: bool) -> bytes:
    if not text:
        return b""
    moment = meta.parse_time(text)
    nanos = moment.microsecond * 1000 if micro else 0
    seconds = int(moment.replace(microsecond=0).timestamp())
    return _one(1, "i")(seconds) + _one(2, "i")(nanos)


def _int_or_string(value: int | str) -> bytes:
    is_text = isinstance(value, str)
    number, text = (0, value) if is_text else (value, "")
    return _one(1, "i")(is_text) + _one(2, "i")(number) + _one(3, "s")(text)


def _json(value: Any) -> bytes:
    return part(1, msgspec.json.encode(value))


def _schema_or_array(value: Any) -> bytes:
    return _repeated(2, _SCHEMA)(value) if isinstance(value, list) else _one(1, _SCHEMA)(value)


def _schema_or_bool(value: Any) -> bytes:
    return _truth(1)(value) if isinstance(value, bool) else _truth(1)(True) + _one(2, _SCHEMA)(value)


def _schema_or_strings(value: Any) -> bytes:
    return _repeated(2, "s")(value) if isinstance(value, list) else _one(1, _SCHEMA)(value)


_CONTENTS: dict[str, Callable[[Any], bytes]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda value: part(1, str(value).encode()),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _json,
    META + "Time": _time,
    META + "MicroTime": _micro_time,
    META + "FieldsV1": _json,
    EXTENSIONS + "JSON": _json,
    EXTENSIONS + "JSONSchemaPropsOrArray": _schema_or_array,
    EXTENSIONS + "JSONSchemaPropsOrBool": _schema_or_bool,
    EXTENSIONS + "JSONSchemaPropsOrStringArray": _schema_or_strings,
}
