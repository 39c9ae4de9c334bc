"""Checks values against a schema, with the words of kube-openapi's `validate` as apiextensions turns them into causes.

An update is lenient ("ratcheting", KEP-4008): what was already wrong and did not change is let pass.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from umiak.objects import linear_regexp
from umiak.objects.errors import (
    FieldError,
    invalid_value,
    not_supported,
    required,
    too_long,
    too_many,
    type_invalid,
)
from umiak.objects.go_regexp import InvalidPattern
from umiak.objects.go_text import float_g, quoted
from umiak.objects.structural import formats
from umiak.objects.structural.prune import NOTHING
from umiak.objects.types import Object

NO_PATH = "<nil>"
"""What the reference prints where an error belongs to no field."""
INT_OR_STRING = "x-kubernetes-int-or-string"


class _Unknown:
    """Stands for "there is no old value that belongs to this one"."""


UNKNOWN = _Unknown()


class Result(msgspec.Struct):
    """Faults by their text, each once, and how much of the schema was matched: that chooses among alternatives."""

    faults: dict[str, FieldError] = msgspec.field(default_factory=dict)
    matched: int = 0

    def merge(self, other: "Result") -> None:
        for text, fault in other.faults.items():
            self.faults.setdefault(text, fault)
        self.matched += other.matched

    def add(self, text: str, fault: FieldError) -> None:
        self.faults.setdefault(text, fault)


def faults(schema: Object, value: Any, old: Any = UNKNOWN, at: str = "") -> list[FieldError]:
    """What is wrong with `value`; `old` is what it was before, `at` the path of the field it is in."""
    return list(_Check(at).value(schema, value, "", old).faults.values())


def types_of(schema: Object) -> tuple[str, ...]:
    if schema.get(INT_OR_STRING):
        return "integer", "string"
    return (schema["type"],) if schema.get("type") else ()


def type_of(value: Any) -> str:
    """The type that JSON Schema sees in a value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "number"
    if value is None:
        return "null"
    names: dict[type, str] = {str: "string", list: "array", float: "number"}
    return names.get(type(value), "object")


_FORMATS = {"integer": "int64", "number": "double"}
"""What the reference takes for the format of a value."""


def _is_whole(value: Any) -> bool:
    """A float that JSON could have written as an integer."""
    return not isinstance(value, bool) and isinstance(value, int | float) and abs(value) < 2**53 and value == int(value)


def _equal(one: Any, other: Any) -> bool:
    """Deep equality that tells true from 1 and 1 from 1.0, as Go's does."""
    return msgspec.json.encode(one, order="deterministic") == msgspec.json.encode(other, order="deterministic")


class _Check:
    """One check of a whole value; remembers only where in an object that value is."""

    def __init__(self, at: str) -> None:
        self.at = at

    def _place(self, path: str) -> str:
        inner = path.removeprefix(".")
        return ".".join(part for part in (self.at, inner) if part) or NO_PATH

    def value(self, schema: Object, value: Any, path: str, old: Any) -> Result:
        found = self._all(schema, value, path, old)
        if found.faults and old is not UNKNOWN and _equal(value, old):
            return Result({}, found.matched)
        return found

    def _all(self, schema: Object, value: Any, path: str, old: Any) -> Result:
        result = Result()
        kind = type_of(value)
        if types_of(schema) or _format(schema):
            result.merge(self._type(schema, value, kind, path))
            result.matched += kind != "null"
        if value is None:
            if schema.get("enum"):
                self._enum(schema, value, path, result)
            return result
        result.merge(self._alternatives(schema, value, path, old))
        result.matched += 2
        if kind == "string":
            self._string(schema, value, path, result)
            result.matched += 1
        elif kind in ("integer", "number"):
            self._number(schema, value, path, result)
            result.matched += 2
        elif kind == "array":
            self._array(schema, value, path, old, result)
            result.matched += 2
        if schema.get("enum"):
            self._enum(schema, value, path, result)
        result.matched += 1
        if kind == "object":
            self._object(schema, value, path, old, result)
            result.matched += 1
        return result

    # Types and formats

    def _wrong_type(self, path: str, wanted: str, found: str) -> Result:
        text = f"{path} in body must be of type {wanted}: {quoted(found)}"
        return Result({text: type_invalid(self._place(path), found, text)})

    def _type(self, schema: Object, value: Any, kind: str, path: str) -> Result:
        wanted, format = types_of(schema), _format(schema)
        if value is None:
            fits = not wanted or bool(schema.get("nullable"))
            return Result(matched=1) if fits else self._wrong_type(path, ",".join(wanted), "null")
        is_number = kind in ("integer", "number")
        fits = kind in wanted or (is_number and "number" in wanted)
        fits = fits or (kind == "number" and "integer" in wanted and _is_whole(value))
        if format and kind not in ("string", "array") and not fits and format != _FORMATS.get(kind, ""):
            return self._wrong_type(path, format, _FORMATS.get(kind, ""))
        if format and kind in ("string", "array") and not {"number", "integer"} & set(wanted):
            return Result(matched=1)
        return Result(matched=1) if fits else self._wrong_type(path, ",".join(wanted), kind)

    def _enum(self, schema: Object, value: Any, path: str, result: Result) -> None:
        allowed = schema["enum"]
        if value is not None and any(_is_same(value, choice) for choice in allowed):
            return
        shown = [choice if isinstance(choice, str) else msgspec.json.encode(choice).decode() for choice in allowed]
        result.add(f"{path} should be one of", not_supported(self._place(path), value, shown))

    # Strings and numbers

    def _string(self, schema: Object, value: str, path: str, result: Result) -> None:
        if (text := self._string_fault(schema, value, path, result)) is not None:
            result.add(text, invalid_value(self._place(path), value, text))
        format = _format(schema)
        if format and formats.is_known(format, "string") and not formats.matches(format, value):
            result.merge(self._wrong_type(path, format, value))

    def _string_fault(self, schema: Object, value: str, path: str, result: Result) -> str | None:
        """The first fault only."""
        longest, shortest = schema.get("maxLength"), schema.get("minLength")
        if longest is not None and len(value) > longest:
            result.add(f"{path} should be at most", too_long(self._place(path), longest))
            return None
        if shortest is not None and len(value) < shortest:
            return f"{path} in body should be at least {shortest} chars long"
        if pattern := schema.get("pattern"):
            try:
                fits = linear_regexp.matcher(pattern).matches(value)
            except (InvalidPattern, linear_regexp.TooMuchWork) as error:
                return f"{path} in body should match '{pattern}, but pattern is invalid: {error}'"
            return None if fits else f"{path} in body should match '{pattern}'"
        return None

    def _number(self, schema: Object, value: Any, path: str, result: Result) -> None:
        kinds = types_of(schema)
        kind = kinds[0] if len(kinds) == 1 else ""
        format = _format(schema)
        ranged = [("Checked", value)]
        ranged += [(word, schema[key]) for word, key in _BOUNDS if schema.get(key) is not None]
        for word, number in ranged:
            if not _in_range(number, kind, format):
                text = f"{word} value must be of type {kind} "
                text += f"with format {format} in {path}" if format else f"(default format) in {path}"
                result.add(text, invalid_value(self.at or NO_PATH, "", text))
        for text in _bounds(schema, value):
            whole = f"{path} in body {text}"
            result.add(whole, invalid_value(self._place(path), value, whole))
        if (factor := schema.get("multipleOf")) is not None and not _is_multiple(value, factor):
            whole = f"{path} in body should be a multiple of {_shown(factor, value)}"
            result.add(whole, invalid_value(self._place(path), value, whole))

    # Lists and objects

    def _array(self, schema: Object, value: list[Any], path: str, old: Any, result: Result) -> None:
        size, items = len(value), schema.get("items")
        if isinstance(items, dict):
            before = _elements_before(schema, old)
            for index, item in enumerate(value):
                result.merge(self.value(items, item, f"{path}[{index}]", before(item)))
        fewest, most = schema.get("minItems"), schema.get("maxItems")
        if fewest is not None and size < fewest:
            text = f"{path} in body should have at least {fewest} items"
            result.add(text, invalid_value(self._place(path), size, text))
        if most is not None and size > most:
            result.add(f"{path} should have at most", too_many(self._place(path), size, most))
        if schema.get("uniqueItems") and any(_equal(a, b) for i, a in enumerate(value) for b in value[:i]):
            text = f"{path} in body shouldn't contain duplicates"
            result.add(text, invalid_value(self._place(path), "", text))

    def _object(self, schema: Object, value: Object, path: str, old: Any, result: Result) -> None:
        self._sizes(schema, len(value), path, result)
        properties, others = schema.get("properties") or NOTHING, schema.get("additionalProperties")
        for key in value:
            if key in properties:
                continue
            if others is False:
                text = f"{path}.{key} in body is a forbidden property"
                result.add(text, invalid_value(self._place(path), "", text))
            elif isinstance(others, dict):
                result.merge(self.value(others, value[key], f"{path}.{key}", self._before(old, key, path)))
        for key, inner in properties.items():
            if key in value:
                here = f"{path}.{key}" if path else key
                result.merge(self.value(inner, value[key], here, self._before(old, key, path)))
        for key in schema.get("required") or ():
            if key not in value:
                result.add(f"{path}.{key} is required", required(self._place(f"{path}.{key}")))

    def _sizes(self, schema: Object, size: int, path: str, result: Result) -> None:
        fewest, most = schema.get("minProperties"), schema.get("maxProperties")
        if fewest is not None and size < fewest:
            text = f"{path} in body should have at least {fewest} properties"
            result.add(text, invalid_value(self._place(path), size, text))
        if most is not None and size > most:
            result.add(f"{path} should have at most", too_many(self._place(path), size, most))

    def _before(self, old: Any, key: str, path: str) -> Any:
        """The old value of a field; apiVersion and kind of the whole are always looked at."""
        if not isinstance(old, dict) or (not path and not self.at and key in ("kind", "apiVersion")):
            return UNKNOWN
        return old.get(key, UNKNOWN)

    # Alternatives

    def _alternatives(self, schema: Object, value: Any, path: str, old: Any) -> Result:
        """Alternatives speak of the same value, so that each is checked as the whole is."""
        result = Result(matched=1)
        if choices := schema.get("anyOf"):
            self._any_of([self._all(choice, value, path, old) for choice in choices], path, result)
        if choices := schema.get("oneOf"):
            self._one_of([self._all(choice, value, path, old) for choice in choices], path, result)
        if choices := schema.get("allOf"):
            self._all_of([self._all(choice, value, path, old) for choice in choices], path, result)
        forbidden = schema.get("not")
        if forbidden is not None and not self._all(forbidden, value, path, old).faults:
            self._say(f"{quoted(path)} must not validate the schema (not)", result)
        return result

    def _say(self, text: str, result: Result) -> None:
        result.add(text, invalid_value(self.at or NO_PATH, "", text))

    def _any_of(self, found: list[Result], path: str, result: Result) -> None:
        fitting = next((r for r in found if not r.faults), None)
        if fitting is None:
            self._say(f"{quoted(path)} must validate at least one schema (anyOf)", result)
        result.merge(fitting or max(found, key=lambda r: r.matched))

    def _one_of(self, found: list[Result], path: str, result: Result) -> None:
        fitting = [r for r in found if not r.faults]
        if len(fitting) == 1:
            result.merge(fitting[0])
            return
        why = f"Found {len(fitting)} valid alternatives" if fitting else "Found none valid"
        self._say(f"{quoted(path)} must validate one and only one schema (oneOf). {why}", result)
        failing = [r for r in found if r.faults]
        if not fitting:
            result.merge(max(failing, key=lambda r: r.matched))

    def _all_of(self, found: list[Result], path: str, result: Result) -> None:
        fitting = 0
        for one in found:
            fitting += not one.faults
            result.merge(one)
        if fitting != len(found):
            none = "" if fitting else ". None validated"
            self._say(f"{quoted(path)} must validate all the schemas (allOf){none}", result)


def _format(schema: Object) -> str:
    """The format, where the reference knows it."""
    found: str = schema.get("format") or ""
    kinds = types_of(schema)
    return found if found and formats.is_known(found, kinds[0] if len(kinds) == 1 else "") else ""


def _is_same(value: Any, choice: Any) -> bool:
    """Numbers are the same whether they are written with a point or not."""
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (value, choice))
    return value == choice if numeric else _equal(value, choice)


_BOUNDS = (("MultipleOf", "multipleOf"), ("Maximum boundary", "maximum"), ("Minimum boundary", "minimum"))


def _in_range(number: Any, kind: str, format: str) -> bool:
    if kind == "integer":
        bits = 32 if format == "int32" else 64
        return number == int(number) and -(2 ** (bits - 1)) <= number < 2 ** (bits - 1)
    if kind == "number" and format == "float":
        try:
            struct.pack("f", number)
        except OverflowError:
            return False
    return True


def _shown(bound: Any, value: Any) -> str:
    """A bound as it is printed beside a value: cut to an integer beside an integer."""
    return str(int(bound)) if isinstance(value, int) else float_g(float(bound))


def _bounds(schema: Object, value: Any) -> Iterator[str]:
    cut: Callable[[Any], Any] = int if isinstance(value, int) else float
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        if schema.get("exclusiveMinimum"):
            if value <= cut(low):
                yield f"should be greater than {_shown(low, value)}"
        elif value < cut(low):
            yield f"should be greater than or equal to {_shown(low, value)}"
    if high is not None:
        if schema.get("exclusiveMaximum"):
            if value >= cut(high):
                yield f"should be less than {_shown(high, value)}"
        elif value > cut(high):
            yield f"should be less than or equal to {_shown(high, value)}"


def _is_multiple(value: Any, factor: Any) -> bool:
    if isinstance(value, int) and factor == int(factor) and factor > 0:
        return value % int(factor) == 0
    if factor <= 0:
        return False
    return _is_whole(value / factor if factor >= 1 else 1 / factor * value)


def _elements_before(schema: Object, old: Any) -> Callable[[Any], Any]:
    """Finds the old element that belongs to a new one; only elements of maps can be told apart."""
    names = schema.get("x-kubernetes-list-map-keys") or ()
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(old, list):
        return lambda item: UNKNOWN

    def key(item: Any) -> bytes:
        return msgspec.json.encode([item.get(name) for name in names])

    before = {key(item): item for item in reversed(old) if isinstance(item, dict)}
    return lambda item: before.get(key(item), UNKNOWN) if isinstance(item, dict) else UNKNOWN
