"""Configuration files that are API objects (`AuthorizationConfiguration` and its like): strict reading, and what is
wrong with them in the reference's words.

They are no kinds that are served, so their structure is written here by hand: `struct("Issuer", url=TEXT)`.
"""

from collections.abc import Mapping
from typing import Any

from umiak.api import schema
from umiak.api.faults import HEAD_TYPE, SCHEME, described
from umiak.api.schema import Schema
from umiak.objects import encoding
from umiak.objects.encoding import Unreadable
from umiak.objects.errors import StatusError
from umiak.objects.go_text import quoted
from umiak.objects.types import Object

SECOND = 1_000_000_000
"""Nanoseconds."""


class Unacceptable(ValueError):
    """A configuration that cannot be used; the text says why."""


def _leaf(type_: str, go_type: str) -> Schema:
    made = Schema(type_)
    made.go_type, made.omitempty, made.pointer = go_type, True, True  # what is given stays, even when it is empty
    return made


TEXT, SWITCH, NUMBER, LONG, ANYTHING = (
    _leaf("string", "string"),
    _leaf("boolean", "bool"),
    _leaf("integer", "int32"),
    _leaf("integer", "int64"),
    _leaf("raw", "runtime.RawExtension"),
)
SPAN = _leaf("any", "v1.Duration")
"""A text such as `1m30s`; `seconds` reads it."""


def list_of(items: Schema) -> Schema:
    made = _leaf("list", f"[]{items.go_type}")
    made.items = items
    return made


def struct(struct_name: str, /, **fields: Schema) -> Schema:
    made = _leaf("object", f"v1.{struct_name}")
    made.struct = struct_name
    made.properties = fields
    return made


def document(kind: str, **fields: Schema) -> Schema:
    """A whole file of this kind."""
    return struct(kind, apiVersion=TEXT, kind=TEXT, **fields)


def read(data: bytes, known: Mapping[tuple[str, str], Schema], *, strict: bool = True) -> Object:
    """The object in `data`, YAML or JSON, which must be one of `known` by (apiVersion, kind). Unknown fields are
    refused, or passed over where the reference is not `strict`. Raises Unacceptable."""
    obj, faults = examine(data, known)
    if strict and faults:
        raise Unacceptable(f"strict decoding error: {', '.join(faults)}")
    return obj


def examine(data: bytes, known: Mapping[tuple[str, str], Schema]) -> tuple[Object, list[str]]:
    """As `read`, with the unknown and doubled fields told beside the object."""
    try:
        value, repeated = encoding.from_yaml(data)
    except Unreadable as error:
        raise Unacceptable(f"couldn't get version/kind; json parse error: {error}") from None
    obj, faults = decode(_known(value, known), value)
    return obj, [*repeated, *faults]


def decode(found: Schema, value: Any) -> tuple[Object, list[str]]:
    """What was read, by its structure, and its unknown fields. Raises Unacceptable."""
    try:
        return schema.decode(found, value)
    except StatusError as error:
        raise Unacceptable(error.message.partition(": ")[2]) from None


def _known(value: Any, known: Mapping[tuple[str, str], Schema]) -> Schema:
    if not isinstance(value, dict | None):
        why = f"json: cannot unmarshal {described(value)} into {HEAD_TYPE}"
        raise Unacceptable(f"couldn't get version/kind; json parse error: {why}")
    obj: Object = value or {}
    version, kind = obj.get("apiVersion") or "", obj.get("kind") or ""
    for name, text in (("Kind", kind), ("apiVersion", version)):
        if not text:
            raise Unacceptable(f"Object '{name}' is missing in '{encoding.to_json(value or {}).decode()}'")
    found = known.get((version, kind))
    if found is None:
        raise Unacceptable(f"no kind {quoted(str(kind))} is registered for version {quoted(str(version))} {SCHEME}")
    return found


def seconds(obj: Object, name: str, default: float = 0) -> float:
    """A span of time; `default` when it is absent or zero. Raises Unacceptable."""
    text = obj.get(name)
    if text is None:
        return default
    if not isinstance(text, str):
        kind = "number" if isinstance(text, int | float) else "object"
        raise Unacceptable(f"json: cannot unmarshal {kind} into Go value of type string")
    return span(text) or default


def span(text: str) -> float:
    """Seconds of a text such as `1m30s`. Raises Unacceptable."""
    from umiak.objects.cel.times import parse_duration  # pays for time zones

    nanos = parse_duration(text)
    if nanos is None:
        numeric = text.lstrip("+-").replace(".", "", 1).isdigit()
        raise Unacceptable(f"time: {'missing unit in' if numeric else 'invalid'} duration {quoted(text)}")
    return nanos / SECOND


def shown_span(length: float) -> str:
    """Seconds as Go prints a time.Duration: `1m30s`, `500ms`."""
    nanos = round(abs(length) * SECOND)
    sign = "-" if length < 0 else ""
    if nanos == 0:
        return "0s"
    if nanos < SECOND:
        unit, size = next((u, n) for u, n in (("ms", 10**6), ("µs", 10**3), ("ns", 1)) if nanos >= n)
        return f"{sign}{nanos / size:g}{unit}"
    minutes, rest = divmod(nanos, 60 * SECOND)
    text = f"{rest // SECOND}" + f".{rest % SECOND:09}".rstrip("0").rstrip(".") + "s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    if minutes >= 60:
        text = f"{minutes // 60}h{text}"
    return sign + text
