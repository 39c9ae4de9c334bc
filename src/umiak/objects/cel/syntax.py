"""The tree an expression is parsed into.

`offset` is where a fault of the node is shown. The checker fills in `type`, and `overloads` of calls.
"""

from collections.abc import Sequence
from typing import Any

from umiak.objects.cel.types import DYN, Type

ACCUMULATOR = "@result"
UNUSED = "#unused"


class Node:
    __slots__ = ("offset", "type")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.type: Type = DYN


class Literal(Node):
    __slots__ = ("value",)

    def __init__(self, offset: int, value: Any) -> None:
        super().__init__(offset)
        self.value = value


class Ident(Node):
    """`is_type` says that the name stands for a type; `is_global` that no local variable may hide it."""

    __slots__ = ("is_global", "is_type", "name")

    def __init__(self, offset: int, name: str) -> None:
        super().__init__(offset)
        self.name = name
        self.is_type = False
        self.is_global = False


class Select(Node):
    """`operand.field`, or a test of its presence."""

    __slots__ = ("field", "operand", "resolved", "test")

    def __init__(self, offset: int, operand: Node, field: str, test: bool = False) -> None:
        super().__init__(offset)
        self.operand = operand
        self.field = field
        self.test = test
        self.resolved: Ident | None = None


class Call(Node):
    __slots__ = ("args", "function", "overloads", "target")

    def __init__(self, offset: int, function: str, args: Sequence[Node], target: Node | None = None) -> None:
        super().__init__(offset)
        self.function = function
        self.args = list(args)
        self.target = target
        self.overloads: list[str] = []

    @property
    def operands(self) -> list[Node]:
        """Target first."""
        return self.args if self.target is None else [self.target, *self.args]


class ListNode(Node):
    """`optional` holds the indexes of elements written with a question mark."""

    __slots__ = ("elements", "optional")

    def __init__(self, offset: int, elements: Sequence[Node], optional: Sequence[int] = ()) -> None:
        super().__init__(offset)
        self.elements = list(elements)
        self.optional = frozenset(optional)


class Entry:
    """One entry of a map or field of a struct; for a field, `key` is a literal name."""

    __slots__ = ("key", "offset", "optional", "value")

    def __init__(self, offset: int, key: Node, value: Node, optional: bool) -> None:
        self.offset = offset
        self.key = key
        self.value = value
        self.optional = optional


class MapNode(Node):
    __slots__ = ("entries",)

    def __init__(self, offset: int, entries: Sequence[Entry]) -> None:
        super().__init__(offset)
        self.entries = list(entries)


class StructNode(Node):
    __slots__ = ("entries", "name")

    def __init__(self, offset: int, name: str, entries: Sequence[Entry]) -> None:
        super().__init__(offset)
        self.name = name
        self.entries = list(entries)


class Comprehension(Node):
    """A fold over `range`; `variable2` is empty for the form with one variable."""

    __slots__ = ("accumulator", "condition", "init", "range", "result", "step", "variable", "variable2")

    def __init__(
        self,
        offset: int,
        range: Node,
        variables: tuple[str, str],
        accumulator: str,
        init: Node,
        condition: Node,
        step: Node,
        result: Node,
    ) -> None:
        super().__init__(offset)
        self.range = range
        self.variable, self.variable2 = variables
        self.accumulator = accumulator
        self.init = init
        self.condition = condition
        self.step = step
        self.result = result

    @property
    def is_binding(self) -> bool:
        """Never loops: it only names a value, as `cel.bind` does."""
        condition = self.condition
        no_range = isinstance(self.range, ListNode) and not self.range.elements
        return no_range and isinstance(condition, Literal) and condition.value is False


def children(node: Node) -> list[Node]:
    """The nodes directly below, in the order of the source."""
    match node:
        case Select():
            return [node.operand]
        case Call():
            return node.operands
        case ListNode():
            return node.elements
        case MapNode():
            return [part for entry in node.entries for part in (entry.key, entry.value)]
        case StructNode():
            return [entry.value for entry in node.entries]
        case Comprehension():
            return [node.range, node.init, node.condition, node.step, node.result]
    return []


def walk(node: Node) -> list[Node]:
    """The node and all below it, parents before children."""
    found, waiting = [], [node]
    while waiting:
        at = waiting.pop()
        found.append(at)
        waiting.extend(reversed(children(at)))
    return found


def copy(node: Node) -> Node:
    """A copy that can be checked on its own."""
    match node:
        case Literal():
            return Literal(node.offset, node.value)
        case Ident():
            return Ident(node.offset, node.name)
        case Select():
            return Select(node.offset, copy(node.operand), node.field, node.test)
        case Call():
            target = None if node.target is None else copy(node.target)
            return Call(node.offset, node.function, [copy(arg) for arg in node.args], target)
        case ListNode():
            return ListNode(node.offset, [copy(element) for element in node.elements], sorted(node.optional))
        case MapNode():
            return MapNode(node.offset, [_copy_entry(entry) for entry in node.entries])
        case StructNode():
            return StructNode(node.offset, node.name, [_copy_entry(entry) for entry in node.entries])
        case Comprehension():
            parts = [copy(part) for part in (node.range, node.init, node.condition, node.step, node.result)]
            range, init, condition, step, result = parts
            variables = (node.variable, node.variable2)
            return Comprehension(node.offset, range, variables, node.accumulator, init, condition, step, result)
    raise TypeError(f"unknown node {node!r}")


def _copy_entry(entry: Entry) -> Entry:
    return Entry(entry.offset, copy(entry.key), copy(entry.value), entry.optional)
