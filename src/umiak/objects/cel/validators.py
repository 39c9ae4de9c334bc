"""What the type checker lets pass and the environment still refuses: bad constants, mixed lists and maps."""

from collections.abc import Callable

from umiak.objects.cel import types
from umiak.objects.cel.errors import EvaluationError, Issue
from umiak.objects.cel.library.conversions import to_duration, to_timestamp
from umiak.objects.cel.library.formatting import COMPLAINTS, BadFormat, expand
from umiak.objects.cel.library.regex import compiled
from umiak.objects.cel.syntax import Call, Entry, ListNode, Literal, MapNode, Node, children, walk
from umiak.objects.cel.types import Type

CONSTANTS: dict[str, Callable[[str], object]] = {
    "duration": to_duration,
    "timestamp": to_timestamp,
    "matches": compiled,
}
PRINTABLE = frozenset(
    ["list", "map", "int", "uint", "double", "bool", "string", "timestamp", "bytes", "duration", "type", "null"]
)
FITTING = {
    "d": frozenset({"int", "uint"}),
    "f": frozenset({"double", "string"}),
    "e": frozenset({"double", "string"}),
    "b": frozenset({"int", "uint", "bool"}),
    "x": frozenset({"int", "uint", "string", "bytes"}),
    "o": frozenset({"int", "uint"}),
}
RUNTIME_NAMES = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration", "null": "null_type"}


def validate(tree: Node) -> list[Issue]:
    nodes = walk(tree)
    issues = [issue for node in nodes if isinstance(node, Call) for issue in _constants(node)]
    issues += [issue for node in nodes if isinstance(node, Call) for issue in _format(node)]
    return issues + _mixed(tree, exempt=False)


def _constants(node: Call) -> list[Issue]:
    read = CONSTANTS.get(node.function)
    if read is None or not node.args or not isinstance(node.args[0], Literal):
        return []
    value = node.args[0].value
    try:
        if isinstance(value, str):
            read(value)
        elif node.function == "timestamp":
            to_timestamp(value)
    except EvaluationError:
        return [Issue(node.args[0].offset, f"invalid {node.function} argument")]
    return []


def _mixed(node: Node, exempt: bool) -> list[Issue]:
    """Lists and maps whose parts differ in type; arguments of `format` may."""
    found: list[Issue] = []
    waiting = [(node, exempt)]
    while waiting:
        at, exempt = waiting.pop()
        if not exempt and isinstance(at, ListNode):
            found += _mixed_list(at)
        elif not exempt and isinstance(at, MapNode):
            found += _mixed_map(at.entries)
        inside = exempt or (isinstance(at, Call) and at.function in ("format", "cel.@block"))
        waiting.extend((child, inside) for child in children(at))
    return found


def _differs(node: Node, expected: Type, found: Type) -> Issue:
    return Issue(node.offset, f"expected type '{expected.text}' but found '{found.text}'")


def _mixed_list(node: ListNode) -> list[Issue]:
    common: Type | None = None
    for at, element in enumerate(node.elements):
        found = types.unwrapped(element.type)[0] if at in node.optional else element.type
        if common is None:
            common = found
        elif common != found:
            return [_differs(element, common, found)]
    return []


def _mixed_map(entries: list[Entry]) -> list[Issue]:
    found: list[Issue] = []
    values = [types.unwrapped(e.value.type)[0] if e.optional else e.value.type for e in entries]
    for entry, value in list(zip(entries, values, strict=True))[1:]:
        if entry.key.type != entries[0].key.type:
            found.append(_differs(entry.key, entries[0].key.type, entry.key.type))
        if value != values[0]:
            found.append(_differs(entry.value, values[0], value))
    return found


class _WrongArgument(BadFormat):
    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


def _format(node: Call) -> list[Issue]:
    """Checks a constant format against the types of a literal list of arguments."""
    if node.function != "format" or not isinstance(node.target, Literal) or not isinstance(node.target.value, str):
        return []
    args = node.args[0]
    if not isinstance(args, ListNode):
        return []
    seen: list[Node] = []
    wrong: list[Node] = []

    def clause(verb: str, precision: int | None, arg: Node) -> str:
        seen.append(arg)
        fault = _unfitting(verb, arg)
        if fault is not None:
            wrong.append(fault)
            name = RUNTIME_NAMES.get(fault.type.kind, fault.type.name)
            raise BadFormat(COMPLAINTS[verb.lower()] + name)
        return ""

    try:
        expand(node.target.value, args.elements, clause)
    except BadFormat as error:
        return [Issue(wrong[0].offset if wrong else node.offset, str(error))]
    if len(args.elements) > len(seen):
        text = "too many arguments supplied to string.format"
        return [Issue(node.offset, f"{text} (expected {len(seen)}, got {len(args.elements)})")]
    return []


def _unfitting(verb: str, arg: Node) -> Node | None:
    """The part of an argument that its clause cannot print."""
    if arg.type.kind == "dyn":
        return None
    if verb != "s":
        return None if arg.type.kind in FITTING[verb.lower()] else arg
    if arg.type.kind not in PRINTABLE:
        return arg
    if isinstance(arg, ListNode | MapNode):
        return next((bad for part in children(arg) if (bad := _unfitting("s", part))), None)
    return None
