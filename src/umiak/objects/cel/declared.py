"""Declared types of data: what an OpenAPI schema says of values, for the checker, for costs and for reading values.

The sizes are those of apiserver's `pkg/cel/common/schemas.go`, where a request has at most 3 MiB.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from umiak.objects.cel import times, types
from umiak.objects.cel.environment import Provider
from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.parser import RESERVED
from umiak.objects.cel.types import Type
from umiak.objects.cel.values import Duration, MapList, SetList, Timestamp
from umiak.objects.go_text import whole
from umiak.objects.types import Object

REQUEST = 3 * 1024 * 1024
LONGEST_NAME = 253
Read = Callable[[Any], Any]


class Declared(msgspec.Struct, eq=False):
    """A type of data. `read` makes a value of what JSON holds; None when the two are the same."""

    type: Type
    most: int = 0
    """Elements, entries, bytes; 0 for what has no length."""
    smallest: int = 1
    """Bytes of the shortest JSON."""
    fields: Mapping[str, tuple[str, "Declared"]] = msgspec.field(default_factory=dict)
    """By the name in expressions: the key in the data, and its type."""
    key: "Declared | None" = None
    element: "Declared | None" = None
    read: Read | None = None

    def value(self, data: Any) -> Any:
        """The value of JSON data; raises EvaluationError when the data does not fit."""
        return data if data is None or self.read is None else self.read(data)


STRING = Declared(types.STRING, smallest=2)
BOOL = Declared(types.BOOL, smallest=4)
INT = Declared(types.INT)
DYN = Declared(types.DYN)
MEMBERS = re.compile("__|[-./]")
NAMES_OF = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


def escape(name: str) -> str | None:
    """A property's name as expressions write it; None when they cannot."""
    if not re.fullmatch("[A-Za-z_./-][A-Za-z0-9_./-]*", name):
        return None
    if name in RESERVED:
        return f"__{name}__"
    return MEMBERS.sub(lambda match: NAMES_OF[match.group()], name)


def list_of(element: Declared, most: int = REQUEST, schema: Object | None = None) -> Declared:
    return Declared(types.list_of(element.type), most, 2, element=element, read=_list_reader(element, schema or {}))


def map_of(element: Declared, most: int = REQUEST) -> Declared:
    read = None if element.read is None else lambda data: {key: element.value(value) for key, value in data.items()}
    return Declared(types.map_of(types.STRING, element.type), most, 2, key=STRING, element=element, read=read)


def object_of(name: str, fields: Mapping[str, Declared]) -> Declared:
    """An object whose fields are named as in expressions."""
    return _object(name, {field: (field, declared) for field, declared in fields.items()}, 2)


def _object(name: str, fields: Mapping[str, tuple[str, Declared]], smallest: int) -> Declared:
    odd = [(key, declared) for key, declared in fields.values() if declared.read is not None]

    def read(data: Object) -> Object:
        changed = {key: declared.value(data[key]) for key, declared in odd if key in data}
        return {**data, **changed} if changed else data

    return Declared(types.struct(name), 0, smallest, fields, read=read if odd else None)


def _list_reader(element: Declared, schema: Object) -> Read | None:
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        return lambda data: SetList(map(element.value, data))
    if kind == "map":
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        return lambda data: MapList(map(element.value, data), keys)
    return None if element.read is None else lambda data: list(map(element.value, data))


def _read_number(data: Any) -> Any:
    return float(data) if isinstance(data, int) and not isinstance(data, bool) else data


def _read_time(data: Any) -> Timestamp:
    found = times.parse_timestamp(str(data).replace("t", "T").replace("z", "Z"))
    if found is None:
        raise EvaluationError(f"Invalid date-time formatted string {data}")
    return found


def _read_date(data: Any) -> Timestamp:
    found = times.parse_timestamp(f"{data}T00:00:00Z")
    if found is None:
        raise EvaluationError(f"Invalid date formatted string {data}")
    return found


def _read_duration(data: Any) -> Duration:
    found = times.parse_duration(str(data))
    if found is None:
        found = _loose_duration(str(data))
    if found is None:
        raise EvaluationError(f"Invalid duration {data}")
    return Duration(found)


LOOSE_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
LONG_UNITS = {
    "nano": "ns", "micro": "us", "µs": "us", "milli": "ms", "sec": "s", "min": "m", "hour": "h", "hr": "h",
}  # fmt: skip
DAYS = {"d": 1, "w": 7}


def _loose_duration(text: str) -> int | None:
    """Scala's way, which the format allows as well: `3 weeks`, `22 ns`."""
    total, seen = 0, False
    for amount, unit in re.findall(r"(\d+)\s*([A-Za-zµ]+)", text):
        name = unit.lower()
        short = next((LONG_UNITS[long] for long in LONG_UNITS if name.startswith(long)), name)
        factor = LOOSE_UNITS.get(short) or DAYS.get(name[:1], 0) * 86_400 * 10**9
        total, seen = total + whole(amount) * factor, seen or bool(factor)
    return total if seen else None


def _read_bytes(data: Any) -> bytes:
    try:
        return base64.b64decode(str(data), validate=True)
    except (binascii.Error, ValueError):
        raise EvaluationError(f"Invalid byte formatted string {data}") from None


FORMATS: dict[str, tuple[Type, int, int, Read]] = {
    "duration": (types.DURATION, 32, 3, _read_duration),
    "date": (types.TIMESTAMP, 12, 12, _read_date),
    "date-time": (types.TIMESTAMP, 32, 21, _read_time),
}
"""(type, most bytes, fewest bytes, reader)"""


def of_schema(schema: Object, name: str, is_root: bool = False) -> Declared | None:
    """The type a schema declares, None when expressions cannot see such data. `name` is for the objects in it;
    `is_root` for resources, which have names and kinds whatever their schema says."""
    if schema.get("x-kubernetes-int-or-string"):
        most = max(int(schema["maxLength"]), 0) * 4 if "maxLength" in schema else REQUEST - 2
        return Declared(types.DYN, most)
    if is_root:
        schema = with_metadata(schema)
    match schema.get("type"):
        case "array":
            return _of_array(schema, name)
        case "object":
            return _of_object(schema, name)
        case "string":
            return _of_string(schema)
        case "boolean":
            return BOOL
        case "number":
            return Declared(types.DOUBLE, read=_read_number)
        case "integer":
            return INT
    return None


def with_metadata(schema: Object) -> Object:
    """The schema of a resource, with the fields that all of them have."""
    properties = schema.get("properties") or {}
    metadata = properties.get("metadata") or {}
    named = metadata.get("properties") or {}
    strings = [properties.get("kind"), properties.get("apiVersion"), named.get("name"), named.get("generateName")]
    if metadata.get("type") == "object" and all(s and s.get("type") == "string" for s in strings):
        return schema
    plain = {"type": "string"}
    about = {
        "name": _capped(named.get("name"), LONGEST_NAME),
        "generateName": _capped(named.get("generateName"), LONGEST_NAME - 1),
    }
    more = {"kind": plain, "apiVersion": plain, "metadata": {"type": "object", "properties": about}}
    return {**schema, "properties": {**properties, **more}}


def _capped(schema: Object | None, most: int) -> Object:
    return {"type": "string", "maxLength": min(most, (schema or {}).get("maxLength", most))}


def _embedded(schema: Object) -> bool:
    return bool(schema.get("x-kubernetes-embedded-resource"))


def _of_array(schema: Object, name: str) -> Declared | None:
    items = schema.get("items")
    element = of_schema(items, f"{name}.@idx", _embedded(items)) if isinstance(items, dict) else None
    if element is None:
        return None
    most = max(schema["maxItems"], 0) if "maxItems" in schema else (REQUEST - 2) // (element.smallest + 1)
    return list_of(element, most, schema)


def _of_object(schema: Object, name: str) -> Declared | None:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        element = of_schema(additional, f"{name}.@elem", _embedded(additional))
        if element is None:
            return None
        room = (REQUEST - 2) // (element.smallest + 6)
        return map_of(element, max(schema["maxProperties"], 0) if "maxProperties" in schema else room)
    required = frozenset(schema.get("required") or ())
    fields: dict[str, tuple[str, Declared]] = {}
    smallest = 2
    for key, inner in (schema.get("properties") or {}).items():
        escaped = escape(key)
        declared = of_schema(inner, f"{name}.{escaped}", _embedded(inner))
        if declared is None:
            continue
        if escaped is not None:
            fields[escaped] = (key, declared)
        if key in required and inner.get("default") is None:
            smallest += len(key.encode()) + declared.smallest + 4
    return _object(name, fields, smallest)


def _of_string(schema: Object) -> Declared:
    form = schema.get("format")
    if form in FORMATS:
        type, most, fewest, read = FORMATS[form]
        return Declared(type, most, fewest, read=read)
    longest = schema.get("maxLength")
    if form == "byte":
        return Declared(types.BYTES, REQUEST - 2 if longest is None else max(longest, 0), 2, read=_read_bytes)
    if longest is not None:
        return Declared(types.STRING, max(longest, 0) * 4, 2)
    choices = schema.get("enum")
    if choices:
        return Declared(types.STRING, max((len(c.encode()) for c in choices if isinstance(c, str)), default=0), 2)
    return Declared(types.STRING, REQUEST - 2, 2)


class Declarations(Provider):
    """The object types within some declared ones. Sizes are looked up below `root`, whatever the variable's name."""

    def __init__(self, *declared: Declared, root: Declared | None = None) -> None:
        self.root = root
        self.structs: dict[str, Declared] = {}
        waiting = [*declared, *([root] if root else [])]
        while waiting:
            at = waiting.pop()
            if at.type.kind == "struct":
                self.structs[at.type.name] = at
            waiting.extend(inner for _, inner in at.fields.values())
            waiting.extend(inner for inner in (at.key, at.element) if inner is not None)

    def find_type(self, name: str) -> Type | None:
        found = self.structs.get(name)
        return found.type if found else None

    def find_field(self, struct: str, field: str) -> Type | None:
        found = self.structs.get(struct)
        known = found.fields.get(field) if found else None
        return known[1].type if known else None

    def field_key(self, type: Type, field: str) -> str:
        found = self.structs.get(types.unwrapped(type)[0].name)
        return found.fields[field][0] if found and field in found.fields else field

    def size_of(self, path: tuple[str, ...]) -> int | None:
        at = self.root
        for name in path[1:]:
            if at is None:
                return None
            match name:
                case "@items" | "@values":
                    at = at.element
                case "@keys":
                    at = at.key
                case _:
                    at = at.fields[name][1] if name in at.fields else None
        return None if at is None else at.most
