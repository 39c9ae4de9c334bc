"""Arithmetic on values whose types are only known at run time. Integers keep to 64 bits."""

import math
from typing import Any

from umiak.objects.cel import times
from umiak.objects.cel.errors import EvaluationError, no_overload
from umiak.objects.cel.values import Duration, Uint, add_lists, compare, contains, is_key

SMALLEST, LARGEST, LARGEST_UINT = -(2**63), 2**63 - 1, 2**64 - 1


def whole(value: int) -> int:
    """Raises EvaluationError beyond an int64."""
    if SMALLEST <= value <= LARGEST:
        return value
    raise EvaluationError("integer overflow")


def unsigned(value: int) -> Uint:
    """Raises EvaluationError beyond a uint64."""
    if 0 <= value <= LARGEST_UINT:
        return Uint(value)
    raise EvaluationError("unsigned integer overflow")


def add(a: Any, b: Any) -> Any:
    kind = type(a)
    if isinstance(a, list) and isinstance(b, list):
        return add_lists(a, b)
    if kind is type(b):
        if kind is int:
            return whole(a + b)
        if kind in (str, float, bytes):
            return a + b
        if kind is Uint:
            return unsigned(int(a) + int(b))
    return _known(times.plus(a, b))


def subtract(a: Any, b: Any) -> Any:
    kind = type(a)
    if kind is type(b):
        if kind is int:
            return whole(a - b)
        if kind is float:
            return a - b
        if kind is Uint:
            return unsigned(int(a) - int(b))
    return _known(times.minus(a, b))


def _known(result: Any) -> Any:
    if result is None:
        raise no_overload()
    return result


def multiply(a: Any, b: Any) -> Any:
    match _same(a, b):
        case "int":
            return whole(a * b)
        case "uint":
            return unsigned(int(a) * int(b))
    return a * b


def divide(a: Any, b: Any) -> Any:
    kind = _same(a, b)
    if kind == "double":
        return _divide_floats(a, b)
    if b == 0:
        raise EvaluationError("division by zero")
    if kind == "uint":
        return Uint(int(a) // int(b))
    return whole(abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1))


def _divide_floats(a: float, b: float) -> float:
    if b != 0:
        return a / b
    if a == 0 or a != a:
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def modulo(a: Any, b: Any) -> Any:
    kind = _same(a, b)
    if kind == "double":
        raise no_overload()
    if b == 0:
        raise EvaluationError("modulus by zero")
    if kind == "uint":
        return Uint(int(a) % int(b))
    if a == SMALLEST and b == -1:
        raise EvaluationError("integer overflow")
    return abs(a) % abs(b) * (-1 if a < 0 else 1)


def _same(a: Any, b: Any) -> str:
    """The one kind of number both are."""
    if type(a) is type(b):
        found = {int: "int", float: "double", Uint: "uint"}.get(type(a))
        if found:
            return found
    raise no_overload()


def negate(a: Any) -> Any:
    match a:
        case bool() | Uint():
            raise no_overload()
        case int():
            return whole(-a)
        case float():
            return -a
        case Duration():
            return times.duration(-a.nanos)
    raise no_overload()


def negate_logical(a: Any) -> bool:
    if isinstance(a, bool):
        return not a
    raise no_overload()


def less(a: Any, b: Any) -> bool:
    return compare(a, b) < 0


def less_equal(a: Any, b: Any) -> bool:
    return compare(a, b) <= 0


def greater(a: Any, b: Any) -> bool:
    return compare(a, b) > 0


def greater_equal(a: Any, b: Any) -> bool:
    return compare(a, b) >= 0


def is_in(value: Any, container: Any) -> bool:
    return contains(container, value)


def insert(target: dict[Any, Any], *more: Any) -> dict[Any, Any]:
    """The map with one more entry (key, value) or with those of another map; raises EvaluationError on a known key."""
    added = dict([more]) if len(more) == 2 else more[0]
    for key in added:
        if not is_key(key):
            raise EvaluationError(f"unsupported key type: {key}")
        if key in target:
            raise EvaluationError(f"insert failed: key {shown(key)} already exists")
    return {**target, **added}


def shown(value: Any) -> str:
    """A key or index as messages print it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        from umiak.objects.go_text import float_g

        return float_g(value)
    return str(int(value)) if isinstance(value, int) else str(value)
