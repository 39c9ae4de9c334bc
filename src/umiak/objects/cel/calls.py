"""Compiles calls of functions: which overload runs, and what a call costs."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from umiak.objects.cel import operators, types
from umiak.objects.cel.attributes import COST, Frame, Run
from umiak.objects.cel.declarations import Cost, Overload, matches
from umiak.objects.cel.errors import EvaluationError, InstantiationError, no_overload
from umiak.objects.cel.library.conversions import CONVERTERS
from umiak.objects.cel.library.regex import compiled
from umiak.objects.cel.syntax import Call
from umiak.objects.cel.types import Type
from umiak.objects.cel.values import Function, Opaque, Uint, equal, size, type_name

if TYPE_CHECKING:
    from umiak.objects.cel.program import Piece

UNGUARDED = frozenset({"contains", "startsWith", "endsWith", "matches"})
PRIMITIVE = frozenset({bool, int, float, str}) | {Uint}
SIMPLE = frozenset({"string", "int", "uint", "double", "bool", "bytes", "timestamp", "duration"})
FAULTS = (TypeError, AttributeError, ValueError, KeyError, IndexError, OverflowError)


class FieldNames(Protocol):
    """What is known of the fields of structs; `environment.Provider` is one."""

    null_is_absent: bool

    def field_key(self, type: Type, field: str) -> str: ...


class Calls:
    """The functions of an environment."""

    def __init__(
        self,
        overloads: Mapping[str, Sequence[Overload]],
        functions: Mapping[str, Function],
        costs: Mapping[str, Cost | int],
        fields: FieldNames,
    ) -> None:
        self.overloads = overloads
        self.functions = functions
        self.costs = costs
        self.fields = fields

    def field(self, type: Type, name: str) -> tuple[str]:
        """The key under which a field is found."""
        return (self.fields.field_key(type, name),)

    def is_object(self, type: Type) -> bool:
        """Whether null in a field of it counts as absent."""
        return self.fields.null_is_absent and types.unwrapped(type)[0].kind == "struct"

    def call(self, node: Call, pieces: list["Piece"]) -> "Piece":
        from umiak.objects.cel.program import Piece, constant

        if len(pieces) == 1 and node.function in CONVERTERS | {"type"} and pieces[0].is_constant:
            return constant(self._converted(node, pieces[0].value))
        if node.overloads == ["in_list"] and pieces[1].is_constant and isinstance(pieces[1].value, list):
            members = pieces[1].value
            if not members:
                return constant(False)
            if all(type(member) in PRIMITIVE for member in members):
                return Piece(_membership(pieces[0].run, members))
        if node.function in ("matches", "find", "findAll") and pieces[1].is_constant:
            self._check_pattern(pieces[1].value)
        runs = [piece.run for piece in pieces]
        fast = _fast(node, runs)
        return Piece(fast or _call(runs, self._function(node), self._cost(node)))

    def _converted(self, node: Call, value: Any) -> Any:
        try:
            return self.functions[node.function](value)
        except EvaluationError as error:
            raise InstantiationError(str(error)) from None

    @staticmethod
    def _check_pattern(pattern: Any) -> None:
        try:
            if isinstance(pattern, str):
                compiled(pattern)
        except EvaluationError as error:
            raise InstantiationError(str(error)) from None

    def _cost(self, node: Call) -> Cost | int:
        overload = node.overloads[0] if len(node.overloads) == 1 else ""
        if node.function in ("_==_", "_!=_"):
            return _equality_cost if node.function == "_==_" else self.costs["not_equals"]
        found = self.costs.get(overload)
        return self.costs.get(node.function, 1) if found is None else found

    def _function(self, node: Call) -> Function:
        """What runs the call: picks the overload when the types leave that open."""
        candidates = [o for o in self.overloads[node.function] if o.id in node.overloads]
        given = [part.type for part in node.operands]
        certain = len(candidates) == 1 and all(map(_is_certain, candidates[0].args, given))
        single = self.functions.get(candidates[0].id) if len(candidates) == 1 else None
        by_name = self.functions.get(node.function)
        if certain or (by_name is not None and not single and _checks_itself(node.function)):
            found = single or by_name
            if found is None:
                raise InstantiationError(f"no such overload: {node.function}")
            return found
        return _dispatch(node.function, [(o, self.functions.get(o.id) or by_name) for o in candidates])


def _checks_itself(function: str) -> bool:
    """Operators and conversions look at their operands' types on their own."""
    return not function[0].isalpha() or function in CONVERTERS or function in ("size", "type", "matches", "flatten")


def _is_certain(wanted: Type, given: Type) -> bool:
    return wanted.kind in ("param", "dyn") or wanted.kind == given.kind


def _on_texts(function: Function, fallback: Function) -> Function:
    """For functions of two strings, the most frequent of those whose operands may be anything."""

    def run(a: Any, b: Any) -> Any:
        return function(a, b) if type(a) is str and type(b) is str else fallback(a, b)

    return run


def _dispatch(name: str, candidates: list[tuple[Overload, Function | None]]) -> Function:
    first, function = candidates[0]
    if len(candidates) == 1 and function is not None and [arg.kind for arg in first.args] == ["string", "string"]:
        return _on_texts(function, _by_types(name, candidates))
    return _by_types(name, candidates)


def _by_types(name: str, candidates: list[tuple[Overload, Function | None]]) -> Function:
    def run(*operands: Any) -> Any:
        for overload, function in candidates:
            if function is not None and all(map(matches, overload.args, operands)):
                return function(*operands)
        if name in UNGUARDED:
            raise no_overload()
        shown = ", ".join(_named(operand) for operand in operands)
        raise EvaluationError(f"no such overload: {name}({shown})")

    return run


def _named(value: Any) -> str:
    return {"null_type": "null"}.get(type_name(value), type_name(value))


def _call(runs: list[Run], function: Function, cost: Cost | int) -> Run:
    constant = cost if isinstance(cost, int) else 0
    reckon = None if isinstance(cost, int) else cost
    if len(runs) == 2 and reckon is not None:
        return _call_of_two(runs[0], runs[1], function, reckon)

    def run(f: Frame) -> Any:
        try:
            operands = [operand(f) for operand in runs]
        except EvaluationError:
            f[COST] += constant or 1
            raise
        f[COST] += constant
        try:
            result = function(*operands)
        except FAULTS:
            raise no_overload() from None
        except EvaluationError:
            f[COST] += 0 if reckon is None else reckon(operands, "")
            raise
        if reckon is not None:
            f[COST] += reckon(operands, result)
        return result

    return run


def _call_of_two(left: Run, right: Run, function: Function, reckon: Cost) -> Run:
    """The same for the usual number of operands."""

    def run(f: Frame) -> Any:
        try:
            operands = [left(f), right(f)]
        except EvaluationError:
            f[COST] += 1
            raise
        try:
            result = function(operands[0], operands[1])
        except FAULTS:
            raise no_overload() from None
        except EvaluationError:
            f[COST] += reckon(operands, "")
            raise
        f[COST] += reckon(operands, result)
        return result

    return run


def _membership(value: Run, members: list[Any]) -> Run:
    texts = frozenset(members) if all(type(member) is str for member in members) else None

    def run(f: Frame) -> bool:
        found = value(f)
        if texts is not None:
            return type(found) is str and found in texts
        return any(equal(found, member) for member in members)

    return run


def _equality_cost(operands: list[Any], result: Any) -> int:
    if isinstance(operands[0], Opaque):
        return 1
    return math.ceil(min(size(operands[0]), size(operands[1])) * 0.1)


def _fast(node: Call, runs: list[Run]) -> Run | None:
    """Operators on operands whose types are known, without a detour."""
    if len(runs) != 2:
        return None
    kinds = [operand.type.kind for operand in node.operands]
    if kinds[0] != kinds[1] or kinds[0] not in SIMPLE:
        return None
    left, right = runs
    if node.function in ("_==_", "_!=_"):
        return _equality(node.function == "_==_", left, right, kinds[0])
    if kinds[0] == "int" and node.function in _INTEGERS:
        return _comparison(*_INTEGERS[node.function], left, right)
    return None


def _equality(wanted: bool, left: Run, right: Run, kind: str) -> Run:
    def texts(f: Frame) -> bool:
        a, b = left(f), right(f)
        if type(a) is not type(b) or not isinstance(a, str | bytes):
            f[COST] += math.ceil(min(size(a), size(b)) * 0.1)
            return equal(a, b) is wanted
        f[COST] += math.ceil(min(len(a), len(b)) * 0.1)
        return (a == b) is wanted

    def run(f: Frame) -> bool:
        f[COST] += 1
        a, b = left(f), right(f)
        if type(a) is type(b) and type(a) in PRIMITIVE:
            return (a == b) is wanted
        return equal(a, b) is wanted

    return texts if kind in ("string", "bytes") else run


def _comparison(slow: Function, fast: Callable[[int, int], bool], left: Run, right: Run) -> Run:
    def run(f: Frame) -> bool:
        f[COST] += 1
        a, b = left(f), right(f)
        if type(a) is int and type(b) is int:
            return fast(a, b)
        return bool(slow(a, b))

    return run


_INTEGERS: dict[str, tuple[Function, Callable[[int, int], bool]]] = {
    "_<_": (operators.less, int.__lt__),
    "_<=_": (operators.less_equal, int.__le__),
    "_>_": (operators.greater, int.__gt__),
    "_>=_": (operators.greater_equal, int.__ge__),
}
