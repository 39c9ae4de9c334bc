"""Values as Go's fmt and strconv print them, for error texts that show what was sent."""

import math
from decimal import Decimal
from typing import Any

import msgspec

_NAMED = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}


def whole(text: str) -> int:
    """Decimal digits, perhaps with a sign, as a number. Python refuses to read thousands of them: so many stand for
    10**40, which is beyond every limit there is."""
    if len(text) <= 40:
        return int(text)
    return int(text[:1] + "1" + "0" * 40) if text[0] in "+-" else 10**40 if text.strip("0") else 0


def quoted(text: str) -> str:
    """strconv.Quote: everything that cannot be printed is escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain(value: Any) -> str:
    """JSON data with the verb %v: `map[a:1 b:[x y]]`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{plain(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(plain, value)) + "]"
    return float_g(value) if isinstance(value, float) else str(value)


def json_text(value: Any) -> str:
    """As Go's encoding/json writes it, which hides what could end a script in HTML."""
    text = msgspec.json.encode(value).decode()
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def type_name(value: Any) -> str:
    """The Go type that JSON data decodes to."""
    names = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64"}
    return names.get(type(value), "float64" if isinstance(value, float) else "%!s(<nil>)")


def float_g(value: float) -> str:
    """strconv's format 'g': shortest digits, an exponent below 1e-4 and from 1e+06."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) - 1 + int(exponent)
    if value == 0 or -4 <= power < 6:
        return f"{value:.0f}" if value.is_integer() else format(Decimal(repr(value)), "f")
    tail = "".join(map(str, digits[1:]))
    return f"{'-' if sign else ''}{digits[0]}{'.' + tail if tail else ''}e{'-' if power < 0 else '+'}{abs(power):02d}"
