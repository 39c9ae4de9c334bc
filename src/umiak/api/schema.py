"""What the fields of a kind are, and how a request's body is read by it.

`decode` does to plain JSON data what Go's decoding into a struct and encoding back does: unknown fields go, empty
fields marked `omitempty` go, missing ones that are always written come, quantities and times become canonical.
"""

import binascii
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from umiak.api.shapes import shape_of
from umiak.objects import quantity, times
from umiak.objects.errors import bad_request
from umiak.objects.shapes import Shape
from umiak.objects.types import Object

Read = Callable[[Object, str, str], tuple[Object, list[str]]]
"""(object, kind, version) to the object and its strict faults; raises bad_request."""
Touched = Mapping[str, "Touched | None"]
"""Names of an object's fields, each with the same of what is in it; None where all of it counts."""


class Schema:
    """A field, an element or a whole object.

    `type` is object, map, list, string, integer, number, boolean, any, quantity, int-or-string, time, micro-time,
    bytes, raw (any JSON, kept as it is), fields, or, of custom resource schemas, schema-or-array, schema-or-bool or
    schema-or-strings.
    """

    __slots__ = (
        "_definition",
        "_element_step",
        "_load",
        "_plan",
        "always",
        "default",
        "embedded",
        "enum",
        "format",
        "go_type",
        "item_default",
        "items",
        "list_keys",
        "list_type",
        "map_type",
        "omitempty",
        "omitzero",
        "patch_merge_key",
        "patch_strategy",
        "pointer",
        "properties",
        "read",
        "required",
        "shape",
        "source",
        "struct",
        "type",
        "unions",
        "values",
    )
    type: str
    properties: dict[str, "Schema"]
    """Of an object, in the order of the Go struct."""
    items: "Schema"
    """Of a list."""
    values: "Schema"
    """Of a map."""
    always: list[tuple[str, "Schema"]]
    """Properties that are written even when they are empty."""
    shape: Shape
    """How its values are merged."""
    _plan: dict[str, tuple[Any, Any, "Schema"]]
    _element_step: Callable[[Any], Any] | None

    def __init__(self, type: str, load: Callable[["Schema"], None] | None = None, definition: str = "") -> None:
        self.type = type
        self.required: tuple[str, ...] = ()
        """Of an object: properties that OpenAPI calls required."""
        self.enum: tuple[Any, ...] = ()
        self.default: Any = None
        """OpenAPI's default, None when there is none."""
        self.item_default: Any = None
        self.format = ""
        """int32, int64 or double for numbers."""
        self.list_type = ""
        """atomic, set or map."""
        self.list_keys: tuple[str, ...] = ()
        self.map_type = ""
        """atomic or granular; empty means granular."""
        self.patch_strategy = ""
        """As in OpenAPI: merge, replace, retainKeys, or several with commas."""
        self.patch_merge_key = ""
        self.go_type = ""
        """As Go's error texts print it, e.g. `v1.PullPolicy`."""
        self.struct = ""
        """Name of the Go struct of an object, without its package."""
        self.omitempty = False
        self.omitzero = False
        self.pointer = False
        self.embedded: tuple[str, ...] = ()
        """Names of the Go structs embedded between the parent and this field."""
        self.unions: tuple[Any, ...] = ()
        self.read: Read | None = None
        """Reads an object in place of `decode`, for kinds that are no Go structs."""
        self.source: Object | None = None
        """Of a custom kind: the JSON schema it was made from."""
        self._load = load
        self._definition = definition

    @property
    def definition(self) -> str:
        """OpenAPI's name of the object's definition, e.g. `io.k8s.api.core.v1.Pod`; empty when it has none."""
        return self._definition

    def __getattr__(self, name: str) -> Any:
        """Fills what is derived on first use: an object's properties, the way to decode them."""
        if name == "properties":
            self.properties = {}
            if self._load:
                self._load(self)
            return self.properties
        if name in ("always", "_plan"):
            _derive(self)
            return object.__getattribute__(self, name)
        if name == "_element_step":
            self._element_step = _step(self)
            return self._element_step
        if name == "shape":
            self.shape = shape_of(self)
            return self.shape
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"<Schema {self.type} {self._definition or self.go_type}>"


class Odd(Exception):
    """The fast way cannot read this value; `faults` finds out what is wrong with it."""


DROP: Any = object()
"""Stands for a value that is not written."""

_PYTHON: dict[str, type] = {
    "object": dict,
    "map": dict,
    "list": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "number": float,
    "quantity": str,
    "time": str,
    "micro-time": str,
    "bytes": str,
}


def _derive(node: Schema) -> None:
    node._plan = {name: (_PYTHON.get(p.type, DROP), _step(p), p) for name, p in node.properties.items()}
    node.always = [(name, p) for name, p in node.properties.items() if _is_always_written(p)]


def _is_always_written(node: Schema) -> bool:
    if node.omitzero:
        return False
    return not node.omitempty or (not node.pointer and node.type not in _OMITTABLE)


_OMITTABLE = frozenset({"string", "integer", "number", "boolean", "map", "list", "bytes"})
"""Go's omitempty leaves these out when they are empty, but never a struct."""


def zero(node: Schema) -> Any:
    """What a field that nobody set is written as."""
    if node.pointer:
        return None
    if node.type == "object":
        return _decode_object(node, {})
    return {"string": "", "integer": 0, "number": 0, "boolean": False, "quantity": "0", "int-or-string": 0}.get(
        node.type
    )


def _decode_object(node: Schema, obj: Object) -> Object:
    """Changes `obj` in place. Raises Odd on anything that is not as it should be."""
    changes: list[tuple[str, Any]] | None = None
    plan = node._plan
    for key, value in obj.items():
        try:
            wanted, step, field = plan[key]
        except KeyError:
            raise Odd from None
        if type(value) is wanted and value:
            if step is None:
                continue
            new = step(value)
            if new is value:
                continue
        else:
            new = _unusual(field, value)
            if new is value:
                continue
        if changes is None:
            changes = []
        changes.append((key, new))
    if changes is not None:
        for key, new in changes:
            if new is DROP:
                del obj[key]
            else:
                obj[key] = new
    for key, field in node.always:
        if key not in obj:
            obj[key] = zero(field)
    return obj


def _decode_touched(node: Schema, obj: Object, touched: Touched) -> None:
    """As `_decode_object`, of an object whose other fields are as they should be."""
    for name, below in touched.items():
        wanted, step, field = node._plan.get(name) or _UNKNOWN
        if name not in obj:
            if field is not None and _is_always_written(field):
                obj[name] = zero(field)
            continue
        value = obj[name]
        if field is None:
            raise Odd
        if below is not None and field.type == "object" and type(value) is dict and value:
            _decode_touched(field, value, below)
            continue
        usual = type(value) is wanted and value
        new = _unusual(field, value) if not usual else step(value) if step is not None else value
        if new is DROP:
            del obj[name]
        else:
            obj[name] = new


_UNKNOWN: tuple[Any, Any, Any] = (None, None, None)


def _unusual(field: Schema, value: Any) -> Any:
    """A property's value that is null, empty or not of the first type to expect."""
    if value is None:
        return zero(field) if _is_always_written(field) else DROP
    new = _element(field, value)
    if field.pointer:
        return new
    if field.type in _OMITTABLE and not new:
        if field.omitempty:
            return DROP
        return None if field.type in ("map", "list", "bytes") else new
    return new


def _element(node: Schema, value: Any) -> Any:
    """Any value of a list, a map or a property, null apart from properties."""
    if value is None:
        return zero(node)
    if type(value) is not _PYTHON.get(node.type, DROP):
        if node.type in ("any", "raw", "fields"):
            return value
        if node.type == "int-or-string" and (type(value) is str or _is_int32(value)):
            return value
        if node.type == "quantity" and type(value) in (int, float):
            return _quantity(str(value))
        if node.type == "number" and type(value) is int:
            return value
        if node.type.startswith("schema-or-"):
            return _schema_or(node, value)
        if node.type == "bytes" and type(value) is list:
            return _byte_list(value)
        raise Odd
    step = node._element_step
    return step(value) if step else value


def _schema_or(node: Schema, value: Any) -> Any:
    """The three unions of apiextensions' JSONSchemaProps; their marshal.go ignores what it does not know."""
    if type(value) is dict:
        return _decode_object(node.items, value)
    if node.type == "schema-or-bool":
        if type(value) is bool:
            return value
        raise Odd
    if type(value) is not list:
        return None
    if node.type == "schema-or-array":
        return [_element(node.items, v) for v in value] or None
    if not all(type(v) is str for v in value):
        raise Odd
    return value or None


def _step(node: Schema) -> Callable[[Any], Any] | None:
    """What to do with a value of the right Python type; None when nothing."""
    match node.type:
        case "object":
            return lambda value: _decode_object(node, value)
        case "map":
            return _map_step(node.values)
        case "list":
            return _list_step(node.items)
        case "integer":
            return _int32 if node.format == "int32" else _int64
        case "number":
            return _finite
        case "quantity":
            return _quantity
        case "time":
            return _time
        case "micro-time":
            return _micro_time
        case "bytes":
            return _bytes
    return None


_ONLY_TEXT = {str}


def _map_step(values: Schema) -> Callable[[Object], Object]:
    if values.type == "string":

        def texts(value: Object) -> Object:
            if set(map(type, value.values())) != _ONLY_TEXT:
                for key, item in value.items():
                    value[key] = _element(values, item)
            return value

        return texts

    def others(value: Object) -> Object:
        for key, item in value.items():
            value[key] = _element(values, item)
        return value

    return others


def _list_step(items: Schema) -> Callable[[list[Any]], list[Any]]:
    if items.type == "string":

        def texts(value: list[Any]) -> list[Any]:
            if set(map(type, value)) != _ONLY_TEXT:
                value[:] = [_element(items, item) for item in value]
            return value

        return texts
    if items.type == "object":

        def objects(value: list[Any]) -> list[Any]:
            for index, item in enumerate(value):
                if type(item) is dict:
                    _decode_object(items, item)
                else:
                    value[index] = _element(items, item)
            return value

        return objects

    def others(value: list[Any]) -> list[Any]:
        value[:] = [_element(items, item) for item in value]
        return value

    return others


def _int32(value: int) -> int:
    if -0x8000_0000 <= value <= 0x7FFF_FFFF:
        return value
    raise Odd


def _int64(value: int) -> int:
    if -0x8000_0000_0000_0000 <= value <= 0x7FFF_FFFF_FFFF_FFFF:
        return value
    raise Odd


def _finite(value: float) -> float:
    if isfinite(value):
        return value
    raise Odd  # more than a float64 holds


def _is_int32(value: Any) -> bool:
    return type(value) is int and -0x8000_0000 <= value <= 0x7FFF_FFFF


def _quantity(text: str) -> str:
    try:
        return quantity.canonical(text.strip())
    except quantity.InvalidQuantity:
        raise Odd from None


def _time(text: str) -> str:
    try:
        return times.canonical(text)
    except times.InvalidTime:
        raise Odd from None


def _micro_time(text: str) -> str:
    try:
        return times.canonical_micro(text)
    except times.InvalidTime:
        raise Odd from None


def _bytes(text: str) -> str:
    """Standard base64; line breaks are ignored, as in Go."""
    try:
        plain = text.replace("\r", "").replace("\n", "") if "\n" in text or "\r" in text else text
        data = binascii.a2b_base64(plain, strict_mode=True)
    except ValueError:
        raise Odd from None
    written = binascii.b2a_base64(data, newline=False).decode()
    return text if written == text else written


def _byte_list(value: list[Any]) -> str:
    """Go reads bytes from a list of numbers, too."""
    try:
        return binascii.b2a_base64(bytes(item or 0 for item in value), newline=False).decode()
    except (TypeError, ValueError):
        raise Odd from None


def decode(
    schema: Schema, obj: Object, kind: str = "", version: str = "", touched: Touched | None = None
) -> tuple[Object, list[str]]:
    """Reads `obj`, which is changed in place, as an object of `schema`.

    Returns it with the faults that strict decoding reports (`unknown field "spec.foo"`). Raises bad_request when a
    value has the wrong type; `kind` and `version` (by default the object's own) are named in that error's text.
    Of an object that was decoded before, only what was `touched` since need be read again.
    """
    try:
        if schema.read is not None:
            return schema.read(obj, kind, version)
        return _decode(schema, obj, kind or str(obj.get("kind", "")), version or _version_of(obj), touched)
    except RecursionError:
        raise bad_request("exceeded max depth") from None


def _decode(schema: Schema, obj: Object, kind: str, version: str, touched: Touched | None) -> tuple[Object, list[str]]:
    try:
        if type(obj) is not dict:  # an object with repeated keys
            raise Odd
        if touched is not None:
            _decode_touched(schema, obj, touched)
            return obj, []
        return _decode_object(schema, obj), []
    except Odd:
        from umiak.api.faults import explain

        faults = explain(schema, obj, kind, version)
    return _decode_object(schema, plain(obj)), faults


def plain(value: Any) -> Any:
    """Without the memory of repeated keys."""
    if isinstance(value, dict):
        return {k: plain(v) if isinstance(v, dict | list) else v for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) if isinstance(v, dict | list) else v for v in value]
    return value


def _version_of(obj: Object) -> str:
    return str(obj.get("apiVersion", "")).rpartition("/")[2]


def normalize(schema: Schema, obj: Object) -> Object:
    """Drops and fills again after `obj`, once decoded, was changed by our own code. Raises Odd if that broke it."""
    if schema.read is not None:
        return schema.read(obj, "", "")[0]
    return _decode_object(schema, obj)
