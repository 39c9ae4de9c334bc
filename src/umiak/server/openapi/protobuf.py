"""The OpenAPI 2 document as protobuf: gnostic's openapi.v2 messages, which kubectl asks for to check lists.

A message here is a mapping from the JSON name of a field to its number and how its value is written; extensions
(`x-...`) all go into one repeated field. Numbers are those of gnostic-models' OpenAPIv2.proto.
"""

import struct
from collections.abc import Callable, Iterable, Mapping

import msgspec

from umiak.objects.types import Object

Fields = Mapping[str, tuple[int, Callable[..., bytes]]]

VARINT, FIXED_64, BYTES = 0, 1, 2
"""Wire types."""


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def block(number: int, data: bytes) -> bytes:
    """A field of bytes: a text or a message within."""
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def text(number: int, value: str) -> bytes:
    return block(number, value.encode())


def texts(number: int, values: Iterable[str]) -> bytes:
    return b"".join(text(number, value) for value in values)


def whole(number: int, value: int) -> bytes:
    """A whole number or a truth; as in proto3, nothing is written for zero."""
    return varint(number << 3 | VARINT) + varint(int(value)) if value else b""


def real(number: int, value: float) -> bytes:
    return varint(number << 3 | FIXED_64) + struct.pack("<d", value) if value else b""


def free(number: int, value: object) -> bytes:
    """Any value, as a YAML text; JSON is YAML."""
    return block(number, text(2, msgspec.json.encode(value).decode() + "\n"))


def frees(number: int, values: Iterable[object]) -> bytes:
    return b"".join(free(number, value) for value in values)


def message(obj: Object, fields: Fields, extensions: int) -> bytes:
    out = []
    for name, value in obj.items():
        if name.startswith("x-"):
            out.append(block(extensions, text(1, name) + free(2, value)))
        elif name in fields:  # others do not exist in OpenAPI 2
            number, write = fields[name]
            out.append(write(number, value))
    return b"".join(out)


def named(items: Mapping[str, Object], number: int, write: Callable[[Object], bytes]) -> bytes:
    """A map, which gnostic writes as a list of names with their values."""
    return b"".join(block(number, text(1, name) + block(2, write(value))) for name, value in items.items())


def wrapped(write: Callable, inner: int = 1) -> Callable[[int, object], bytes]:
    """A message whose only field is `inner`."""
    return lambda number, value: block(number, write(inner, value))


def schema(obj: Object) -> bytes:
    return message(obj, SCHEMA, 31)


def _schema_field(number: int, obj: Object) -> bytes:
    return block(number, schema(obj))


def _more_properties(number: int, value: Object | bool) -> bytes:
    return block(number, whole(2, value) if isinstance(value, bool) else _schema_field(1, value))


def _type(number: int, value: str | list[str]) -> bytes:
    return block(number, texts(1, [value] if isinstance(value, str) else value))


SCHEMA: Fields = {
    "$ref": (1, text),
    "format": (2, text),
    "title": (3, text),
    "description": (4, text),
    "default": (5, free),
    "multipleOf": (6, real),
    "maximum": (7, real),
    "exclusiveMaximum": (8, whole),
    "minimum": (9, real),
    "exclusiveMinimum": (10, whole),
    "maxLength": (11, whole),
    "minLength": (12, whole),
    "pattern": (13, text),
    "maxItems": (14, whole),
    "minItems": (15, whole),
    "uniqueItems": (16, whole),
    "maxProperties": (17, whole),
    "minProperties": (18, whole),
    "required": (19, texts),
    "enum": (20, frees),
    "additionalProperties": (21, _more_properties),
    "type": (22, _type),
    "items": (23, wrapped(_schema_field)),
    "allOf": (24, lambda number, value: b"".join(_schema_field(number, one) for one in value)),
    "properties": (25, lambda number, value: block(number, named(value, 1, schema))),
    "readOnly": (27, whole),
    "example": (30, free),
}
BODY: Fields = {
    "description": (1, text),
    "name": (2, text),
    "in": (3, text),
    "required": (4, whole),
    "schema": (5, _schema_field),
}
QUERY: Fields = {
    "required": (1, whole),
    "in": (2, text),
    "description": (3, text),
    "name": (4, text),
    "type": (6, text),
    "format": (7, text),
    "uniqueItems": (20, whole),
}
IN_PATH: Fields = {**QUERY, "type": (5, text), "format": (6, text), "uniqueItems": (19, whole)}


def _parameter(parameter: Object) -> bytes:
    """A ParametersItem."""
    if parameter["in"] == "body":
        return block(1, block(1, message(parameter, BODY, 6)))
    if parameter["in"] == "query":
        return block(1, block(2, block(3, message(parameter, QUERY, 23))))
    return block(1, block(2, block(4, message(parameter, IN_PATH, 22))))


def _parameters(number: int, values: Iterable[Object]) -> bytes:
    return b"".join(block(number, _parameter(value)) for value in values)


RESPONSE: Fields = {"description": (1, text), "schema": (2, wrapped(_schema_field))}
OPERATION: Fields = {
    "tags": (1, texts),
    "summary": (2, text),
    "description": (3, text),
    "operationId": (5, text),
    "produces": (6, texts),
    "consumes": (7, texts),
    "parameters": (8, _parameters),
    "responses": (9, lambda n, value: block(n, named(value, 1, lambda one: block(1, message(one, RESPONSE, 5))))),
    "schemes": (10, texts),
    "deprecated": (11, whole),
}


def _operation(number: int, obj: Object) -> bytes:
    return block(number, message(obj, OPERATION, 13))


METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
PATH_ITEM: Fields = {
    "parameters": (9, _parameters),
    **{name: (at, _operation) for at, name in enumerate(METHODS, 2)},
}
INFO: Fields = {"title": (1, text), "version": (2, text), "description": (3, text)}
API_KEY: Fields = {"type": (1, text), "name": (2, text), "in": (3, text)}


def _security(number: int, values: Iterable[Mapping[str, list[str]]]) -> bytes:
    return b"".join(block(number, named(value, 1, lambda scopes: texts(1, scopes))) for value in values)  # type: ignore[arg-type]


def _in_security(obj: Object) -> bytes:
    return block(2, message(obj, API_KEY, 5))


DOCUMENT: Fields = {
    "swagger": (1, text),
    "info": (2, lambda n, value: block(n, message(value, INFO, 7))),
    "paths": (8, lambda n, value: block(n, named(value, 2, lambda item: message(item, PATH_ITEM, 10)))),
    "definitions": (9, lambda n, value: block(n, named(value, 1, schema))),
    "security": (12, _security),
    "securityDefinitions": (13, lambda n, value: block(n, named(value, 1, _in_security))),
}


def document(obj: Object) -> bytes:
    """The bytes of a whole document, as `documents.version_2` makes one."""
    return message(obj, DOCUMENT, 16)
