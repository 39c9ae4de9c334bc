"""Operators, and the functions the language itself defines."""

import math

from umiak.objects.cel import operators, types
from umiak.objects.cel.declarations import each, library
from umiak.objects.cel.errors import EvaluationError, no_overload
from umiak.objects.cel.values import Function, equal
from umiak.objects.cel.values import size as size_of

ARITHMETIC = """
logical_not: !_(bool) -> bool
negate_double: -_(double) -> double
negate_int64: -_(int) -> int
in_list: @in(A, list(A)) -> bool
in_map: @in(A, map(A,B)) -> bool
not_strictly_false: @not_strictly_false(bool) -> bool
equals: _==_(A, A) -> bool
not_equals: _!=_(A, A) -> bool
conditional: _?_:_(bool, A, A) -> A
logical_and: _&&_(bool, bool) -> bool
logical_or: _||_(bool, bool) -> bool
modulo_int64: _%_(int, int) -> int
modulo_uint64: _%_(uint, uint) -> uint
multiply_double: _*_(double, double) -> double
multiply_int64: _*_(int, int) -> int
multiply_uint64: _*_(uint, uint) -> uint
divide_double: _/_(double, double) -> double
divide_int64: _/_(int, int) -> int
divide_uint64: _/_(uint, uint) -> uint
add_bytes: _+_(bytes, bytes) -> bytes
add_double: _+_(double, double) -> double
add_duration_duration: _+_(duration, duration) -> duration
add_duration_timestamp: _+_(duration, timestamp) -> timestamp
add_timestamp_duration: _+_(timestamp, duration) -> timestamp
add_int64: _+_(int, int) -> int
add_list: _+_(list(A), list(A)) -> list(A)
add_string: _+_(string, string) -> string
add_uint64: _+_(uint, uint) -> uint
subtract_double: _-_(double, double) -> double
subtract_duration_duration: _-_(duration, duration) -> duration
subtract_int64: _-_(int, int) -> int
subtract_timestamp_duration: _-_(timestamp, duration) -> timestamp
subtract_timestamp_timestamp: _-_(timestamp, timestamp) -> duration
subtract_uint64: _-_(uint, uint) -> uint
index_list: _[_](list(A), int) -> A
index_map: _[_](map(A,B), A) -> B
"""

ORDER = """
$_bool: @(bool, bool) -> bool
$_int64: @(int, int) -> bool
$_int64_double: @(int, double) -> bool
$_int64_uint64: @(int, uint) -> bool
$_uint64: @(uint, uint) -> bool
$_uint64_double: @(uint, double) -> bool
$_uint64_int64: @(uint, int) -> bool
$_double: @(double, double) -> bool
$_double_int64: @(double, int) -> bool
$_double_uint64: @(double, uint) -> bool
$_string: @(string, string) -> bool
$_bytes: @(bytes, bytes) -> bool
$_timestamp: @(timestamp, timestamp) -> bool
$_duration: @(duration, duration) -> bool
"""
COMPARISONS = {"less": "_<_", "less_equals": "_<=_", "greater": "_>_", "greater_equals": "_>=_"}

FUNCTIONS = """
size_bytes: size(bytes) -> int
bytes_size: bytes size() -> int
size_list: size(list(A)) -> int
list_size: list(A) size() -> int
size_map: size(map(A,B)) -> int
map_size: map(A,B) size() -> int
size_string: size(string) -> int
string_size: string size() -> int
contains_string: string contains(string) -> bool
ends_with_string: string endsWith(string) -> bool
starts_with_string: string startsWith(string) -> bool
matches: matches(string, string) -> bool
matches_string: string matches(string) -> bool
@mapInsert_map_key_value: cel.@mapInsert(map(K,V), K, V) -> map(K,V)
@mapInsert_map_map: cel.@mapInsert(map(K,V), map(K,V)) -> map(K,V)
"""


def _size(value: object) -> int:
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    raise EvaluationError("no such overload: size")


def _matches(text: str, pattern: str) -> bool:
    from umiak.objects.cel.library.regex import bounded, compiled

    if not isinstance(text, str) or not isinstance(pattern, str):
        raise no_overload()
    with bounded():
        return compiled(pattern, "error parsing regexp: ").matches(text)


def _not_strictly_false(value: object) -> bool:
    return value if isinstance(value, bool) else True


def _ordering() -> str:
    return "\n".join(each(ORDER, [name]).replace("@", function) for name, function in COMPARISONS.items())


def text_cost(factor: float = 0.1, operand: int = 0) -> Function:
    """One traversal of an operand, times the factor over a tenth."""
    return lambda operands, result: math.ceil(size_of(operands[operand]) * factor)


def _smaller(operands: list[object], result: object) -> int:
    return math.ceil(min(size_of(operands[0]), size_of(operands[1])) * 0.1)


def _both(operands: list[object], result: object) -> int:
    return math.ceil((size_of(operands[0]) + size_of(operands[1])) * 0.1)


def _product(operands: list[object], result: object) -> int:
    return math.ceil(size_of(operands[0]) * 0.1) * math.ceil(size_of(operands[1]) * 0.1)


def pattern_cost(operands: list[object], result: object) -> int:
    """A text one longer than it is, times a quarter of the pattern."""
    return math.ceil((1.0 + size_of(operands[0])) * 0.1) * math.ceil(size_of(operands[1]) * 0.25)


_FUNCTIONS: dict[str, Function] = {
    "!_": operators.negate_logical,
    "-_": operators.negate,
    "@in": operators.is_in,
    "@not_strictly_false": _not_strictly_false,
    "_==_": equal,
    "_!=_": lambda a, b: not equal(a, b),
    "_%_": operators.modulo,
    "_*_": operators.multiply,
    "_/_": operators.divide,
    "_+_": operators.add,
    "_-_": operators.subtract,
    "_<_": operators.less,
    "_<=_": operators.less_equal,
    "_>_": operators.greater,
    "_>=_": operators.greater_equal,
    "size": _size,
    "contains_string": lambda text, part: part in text,
    "ends_with_string": lambda text, part: text.endswith(part),
    "starts_with_string": lambda text, part: text.startswith(part),
    "matches": _matches,
    "cel.@mapInsert": operators.insert,
}

_COMPARED = [f"{name}_{kind}" for name in COMPARISONS for kind in ("string", "bytes")]
_COSTS = {
    **dict.fromkeys([*_COMPARED, "equals", "not_equals"], _smaller),
    **dict.fromkeys(["add_string", "add_bytes"], _both),
    **dict.fromkeys(["starts_with_string", "ends_with_string"], text_cost(operand=1)),
    **dict.fromkeys(["matches", "matches_string"], pattern_cost),
    "contains_string": _product,
    "in_list": lambda operands, result: size_of(operands[1]),
}

_TYPES = {name: types.PRIMITIVES[name] for name in ("bool", "bytes", "double", "int", "string", "uint")} | {
    "google.protobuf.Duration": types.DURATION,
    "google.protobuf.Timestamp": types.TIMESTAMP,
    "list": types.LIST_DYN,
    "map": types.MAP_DYN,
    "null_type": types.NULL,
    "type": types.TYPE,
}

LIBRARY = library(ARITHMETIC + _ordering() + FUNCTIONS, _FUNCTIONS, _COSTS, _TYPES)
