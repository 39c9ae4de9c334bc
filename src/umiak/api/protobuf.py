"""Objects as protobuf: `application/vnd.kubernetes.protobuf` to plain JSON data and back.

The wire format is that of k8s.io/apimachinery's protobuf serializer: four magic bytes, then a `runtime.Unknown` that
holds apiVersion, kind and the message. Message descriptions come from one compiled file (`scripts/compile-protobuf`);
fields that Go embeds are flattened, and quantities, times and the like become what they are in JSON.
"""

import base64
import struct
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from umiak.api.messages import EXTENSIONS, META, fields_of, is_list, message_of
from umiak.api.protobuf_writer import length, message, part, tag
from umiak.objects import meta
from umiak.objects.types import Object

MAGIC = b"k8s\x00"
DEEPEST = 100
"""Nesting of messages; a schema inside a schema inside a schema ends somewhere."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DOUBLE = struct.Struct("<d")

Pairs = Iterator[tuple[int, int | bytes]]


class Malformed(Exception):
    """The bytes are no message of the kind they claim to be."""


# Reading


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _pairs(data: bytes) -> Pairs:
    """Field numbers with their raw values: integers, or bytes."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        value: int | bytes
        if wire == _VARINT:
            value, at = _varint(data, at)
        else:
            if wire == _BYTES:
                size, at = _varint(data, at)
            elif wire in (_FIXED64, _FIXED32):
                size = 8 if wire == _FIXED64 else 4
            else:
                raise Malformed(f"proto: illegal wireType {wire}")
            if at + size > end:
                raise Malformed("unexpected EOF")
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Malformed("proto: wrong wireType")
    return value


def _integer(value: int | bytes) -> int:
    """int32 and int64 are sent as 64 bits in two's complement."""
    if not isinstance(value, int):
        raise Malformed("proto: wrong wireType")
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError:
        raise Malformed("proto: a string is not UTF-8") from None


def _double(value: int | bytes) -> float:
    raw = _bytes(value)
    if len(raw) != 8:
        raise Malformed("proto: wrong wireType")
    number: float = _DOUBLE.unpack(raw)[0]
    return number


_SCALARS: dict[str, Callable[[int | bytes], Any]] = {
    "s": _text,
    "b": lambda value: base64.b64encode(_bytes(value)).decode(),
    "B": lambda value: bool(_integer(value)),
    "i": _integer,
    "d": _double,
}


def _numbered(data: bytes) -> dict[int, int | bytes]:
    return dict(_pairs(data))


def _read_time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else meta.format_time(moment)


def _read_micro_time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else meta.format_micro_time(moment)


def _moment(data: bytes) -> datetime | None:
    """An empty message is Go's zero time: null in JSON."""
    if not data:
        return None
    found = _numbered(data)
    seconds, nanos = _integer(found.get(1, 0)), _integer(found.get(2, 0))
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError:
        raise Malformed("proto: time out of range") from None


def _read_int_or_string(data: bytes) -> int | str:
    found = _numbered(data)
    return _text(found.get(3, b"")) if _integer(found.get(1, 0)) else _integer(found.get(2, 0))


def _read_json(data: bytes) -> Any:
    raw = _bytes(_numbered(data).get(1, b""))
    try:
        return msgspec.json.decode(raw) if raw else None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"proto: embedded JSON: {error}") from None


def _read_schema_or_array(data: bytes, depth: int) -> Any:
    found = [(n, _read(EXTENSIONS + "JSONSchemaProps", _bytes(v), depth)) for n, v in _pairs(data)]
    many = [schema for number, schema in found if number == 2]
    return many or next((schema for number, schema in found if number == 1), None)


def _read_schema_or_bool(data: bytes, depth: int) -> Any:
    found = _numbered(data)
    if 2 in found:
        return _read(EXTENSIONS + "JSONSchemaProps", _bytes(found[2]), depth)
    return bool(_integer(found.get(1, 0)))


def _read_schema_or_strings(data: bytes, depth: int) -> Any:
    strings = [_text(v) for n, v in _pairs(data) if n == 2]
    schema = _numbered(data).get(1)
    return strings if schema is None else _read(EXTENSIONS + "JSONSchemaProps", _bytes(schema), depth)


_READERS: dict[str, Callable[[bytes, int], Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda data, _: _text(_numbered(data).get(1, b"0")),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": lambda data, _: _read_int_or_string(data),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": lambda data, _: _read_json(data),
    META + "Time": lambda data, _: _read_time(data),
    META + "MicroTime": lambda data, _: _read_micro_time(data),
    META + "FieldsV1": lambda data, _: _read_json(data),
    EXTENSIONS + "JSON": lambda data, _: _read_json(data),
    EXTENSIONS + "JSONSchemaPropsOrArray": _read_schema_or_array,
    EXTENSIONS + "JSONSchemaPropsOrBool": _read_schema_or_bool,
    EXTENSIONS + "JSONSchemaPropsOrStringArray": _read_schema_or_strings,
}


def _value(kind: str, value: int | bytes, depth: int) -> Any:
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        return scalar(value)
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(_bytes(value), depth)
    if is_list(kind):
        return [_text(v) for _, v in _pairs(_bytes(value))]
    return _read(kind, _bytes(value), depth)


def _read(name: str, data: bytes, depth: int = 0) -> Object:
    """One message. Fields with unknown numbers are from a newer version and are passed over."""
    if depth > DEEPEST:
        raise Malformed("proto: nested too deeply")
    fields = fields_of(name)
    found: Object = {}
    for number, raw in _pairs(data):
        known = fields.get(number)
        if known is None:
            continue
        field, kind, how = known
        if how == "m":
            entry = _numbered(_bytes(raw))
            empty: int | bytes = 0 if kind in ("i", "B") else b""
            found.setdefault(field, {})[_text(entry.get(1, b""))] = _value(kind, entry.get(2, empty), depth + 1)
        elif how == "r":
            found.setdefault(field, []).append(_value(kind, raw, depth + 1))
        elif how == ".":
            found |= _read(kind, _bytes(raw), depth + 1)
        else:
            found[field] = _value(kind, raw, depth + 1)
    return found


def decode(data: bytes) -> Object:
    """A whole body. Raises Malformed; a kind that is not ours comes with apiVersion and kind alone."""
    if not data.startswith(MAGIC):
        raise Malformed("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    envelope = _numbered(data[len(MAGIC) :])
    about = _numbered(_bytes(envelope.get(1, b"")))
    api_version, kind = _text(about.get(1, b"")), _text(about.get(2, b""))
    name = message_of(api_version, kind)
    obj = _read(name, _bytes(envelope.get(2, b""))) if name else {}
    return {"kind": kind, "apiVersion": api_version, **obj}


# Writing


def encode(obj: Object) -> bytes:
    """A whole body. Raises KeyError for a kind that has no message, as custom resources."""
    api_version, kind = obj.get("apiVersion", ""), obj["kind"]
    name = message_of(api_version or "v1", kind)  # `/api` does not say its version
    if not name:
        raise KeyError(kind)
    return wrapped(api_version, kind, message(name, obj))


def wrapped(api_version: str, kind: str, content: bytes) -> bytes:
    """A message as a body that says what it is."""
    return b"".join((_beginning(api_version, kind), length(len(content)), content, _END))


_END = part(3, b"") + part(4, b"")


@cache
def _beginning(api_version: str, kind: str) -> bytes:
    about = part(1, api_version.encode()) + part(2, kind.encode())
    return MAGIC + part(1, about) + tag(2)


def list_message(name: str, about: Object, items: Iterable[bytes]) -> bytes:
    """The message of a list from its metadata and the messages of its items."""
    numbers = {field: number for number, (field, _, _) in fields_of(name).items()}
    beginning = part(numbers["metadata"], message(META + "ListMeta", about))
    rest: list[bytes] = []
    start = tag(numbers["items"])
    for item in items:
        rest += (start, length(len(item)), item)
    return b"".join((beginning, *rest) if numbers["metadata"] < numbers["items"] else (*rest, beginning))


def frame(type_: bytes, body: bytes) -> bytes:
    """One event of a watch: four bytes of length, then a `WatchEvent` without an envelope around a whole body."""
    event = part(1, type_) + part(2, part(1, body))
    return len(event).to_bytes(4) + event


__all__ = ["MAGIC", "Malformed", "decode", "encode", "frame", "list_message", "message", "message_of", "wrapped"]
