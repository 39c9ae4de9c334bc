"""`"%s: %d".format([...])`, and the check of constant formats when an expression is compiled."""

import math
from collections.abc import Callable
from typing import Any

from umiak.objects.cel import times
from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.values import Duration, Timestamp, TypeValue, Uint, type_name
from umiak.objects.go_text import float_g, quoted

DEFAULT_PRECISION = 6
INTEGERS, DOUBLES = ("int", "uint"), ("double",)
STRINGABLE = "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
COMPLAINTS = {
    "s": f"string clause can only be used on {STRINGABLE}, was given ",
    "d": "decimal clause can only be used on integers, was given ",
    "f": "fixed-point clause can only be used on doubles, was given ",
    "e": "scientific clause can only be used on doubles, was given ",
    "b": "only integers and bools can be formatted as binary, was given ",
    "x": "only integers, byte buffers, and strings can be formatted as hex, was given ",
    "o": "octal clause can only be used on integers, was given ",
}
NOT_FINITE = ("NaN", "Infinity", "-Infinity")


class BadFormat(ValueError):
    """The format, or an argument of it, is wrong."""


Clause = Callable[[str, int | None, Any], str]
"""(verb, precision, argument) -> text"""


def formatted(template: str, args: list[Any]) -> str:
    try:
        return expand(template, args, clause)
    except BadFormat as error:
        raise EvaluationError(str(error)) from None


def expand(template: str, args: list[Any], clause: Clause) -> str:
    """The template with each clause replaced by what `clause` makes of the next argument."""
    out, at, index = [], 0, 0
    while at < len(template):
        if template[at] != "%":
            out.append(template[at])
            at += 1
        elif template[at + 1 : at + 2] == "%":
            out.append("%")
            at += 2
        else:
            if index >= len(args):
                raise BadFormat(f"index {index} out of range")
            if at + 1 >= len(template):
                raise BadFormat("unexpected end of string")
            end, verb, precision = _parse(template, at + 1)
            out.append(_apply(clause, verb, precision, args[index]))
            at, index = end, index + 1
    return "".join(out)


def _apply(clause: Clause, verb: str, precision: int | None, arg: Any) -> str:
    try:
        return clause(verb, precision, arg)
    except BadFormat as error:
        raise BadFormat(f"error during formatting: {error}") from None


def _parse(template: str, at: int) -> tuple[int, str, int | None]:
    """(end, verb, precision) of the clause after a percent sign."""
    precision = None
    start = "could not parse formatting clause: "
    if template[at] == ".":
        end = at + 1
        while end < len(template) and template[end] in "0123456789":
            end += 1
        if end >= len(template):
            text = "error while parsing precision: could not find end of precision specifier"
            raise BadFormat(start + text)
        digits = template[at + 1 : end]
        if not digits:
            text = 'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax'
            raise BadFormat(f"{start}error while parsing precision: {text}")
        precision, at = min(int(digits[:9]), 100_000), end
    verb = template[at]
    if verb not in "sdfebxXo":
        raise BadFormat(f'{start}unrecognized formatting clause "{verb}"')
    return at + 1, verb, precision


def _wrong(verb: str, arg: Any) -> BadFormat:
    return BadFormat(COMPLAINTS[verb.lower()] + type_name(arg))


def clause(verb: str, precision: int | None, arg: Any) -> str:
    match verb:
        case "s":
            return text(arg)
        case "d":
            return _integer(verb, arg, "d")
        case "f" | "e":
            return _real(verb, DEFAULT_PRECISION if precision is None else precision, arg)
        case "b":
            return str(int(arg)) if isinstance(arg, bool) else _integer(verb, arg, "b")
        case "o":
            return _integer(verb, arg, "o")
    if isinstance(arg, str | bytes):
        digits = (arg.encode() if isinstance(arg, str) else arg).hex()
        return digits.upper() if verb == "X" else digits
    return _integer(verb, arg, verb)


def _integer(verb: str, arg: Any, style: str) -> str:
    if type(arg) in (int, Uint):
        return format(int(arg), style)
    raise _wrong(verb, arg)


def _real(verb: str, precision: int, arg: Any) -> str:
    if isinstance(arg, str) and arg in NOT_FINITE:
        arg = float(arg)
    if not isinstance(arg, float):
        raise _wrong(verb, arg)
    if math.isnan(arg) or math.isinf(arg):
        return "NaN" if math.isnan(arg) else "∞" if arg > 0 else "-∞"
    if verb == "f":
        return f"{arg:,.{precision}f}"
    digits, _, power = f"{arg:.{precision}e}".partition("e")
    raised = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(char)] if char.isdigit() else "⁻" for char in f"{abs(int(power)):02}")
    return f"{digits}×10{'⁻' if int(power) < 0 else ''}{raised}"


def text(arg: Any) -> str:
    """As `%s` prints a value."""
    match arg:
        case None:
            return "null"
        case bool():
            return "true" if arg else "false"
        case str():
            return arg
        case int():
            return str(int(arg))
        case float():
            return float_g(arg)
        case bytes():
            return arg.decode("utf-8", "replace")
        case list():
            return "[" + ", ".join(map(_inside, arg)) + "]"
        case dict():
            pairs = sorted((_key(key), _inside(value)) for key, value in arg.items())
            return "{" + ", ".join(f"{key}:{value}" for key, value in pairs) + "}"
        case Timestamp():
            return times.show_timestamp(arg)
        case Duration():
            return times.show_duration(arg)
        case TypeValue():
            return arg.name
    raise _wrong("s", arg)


def _key(key: Any) -> str:
    return quoted(key) if isinstance(key, str) else text(key)


def _inside(value: Any) -> str:
    """As an element of a list or map is printed."""
    match value:
        case str():
            return quoted(value)
        case bytes():
            return "b" + quoted(value.decode("utf-8", "replace"))
        case float():
            return f'"{value}"' if math.isnan(value) or math.isinf(value) else f"{value:.{DEFAULT_PRECISION}f}"
        case Timestamp() | Duration():
            kind = "timestamp" if isinstance(value, Timestamp) else "duration"
            return f"{kind}({quoted(text(value))})"
    if type_name(value) in ("optional_type",):
        raise BadFormat(f"no formatting function for {type_name(value)}")
    return text(value)
