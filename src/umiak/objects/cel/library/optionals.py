"""Values that may be absent."""

from typing import Any

from umiak.objects.cel import types
from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError, no_overload
from umiak.objects.cel.values import NONE, Function, Optional, Timestamp, type_name

OVERLOADS = """
select_optional_field: _?._(dyn, string) -> optional_type(V)
list_optindex_optional_int: _[?_](list(V), int) -> optional_type(V)
optional_list_optindex_optional_int: _[?_](optional_type(list(V)), int) -> optional_type(V)
map_optindex_optional_value: _[?_](map(K,V), K) -> optional_type(V)
optional_map_optindex_optional_value: _[?_](optional_type(map(K,V)), K) -> optional_type(V)
optional_list_index_int: _[_](optional_type(list(V)), int) -> optional_type(V)
optional_map_index_value: _[_](optional_type(map(K,V)), K) -> optional_type(V)
optional_of: optional.of(V) -> optional_type(V)
optional_ofNonZeroValue: optional.ofNonZeroValue(V) -> optional_type(V)
optional_none: optional.none() -> optional_type(V)
optional_value: optional_type(V) value() -> V
optional_hasValue: optional_type(V) hasValue() -> bool
optional_or_optional: optional_type(V) or(optional_type(V)) -> optional_type(V)
optional_orValue_value: optional_type(V) orValue(V) -> V
optional_unwrap: optional.unwrap(list(optional_type(V))) -> list(V)
optional_unwrapOpt: list(optional_type(V)) unwrapOpt() -> list(V)
list_first: list(V) first() -> optional_type(V)
list_last: list(V) last() -> optional_type(V)
"""


def _is_zero(value: Any) -> bool:
    if isinstance(value, Timestamp):
        return value.nanos == -62_135_596_800 * 10**9
    if isinstance(value, Optional):
        return value is NONE or _is_zero(value.value)
    nanos = getattr(value, "nanos", None)
    return nanos == 0 if nanos is not None else value in (None, False, 0, "", b"") or value in ([], {})


def _of_non_zero(value: Any) -> Optional:
    return NONE if _is_zero(value) else Optional(value)


def value_of(value: Any) -> Any:
    if not isinstance(value, Optional):
        raise no_overload()
    if value is NONE:
        raise EvaluationError("optional.none() dereference")
    return value.value


def _has_value(value: Any) -> bool:
    if not isinstance(value, Optional):
        raise no_overload()
    return value is not NONE


def _unwrap(values: list[Any]) -> list[Any]:
    for value in values:
        if not isinstance(value, Optional):
            raise EvaluationError(f"value {type_name(value)} is not optional")
    return [value.value for value in values if value is not NONE]


_FUNCTIONS: dict[str, Function] = {
    "optional.of": Optional,
    "optional.ofNonZeroValue": _of_non_zero,
    "optional.none": lambda: NONE,
    "value": value_of,
    "hasValue": _has_value,
    "optional.unwrap": _unwrap,
    "unwrapOpt": _unwrap,
    "first": lambda values: Optional(values[0]) if values else NONE,
    "last": lambda values: Optional(values[-1]) if values else NONE,
}
LIBRARY = library(OVERLOADS, _FUNCTIONS, types={"optional_type": types.optional_of(types.param("V"))})
