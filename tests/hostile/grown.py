"""Bytes as plain data: whatever a fuzzer makes up means some value, so that no time goes into broken syntax.

Fields and types come from a kind's schema, words from a short list of what patches and objects are made of; now and
then a value of another type stands where the schema wants one.
"""

from typing import Any

from umiak.api.schema import Schema

WORDS = (
    *(
        "",
        "a",
        "b",
        "web",
        "name",
        "metadata",
        "spec",
        "containers",
        "labels",
        "annotations",
        "data",
        "status",
        "image",
    ),
    *("$patch", "replace", "delete", "merge", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList"),
    *("$setElementOrder/finalizers", "finalizers", "ports", "containerPort", "protocol", "TCP", "UDP", "env", "value"),
    *(
        "op",
        "path",
        "from",
        "add",
        "remove",
        "move",
        "copy",
        "test",
        "/",
        "/metadata",
        "/metadata/labels",
        "/spec",
        "-",
    ),
    *(
        "/spec/containers/0",
        "/spec/containers/-",
        "/spec/containers/-1",
        "~0",
        "~1",
        "..",
        "0",
        "1",
        "-1",
        "1e9",
        "1Gi",
    ),
    *("1e9999999", "-0", "2026-11-27T00:00:00Z", "0001-01-01T00:00:00Z", "é", "\0", "\ud7ff", "\U0001f6f6", "x" * 300),
    *("f:metadata", "f:labels", 'k:{"name":"a"}', 'v:"a"', "i:0", ".", "100m", "50%", "Always", "ClusterIP", "a.b/c"),
)
NUMBERS = (0, 1, -1, 2, 80, 65535, 65536, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, 1e300, -0.0)
SMALL = (0, 1, 2, 3, 80, 443, 8080, 100, -1)
TYPED = {
    "quantity": ("1", "100m", "1Gi", "-1", "0", "1e9", "1.5", "9E", "0.1m"),
    "time": ("2026-11-27T00:00:00Z", "2026-11-27T01:02:03+01:00", "0001-01-01T00:00:00Z"),
    "micro-time": ("2026-11-27T00:00:00.000001Z", "0001-01-01T00:00:00.000000Z"),
    "bytes": ("YQ==", "", "AAAA"),
}
"""Texts that are read as what they should be."""
DEEPEST = 12
MOST = 6
"""Elements of one list, fields of one object."""


class Source:
    """Bytes, taken one by one; after the last come zeros."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, most: int) -> int:
        """A number from 0 on; two bytes where one is not enough."""
        return (self.byte() if most <= 256 else self.byte() << 8 | self.byte()) % most

    def pick(self, choices: Any) -> Any:
        return choices[self.below(len(choices))]

    def rest(self) -> bytes:
        return self._data[self._at :]


def value(source: Source, depth: int = 0) -> Any:
    """Any JSON value. The zero byte, so also the end of the bytes, is null."""
    kind = source.byte()
    if kind < 16 or depth > DEEPEST:
        return None
    if kind < 128:
        return source.pick(WORDS)
    if kind < 160:
        return source.pick(NUMBERS)
    if kind < 176:
        return kind % 2 == 0
    count = source.below(MOST)
    if kind < 208:
        return [value(source, depth + 1) for _ in range(count)]
    return {source.pick(WORDS): value(source, depth + 1) for _ in range(count)}


def of_schema(source: Source, schema: Schema, depth: int = 0) -> Any:
    """Mostly what the schema wants."""
    if depth > DEEPEST or source.byte() > 248:
        return value(source, depth)
    match schema.type:
        case "object":
            names = list(schema.properties)
            count = source.below(MOST) if names else 0
            chosen = [source.pick(names) for _ in range(count)]
            return {name: of_schema(source, schema.properties[name], depth + 1) for name in chosen}
        case "map":
            return {source.pick(WORDS): of_schema(source, schema.values, depth + 1) for _ in range(source.below(MOST))}
        case "list":
            return [of_schema(source, schema.items, depth + 1) for _ in range(source.below(MOST))]
        case "integer" | "number":
            return source.pick(NUMBERS) if source.byte() > 200 else source.pick(SMALL)
        case "boolean":
            return source.byte() % 2 == 0
        case "any" | "raw" | "fields" | "int-or-string" | "schema-or-array" | "schema-or-bool" | "schema-or-strings":
            return value(source, depth)
    words = schema.enum or TYPED.get(schema.type) or WORDS
    return source.pick(words if source.byte() < 230 else WORDS)
