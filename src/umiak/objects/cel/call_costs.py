"""Estimated costs of the libraries' functions (apiserver's pkg/cel/library/cost.go, cel-go's ext)."""

import math

from umiak.objects.cel.cost import (
    MOST,
    ONE,
    PATTERN,
    TEXT,
    UNKNOWN,
    CallCost,
    Operand,
    Range,
    SizeOfPath,
    fixed,
    pattern,
)
from umiak.objects.cel.syntax import Literal
from umiak.objects.cel.types import Type

CHECK = 350_000
"""So that an expression has room for two questions to the authorizer."""

LONGEST_PATTERN, LONGEST_FORMAT = 128, 64

NOMINAL = frozenset(
    [
        "serviceAccount",
        "path",
        "group",
        "resource",
        "subresource",
        "namespace",
        "name",
        "allowed",
        "reason",
        "error",
        "errored",
        "masked",
        "prefixLength",
        "family",
        "isUnspecified",
        "isLoopback",
        "isLinkLocalMulticast",
        "isLinkLocalUnicast",
        "isGlobalUnicast",
        "format.named",
        "sign",
        "asInteger",
        "isInteger",
        "asApproximateFloat",
        "isGreaterThan",
        "isLessThan",
        "compareTo",
        "add",
        "sub",
        "major",
        "minor",
        "patch",
        "getScheme",
        "getHostname",
        "getHost",
        "getPort",
        "getEscapedPath",
        "getQuery",
    ]
)
TRAVERSED = frozenset(["isSorted", "sum", "max", "min", "indexOf", "lastIndexOf", "includes"])
READ = frozenset(["cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"])
CONSTANT_EQUALITY = frozenset({"kubernetes.Quantity", "kubernetes.Semver", "net.IP", "net.CIDR"}) | {
    f"kubernetes.authorization.{kind}"
    for kind in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
}


def estimate(
    function: str, overload: str, target: Operand | None, args: list[Operand], sizes: SizeOfPath
) -> CallCost | None:
    return _of_overload(overload, target, args, sizes) or _of_function(function, overload, target, args, sizes)


def _size(operand: Operand, sizes: SizeOfPath) -> Range:
    if operand.size is not None:
        return operand.size
    found = sizes(operand.path) if operand.path else None
    return UNKNOWN if found is None else Range(0, found)


def _number(operand: Operand, default: int) -> int:
    """The value of a constant integer."""
    node = operand.node
    if not isinstance(node, Literal) or type(node.value) is not int:
        return default
    return max(node.value, 0)


def _new_list(factor: float, size: Range) -> CallCost:
    return CallCost(size.scaled(factor).plus(fixed(11)), size)


def _of_overload(overload: str, target: Operand | None, args: list[Operand], sizes: SizeOfPath) -> CallCost | None:
    """Sets, and the newer functions of lists."""
    match overload:
        case "list_sets_contains_list" | "list_sets_intersects_list" | "list_sets_equivalent_list":
            factor = 2.0 if "equivalent" in overload else 1.0
            product = _size(args[0], sizes).times(_size(args[1], sizes))
            return CallCost(product.scaled(factor).plus(ONE))
        case "lists_range":
            return _new_list(1, fixed(_number(args[0], MOST)))
    if target is None:
        return None
    size = _size(target, sizes)
    match overload:
        case "list_slice":
            start, end = _number(args[0], 0), _number(args[1], size.most)
            return _new_list(1, fixed((end - start) & MOST))
        case "list_reverse":
            return _new_list(1, size)
        case "list_flatten" | "list_flatten_int":
            return _new_list(_number(args[0], MOST) if args else 1, size)
        case "list_distinct":
            return _new_list(2.0, size.times(size))
    if overload.endswith(("_sort", "_sortByAssociatedKeys")):
        kind = overload.removeprefix("list_").split("_")[0]
        size = size if overload.endswith("_sort") else _size(args[0], sizes)
        return _new_list(2.1 if kind in ("string", "bytes") else 2.0, size.times(size))
    return None


def _of_function(
    function: str, overload: str, target: Operand | None, args: list[Operand], sizes: SizeOfPath
) -> CallCost | None:
    if function in NOMINAL or overload == "cidr_ip":
        return CallCost(ONE)
    if function in TRAVERSED and target is not None:
        return _traversal(function, target, sizes)
    if function in READ or function == "ip":
        return CallCost(_size(args[0], sizes).scaled(TEXT))
    match function:
        case "check":
            return CallCost(fixed(CHECK))
        case "fieldSelector" | "labelSelector":
            return CallCost(selector(_size(args[0], sizes)))
        case "url" | "jsonpatch.escapeKey":
            size = _size(args[0], sizes)
            return CallCost(size.scaled(TEXT), size)
        case "ip.isCanonical":
            return CallCost(_size(args[0], sizes).scaled(2 * TEXT))
        case "containsIP" | "containsCIDR":
            return _containment(function, overload, args, sizes)
        case "validate":
            cost = _size(args[0], sizes).scaled(TEXT).scaled(LONGEST_PATTERN * PATTERN)
            return CallCost(cost)
        case "_==_":
            return _equality(args)
    return None if target is None else _of_text(function, target, args, sizes)


def selector(size: Range) -> Range:
    """Reading a selector: its text, and a requirement for every second character."""
    requirements = size.scaled(0.5).scaled(50.0)
    return fixed(10).plus(size.scaled(TEXT)).plus(requirements)


def _element(target: Operand, sizes: SizeOfPath) -> tuple[Type, Range] | None:
    """(type, size) of a list's elements."""
    if not target.type.params:
        return None
    found = sizes((*target.path, "@items")) if target.path is not None else None
    return target.type.params[0], UNKNOWN if found is None else Range(0, found)


def _traversal(function: str, target: Operand, sizes: SizeOfPath) -> CallCost:
    size, element = _size(target, sizes), _element(target, sizes)
    if element is None:
        return CallCost(size if function == "includes" else size.scaled(TEXT))
    each = ONE.plus(element[1].scaled(TEXT)) if element[0].kind in ("string", "bytes") else ONE
    return CallCost(size.times(each))


def _containment(function: str, overload: str, args: list[Operand], sizes: SizeOfPath) -> CallCost:
    address = Range(4, 16)
    cost = address.plus(address).scaled(TEXT)
    if function == "containsCIDR":
        cost = cost.plus(address.scaled(TEXT)).plus(ONE)
    if overload.endswith("_string"):
        cost = cost.plus(_size(args[0], sizes).scaled(TEXT))
    return CallCost(cost)


def _equality(args: list[Operand]) -> CallCost | None:
    name = args[0].type.text
    if args[0].type != args[1].type:
        return None
    if name in CONSTANT_EQUALITY:
        return CallCost(ONE)
    if name == "kubernetes.NamedFormat":
        return CallCost(Range(1, LONGEST_FORMAT).scaled(TEXT))
    if name == "kubernetes.URL":
        size = args[1].size
        return CallCost(Range(1, 1 if size is None else size.most).scaled(TEXT))
    return None


def _of_text(function: str, target: Operand, args: list[Operand], sizes: SizeOfPath) -> CallCost | None:
    size = _size(target, sizes)
    match function:
        case "lowerAscii" | "upperAscii" | "substring" | "trim":
            return CallCost(size.scaled(TEXT), size)
        case "replace":
            outcome = _replaced(size, _size(args[0], sizes), _size(args[1], sizes))
            return CallCost(size.scaled(2 * TEXT), outcome)
        case "split":
            most = size.most
            if len(args) > 1 and isinstance(limit := args[1].node, Literal) and type(limit.value) is int:
                most = limit.value & MOST
            return CallCost(size.scaled(2 * TEXT), Range(0, most))
        case "join":
            return _joined(target, size, args, sizes)
        case "find" | "findAll":
            return CallCost(pattern(size, _size(args[0], sizes)), Range(0, size.most))
    return None


def _replaced(size: Range, old: Range, new: Range) -> Range:
    """The size of a text after replacements: many long ones at most, few short ones at least."""
    kept_least = kept_most = 0
    if old.least == 0:
        count_most, kept_most = min(size.most + 1, MOST), size.most
    elif new.most <= old.least:
        count_most, kept_most = 0, size.most
    else:
        count_most = math.ceil(float(size.most) / float(old.least))
    if old.most == 0:
        count_least, kept_least = min(size.least + 1, MOST), size.least
    elif old.most <= new.least:
        count_least, kept_least = 0, size.least
    else:
        count_least = math.ceil(float(size.least) / float(old.most))
    return Range(count_least, min(count_most, MOST)).times(new).plus(Range(kept_least, kept_most))


def _joined(target: Operand, size: Range, args: list[Operand], sizes: SizeOfPath) -> CallCost:
    element = _element(target, sizes)
    total = Range(0, 0) if element is None else size.times(element[1])
    if args:
        separators = Range(max(size.least - 1, 0), max(size.most - 1, 0))
        total = total.plus(_size(args[0], sizes).times(separators))
    return CallCost(total.scaled(TEXT), total)
