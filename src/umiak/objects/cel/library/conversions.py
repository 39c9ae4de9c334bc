"""Conversions between the types of the language."""

import math
import re
from typing import Any

from umiak.objects.cel import times
from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError, no_overload
from umiak.objects.cel.library.standard import text_cost
from umiak.objects.cel.operators import LARGEST, LARGEST_UINT, SMALLEST
from umiak.objects.cel.times import no_conversion
from umiak.objects.cel.values import Duration, Function, Opaque, Timestamp, TypeValue, Uint, type_name
from umiak.objects.go_text import float_g

OVERLOADS = """
bool_to_bool: bool(bool) -> bool
string_to_bool: bool(string) -> bool
bytes_to_bytes: bytes(bytes) -> bytes
string_to_bytes: bytes(string) -> bytes
double_to_double: double(double) -> double
int64_to_double: double(int) -> double
string_to_double: double(string) -> double
uint64_to_double: double(uint) -> double
duration_to_duration: duration(duration) -> duration
string_to_duration: duration(string) -> duration
to_dyn: dyn(A) -> dyn
int64_to_int64: int(int) -> int
double_to_int64: int(double) -> int
duration_to_int64: int(duration) -> int
string_to_int64: int(string) -> int
timestamp_to_int64: int(timestamp) -> int
uint64_to_int64: int(uint) -> int
string_to_string: string(string) -> string
bool_to_string: string(bool) -> string
bytes_to_string: string(bytes) -> string
double_to_string: string(double) -> string
duration_to_string: string(duration) -> string
int64_to_string: string(int) -> string
timestamp_to_string: string(timestamp) -> string
uint64_to_string: string(uint) -> string
timestamp_to_timestamp: timestamp(timestamp) -> timestamp
int64_to_timestamp: timestamp(int) -> timestamp
string_to_timestamp: timestamp(string) -> timestamp
type: type(A) -> type(A)
uint64_to_uint64: uint(uint) -> uint
double_to_uint64: uint(double) -> uint
int64_to_uint64: uint(int) -> uint
string_to_uint64: uint(string) -> uint
"""
CONVERTERS = frozenset(["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "uint"])
"""Calls of these with a constant are made when the program is built."""

_FLOAT = re.compile(r"[+-]?(\d+(_?\d)*\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_WORDS = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}


def to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _TRUE + _FALSE:
        return value in _TRUE
    raise no_conversion(value, "bool") if isinstance(value, str) else no_overload()


def to_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    raise no_overload()


def to_double(value: Any) -> float:
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        return _float(value)
    raise no_overload()


def _float(text: str) -> float:
    sign, word = (-1.0 if text[:1] == "-" else 1.0), text.lstrip("+-").lower()
    if word in _WORDS and len(text) - len(word) <= 1:
        return sign * _WORDS[word]
    if _FLOAT.fullmatch(text) and "_" not in text and not math.isinf(float(text)):
        return float(text)
    try:
        if re.fullmatch(r"[+-]?0[xX].*[pP].*", text):
            return float.fromhex(text)
    except (ValueError, OverflowError):
        pass
    raise no_conversion(text, "double")


def to_int(value: Any) -> int:
    match value:
        case bool():
            raise no_overload()
        case Uint():
            return _checked(int(value), SMALLEST, LARGEST, "integer overflow")
        case int():
            return value
        case float():
            if not -(2.0**63) < value < 2.0**63:
                raise EvaluationError("integer overflow")
            return int(value)
        case Duration():
            return value.nanos
        case Timestamp():
            return value.nanos // times.SECOND
        case str() if re.fullmatch(r"[+-]?\d{1,40}", value, re.ASCII) and SMALLEST <= int(value) <= LARGEST:
            return int(value)
        case str():
            raise no_conversion(value, "int")
    raise no_overload()


def _checked(value: int, low: int, high: int, fault: str) -> int:
    if low <= value <= high:
        return value
    raise EvaluationError(fault)


def to_uint(value: Any) -> Uint:
    match value:
        case bool():
            raise no_overload()
        case Uint():
            return value
        case int():
            return Uint(_checked(value, 0, LARGEST_UINT, "unsigned integer overflow"))
        case float():
            if not 0 <= value < 2.0**64:
                raise EvaluationError("unsigned integer overflow")
            return Uint(value)
        case str() if re.fullmatch(r"\d{1,40}", value, re.ASCII) and int(value) <= LARGEST_UINT:
            return Uint(value)
        case str():
            raise no_conversion(value, "uint")
    raise no_overload()


def to_string(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case float():
            return float_g(value)
        case bytes():
            return _text(value)
        case Timestamp():
            return times.show_timestamp(value)
        case Duration():
            return times.show_duration(value)
        case Opaque():
            return str(value)
        case TypeValue():
            return value.name
    raise no_overload()


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


def to_duration(value: Any) -> Duration:
    if isinstance(value, Duration):
        return value
    if not isinstance(value, str):
        raise no_overload()
    nanos = times.parse_duration(value)
    if nanos is None:
        raise no_conversion(value, "google.protobuf.Duration")
    return Duration(nanos)


def to_timestamp(value: Any) -> Timestamp:
    if isinstance(value, Timestamp):
        return value
    if isinstance(value, int) and not isinstance(value, bool | Uint):
        return times.timestamp(value * times.SECOND)
    if not isinstance(value, str):
        raise no_overload()
    found = times.parse_timestamp(value)
    if found is None:
        raise no_conversion(value, "google.protobuf.Timestamp")
    return found


_FUNCTIONS: dict[str, Function] = {
    "bool": to_bool,
    "bytes": to_bytes,
    "double": to_double,
    "int": to_int,
    "uint": to_uint,
    "string": to_string,
    "duration": to_duration,
    "timestamp": to_timestamp,
    "dyn": lambda value: value,
    "type": lambda value: TypeValue(type_name(value)),
}
LIBRARY = library(OVERLOADS, _FUNCTIONS, dict.fromkeys(["string_to_bytes", "bytes_to_string"], text_cost()))
