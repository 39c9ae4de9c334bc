"""Functions of lists: Kubernetes' own, cel-go's lists library (version 3) and sets."""

from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from umiak.objects.cel import operators
from umiak.objects.cel.declarations import each, library
from umiak.objects.cel.errors import CostExceeded, EvaluationError, no_overload
from umiak.objects.cel.values import Duration, Function, Uint, compare, contains, equal, is_ordered, size, type_name

COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
NAMED = {"duration": "google.protobuf.Duration", "timestamp": "google.protobuf.Timestamp"}
ORDERED = """
list_$_is_sorted_bool: list($) isSorted() -> bool
list_$_max_$: list($) max() -> $
list_$_min_$: list($) min() -> $
"""
SORTING = """
list_@_sort: list($) sort() -> list($)
list_@_sortByAssociatedKeys: list(T) @sortByAssociatedKeys(list($)) -> list(T)
"""
OVERLOADS = """
list_distinct: list(T) distinct() -> list(T)
list_flatten: list(list(T)) flatten() -> list(T)
list_flatten_int: list(dyn) flatten(int) -> list(dyn)
list_includes_dyn_dyn: dyn includes(dyn) -> bool
lists_range: lists.range(int) -> list(int)
list_reverse: list(T) reverse() -> list(T)
list_slice: list(T) slice(int, int) -> list(T)
list_sets_contains_list: sets.contains(list(T), list(T)) -> bool
list_sets_equivalent_list: sets.equivalent(list(T), list(T)) -> bool
list_sets_intersects_list: sets.intersects(list(T), list(T)) -> bool
"""
SUMS: dict[str, Any] = {"int": 0, "uint": Uint(0), "double": 0.0, "duration": Duration(0)}
LONGEST_RANGE = 2_000_000
"""Elements `lists.range` makes at most; a longer list costs more than any expression may."""


def _all_overloads() -> str:
    lines = [each(ORDERED, COMPARABLE), each("list_$_sum_$: list($) sum() -> $", SUMS), OVERLOADS]
    lines += [
        each(SORTING, [name]).replace("@_", "\0").replace("list_\0", f"list_{NAMED.get(name, name)}_")
        for name in COMPARABLE
    ]
    return "\n".join(lines)


def _is_sorted(values: list[Any]) -> bool:
    return all(compare(a, b) <= 0 for a, b in pairwise(values))


def _extreme(name: str, wanted: int) -> Function:
    def find(values: list[Any]) -> Any:
        if not values:
            raise EvaluationError(f"{name} called on empty list")
        found = values[0]
        for value in values[1:]:
            if compare(value, found) == wanted:
                found = value
        return found

    return find


def _sum(zero: Any) -> Function:
    def total(values: list[Any]) -> Any:
        found = zero
        for value in values:
            found = operators.add(found, value)
        return found

    return total


def _any_sum(values: list[Any]) -> Any:
    if not values:
        raise no_overload()
    return _sum(SUMS.get(type_name(values[0]), Duration(0)))(values)


def index_of(values: list[Any], value: Any) -> int:
    return next((at for at, found in enumerate(values) if equal(found, value)), -1)


def last_index_of(values: list[Any], value: Any) -> int:
    return next((at for at in range(len(values) - 1, -1, -1) if equal(values[at], value)), -1)


def _includes(target: Any, value: Any) -> bool:
    if isinstance(target, list):
        return any(equal(found, value) for found in target)
    return equal(target, value)


def _by_key(one: tuple[Any, Any], other: tuple[Any, Any]) -> int:
    return compare(one[0], other[0])


def _sorted_by(values: list[Any], keys: list[Any]) -> list[Any]:
    if len(values) != len(keys):
        text = "expected a list of the same size as the associated keys list, but got"
        raise EvaluationError(f"@sortByAssociatedKeys() {text} {len(values)} and {len(keys)} elements respectively")
    if keys and not is_ordered(keys[0]):
        raise EvaluationError("list elements must be comparable")
    if len(values) > 1 and len({type_name(key) for key in keys}) > 1:
        raise EvaluationError("list elements must have the same type")
    pairs = sorted(zip(keys, values, strict=True), key=cmp_to_key(_by_key))
    return [value for _, value in pairs]


def _range(count: int) -> list[int]:
    if count < 0:
        raise EvaluationError(f"lists.range: size must be non-negative, got {count}")
    if count > LONGEST_RANGE:
        raise CostExceeded
    return list(range(count))


def _slice(values: list[Any], start: int, end: int) -> list[Any]:
    fault = ""
    if start < 0 or end < 0:
        fault = "negative indexes not supported"
    elif start > end:
        fault = "start index must be less than or equal to end index"
    elif len(values) < end:
        fault = f"list is length {len(values)}"
    if fault:
        raise EvaluationError(f"cannot slice({start}, {end}), {fault}")
    return list(values[start:end])


def _flatten(values: Any, depth: int = 1) -> list[Any]:
    if not isinstance(values, list):
        raise no_overload()
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    found: list[Any] = []
    for value in values:
        if isinstance(value, list) and depth:
            found.extend(_flatten(value, depth - 1))
        else:
            found.append(value)
    return found


def _distinct(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not contains(found, value):
            found.append(value)
    return found


def _has_all(values: list[Any], others: list[Any]) -> bool:
    return all(contains(values, other) for other in others)


def traversal_cost(value: Any) -> int:
    """What going through a value and all within it costs."""
    match value:
        case str():
            return int(len(value.encode()) * 0.1)
        case bytes():
            return int(len(value) * 0.1)
        case list():
            return sum(map(traversal_cost, value))
        case dict():
            return sum(traversal_cost(key) + traversal_cost(inner) for key, inner in value.items())
    return 1


def _traversed(operands: list[Any], result: Any) -> int:
    return traversal_cost(operands[0])


def _sets_cost(factor: int) -> Function:
    return lambda operands, result: 1 + size(operands[0]) * size(operands[1]) * factor


def _new_list(count: int) -> int:
    return count + 11


def _compared(index: int) -> Function:
    def cost(operands: list[Any], result: Any) -> int:
        values = operands[index]
        factor = 2.1 if values and isinstance(values[0], str | bytes) else 2.0
        return _new_list(int(len(values) * len(values) * factor))

    return cost


def _flatten_cost(operands: list[Any], result: Any) -> int:
    depth = operands[1] if len(operands) == 2 and isinstance(operands[1], int) else 1
    return _new_list(len(operands[0]) * max(depth, 0))


_FUNCTIONS: dict[str, Function] = {
    "isSorted": _is_sorted,
    "max": _extreme("max", 1),
    "min": _extreme("min", -1),
    **{f"list_{name}_sum_{name}": _sum(zero) for name, zero in SUMS.items()},
    "sum": _any_sum,
    "includes": _includes,
    "sort": lambda values: _sorted_by(values, values),
    "@sortByAssociatedKeys": _sorted_by,
    "lists.range": _range,
    "reverse": lambda values: list(reversed(values)),
    "slice": _slice,
    "flatten": _flatten,
    "distinct": _distinct,
    "sets.contains": _has_all,
    "sets.equivalent": lambda a, b: _has_all(a, b) and _has_all(b, a),
    "sets.intersects": lambda a, b: any(contains(b, value) for value in a),
}
_KINDS = [NAMED.get(name, name) for name in COMPARABLE]
_COSTS = {
    **dict.fromkeys(["isSorted", "sum", "max", "min", "includes"], _traversed),
    **dict.fromkeys(["list_slice", "lists_range", "list_reverse"], lambda operands, result: _new_list(len(result))),
    **dict.fromkeys(["list_flatten", "list_flatten_int"], _flatten_cost),
    **dict.fromkeys(["list_distinct", *(f"list_{kind}_sort" for kind in _KINDS)], _compared(0)),
    **dict.fromkeys([f"list_{kind}_sortByAssociatedKeys" for kind in _KINDS], _compared(1)),
    **dict.fromkeys(["list_sets_contains_list", "list_sets_intersects_list"], _sets_cost(1)),
    "list_sets_equivalent_list": _sets_cost(2),
}
LIBRARY = library(_all_overloads(), _FUNCTIONS, _COSTS)
