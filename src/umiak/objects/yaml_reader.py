"""YAML 1.1 as sigs.k8s.io/yaml reads it: go-yaml v2's rules for plain words, then what JSON can say.

Reads libyaml's events with a stack of its own, so neither depth nor aliases can exhaust anything.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml
from yaml._yaml import CParser

from umiak.objects import go_text
from umiak.objects.encoding import Unreadable, copy

MAX_DEPTH = 10000
"""What sigs.k8s.io/yaml says it allows."""
DEEPEST = 1000
"""More nobody could do anything with here; libyaml's time grows with the square of the depth."""
_FEW, _MANY = 400_000, 4_000_000
_MISSING = object()

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d\d:\d\d)| \d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?)?",
    re.ASCII,
)


def resolve(text: str) -> Any:
    """What a plain word means: null, a boolean, a number, or itself."""
    found = _WORDS.get(text, _MISSING)
    if found is not _MISSING:
        return found
    first = text[0]
    if first == ".":
        return _float(text, text)
    if first not in "+-0123456789" or _DATE.fullmatch(text):
        return text
    plain = text.replace("_", "")
    return _number(plain, text)


def _number(plain: str, text: str) -> Any:
    match = _INTEGER.fullmatch(plain)
    if match:
        sign, sixteen, two, eight, ten = match.groups()
        digits, base = next((d, b) for d, b in ((sixteen, 16), (two, 2), (eight, 8), (ten, 10)) if d)
        value = int(digits, base) * (-1 if sign == "-" else 1) if len(digits) <= 64 else 2**64
        if -(2**63) <= value < (2**64 if not sign else 2**63):
            return value
    return _float(plain, text)


def _float(plain: str, text: str) -> Any:
    """What is too large for a float is a text."""
    value = float(plain) if _FLOAT.fullmatch(plain) else math.inf
    return value if math.isfinite(value) else text


def is_timestamp(text: str) -> bool:
    return _DATE.fullmatch(text) is not None


def _typed(event: Any) -> Any:
    """A scalar's value by its tag, or by its look when it has none."""
    tag = (event.tag or "").replace("tag:yaml.org,2002:", "!!")
    if tag in ("", "!"):
        return resolve(event.value) if event.implicit[0] else event.value
    if tag == "!!str":
        return event.value
    if tag == "!!binary":
        return _binary(event.value)
    wanted = {"!!bool": bool, "!!int": int, "!!float": float, "!!null": type(None)}.get(tag)
    value = resolve(event.value)
    if wanted is float and type(value) is int:
        return float(value)
    if wanted is None or type(value) is wanted:
        return event.value if wanted is None else value
    raise Unreadable(f"yaml: cannot decode {_tag_of(value)} `{event.value}` as a {tag}")


def _binary(text: str) -> str:
    import base64

    try:
        return base64.b64decode(text.replace("\n", ""), validate=True).decode("utf-8", "replace")
    except ValueError:
        raise Unreadable("yaml: !!binary value contains invalid base64 data") from None


def _tag_of(value: Any) -> str:
    return {bool: "!!bool", int: "!!int", float: "!!float", type(None): "!!null"}.get(type(value), "!!str")


class _Open(msgspec.Struct):
    """A mapping or sequence being read."""

    value: Any
    anchor: str | None
    start: int
    """How many nodes had been read before it, to know its size."""
    line: int
    key: Any = _MISSING
    shown_key: str = ""
    key_is_merge: bool = False


class _Reading(msgspec.Struct):
    nodes: int = 0
    from_aliases: int = 0
    anchors: dict[str, tuple[Any, int]] = msgspec.field(default_factory=dict)
    repeated: list[str] = msgspec.field(default_factory=list)
    fault: str = ""
    """The first thing that JSON cannot say; told only if the rest can be read at all."""

    def count_alias(self, size: int) -> None:
        """go-yaml's bound on documents that are mostly aliases of aliases."""
        self.nodes += size
        self.from_aliases += size
        few = min(max((self.nodes - _FEW) / (_MANY - _FEW), 0.0), 1.0)
        if self.from_aliases > 100 and self.nodes > 1000 and self.from_aliases / self.nodes > 0.99 - 0.89 * few:
            raise Unreadable("yaml: document contains excessive aliasing")


def read(data: bytes) -> tuple[Any, list[str]]:
    """The first document, and the strict faults. Raises Unreadable."""
    return next(read_all(data), (None, []))


def read_all(data: bytes) -> Iterator[tuple[Any, list[str]]]:
    """Every document with its strict faults, one after the other. Raises Unreadable."""
    try:
        parser: Any = CParser(data)
        try:
            while True:
                event = parser.get_event()
                if isinstance(event, yaml.StreamEndEvent):
                    return
                if isinstance(event, yaml.DocumentStartEvent):
                    yield _document(parser)
        finally:
            parser.dispose()
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_marked(error)) from None
    except RecursionError:
        raise Unreadable(f"yaml: exceeded max depth of {MAX_DEPTH}") from None
    except yaml.YAMLError as error:
        raise Unreadable(f"yaml: {getattr(error, 'reason', None) or error}") from None


def _marked(error: yaml.MarkedYAMLError) -> str:
    """Lines count from one; go-yaml adds one to those of the scanner only, and leaves out the first."""
    line = error.problem_mark.line if error.problem_mark else 0
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1
    if not line and error.context_mark:
        line = error.context_mark.line
    return f"yaml: {f'line {line}: ' if line else ''}{error.problem or 'unknown problem parsing YAML content'}"


def _document(parser: Any) -> tuple[Any, list[str]]:
    reading, stack = _Reading(), [_Open([], None, 0, 0)]
    while True:
        event = parser.get_event()
        line = event.start_mark.line
        if isinstance(event, yaml.DocumentEndEvent):
            if reading.fault:
                raise Unreadable(reading.fault)
            roots = stack[0].value
            faults = ["yaml: unmarshal errors:\n  " + "\n  ".join(reading.repeated)] if reading.repeated else []
            return roots[0] if roots else None, faults
        reading.nodes += 1
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(stack) > DEEPEST:
                raise Unreadable(f"yaml: exceeded max depth of {MAX_DEPTH}")
            value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            stack.append(_Open(value, event.anchor, reading.nodes, line))
            if event.anchor:
                reading.anchors[event.anchor] = (_MISSING, 0)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = stack.pop()
            size = reading.nodes - done.start + 1
            value = dict(sorted(done.value.items())) if isinstance(done.value, dict) else done.value
            if done.anchor:
                reading.anchors[done.anchor] = (value, size)
            _put(reading, stack[-1], value, done.line)
        elif isinstance(event, yaml.AliasEvent):
            _put(reading, stack[-1], _alias(reading, str(event.anchor)), line)
        else:
            _scalar(reading, stack[-1], event)


def _alias(reading: _Reading, anchor: str) -> Any:
    if anchor not in reading.anchors:
        raise Unreadable(f"yaml: unknown anchor '{anchor}' referenced")
    value, size = reading.anchors[anchor]
    if value is _MISSING:
        raise Unreadable(f"yaml: anchor '{anchor}' value contains itself")
    reading.count_alias(size)
    return copy(value)


def _scalar(reading: _Reading, parent: _Open, event: Any) -> None:
    if isinstance(parent.value, dict) and parent.key is _MISSING and event.value == "<<" and event.implicit[0]:
        parent.key, parent.key_is_merge = "<<", True
        return
    value = _typed(event)
    if event.anchor:
        reading.anchors[event.anchor] = (value, 1)
    if isinstance(value, float):
        value = _as_json(reading, value)
    _put(reading, parent, value, event.start_mark.line)


def _as_json(reading: _Reading, value: float) -> float:
    """Go writes whole floats without a point, so that they are read back as integers."""
    if not math.isfinite(value):
        shown = "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
        reading.fault = reading.fault or f"json: unsupported value: {shown}"
        return 0
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _put(reading: _Reading, parent: _Open, value: Any, line: int) -> None:
    """Adds to what is open: an element, a key, or the value of the key before."""
    if isinstance(parent.value, list):
        parent.value.append(value)
    elif parent.key is _MISSING:
        parent.key = _key(reading, value)
        parent.shown_key = go_text.quoted(value) if isinstance(value, str) else parent.key
    elif parent.key_is_merge:
        for merged in reversed(value if isinstance(value, list) else [value]):
            if not isinstance(merged, dict):
                raise Unreadable("yaml: map merge requires map or sequence of maps as the value")
            parent.value.update(merged)
        parent.key, parent.key_is_merge = _MISSING, False
    else:
        if parent.key in parent.value:
            reading.repeated.append(f"line {line + 1}: key {parent.shown_key} already set in map")
        parent.value[parent.key] = value
        parent.key = _MISSING


def _key(reading: _Reading, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return go_text.float_g(value) if isinstance(value, float) else str(value)
    shown = "unsupported map key of type: %!s(<nil>), key: <nil>" if value is None else "yaml: invalid map key"
    reading.fault = reading.fault or shown
    return ""
