"""Compiles comprehensions: what macros make of lists and maps is run as a plain loop."""

from typing import TYPE_CHECKING, Any

from umiak.objects.cel.attributes import COST, LIMIT, Frame, Run
from umiak.objects.cel.errors import CostExceeded, EvaluationError, no_overload
from umiak.objects.cel.operators import insert
from umiak.objects.cel.syntax import Call, Comprehension, ListNode, Literal, MapNode, Node
from umiak.objects.cel.values import entries, not_iterable

if TYPE_CHECKING:
    from umiak.objects.cel.program import Plan


def compile(plan: "Plan", node: Comprehension) -> Run:
    if node.is_binding:
        return _binding(plan, node)
    over = plan.node(node.range).run
    init = plan.node(node.init).run
    accumulator = plan.add_local(node.accumulator)
    first = plan.add_local(node.variable)
    second = plan.add_local(node.variable2) if node.variable2 else 0
    variables = 2 if second else 1
    each = _Each(over, first, second)
    run = _special(plan, node, each)
    if run is None:
        condition, step = plan.node(node.condition).run, plan.node(node.step).run
        plan.drop_locals(variables)
        run = _general(each, init, accumulator, condition, step, plan.node(node.result).run)
        plan.drop_locals(1)
    else:
        plan.drop_locals(variables + 1)
    return run


class _Each:
    """What is gone over, and where its parts are put."""

    __slots__ = ("first", "over", "second")

    def __init__(self, over: Run, first: int, second: int) -> None:
        self.over = over
        self.first = first
        self.second = second

    def pairs(self, f: Frame) -> list[tuple[Any, Any]]:
        """What the variables hold in each round; the second part is unused with one variable."""
        values = self.over(f)
        if self.second:
            return list(entries(values))
        if isinstance(values, list | dict):
            return [(value, None) for value in values]
        raise not_iterable(values)


def _binding(plan: "Plan", node: Comprehension) -> Run:
    """Names a value within the result."""
    value = plan.node(node.init).run
    slot = plan.add_local(node.accumulator)
    result = plan.node(node.result).run
    plan.drop_locals(1)

    def run(f: Frame) -> Any:
        f[slot] = value(f)
        return result(f)

    return run


def _special(plan: "Plan", node: Comprehension, each: _Each) -> Run | None:
    """The loops of the macros, told by the shape of the tree; None for any other fold."""
    step = node.step
    if not isinstance(step, Call):
        return None
    if isinstance(node.init, Literal) and step.function in ("_&&_", "_||_"):
        return _quantifier(each, plan.node(step.args[1]).run, step.function == "_||_")
    test: Node | None = None
    if step.function == "_?_:_" and isinstance(step.args[1], Call):
        test, step = step.args[0], step.args[1]
    empty_list = isinstance(node.init, ListNode) and not node.init.elements
    if empty_list and step.function == "_+_" and isinstance(step.args[1], ListNode):
        return _appending(plan, each, test, step.args[1].elements[0])
    if isinstance(node.init, MapNode) and step.function == "cel.@mapInsert":
        return _inserting(plan, each, test, step.args[1:])
    return None


def _over_limit(f: Frame) -> None:
    if f[COST] > f[LIMIT]:
        raise CostExceeded


def _quantifier(each: _Each, predicate: Run, wanted: bool) -> Run:
    """`exists` when `wanted` is True, else `all`: the wanted value ends the loop, and hides errors before it."""
    check = 3 if wanted else 2
    first, second = each.first, each.second
    other = not wanted

    def run(f: Frame) -> Any:
        fault: EvaluationError | None = None
        rounds = each.pairs(f)
        last = len(rounds) - 1
        for at, (one, two) in enumerate(rounds):
            f[first] = one
            if second:
                f[second] = two
            f[COST] += check + 1
            if f[COST] > f[LIMIT]:
                raise CostExceeded
            try:
                found = predicate(f)
            except EvaluationError as error:
                fault = fault or error
                continue
            if found is wanted:
                f[COST] += 1 if at == last else check + 1
                return wanted
            if found is not other:
                fault = fault or no_overload()
        f[COST] += 1
        if fault is not None:
            raise fault
        return other

    return run


def _appending(plan: "Plan", each: _Each, test: Node | None, element: Node) -> Run:
    """`map`, `filter` and `transformList`."""
    accept = None if test is None else plan.node(test).run
    piece = plan.node(element)
    value = piece.run
    cost = 2 if piece.is_constant else 12
    first, second = each.first, each.second

    def run(f: Frame) -> list[Any]:
        found: list[Any] = []
        for one, other in each.pairs(f):
            f[first] = one
            if second:
                f[second] = other
            if f[COST] > f[LIMIT]:
                raise CostExceeded
            if accept is None or _accepted(accept(f)):
                found.append(value(f))
                f[COST] += cost
        f[COST] += 1
        return found

    return run


def _accepted(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise no_overload()


def _inserting(plan: "Plan", each: _Each, test: Node | None, parts: list[Node]) -> Run:
    """`transformMap` with a key and a value, `transformMapEntry` with a map."""
    accept = None if test is None else plan.node(test).run
    values = [plan.node(part).run for part in parts]
    first, second = each.first, each.second

    def run(f: Frame) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for one, other in each.pairs(f):
            f[first] = one
            if second:
                f[second] = other
            if f[COST] > f[LIMIT]:
                raise CostExceeded
            if accept is None or _accepted(accept(f)):
                _insert(found, [value(f) for value in values])
                f[COST] += 2
        f[COST] += 1
        return found

    return run


def _insert(target: dict[Any, Any], parts: list[Any]) -> None:
    """In place, since nobody else has seen the map yet."""
    added = dict([parts]) if len(parts) == 2 else parts[0]
    for key in added:
        if key in target:
            insert({key: None}, {key: None})
    target.update(added)


def _general(each: _Each, init: Run, accumulator: int, condition: Run, step: Run, result: Run) -> Run:
    first, second = each.first, each.second

    def run(f: Frame) -> Any:
        rounds = each.pairs(f)
        f[accumulator] = init(f)
        for one, other in rounds:
            f[first] = one
            if second:
                f[second] = other
            if condition(f) is not True:
                break
            f[accumulator] = step(f)
            _over_limit(f)
        return result(f)

    return run
