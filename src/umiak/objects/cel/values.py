"""Values at run time: plain JSON data, and small classes for what JSON has no type for.

int, float, bool, str, bytes, None, list and dict stand for themselves. Values are never changed.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import total_ordering
from typing import Any

from umiak.objects.cel.errors import EvaluationError, no_overload


class Uint(int):
    """An unsigned integer."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{int(self)}u"


class TypeValue:
    """The type of a value, as a value."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeValue) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"TypeValue({self.name})"


@total_ordering
class Duration:
    """Nanoseconds, within the bounds of an int64."""

    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.nanos == other.nanos

    def __lt__(self, other: "Duration") -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __repr__(self) -> str:
        return f"Duration({self.nanos})"


@total_ordering
class Timestamp:
    """Nanoseconds since the epoch; `offset` is the zone's, in seconds east, and matters only when printed."""

    __slots__ = ("nanos", "offset")

    def __init__(self, nanos: int, offset: int = 0) -> None:
        self.nanos = nanos
        self.offset = offset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and self.nanos == other.nanos

    def __lt__(self, other: "Timestamp") -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __repr__(self) -> str:
        return f"Timestamp({self.nanos})"


class Optional:
    """A value that may be absent; NONE is the absent one."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "optional.none()" if self is NONE else f"optional.of({self.value!r})"


NONE = Optional(None)


class Opaque:
    """The base of values a library brings along: it can be compared with its like, and asked for its type."""

    __slots__ = ()
    type_name = ""

    def size(self) -> int | None:
        """What counts as its length when costs are reckoned; None when it has none."""
        return None


class SetList(list[Any]):
    """A list whose order does not matter to equality, and which unites when added to."""

    __slots__ = ()


class MapList(list[Any]):
    """A list of objects told apart by `keys`: order does not matter to equality, adding merges."""

    __slots__ = ("keys",)

    def __init__(self, elements: Iterable[Any], keys: tuple[str, ...]) -> None:
        super().__init__(elements)
        self.keys = keys

    def key(self, element: Any) -> tuple[Any, ...]:
        return tuple(element.get(name) for name in self.keys)


class Struct(dict[str, Any]):
    """An object that an expression built; `name` is its type's."""

    __slots__ = ("name",)

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.name = name


TYPE_NAMES: dict[type, str] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null_type",
    list: "list",
    SetList: "list",
    MapList: "list",
    dict: "map",
    Duration: "google.protobuf.Duration",
    Timestamp: "google.protobuf.Timestamp",
    Optional: "optional_type",
    TypeValue: "type",
}


def type_name(value: Any) -> str:
    name = TYPE_NAMES.get(type(value))
    if name is not None:
        return name
    if isinstance(value, Opaque):
        return value.type_name
    if isinstance(value, Struct):
        return value.name
    return "map" if isinstance(value, dict) else "list"


_PLAIN = frozenset({str, int, bool, float, bytes, Uint, Duration, Timestamp, TypeValue, type(None)})
_NUMBERS = frozenset({int, Uint, float})


def equal(a: Any, b: Any) -> bool:
    """Whether two values are equal: numbers across their types, everything else only with its like."""
    kind, other = type(a), type(b)
    if kind is other and kind in _PLAIN:
        return bool(a == b)
    if kind in _NUMBERS:
        return other in _NUMBERS and bool(a == b)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and _equal_lists(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and _equal_maps(a, b)
    if kind is Optional:
        return other is Optional and _equal_optionals(a, b)
    if isinstance(a, Opaque):
        if type(a) is not type(b):
            raise no_overload()
        return bool(a == b)
    return False


def _equal_lists(a: list[Any], b: list[Any]) -> bool:
    if isinstance(a, SetList):
        return all(any(equal(x, y) for y in b) for x in a) and all(any(equal(x, y) for y in a) for x in b)
    if isinstance(a, MapList):
        mine = {a.key(element): element for element in a}
        return len(mine) == len({a.key(element) for element in b}) and all(
            a.key(element) in mine and equal(mine[a.key(element)], element) for element in b
        )
    return all(map(equal, a, b))


def _equal_maps(a: dict[Any, Any], b: dict[Any, Any]) -> bool:
    return len(a) == len(b) and all(key in b and equal(value, b[key]) for key, value in a.items())


def _equal_optionals(a: Optional, b: Optional) -> bool:
    return a is b if NONE in (a, b) else equal(a.value, b.value)


def compare(a: Any, b: Any) -> int:
    """-1, 0 or 1; raises EvaluationError when the two have no order."""
    kind, other = type(a), type(b)
    if kind in _NUMBERS and other in _NUMBERS:
        if a != a or b != b:
            raise EvaluationError("NaN values cannot be ordered")
    elif kind is not other or kind not in _PLAIN or kind in (TypeValue, type(None)):
        raise no_overload()
    return (a > b) - (a < b)


def is_ordered(value: Any) -> bool:
    """Whether there is an order among values of its type."""
    return type(value) in _PLAIN and not isinstance(value, TypeValue | None)


def contains(container: Any, value: Any) -> bool:
    if isinstance(container, dict):
        return is_key(value) and value in container
    if isinstance(container, list):
        return any(equal(value, element) for element in container)
    raise no_overload()


def is_key(value: Any) -> bool:
    return isinstance(value, str | int | float)


def size(value: Any) -> int:
    """The length costs are reckoned with; 1 for what has none."""
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    if type(value) is Optional and value is not NONE:
        return size(value.value)
    if isinstance(value, Opaque):
        return 1 if (found := value.size()) is None else found
    return 1


def add_lists(a: list[Any], b: list[Any]) -> list[Any]:
    if isinstance(a, SetList):
        return SetList([*a, *(y for y in b if not any(equal(x, y) for x in a))])
    if isinstance(a, MapList):
        merged = {a.key(element): element for element in a}
        merged.update({a.key(element): element for element in b})
        return MapList(merged.values(), a.keys)
    return a + b


def entries(container: Any) -> Iterator[tuple[Any, Any]]:
    """Keys or indexes with their values."""
    if isinstance(container, dict):
        return iter(container.items())
    if isinstance(container, list):
        return iter(enumerate(container))
    raise no_overload()


def not_iterable(value: Any) -> EvaluationError:
    """Names the type that holds such a value in cel-go."""
    name = type_name(value)
    known = {"null_type": "types.Null", "optional_type": "*types.Optional", "type": "*types.Type"}
    held = known.get(name) or "types." + name.removeprefix("google.protobuf.").capitalize()
    return EvaluationError(f"got '{held}', expected iterable type")


Function = Callable[..., Any]
