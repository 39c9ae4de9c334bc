"""Calls that stand for a tree of their own: tests of presence, comprehensions, bindings.

The trees are those of cel-go, since costs are counted on them.
"""

from collections.abc import Sequence

from umiak.objects.cel.parser import Expand, MacroError
from umiak.objects.cel.syntax import (
    ACCUMULATOR,
    UNUSED,
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    copy,
)

OLD_ACCUMULATOR = "__result__"
Args = Sequence[Node]


def _has(at: int, target: Node | None, args: Args) -> Node:
    tested = args[0]
    if not isinstance(tested, Select) or tested.test:
        raise MacroError(tested.offset, "invalid argument to has() macro")
    return Select(at, tested.operand, tested.field, test=True)


def _variable(node: Node, complaint: str) -> str:
    if not isinstance(node, Ident) or node.name.startswith("."):
        raise MacroError(node.offset, complaint)
    if node.name in (ACCUMULATOR, OLD_ACCUMULATOR):
        raise MacroError(node.offset, "iteration variable overwrites accumulator variable")
    return node.name


def _variables(args: Args, count: int) -> tuple[str, str]:
    """The iteration variables, which are the first `count` arguments."""
    first = _variable(args[0], "argument must be a simple name")
    if count == 1:
        return first, ""
    second = _variable(args[1], "argument must be a simple name")
    if first == second:
        raise MacroError(args[1].offset, f"duplicate variable name: {first}")
    return first, second


def _fold(
    at: int, range: Node, variables: tuple[str, str], init: Node, condition: Node, step: Node, result: Node
) -> Node:
    return Comprehension(at, range, variables, ACCUMULATOR, init, condition, step, result)


def _so_far(at: int) -> Ident:
    return Ident(at, ACCUMULATOR)


def _all(count: int) -> Expand:
    def expand(at: int, target: Node | None, args: Args) -> Node:
        variables = _variables(args, count)
        going_on = Call(at, "@not_strictly_false", [_so_far(at)])
        step = Call(at, "_&&_", [_so_far(at), args[count]])
        return _fold(at, _given(target), variables, Literal(at, True), going_on, step, _so_far(at))

    return expand


def _exists(count: int) -> Expand:
    def expand(at: int, target: Node | None, args: Args) -> Node:
        variables = _variables(args, count)
        going_on = Call(at, "@not_strictly_false", [Call(at, "!_", [_so_far(at)])])
        step = Call(at, "_||_", [_so_far(at), args[count]])
        return _fold(at, _given(target), variables, Literal(at, False), going_on, step, _so_far(at))

    return expand


def _exists_one(count: int) -> Expand:
    def expand(at: int, target: Node | None, args: Args) -> Node:
        variables = _variables(args, count)
        more = Call(at, "_+_", [_so_far(at), Literal(at, 1)])
        step = Call(at, "_?_:_", [args[count], more, _so_far(at)])
        result = Call(at, "_==_", [_so_far(at), Literal(at, 1)])
        return _fold(at, _given(target), variables, Literal(at, 0), Literal(at, True), step, result)

    return expand


def _given(target: Node | None) -> Node:
    assert target is not None, "a macro of receivers is only found with one"
    return target


def _only_if(at: int, test: Node | None, step: Node) -> Node:
    return step if test is None else Call(at, "_?_:_", [test, step, _so_far(at)])


def _appending(at: int, value: Node) -> Node:
    return Call(at, "_+_", [_so_far(at), ListNode(at, [value])])


def mapped(at: int, target: Node, args: Args) -> Node:
    """`range.map(x, value)` or `range.map(x, test, value)`."""
    name = _variable(args[0], "argument is not an identifier")
    test = args[1] if len(args) == 3 else None
    step = _only_if(at, test, _appending(at, args[-1]))
    return _fold(at, target, (name, ""), ListNode(at, []), Literal(at, True), step, _so_far(at))


def _map(at: int, target: Node | None, args: Args) -> Node:
    return mapped(at, _given(target), args)


def _filter(at: int, target: Node | None, args: Args) -> Node:
    name = _variable(args[0], "argument is not an identifier")
    step = _only_if(at, args[1], _appending(at, args[0]))
    return _fold(at, _given(target), (name, ""), ListNode(at, []), Literal(at, True), step, _so_far(at))


def _transform_list(at: int, target: Node | None, args: Args) -> Node:
    variables = _variables(args, 2)
    test = args[2] if len(args) == 4 else None
    step = _only_if(at, test, _appending(at, args[-1]))
    return _fold(at, _given(target), variables, ListNode(at, []), Literal(at, True), step, _so_far(at))


def _transform_map(at: int, target: Node | None, args: Args) -> Node:
    variables = _variables(args, 2)
    test = args[2] if len(args) == 4 else None
    insert = Call(at, "cel.@mapInsert", [_so_far(at), Ident(at, variables[0]), args[-1]])
    step = _only_if(at, test, insert)
    return _fold(at, _given(target), variables, MapNode(at, []), Literal(at, True), step, _so_far(at))


def _transform_entry(at: int, target: Node | None, args: Args) -> Node:
    variables = _variables(args, 2)
    test = args[2] if len(args) == 4 else None
    step = _only_if(at, test, Call(at, "cel.@mapInsert", [_so_far(at), args[-1]]))
    return _fold(at, _given(target), variables, MapNode(at, []), Literal(at, True), step, _so_far(at))


def binding(at: int, name: str, value: Node, result: Node) -> Node:
    """Names a value within `result`."""
    return Comprehension(at, ListNode(at, []), (UNUSED, ""), name, value, Literal(at, False), Ident(at, name), result)


def _optional_map(function: str, wrap: bool) -> Expand:
    def expand(at: int, target: Node | None, args: Args) -> Node:
        variable = args[0]
        if not isinstance(variable, Ident):
            raise MacroError(variable.offset, f"{function}() variable name must be a simple identifier")
        value = Call(at, "value", [], copy(_given(target)))
        bound = binding(at, variable.name, value, args[1])
        then = Call(at, "optional.of", [bound]) if wrap else bound
        test = Call(at, "hasValue", [], target)
        return Call(at, "_?_:_", [test, then, Call(at, "optional.none", [])])

    return expand


SORTED = "@__sortBy_input__"


def _sort_by(at: int, target: Node | None, args: Args) -> Node:
    if isinstance(target, Literal | MapNode):
        text = "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
        raise MacroError(target.offset, text)
    keys = mapped(at, Ident(at, SORTED), args)
    return binding(at, SORTED, _given(target), Call(at, "@sortByAssociatedKeys", [keys], Ident(at, SORTED)))


def _bind(at: int, target: Node | None, args: Args) -> Node | None:
    if not isinstance(target, Ident) or target.name != "cel":
        return None
    if not isinstance(args[0], Ident):
        raise MacroError(args[0].offset, "cel.bind() variable names must be simple identifiers")
    return binding(at, args[0].name, args[1], args[2])


STANDARD: dict[tuple[str, int, bool], Expand] = {
    ("has", 1, False): _has,
    ("all", 2, True): _all(1),
    ("exists", 2, True): _exists(1),
    ("exists_one", 2, True): _exists_one(1),
    ("map", 2, True): _map,
    ("map", 3, True): _map,
    ("filter", 2, True): _filter,
    ("optMap", 2, True): _optional_map("optMap", wrap=True),
    ("optFlatMap", 2, True): _optional_map("optFlatMap", wrap=False),
    ("all", 3, True): _all(2),
    ("exists", 3, True): _exists(2),
    ("existsOne", 3, True): _exists_one(2),
    ("exists_one", 3, True): _exists_one(2),
    ("transformList", 3, True): _transform_list,
    ("transformList", 4, True): _transform_list,
    ("transformMap", 3, True): _transform_map,
    ("transformMap", 4, True): _transform_map,
    ("transformMapEntry", 3, True): _transform_entry,
    ("transformMapEntry", 4, True): _transform_entry,
    ("sortBy", 2, True): _sort_by,
}
"""What the base environment of kube-apiserver knows."""

BIND: dict[tuple[str, int, bool], Expand] = {("bind", 3, True): _bind}
"""`cel.bind`, which that environment lacks."""
