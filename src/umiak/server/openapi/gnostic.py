"""An OpenAPI 2 document as protobuf, the only form in which older clients ask for it (kubectl before 1.24 always).

The messages are those of gnostic's OpenAPIv2.proto. What begins with `x-` is a vendor
extension; its value is carried as YAML text, which JSON is.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from umiak.objects.types import Object

TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ASKED = frozenset({TYPE, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"})

Write = Callable[[Any], bytes]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def part(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def flag(number: int, value: bool) -> bytes:
    return varint(number << 3) + varint(int(value))


def text(number: int, value: str) -> bytes:
    return part(number, value.encode())


def texts(number: int, values: Iterable[str]) -> bytes:
    return b"".join(text(number, v) for v in values)


def any_value(value: Any) -> bytes:
    return text(2, msgspec.json.encode(value).decode() + "\n")


def named(number: int, values: Object, write: Write) -> bytes:
    """A JSON object with free keys: a list of messages with name and value."""
    return b"".join(part(number, text(1, name) + part(2, write(value))) for name, value in values.items())


def extensions(number: int, obj: Object) -> bytes:
    return named(number, {k: v for k, v in obj.items() if k.startswith("x-")}, any_value)


def schema(obj: Object) -> bytes:
    fields: list[tuple[str, Callable[[Any], bytes]]] = [
        ("$ref", lambda v: text(1, v)),
        ("format", lambda v: text(2, v)),
        ("description", lambda v: text(4, v)),
        ("default", lambda v: part(5, any_value(v))),
        ("required", lambda v: texts(19, v)),
        ("enum", lambda v: b"".join(part(20, any_value(each)) for each in v)),
        ("additionalProperties", lambda v: part(21, flag(2, v) if isinstance(v, bool) else part(1, schema(v)))),
        ("type", lambda v: part(22, texts(1, [v] if isinstance(v, str) else v))),
        ("items", lambda v: part(23, part(1, schema(v)))),
        ("allOf", lambda v: b"".join(part(24, schema(each)) for each in v)),
        ("properties", lambda v: part(25, named(1, v, schema))),
    ]
    return b"".join(write(obj[name]) for name, write in fields if name in obj) + extensions(31, obj)


def path_parameter(obj: Object) -> bytes:
    return flag(1, True) + text(2, "path") + text(4, obj["name"]) + _primitive(obj, 5)


def query_parameter(obj: Object) -> bytes:
    return text(2, "query") + text(4, obj["name"]) + _primitive(obj, 6)


def _primitive(obj: Object, number: int) -> bytes:
    return text(number, obj.get("type", "string")) + extensions(number + 17, obj)


def parameter(obj: Object) -> bytes:
    """A ParametersItem: a Parameter, which is a body or one of four others."""
    if obj["in"] == "body":
        return part(1, part(1, text(2, obj["name"]) + text(3, "body") + part(5, schema(obj["schema"]))))
    other = part(4, path_parameter(obj)) if obj["in"] == "path" else part(3, query_parameter(obj))
    return part(1, part(2, other))


def response(obj: Object) -> bytes:
    answer = text(1, obj.get("description", ""))
    if "schema" in obj:
        answer += part(2, part(1, schema(obj["schema"])))
    return part(1, answer)


def operation(obj: Object) -> bytes:
    return b"".join(
        (
            texts(1, obj.get("tags", ())),
            text(3, obj.get("description", "")),
            text(5, obj.get("operationId", "")),
            texts(6, obj.get("produces", ())),
            texts(7, obj.get("consumes", ())),
            *(part(8, parameter(p)) for p in obj.get("parameters", ())),
            part(9, named(1, obj.get("responses", {}), response)),
            texts(10, obj.get("schemes", ())),
            extensions(13, obj),
        )
    )


METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def path_item(obj: Object) -> bytes:
    operations = (part(number, operation(obj[name])) for name, number in METHODS.items() if name in obj)
    return b"".join((*operations, *(part(9, parameter(p)) for p in obj.get("parameters", ()))))


def api_key(obj: Object) -> bytes:
    return part(2, text(1, obj["type"]) + text(2, obj["name"]) + text(3, obj["in"]))


def encode(document: Object) -> bytes:
    """A whole OpenAPI 2 document."""
    info = document["info"]
    requirements = (named(1, r, lambda scopes: texts(1, scopes)) for r in document.get("security", ()))
    return b"".join(
        (
            text(1, document["swagger"]),
            part(2, text(1, info["title"]) + text(2, info["version"])),
            part(8, named(2, document["paths"], path_item)),
            part(9, named(1, document["definitions"], schema)),
            *(part(12, r) for r in requirements),
            part(13, named(1, document.get("securityDefinitions", {}), api_key)),
        )
    )
