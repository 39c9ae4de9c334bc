"""Finds the type of every part of a tree; faults in cel-go's words."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from umiak.objects.cel import types
from umiak.objects.cel.declarations import Overload
from umiak.objects.cel.errors import CompileError, Issue
from umiak.objects.cel.syntax import (
    Call,
    Comprehension,
    Entry,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
    children,
)
from umiak.objects.cel.types import BOOL, DYN, ERROR, INT, STRING, Type
from umiak.objects.cel.values import Uint

LITERALS: dict[type, Type] = {
    bool: BOOL,
    int: INT,
    Uint: types.UINT,
    float: types.DOUBLE,
    str: STRING,
    bytes: types.BYTES,
    type(None): types.NULL,
}


class TypeProvider(Protocol):
    """Knows the struct types, and names that stand for types."""

    def find_type(self, name: str) -> Type | None:
        """The type a name stands for."""
        ...

    def find_field(self, struct: str, field: str) -> Type | None:
        """The type of a field; None when there is no such field."""
        ...


Functions = Mapping[str, Sequence[Overload]]


class Scope:
    """Names declared at one level; the outermost holds the variables of the environment."""

    __slots__ = ("names", "outer")

    def __init__(self, names: Mapping[str, Type], outer: "Scope | None" = None) -> None:
        self.names = names
        self.outer = outer

    def local(self, name: str) -> Type | None:
        scope = self
        while scope.outer is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def globally(self, name: str) -> Type | None:
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope.names.get(name)


def check(source: str, tree: Node, variables: Mapping[str, Type], functions: Functions, provider: TypeProvider) -> None:
    """Sets the types in the tree; raises CompileError."""
    checker = _Checker(variables, functions, provider)
    try:
        checker.check(tree)
    except RecursionError:
        checker.issues.append(Issue(-1, "expression recursion limit exceeded: 250"))
    if checker.issues:
        raise CompileError(source, checker.issues)
    checker.settle(tree)


class _Checker:
    def __init__(self, variables: Mapping[str, Type], functions: Functions, provider: TypeProvider) -> None:
        self.scope = Scope(variables)
        self.functions = functions
        self.provider = provider
        self.mapping: types.Mapping = {}
        self.free = 0
        self.issues: list[Issue] = []

    def fail(self, node: Node | Entry, message: str) -> Type:
        self.issues.append(Issue(node.offset, message))
        return ERROR

    def mismatch(self, node: Node, expected: Type, found: Type) -> Type:
        return self.fail(node, f"expected type '{expected.text}' but found '{found.text}'")

    def undeclared(self, node: Node, name: str) -> Type:
        return self.fail(node, f"undeclared reference to '{name}' (in container '')")

    def fresh(self) -> Type:
        self.free += 1
        return types.param(f"_var{self.free - 1}")

    def fits(self, wanted: Type, given: Type) -> bool:
        found = types.assignable(self.mapping, wanted, given)
        if found is None:
            return False
        self.mapping = found
        return True

    def resolved(self, type: Type) -> Type:
        return types.substitute(self.mapping, type)

    def settle(self, tree: Node) -> None:
        """Replaces type parameters by what they turned out to be."""
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            node.type = types.substitute(self.mapping, node.type, free_to_dyn=True)
            waiting.extend(children(node))

    def check(self, node: Node) -> Type:
        match node:
            case Literal():
                node.type = LITERALS[type(node.value)]
            case Ident():
                node.type = self.ident(node)
            case Select():
                node.type = self.select(node)
            case Call():
                node.type = self.call(node)
            case ListNode():
                node.type = self.list_literal(node)
            case MapNode():
                node.type = self.map_literal(node)
            case StructNode():
                node.type = self.struct_literal(node)
            case Comprehension():
                node.type = self.comprehension(node)
        return node.type

    def ident(self, node: Ident) -> Type:
        found = self.named(node, node.name)
        return self.undeclared(node, node.name) if found is None else found

    def named(self, node: Ident, name: str) -> Type | None:
        """The type of a name; notes in the node what kind of name it is."""
        bare = name.removeprefix(".")
        local = self.scope.local(bare)
        if local is not None and not name.startswith("."):
            return local
        node.name, node.is_global = bare, local is not None
        variable = self.scope.globally(bare)
        if variable is not None:
            return variable
        stands_for = self.provider.find_type(bare)
        if stands_for is None:
            node.name = name
            return None
        node.is_type = True
        return types.type_of(stands_for)

    def select(self, node: Select) -> Type:
        qualified = _qualified(node)
        if qualified is not None and self.scope.local(qualified[0]) is None:
            ident = Ident(node.offset, ".".join(qualified))
            found = self.named(ident, ident.name)
            if found is not None:
                ident.type = found
                node.resolved = ident
                return found
        result = self.field(node, node.operand, node.field)
        return BOOL if node.test else self.resolved(result)

    def field(self, node: Node, operand: Node, field: str, optional: bool = False) -> Type:
        given = self.resolved(self.check(operand))
        target, was_optional = types.unwrapped(given)
        result = self._field_of(node, target, field)
        return types.optional_of(result) if was_optional or optional else result

    def _field_of(self, node: Node, target: Type, field: str) -> Type:
        match target.kind:
            case "map":
                return target.params[1]
            case "struct":
                if self.provider.find_type(target.name) is None:
                    return self.fail(node, f"unexpected failed resolution of '{target.name}'")
                found = self.provider.find_field(target.name, field)
                return self.fail(node, f"undefined field '{field}'") if found is None else found
            case "param":
                self.fits(DYN, target)
                return DYN
        if not types.is_dyn_or_error(target):
            self.fail(node, f"type '{target.text}' does not support field selection")
        return DYN

    def call(self, node: Call) -> Type:
        if node.function == "_?._":
            return self.optional_select(node)
        for arg in node.args:
            self.check(arg)
        if node.target is None:
            return self.global_call(node, node.function)
        path = _path(node.target)
        if path is not None:
            name = f"{path}.{node.function}".removeprefix(".")
            if name in self.functions:
                node.function, node.target = name, None
                return self.overload(node, self.functions[name])
        self.check(node.target)
        if node.function not in self.functions:
            return self.undeclared(node, node.function)
        return self.overload(node, self.functions[node.function])

    def global_call(self, node: Call, name: str) -> Type:
        bare = name.removeprefix(".")
        if bare not in self.functions:
            return self.undeclared(node, name)
        node.function = bare
        return self.overload(node, self.functions[bare])

    def optional_select(self, node: Call) -> Type:
        operand, field = node.args
        assert isinstance(field, Literal)
        field.type = STRING
        node.overloads = ["select_optional_field"]
        return self.resolved(self.field(node, operand, field.value, optional=True))

    def overload(self, node: Call, overloads: Sequence[Overload]) -> Type:
        """The result; dyn when several overloads fit that differ in it."""
        given = [part.type for part in node.operands]
        is_member = node.target is not None
        if node.function in ("_&&_", "_||_"):
            return self.logical(node, overloads[0])
        result: Type | None = None
        for overload in overloads:
            if overload.is_member != is_member:
                continue
            wanted, outcome = self.instance(overload)
            found = types.all_assignable(self.mapping, given, wanted)
            if found is None:
                continue
            self.mapping = found
            node.overloads.append(overload.id)
            outcome = self.resolved(outcome)
            if result is None:
                result = outcome
            elif not types.is_dyn(result) and outcome != result:
                result = DYN
        if result is not None:
            return result
        shown = types.signature([types.substitute(self.mapping, type, free_to_dyn=True) for type in given], is_member)
        return self.fail(node, f"found no matching overload for '{node.function}' applied to '{shown}'")

    def logical(self, node: Call, overload: Overload) -> Type:
        node.overloads = [overload.id]
        wrong = [arg for arg in node.args if not self.fits(arg.type, BOOL)]
        for arg in wrong:
            self.mismatch(arg, BOOL, arg.type)
        return ERROR if wrong else BOOL

    def instance(self, overload: Overload) -> tuple[list[Type], Type]:
        """(arguments, result) with type parameters of their own."""
        if not overload.params:
            return list(overload.args), overload.result
        fresh = {name: self.fresh() for name in sorted(overload.params)}
        return [types.substitute(fresh, arg) for arg in overload.args], types.substitute(fresh, overload.result)

    def joined(self, node: Node, before: Type | None, now: Type) -> Type:
        """The common type of the elements so far and one more; `validators` refuse what has none."""
        if before is None:
            return now
        if self.fits(before, now):
            return types.most_general(before, now)
        return DYN

    def element(self, node: Node, is_optional: bool) -> Type:
        found = node.type
        if not is_optional:
            return found
        inner, was_optional = types.unwrapped(found)
        if not was_optional and not types.is_dyn(inner):
            self.mismatch(node, types.optional_of(inner), inner)
        return inner

    def list_literal(self, node: ListNode) -> Type:
        common: Type | None = None
        for index, element in enumerate(node.elements):
            self.check(element)
            common = self.joined(element, common, self.element(element, index in node.optional))
        return types.list_of(self.fresh() if common is None else common)

    def map_literal(self, node: MapNode) -> Type:
        keys: Type | None = None
        values: Type | None = None
        for entry in node.entries:
            keys = self.joined(entry.key, keys, self.check(entry.key))
            self.check(entry.value)
            values = self.joined(entry.value, values, self.element(entry.value, entry.optional))
        if keys is None or values is None:
            return types.map_of(self.fresh(), self.fresh())
        return types.map_of(keys, values)

    def struct_literal(self, node: StructNode) -> Type:
        name = node.name.removeprefix(".")
        found = self.provider.find_type(name)
        if found is None:
            return self.undeclared(node, node.name)
        node.name = name
        result = found
        if found.kind != "struct":
            result = self.fail(node, f"'{found.text}' is not a message type")
        for entry in node.entries:
            self.check(entry.value)
            self.initializer(entry, result)
        return result

    def initializer(self, entry: Entry, struct: Type) -> None:
        assert isinstance(entry.key, Literal)
        field = str(entry.key.value)
        wanted = self.provider.find_field(struct.name, field) if struct.kind == "struct" else ERROR
        if wanted is None:
            wanted = self.fail(entry, f"undefined field '{field}'")
        given = self.element(entry.value, entry.optional)
        if not self.fits(wanted, given):
            text = f"expected type of field '{field}' is '{wanted.text}' but provided type is '{given.text}'"
            self.fail(entry, text)

    def comprehension(self, node: Comprehension) -> Type:
        self.check(node.range)
        accumulated = self.check(node.init)
        over = self.resolved(node.range.type)
        outer = self.scope
        within = Scope({node.accumulator: accumulated}, outer)
        first, second = self.iterated(node, over)
        names = {node.variable: first, node.variable2: second} if node.variable2 else {node.variable: first}
        self.scope = Scope(names, within)
        self.check(node.condition)
        self.wants(node.condition, BOOL)
        self.check(node.step)
        self.wants(node.step, accumulated)
        self.scope = within
        self.check(node.result)
        self.scope = outer
        return self.resolved(node.result.type)

    def wants(self, node: Node, type: Type) -> None:
        if not self.fits(type, node.type):
            self.mismatch(node, type, node.type)

    def iterated(self, node: Comprehension, over: Type) -> tuple[Type, Type]:
        """Types of the iteration variables."""
        match over.kind:
            case "list":
                element = over.params[0]
                return (INT, element) if node.variable2 else (element, element)
            case "map":
                return over.params[0], over.params[1]
            case "dyn" | "any" | "error" | "param":
                self.fits(DYN, over)
                return DYN, DYN
        text = f"expression of type '{over.text}' cannot be range of a comprehension (must be list, map, or dynamic)"
        return self.fail(node.range, text), ERROR


def _qualified(node: Select) -> list[str] | None:
    """The names of `a.b.c`, None when it is not only names."""
    names: list[str] = []
    at: Node = node
    while isinstance(at, Select):
        if at.test:
            return None
        names.append(at.field)
        at = at.operand
    if not isinstance(at, Ident):
        return None
    return [at.name, *reversed(names)]


def _path(node: Node) -> str | None:
    """`a.b` as a text; None when it is not only names."""
    if isinstance(node, Ident):
        return node.name
    names = _qualified(node) if isinstance(node, Select) else None
    return None if names is None else ".".join(names)
