"""Objects as protobuf: `application/vnd.kubernetes.protobuf` to plain JSON data and back.

The wire format is that of k8s.io/apimachinery's protobuf serializer: four magic bytes, then a `runtime.Unknown` that
holds apiVersion, kind and the message. Message descriptions come from one compiled file (`scripts/compile-protobuf`);
fields that Go embeds are flattened, and quantities, times and the like become what they are in JSON.
"""

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from umiak.api import compiled
from umiak.api.schema import Schema
from umiak.objects import meta
from umiak.objects.types import Object

MAGIC = b"k8s\x00"
DEEPEST = 100
"""Nesting of messages; a schema inside a schema inside a schema ends somewhere."""

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DOUBLE = struct.Struct("<d")

Field = tuple[str, str, str]
"""Name, type and how, as `scripts/compile-protobuf` explains them."""
Pairs = Iterator[tuple[int, int | bytes]]


class Malformed(Exception):
    """The bytes are no message of the kind they claim to be."""


@cache
def _descriptions() -> dict[str, Any]:
    data = files("umiak.api").joinpath("_compiled/protobuf.json").read_bytes()
    found: dict[str, Any] = msgspec.json.decode(data)
    return found


@cache
def _message(name: str) -> dict[int, Field]:
    """A message's fields by number."""
    return {number: (field, kind, how) for number, field, kind, how in _descriptions()[name]}


def _is_list(name: str) -> bool:
    return _descriptions().get(name) == "list"


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
        tag, at = _varint(data, at)
        wire = tag & 7
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
        yield tag >> 3, value


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
    found = [(n, _read(_EXTENSIONS + "JSONSchemaProps", _bytes(v), depth)) for n, v in _pairs(data)]
    many = [schema for number, schema in found if number == 2]
    return many or next((schema for number, schema in found if number == 1), None)


def _read_schema_or_bool(data: bytes, depth: int) -> Any:
    found = _numbered(data)
    if 2 in found:
        return _read(_EXTENSIONS + "JSONSchemaProps", _bytes(found[2]), depth)
    return bool(_integer(found.get(1, 0)))


def _read_schema_or_strings(data: bytes, depth: int) -> Any:
    strings = [_text(v) for n, v in _pairs(data) if n == 2]
    schema = _numbered(data).get(1)
    return strings if schema is None else _read(_EXTENSIONS + "JSONSchemaProps", _bytes(schema), depth)


_READERS: dict[str, Callable[[bytes, int], Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda data, _: _text(_numbered(data).get(1, b"0")),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": lambda data, _: _read_int_or_string(data),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": lambda data, _: _read_json(data),
    _META + "Time": lambda data, _: _read_time(data),
    _META + "MicroTime": lambda data, _: _read_micro_time(data),
    _META + "FieldsV1": lambda data, _: _read_json(data),
    _EXTENSIONS + "JSON": lambda data, _: _read_json(data),
    _EXTENSIONS + "JSONSchemaPropsOrArray": _read_schema_or_array,
    _EXTENSIONS + "JSONSchemaPropsOrBool": _read_schema_or_bool,
    _EXTENSIONS + "JSONSchemaPropsOrStringArray": _read_schema_or_strings,
}


def _value(kind: str, value: int | bytes, depth: int) -> Any:
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        return scalar(value)
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(_bytes(value), depth)
    if _is_list(kind):
        return [_text(v) for _, v in _pairs(_bytes(value))]
    return _read(kind, _bytes(value), depth)


def _read(name: str, data: bytes, depth: int = 0) -> Object:
    """One message. Fields with unknown numbers are from a newer version and are passed over."""
    if depth > DEEPEST:
        raise Malformed("proto: nested too deeply")
    fields, found = _message(name), {}  # type: tuple[dict[int, Field], Object]
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


@cache
def message_of(api_version: str, kind: str) -> str:
    """The message of a kind; empty when there is none, as for custom resources."""
    try:
        name = compiled.schema(api_version, kind).definition
    except KeyError:
        return ""
    return name if name in _descriptions() else ""


# Writing


def _tag(number: int, wire: int) -> bytes:
    return _put_varint(number << 3 | wire)


def _put_varint(value: int) -> bytes:
    if value < 0:
        value += 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _put(number: int, data: bytes) -> bytes:
    return _tag(number, _BYTES) + _put_varint(len(data)) + data


def _write_scalar(number: int, kind: str, value: Any) -> bytes:
    if kind == "s":
        return _put(number, str(value).encode())
    if kind == "b":
        return _put(number, base64.b64decode(value))
    if kind == "d":
        return _tag(number, _FIXED64) + _DOUBLE.pack(value)
    return _tag(number, _VARINT) + _put_varint(int(value))


def _write_timestamp(text: str | None, *, micro: bool) -> bytes:
    if not text:
        return b""
    moment = meta.parse_time(text)
    nanos = moment.microsecond * 1000 if micro else 0
    seconds = int(moment.replace(microsecond=0).timestamp())
    return _write_scalar(1, "i", seconds) + _write_scalar(2, "i", nanos)


def _write_int_or_string(value: int | str) -> bytes:
    is_text = isinstance(value, str)
    parts = (1, "i", int(is_text)), (2, "i", 0 if is_text else value), (3, "s", value if is_text else "")
    return b"".join(_write_scalar(*part) for part in parts)


def _write_json(value: Any) -> bytes:
    return _put(1, msgspec.json.encode(value))


def _schema_props(number: int, value: Object) -> bytes:
    return _put(number, _write(_EXTENSIONS + "JSONSchemaProps", value))


def _write_schema_or_array(value: Any) -> bytes:
    return b"".join(_schema_props(2, v) for v in value) if isinstance(value, list) else _schema_props(1, value)


def _write_schema_or_bool(value: Any) -> bytes:
    if isinstance(value, bool):
        return _write_scalar(1, "B", value)
    return _write_scalar(1, "B", True) + _schema_props(2, value)


def _write_schema_or_strings(value: Any) -> bytes:
    return b"".join(_put(2, v.encode()) for v in value) if isinstance(value, list) else _schema_props(1, value)


_WRITERS: dict[str, Callable[[Any], bytes]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda value: _put(1, str(value).encode()),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _write_int_or_string,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _write_json,
    _META + "Time": lambda value: _write_timestamp(value, micro=False),
    _META + "MicroTime": lambda value: _write_timestamp(value, micro=True),
    _META + "FieldsV1": _write_json,
    _EXTENSIONS + "JSON": _write_json,
    _EXTENSIONS + "JSONSchemaPropsOrArray": _write_schema_or_array,
    _EXTENSIONS + "JSONSchemaPropsOrBool": _write_schema_or_bool,
    _EXTENSIONS + "JSONSchemaPropsOrStringArray": _write_schema_or_strings,
}


def _write_value(number: int, kind: str, value: Any) -> bytes:
    if kind in _SCALARS:
        return _write_scalar(number, kind, value)
    writer = _WRITERS.get(kind)
    if writer is not None:
        return _put(number, writer(value))
    if _is_list(kind):
        return _put(number, b"".join(_put(1, item.encode()) for item in value))
    return _put(number, _write(kind, value))


def _pointers(name: str) -> dict[str, Schema]:
    try:
        return compiled.definition(name).properties
    except KeyError:
        return {}


_ZERO: dict[str, Any] = {"s": "", "i": 0, "B": False, "d": 0.0}


def _write(name: str, obj: Object) -> bytes:
    """One message, fields by number. What Go keeps by value is written even when it is empty; pointers are not."""
    properties = _pointers(name)
    out = []
    for number, (field, kind, how) in sorted(_message(name).items()):
        if how == ".":
            out.append(_put(number, _write(kind, obj)))
            continue
        value = obj.get(field)
        if how == "m":
            for key, item in sorted((value or {}).items()):
                out.append(_put(number, _write_scalar(1, "s", key) + _write_value(2, kind, item)))
        elif how == "r":
            out += [_write_value(number, kind, item) for item in value or ()]
        elif value is not None:
            out.append(_write_value(number, kind, value))
        elif field in properties and not properties[field].pointer:
            out.append(_write_empty(number, kind))
    return b"".join(out)


def _write_empty(number: int, kind: str) -> bytes:
    if kind in _ZERO:
        return _write_scalar(number, kind, _ZERO[kind])
    if kind == "b" or _is_list(kind):
        return b""
    if kind.endswith((".Time", ".MicroTime", ".RawExtension", ".JSON", ".FieldsV1")):
        return _put(number, b"")
    if kind.endswith(".Quantity"):
        return _put(number, _put(1, b"0"))
    return _put(number, _write_int_or_string(0) if kind.endswith(".IntOrString") else _write(kind, {}))


def encode(obj: Object) -> bytes:
    """A whole body. Raises KeyError for a kind that has no message, as custom resources."""
    name = message_of(obj["apiVersion"], obj["kind"])
    if not name:
        raise KeyError(obj["kind"])
    about = _write_scalar(1, "s", obj["apiVersion"]) + _write_scalar(2, "s", obj["kind"])
    return MAGIC + _put(1, about) + _put(2, _write(name, obj)) + _put(3, b"") + _put(4, b"")


__all__ = ["MAGIC", "Malformed", "decode", "encode", "message_of"]
