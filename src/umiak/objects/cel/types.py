"""Types of expressions, and when a value of one may stand where another is wanted.

The rules are those of cel-go's checker: `dyn` fits everything, type parameters are bound as they are met, null fits
whatever may be absent.
"""

from collections.abc import Iterable, Sequence


class Type:
    """`kind` is the family (list, map, struct, opaque, param, ... or the primitive's own name)."""

    __slots__ = ("kind", "name", "params", "text")

    def __init__(self, kind: str, name: str = "", params: Sequence["Type"] = ()) -> None:
        self.kind = kind
        self.name = name or kind
        self.params = tuple(params)
        self.text = self._shown()

    def _shown(self) -> str:
        """As messages print it."""
        if self.kind == "error":
            return "!error!"
        if self.kind == "type" and not self.params:
            return "type"
        if not self.params:
            return self.name
        return f"{self.name}({', '.join(param.text for param in self.params)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Type) and self.kind == other.kind and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Type({self.text})"


DYN = Type("dyn")
ERROR = Type("error")
NULL = Type("null", "null")
BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
TIMESTAMP = Type("timestamp")
DURATION = Type("duration")
TYPE = Type("type")
ANY = Type("any")

PRIMITIVES = {t.text: t for t in (DYN, NULL, BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION, ANY)}
SCALARS = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})
NULLABLE = frozenset({"opaque", "struct", "any", "duration", "timestamp", "null"})


def list_of(element: Type) -> Type:
    return Type("list", "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", "map", (key, value))


def optional_of(value: Type) -> Type:
    return Type("opaque", "optional_type", (value,))


def struct(name: str) -> Type:
    return Type("struct", name)


def opaque(name: str) -> Type:
    return Type("opaque", name)


def type_of(type: Type) -> Type:
    return Type("type", "type", (type,))


def param(name: str) -> Type:
    return Type("param", name)


LIST_DYN = list_of(DYN)
MAP_DYN = map_of(DYN, DYN)


def is_dyn(type: Type) -> bool:
    return type.kind in ("dyn", "any")


def is_dyn_or_error(type: Type) -> bool:
    return type.kind in ("dyn", "any", "error")


def is_optional(type: Type) -> bool:
    return type.kind == "opaque" and type.name == "optional_type"


def unwrapped(type: Type) -> tuple[Type, bool]:
    """(what an optional may hold, whether it was one)."""
    return (type.params[0], True) if is_optional(type) else (type, False)


Mapping = dict[str, Type]
"""What type parameters stand for, by their text."""


def less_specific(a: Type, b: Type) -> bool:
    """Whether `a` is as general as `b` or more."""
    if is_dyn(a) or a.kind == "param":
        return True
    if is_dyn(b) or b.kind == "param":
        return False
    if a.kind != b.kind:
        return False
    if a.kind in ("opaque", "list", "map"):
        same = a.name == b.name and len(a.params) == len(b.params)
        return same and all(map(less_specific, a.params, b.params))
    return a.kind == "type" or a == b


def most_general(a: Type, b: Type) -> Type:
    return a if less_specific(a, b) else b


def assignable(mapping: Mapping, a: Type, b: Type) -> Mapping | None:
    """The mapping extended so that `b` fits `a`; None when it cannot."""
    trial = dict(mapping)
    return trial if _fits(trial, a, b) else None


def all_assignable(mapping: Mapping, wanted: Sequence[Type], given: Sequence[Type]) -> Mapping | None:
    trial = dict(mapping)
    return trial if _all_fit(trial, wanted, given) else None


def _all_fit(mapping: Mapping, a: Sequence[Type], b: Sequence[Type]) -> bool:
    return len(a) == len(b) and all(_fits(mapping, one, other) for one, other in zip(a, b, strict=True))


def _fits(mapping: Mapping, a: Type, b: Type) -> bool:
    if b.kind == "param":
        valid, known = _bind(mapping, a, b)
        if valid or known:
            return valid
    if a.kind == "param":
        return _bind(mapping, b, a)[0]
    if is_dyn_or_error(a) or is_dyn_or_error(b):
        return True
    if a.kind == "null":
        return b.kind in NULLABLE
    if b.kind == "null":
        return a.kind in NULLABLE
    if a.kind == "type":
        return b.kind == "type"
    if a.kind in ("opaque", "list", "map"):
        return a.kind == b.kind and a.name == b.name and _all_fit(mapping, a.params, b.params)
    return a == b


def _bind(mapping: Mapping, value: Type, variable: Type) -> tuple[bool, bool]:
    """(whether the parameter can stand for the type, whether it already stood for one)."""
    if value == variable:
        return True, True
    bound = mapping.get(variable.text)
    if bound is not None:
        if value == bound:
            return True, True
        if not _fits(mapping, value, bound):
            return False, True
        general = most_general(value, bound)
        if _not_within(mapping, variable, general):
            mapping[variable.text] = general
        return True, True
    if _not_within(mapping, variable, value):
        mapping[variable.text] = value
        return True, False
    return False, False


def _not_within(mapping: Mapping, variable: Type, type: Type) -> bool:
    if variable == type:
        return False
    if type.kind == "param":
        bound = mapping.get(type.text)
        return bound is None or _not_within(mapping, variable, bound)
    return all(_not_within(mapping, variable, inner) for inner in type.params)


def substitute(mapping: Mapping, type: Type, free_to_dyn: bool = False) -> Type:
    """The type with its parameters replaced by what they stand for."""
    bound = mapping.get(type.text)
    if bound is not None:
        return substitute(mapping, bound, free_to_dyn)
    if type.kind == "param":
        return DYN if free_to_dyn else type
    if not type.params:
        return type
    return Type(type.kind, type.name, [substitute(mapping, inner, free_to_dyn) for inner in type.params])


def signature(types: Iterable[Type], is_member: bool) -> str:
    """`string.(int)` or `(string, int)`: arguments as messages print them."""
    texts = [type.text for type in types]
    if is_member:
        return f"{texts[0]}.({', '.join(texts[1:])})"
    return f"({', '.join(texts)})"
