"""Turns a checked tree into Python closures, which count their cost as cel-go does."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from umiak.objects.cel import folds
from umiak.objects.cel.attributes import COST, FIRST, Frame, Path, Run, Step, Unbound
from umiak.objects.cel.calls import Calls
from umiak.objects.cel.errors import CostExceeded, EvaluationError, no_overload
from umiak.objects.cel.syntax import (
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
)
from umiak.objects.cel.types import Type
from umiak.objects.cel.values import NONE, Optional, TypeValue, is_key, type_name

LIST_COST, MAP_COST, STRUCT_COST = 10, 30, 40
TOO_DEEP = "expression is nested too deeply"


class Budget:
    """What evaluations may still cost. One budget may serve many programs in turn."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class Program:
    """A compiled expression. `estimated_cost` is the (least, most) it may cost."""

    __slots__ = ("_names", "_run", "estimated_cost", "references", "result_type", "source")

    def __init__(self, source: str, result_type: Type, estimated_cost: tuple[int, int], plan: "Plan", run: Run) -> None:
        self.source = source
        self.result_type = result_type
        self.estimated_cost = estimated_cost
        self.references = frozenset(plan.used)
        self._names = tuple(plan.slots)
        self._run = run

    def evaluate(self, bindings: Mapping[str, Any], budget: Budget) -> Any:
        """The value; raises EvaluationError, or CostExceeded when the budget is used up."""
        return self.measured(bindings, budget.left, budget)[0]

    def measured(self, bindings: Mapping[str, Any], limit: int, budget: Budget | None = None) -> tuple[Any, int]:
        """(value, cost); raises as `evaluate` does, and takes the cost out of the budget all the same."""
        frame: Frame = [0, limit]
        for name in self._names:
            frame.append(bindings[name] if name in bindings else Unbound(name))
        try:
            value = self._run(frame)
        except RecursionError:
            raise EvaluationError(TOO_DEEP) from None
        except EvaluationError:
            if frame[COST] > limit:
                raise CostExceeded from None
            raise
        finally:
            if budget is not None:
                budget.left -= frame[COST]
        if frame[COST] > limit:
            raise CostExceeded
        return value, frame[COST]


MakeStruct = Callable[[str, dict[str, Any]], Any]


class Piece:
    """A compiled node: what runs it, the path it is when it is one, its value when that never changes."""

    __slots__ = ("is_constant", "path", "run", "value")

    def __init__(self, run: Run, path: Path | None = None, is_constant: bool = False, value: Any = None) -> None:
        self.run = run
        self.path = path
        self.is_constant = is_constant
        self.value = value

    @property
    def bare(self) -> Run:
        """As a branch or index: a path then costs only its steps."""
        return self.run if self.path is None else self.path.compile_bare()


def constant(value: Any) -> Piece:
    return Piece(lambda f: value, is_constant=True, value=value)


class Plan:
    """Compiles one tree. Variables of the environment come first in the frame, those of comprehensions after them."""

    def __init__(self, variables: Sequence[str], calls: Calls, make_struct: MakeStruct) -> None:
        self.slots = {name: at for at, name in enumerate(variables, FIRST)}
        self.locals: list[tuple[str, int]] = []
        self.calls = calls
        self.make_struct = make_struct
        self.used: set[str] = set()
        self.extra = 0

    def whole(self, tree: Node) -> Run:
        run = self.node(tree).run
        extra = self.extra
        if not extra:
            return run

        def with_locals(f: Frame) -> Any:
            f.extend([None] * extra)
            return run(f)

        return with_locals

    def node(self, node: Node) -> Piece:
        match node:
            case Literal():
                return constant(node.value)
            case Ident():
                return self.ident(node)
            case Select():
                return self.select(node)
            case Call():
                return self.call(node)
            case ListNode():
                return self.list_literal(node)
            case MapNode():
                return self.map_literal(node)
            case StructNode():
                return self.struct_literal(node)
            case Comprehension():
                return self.comprehension(node)
        raise TypeError(f"unknown node {node!r}")

    def add_local(self, name: str) -> int:
        """A place in the frame for a variable of a comprehension."""
        slot = FIRST + len(self.slots) + self.extra
        self.extra += 1
        self.locals.append((name, slot))
        return slot

    def drop_locals(self, count: int) -> None:
        del self.locals[len(self.locals) - count :]

    def ident(self, node: Ident) -> Piece:
        if node.is_type:
            return constant(TypeValue(_runtime_name(node)))
        if not node.is_global:
            for name, slot in reversed(self.locals):
                if name == node.name:
                    return self.path(Path(slot))
        self.used.add(node.name)
        return self.path(Path(self.slots[node.name]))

    def path(self, path: Path) -> Piece:
        return Piece(path.compile(), path)

    def rooted(self, piece: Piece) -> Path:
        """A path that can be gone on with."""
        return piece.path if piece.path is not None else Path(root=piece.run)

    def select(self, node: Select) -> Piece:
        if node.resolved is not None:
            return self.ident(node.resolved)
        step = Step(*self.calls.field(node.operand.type, node.field))
        step.is_field = self.calls.is_object(node.operand.type)
        step.test = node.test
        return self.path(self.rooted(self.node(node.operand)).with_step(step))

    def call(self, node: Call) -> Piece:
        match node.function:
            case "_&&_" | "_||_":
                return Piece(
                    _logical(self.node(node.args[0]).run, self.node(node.args[1]).run, node.function == "_||_")
                )
            case "_?_:_":
                return self.conditional(node)
            case "_[_]" | "_[?_]" | "_?._":
                return self.index(node)
            case "or" | "orValue" if node.target is not None:
                runs = self.node(node.target).run, self.node(node.args[0]).run
                return Piece(_alternative(*runs, unwrap=node.function == "orValue"))
        pieces = [self.node(part) for part in node.operands]
        return self.calls.call(node, pieces)

    def conditional(self, node: Call) -> Piece:
        test, then, otherwise = (self.node(arg) for arg in node.args)
        return self.path(Path(root=_choice(test.run, then.bare, otherwise.bare), cost=0))

    def index(self, node: Call) -> Piece:
        operand, key = (self.node(arg) for arg in node.args)
        optional = node.function != "_[_]"
        if key.is_constant:
            value = key.value
            if node.function == "_?._":
                value = self.calls.field(node.args[0].type, value)[0]
            step = Step(value, optional=optional, is_field=self.calls.is_object(node.args[0].type))
        else:
            step = Step(index=key.bare, optional=optional)
        return self.path(self.rooted(operand).with_step(step))

    def list_literal(self, node: ListNode) -> Piece:
        pieces = [self.node(element) for element in node.elements]
        if not node.optional:
            if all(piece.is_constant for piece in pieces):
                return constant([piece.value for piece in pieces])
            return Piece(_list([piece.run for piece in pieces]))
        runs = [(piece.run, at in node.optional) for at, piece in enumerate(pieces)]
        return Piece(_list_with_optionals(runs))

    def map_literal(self, node: MapNode) -> Piece:
        pieces = [(self.node(entry.key), self.node(entry.value), entry.optional) for entry in node.entries]
        run = _map([(key.run, value.run, optional) for key, value, optional in pieces])
        if all(key.is_constant and value.is_constant for key, value, _ in pieces):
            return constant(run([0, 0]))
        return Piece(run)

    def struct_literal(self, node: StructNode) -> Piece:
        fields = [(str(getattr(e.key, "value", "")), self.node(e.value).run, e.optional) for e in node.entries]
        return Piece(_struct(node.name, fields, self.make_struct))

    def comprehension(self, node: Comprehension) -> Piece:
        return Piece(folds.compile(self, node))


def _runtime_name(node: Ident) -> str:
    type = node.type.params[0]
    names = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration", "null": "null_type"}
    return names.get(type.kind, type.name)


def _logical(left: Run, right: Run, wanted: bool) -> Run:
    """`||` when `wanted` is True, else `&&`: the wanted value decides at once, and hides an error on the other side."""
    other = not wanted

    def run(f: Frame) -> Any:
        try:
            value = left(f)
        except EvaluationError as error:
            if _decides(right, f, wanted):
                return wanted
            raise error
        if value is wanted:
            return wanted
        last = right(f)
        if last is wanted:
            return wanted
        if value is other and last is other:
            return other
        raise no_overload()

    return run


def _decides(run: Run, f: Frame, wanted: bool) -> bool:
    try:
        return run(f) is wanted
    except EvaluationError:
        return False


def _choice(test: Run, then: Run, otherwise: Run) -> Run:
    def run(f: Frame) -> Any:
        value = test(f)
        if value is True:
            return then(f)
        if value is False:
            return otherwise(f)
        raise no_overload()

    return run


def _alternative(first: Run, second: Run, unwrap: bool) -> Run:
    """`or`, and with `unwrap` `orValue`: the second is only looked at when the first has no value."""

    def run(f: Frame) -> Any:
        value = first(f)
        if type(value) is not Optional:
            raise no_overload()
        if value is NONE:
            return second(f)
        return value.value if unwrap else value

    return run


def _list(runs: list[Run]) -> Run:
    def run(f: Frame) -> list[Any]:
        values = [element(f) for element in runs]
        f[COST] += LIST_COST
        return values

    return run


def _list_with_optionals(runs: list[tuple[Run, bool]]) -> Run:
    def run(f: Frame) -> list[Any]:
        values = []
        for element, optional in runs:
            value = element(f)
            if optional:
                if type(value) is not Optional:
                    raise EvaluationError(f"cannot initialize optional list element from non-optional value {value}")
                if value is NONE:
                    continue
                value = value.value
            values.append(value)
        f[COST] += LIST_COST
        return values

    return run


def _map(parts: list[tuple[Run, Run, bool]]) -> Run:
    def run(f: Frame) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_run, value_run, optional in parts:
            key, value = key_run(f), value_run(f)
            if optional:
                if type(value) is not Optional:
                    raise EvaluationError(f"cannot initialize optional entry '{key}' from non-optional value {value}")
                if value is NONE:
                    found.pop(key, None)
                    continue
                value = value.value
            if not is_key(key):
                raise EvaluationError(f"unsupported key type: {type_name(key)}")
            found[key] = value
        f[COST] += MAP_COST
        return found

    return run


def _struct(name: str, fields: list[tuple[str, Run, bool]], make: MakeStruct) -> Run:
    def run(f: Frame) -> Any:
        found: dict[str, Any] = {}
        for field, value_run, optional in fields:
            value = value_run(f)
            if optional:
                if type(value) is not Optional:
                    raise EvaluationError(f"cannot initialize optional entry '{field}' from non-optional value {value}")
                if value is NONE:
                    found.pop(field, None)
                    continue
                value = value.value
            found[field] = value
        f[COST] += STRUCT_COST
        return make(name, found)

    return run
