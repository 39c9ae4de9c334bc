"""Estimates, before anything runs, what an expression may cost at least and at most (cel-go's checker/cost.go)."""

import math
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from umiak.objects.cel import types
from umiak.objects.cel.syntax import (
    ACCUMULATOR,
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

MOST = 2**64 - 1
TEXT, PATTERN = 0.1, 0.25
LIST_COST, MAP_COST, STRUCT_COST = 10, 30, 40

Path = tuple[str, ...]
SizeOfPath = Callable[[Path], int | None]
"""The most elements, characters or entries what lies at a path can have; None when nothing is known of it."""


class Range(NamedTuple):
    """From the least to the most, both at most a uint64."""

    least: int
    most: int

    def plus(self, other: "Range") -> "Range":
        return Range(min(self.least + other.least, MOST), min(self.most + other.most, MOST))

    def times(self, other: "Range") -> "Range":
        return Range(min(self.least * other.least, MOST), min(self.most * other.most, MOST))

    def scaled(self, factor: float) -> "Range":
        """Rounded up, as a float64 has it."""
        return Range(_scaled(self.least, factor), _scaled(self.most, factor))

    def union(self, other: "Range") -> "Range":
        return Range(min(self.least, other.least), max(self.most, other.most))


def _scaled(value: int, factor: float) -> int:
    product = float(value) * factor
    return MOST if product >= 2.0**64 else math.ceil(product)


def fixed(value: int) -> Range:
    return Range(value, value)


UNKNOWN = Range(0, MOST)
ZERO, ONE = fixed(0), fixed(1)
NOTHING = Range(MOST, 0)


class Entries(msgspec.Struct, frozen=True):
    """Sizes of keys and values of a list or map that the expression itself makes."""

    kind: str
    key: Range
    value: Range

    def union(self, other: "Entries") -> "Entries":
        return Entries(self.kind, self.key.union(other.key), self.value.union(other.value))


class Operand(msgspec.Struct, frozen=True):
    """What the cost of a call depends on. `path` is None when it leads to nothing declared."""

    type: Type
    path: Path | None
    size: Range | None
    node: Node | None


class Local(msgspec.Struct, frozen=True):
    path: Path
    size: Range | None
    entries: Entries | None = None


class CallCost(NamedTuple):
    cost: Range
    size: Range | None = None


CallEstimator = Callable[[str, str, Operand | None, list[Operand], "SizeOfPath"], CallCost | None]
"""(function, overload, target, arguments, sizes) -> the cost without its operands', None for the usual rules"""


def estimate(tree: Node, size_of_path: SizeOfPath, calls: CallEstimator) -> tuple[int, int]:
    """(least, most)."""
    return tuple(_Estimator(size_of_path, calls).cost(tree))  # type: ignore[return-value]


class _Estimator:
    def __init__(self, size_of_path: SizeOfPath, calls: CallEstimator) -> None:
        self.size_of_path = size_of_path
        self.calls = calls
        self.paths: dict[int, Path] = {}
        self.sizes: dict[int, Range] = {}
        self.entries: dict[int, Entries] = {}
        self.locals: dict[str, list[Local]] = {}

    def cost(self, node: Node) -> Range:
        match node:
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
                return self.total([entry.value for entry in node.entries]).plus(fixed(STRUCT_COST))
            case Comprehension():
                return self.binding(node) if _is_binding(node) else self.comprehension(node)
        return ZERO

    def total(self, nodes: list[Node]) -> Range:
        found = ZERO
        for node in nodes:
            found = found.plus(self.cost(node))
        return found

    def local(self, name: str) -> Local | None:
        stack = self.locals.get(name)
        return stack[-1] if stack else None

    def path(self, node: Node) -> Path:
        if isinstance(node, Ident) and (found := self.local(node.name)):
            return found.path
        return self.paths.get(id(node), ())

    def size(self, node: Node) -> Range | None:
        """What is known of a node's size."""
        known = self.sizes.get(id(node))
        if known is not None:
            return known
        own = _own_size(node)
        if own is not None:
            return fixed(own)
        path = self.path(node)
        declared = self.size_of_path(path) if path else None
        if declared is not None:
            self.sizes[id(node)] = Range(0, declared)
            return Range(0, declared)
        if _is_scalar(node.type):
            return ONE
        found = self.local(node.name) if isinstance(node, Ident) else None
        return found.size if found else None

    def size_or_unknown(self, node: Node) -> Range:
        return self.size(node) or UNKNOWN

    def entries_of(self, node: Node) -> Entries | None:
        known = self.entries.get(id(node))
        if known is not None:
            return known
        found = self.local(node.name) if isinstance(node, Ident) else None
        return found.entries if found else None

    def operand(self, node: Node) -> Operand:
        path: Path | None = self.path(node)
        if path and path[0] in (ACCUMULATOR, "__result__"):
            path = None
        return Operand(node.type, path or None, self.size(node), node)

    def ident(self, node: Ident) -> Range:
        found = self.local(node.name)
        self.paths[id(node)] = found.path if found else (node.name,)
        return ONE

    def select(self, node: Select) -> Range:
        if node.resolved is not None:
            found = self.ident(node.resolved)
            self.paths[id(node)] = self.paths[id(node.resolved)]
            return found
        cost = self.cost(node.operand)
        if node.test:
            return cost
        if node.operand.type.kind in ("map", "struct", "param"):
            cost = cost.plus(ONE)
        self.paths[id(node)] = (*self.path(node.operand), node.field)
        return cost

    def list_literal(self, node: ListNode) -> Range:
        cost = self.total(node.elements).plus(fixed(LIST_COST))
        item = NOTHING if node.elements else Range(0, 0)
        for element in node.elements:
            item = item.union(self.size_or_unknown(element))
        self.entries[id(node)] = Entries("list", ONE, item)
        return cost

    def map_literal(self, node: MapNode) -> Range:
        cost = ZERO
        key = value = NOTHING if node.entries else Range(0, 0)
        for entry in node.entries:
            cost = cost.plus(self.cost(entry.key)).plus(self.cost(entry.value))
            key = key.union(self.size_or_unknown(entry.key))
            value = value.union(self.size_or_unknown(entry.value))
        self.entries[id(node)] = Entries("map", key, value)
        return cost.plus(fixed(MAP_COST))

    def binding(self, node: Comprehension) -> Range:
        cost = self.cost(node.range).plus(self.cost(node.init))
        self.push_value(node.accumulator, node.init)
        cost = cost.plus(self.cost(node.result))
        self.locals[node.accumulator].pop()
        self.copy_sizes(node, node.result)
        return cost

    def copy_sizes(self, to: Node, source: Node) -> None:
        size, entries = self.size(source), self.entries_of(source)
        if size is not None:
            self.sizes[id(to)] = size
        if entries is not None:
            self.entries[id(to)] = entries

    def push_value(self, name: str, value: Node) -> None:
        local = Local(self.path(value), self.size(value), self.entries_of(value))
        self.locals.setdefault(name, []).append(local)

    def push_part(self, name: str, over: Node, part: str) -> None:
        """A variable that holds keys or values of what is gone over; `part` is empty for the only variable."""
        entries = self.entries_of(over)
        is_list = (entries.kind if entries else over.type.kind) == "list"
        part = part or ("value" if is_list else "key")
        size = None if entries is None else entries.key if part == "key" else entries.value
        name_of_part = {"key": "@indices" if is_list else "@keys", "value": "@items" if is_list else "@values"}[part]
        self.locals.setdefault(name, []).append(Local((*self.path(over), name_of_part), size))

    def comprehension(self, node: Comprehension) -> Range:
        cost = self.cost(node.range).plus(self.cost(node.init))
        self.push_value(node.accumulator, node.init)
        if node.variable2:
            self.push_part(node.variable, node.range, "key")
            self.push_part(node.variable2, node.range, "value")
        else:
            self.push_part(node.variable, node.range, "")
        each = self.cost(node.condition)
        each = self.cost(node.step).plus(each)
        self.locals[node.variable].pop()
        if node.variable2:
            self.locals[node.variable2].pop()
        cost = cost.plus(self.cost(node.result))
        self.locals[node.accumulator].pop()
        count = self.size_or_unknown(node.range)
        self.remember(node, count)
        return cost.plus(count.times(each))

    def remember(self, node: Comprehension, count: Range) -> None:
        """What is known of the outcome's size."""
        if isinstance(node.init, Literal):
            self.sizes[id(node)] = self.size_or_unknown(node.init)
        elif isinstance(node.init, ListNode | MapNode):
            self.sizes[id(node)] = count
            entries = self.entries_of(node.step)
            if entries is not None:
                self.entries[id(node)] = entries

    def call(self, node: Call) -> Range:
        if node.function == "dyn":
            cost = self.cost(node.args[0]).plus(ONE)
            self.copy_sizes(node, node.args[0])
            return cost
        costs, args = [], []
        for arg in node.args:
            costs.append(self.cost(arg))
            args.append(self.operand(arg))
        before, target = ZERO, None
        if node.target is not None:
            before = self.cost(node.target)
            target = self.operand(node.target)
        cost, size = NOTHING, None
        for overload in node.overloads:
            found = self.overload(node, overload, target, args, costs)
            cost = cost.union(found.cost)
            size = _joined(size, found.size)
            size = self.indexed(node, overload, size)
            size = self.size(node) if size is None else size
        if size is not None:
            self.sizes[id(node)] = size
        return before.plus(cost)

    def indexed(self, node: Call, overload: str, size: Range | None) -> Range | None:
        """An element has the path and size the list or map declares for it."""
        if overload not in ("index_list", "index_map"):
            return size
        entries = self.entries_of(node.args[0])
        part = "@items" if overload == "index_list" else "@values"
        self.paths[id(node)] = (*self.path(node.args[0]), part)
        return entries.value if entries else None

    def overload(
        self, node: Call, overload: str, target: Operand | None, args: list[Operand], costs: list[Range]
    ) -> CallCost:
        """The cost of one overload, operands included."""
        operands = ZERO
        for cost in costs:
            operands = operands.plus(cost)
        found = self.calls(node.function, overload, target, args, self.size_of_path)
        if found is not None:
            return CallCost(found.cost.plus(operands), found.size)
        match overload:
            case "logical_or" | "logical_and":
                return CallCost(Range(costs[0].least, costs[0].plus(costs[1]).most))
            case "conditional":
                return self.conditional(node, costs)
            case "add_string" | "add_bytes" | "add_list":
                return self.sum(node, overload, operands)
        return CallCost(
            _plain_cost(overload, target, args).cost.plus(operands), _plain_cost(overload, target, args).size
        )

    def conditional(self, node: Call, costs: list[Range]) -> CallCost:
        then, otherwise = node.args[1:]
        size = self.size_or_unknown(then).union(self.size_or_unknown(otherwise))
        self.join_entries(node, then, otherwise)
        return CallCost(costs[0].plus(costs[1].union(costs[2])), size)

    def join_entries(self, node: Node, one: Node, other: Node) -> None:
        a, b = self.entries_of(one), self.entries_of(other)
        if a is not None and b is not None:
            self.entries[id(node)] = a.union(b)

    def sum(self, node: Call, overload: str, operands: Range) -> CallCost:
        size = self.size_or_unknown(node.args[0]).plus(self.size_or_unknown(node.args[1]))
        self.join_entries(node, node.args[0], node.args[1])
        own = ONE if overload == "add_list" else size.scaled(TEXT)
        return CallCost(own.plus(operands), size)


def _joined(one: Range | None, other: Range | None) -> Range | None:
    if one is None or other is None:
        return one or other
    return one.union(other)


def _is_binding(node: Comprehension) -> bool:
    return node.is_binding and node.accumulator != "__result__"


def _own_size(node: Node) -> int | None:
    """The size of a literal."""
    match node:
        case Literal():
            return len(node.value) if isinstance(node.value, str | bytes) else 1
        case ListNode():
            return len(node.elements)
        case MapNode():
            return len(node.entries)
    return None


def _is_scalar(type: Type) -> bool:
    return type.kind in types.SCALARS or (types.is_optional(type) and _is_scalar(type.params[0]))


COMPARISONS = frozenset(
    f"{order}_{kind}" for order in ("less", "greater", "less_equals", "greater_equals") for kind in ("string", "bytes")
) | {"equals", "not_equals"}


def known(operand: Operand) -> Range:
    return operand.size or UNKNOWN


def pattern(text: Range, expression: Range) -> Range:
    """Matching: a text one longer than it is, times a quarter of the regular expression."""
    return text.plus(ONE).scaled(TEXT).times(expression.scaled(PATTERN))


def _plain_cost(overload: str, target: Operand | None, args: list[Operand]) -> CallCost:
    """The language's own functions; whatever is not named costs one."""
    operands = args if target is None else [target, *args]
    if overload in COMPARISONS:
        most = min(known(args[0]).most, known(args[1]).most)
        return CallCost(Range(1 if most > 0 else 0, most).scaled(TEXT))
    match overload:
        case "string_format":
            return CallCost(known(operands[0]).scaled(TEXT))
        case "string_to_bytes":
            size = known(args[0])
            return CallCost(size.scaled(TEXT), Range(size.least, (size.most * 4) & MOST))
        case "bytes_to_string":
            size = known(args[0])
            return CallCost(size.scaled(TEXT), Range(size.least // 4, size.most))
        case "strings_quote":
            size = known(args[0])
            return CallCost(size.scaled(TEXT), Range(size.least + 2, (size.most * 2 + 2) & MOST))
        case "starts_with_string" | "ends_with_string":
            return CallCost(known(args[0]).scaled(TEXT))
        case "in_list":
            return CallCost(known(args[1]))
        case "matches" | "matches_string":
            return CallCost(pattern(known(operands[0]), known(operands[1])))
        case "contains_string":
            return CallCost(known(operands[0]).scaled(TEXT).times(known(operands[1]).scaled(TEXT)))
    return CallCost(ONE)
