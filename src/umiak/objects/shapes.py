"""How the values of a type are merged: as a whole, field by field, or item by item (KEP-555).

A `Shape` is what structured-merge-diff calls an atom. Most types are exactly one of scalar, list and map; a type
without schema is all of them, and its values tell which.
"""

from collections.abc import Callable
from typing import Any

from umiak.objects import fieldset
from umiak.objects.fieldset import FieldSet

SCALAR, LIST, MAP = 1, 2, 3


class Shape:
    """`scalar` is string, numeric, boolean, untyped or empty for no scalar. Of an atomic list or map no parts are told
    apart. A list that is not atomic has items with `keys`, or is a set when there are none."""

    __slots__ = (
        "_load",
        "atomic_list",
        "atomic_map",
        "fields",
        "is_leaf",
        "is_list",
        "is_map",
        "item",
        "key_defaults",
        "keys",
        "scalar",
        "value",
    )
    fields: "dict[str, tuple[str, Shape]]"
    """Of a map: path element and shape of the fields that are declared."""
    item: "Shape"
    """Of a list."""
    value: "Shape | None"
    """Of a map: the shape of what is not declared; None when nothing else may be there."""

    def __init__(
        self,
        scalar: str = "",
        *,
        is_list: bool = False,
        is_map: bool = False,
        atomic_list: bool = False,
        atomic_map: bool = False,
        keys: tuple[str, ...] = (),
        load: "Callable[[Shape], None] | None" = None,
    ) -> None:
        self.scalar = scalar
        self.is_list, self.is_map = is_list, is_map
        self.atomic_list, self.atomic_map = atomic_list, atomic_map
        self.keys = keys
        self.key_defaults: dict[str, Any] = {}
        self.is_leaf = not (is_list and not atomic_list) and not (is_map and not atomic_map)
        """Whether every value is taken as a whole."""
        self._load = load

    def __getattr__(self, name: str) -> Any:
        """Parts are made when first asked for: types may contain themselves."""
        if name in ("fields", "item", "value") and self._load is not None:
            self._load(self)
            return object.__getattribute__(self, name)
        raise AttributeError(name)

    @property
    def is_open(self) -> bool:
        """Whether only its values tell what it is."""
        return bool(self.scalar) + self.is_list + self.is_map > 1

    def part(self, name: str) -> "Shape | None":
        found = self.fields.get(name)
        return found[1] if found else self.value

    def kind_of(self, value: Any) -> int:
        """SCALAR, LIST or MAP: what the value is, or what it should have been."""
        if type(value) is dict:
            found, fits = MAP, self.is_map
        elif type(value) is list:
            found, fits = LIST, self.is_list
        else:
            found, fits = SCALAR, bool(self.scalar) and value is not None
        if fits:
            return found
        return MAP if self.is_map else SCALAR if self.scalar else LIST


class Mismatch(ValueError):
    """A value is not of its shape."""


def element_of(shape: Shape, item: Any) -> str:
    """How an item of a list is told from others. Raises Mismatch."""
    if not shape.keys:
        return _of_set(item)
    if type(item) is not dict:
        kind = "a null element" if item is None else "non-map elements"
        raise Mismatch(f"associative list with keys may not have {kind}")
    if len(shape.keys) == 1:
        name = shape.keys[0]
        key = item.get(name, shape.key_defaults.get(name))
        if type(key) is str:
            return fieldset.one_key(name, key)
    found = {name: item.get(name, default) for name, default in shape.key_defaults.items()}
    found = {name: key for name, key in found.items() if name in item or key is not None}
    if not found:
        listed = " ".join(f'"{name}"' for name in shape.keys)
        raise Mismatch(
            f"associative list with keys has an element that omits all key fields [{listed}] (and doesn't have "
            "default values for any key fields)"
        )
    return fieldset.keys(found)


def _of_set(item: Any) -> str:
    if type(item) is str:
        return fieldset.text_value(item)
    if isinstance(item, dict):
        raise Mismatch("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise Mismatch("not supported: associative list with lists as elements")
    if item is None:
        raise Mismatch("associative list without keys has an element that's an explicit null")
    return fieldset.value(item)


def _whatever(shape: Shape) -> None:
    shape.fields, shape.item, shape.value = {}, UNTYPED, UNTYPED


def _deduced(shape: Shape) -> None:
    shape.fields, shape.item, shape.value = {}, UNTYPED, DEDUCED


UNTYPED = Shape("untyped", is_list=True, is_map=True, atomic_list=True, atomic_map=True, load=_whatever)
"""Anything, taken as a whole."""
DEDUCED = Shape("untyped", is_list=True, is_map=True, atomic_list=True, load=_deduced)
"""Anything; maps are merged key by key, lists are taken as a whole."""


def named_fields(shape: Shape | None, fields: FieldSet) -> FieldSet:
    """The set with those declared fields in it that only led to others, but not keys of maps or items of lists."""
    out = {}
    for element, node in fields.items():
        if not node:
            out[element] = node
            continue
        below, declared = _below(shape, element)
        node = named_fields(below, node)
        out[element] = {fieldset.SELF: fieldset.LEAF, **node} if declared and not fieldset.belongs(node) else node
    return out


def _below(shape: Shape | None, element: str) -> tuple[Shape | None, bool]:
    """(the shape of what an element leads to, whether it is a declared field)."""
    if shape is None:
        return None, False
    if element.startswith("f:") and shape.is_map:
        name = element[2:]
        return shape.part(name), name in shape.fields
    return (shape.item if element.startswith("k:") and shape.is_list else None), False


def reconciled(shape: Shape | None, fields: FieldSet) -> FieldSet:
    """The set after its schema changed: whoever had parts of what is atomic now has it as a whole."""
    if shape is None:
        return fields
    out = {}
    for element, node in fields.items():
        below, _ = _below(shape, element)
        out[element] = node if not node or below is None else _reconciled(below, node)
    return out


def _reconciled(shape: Shape, node: FieldSet) -> FieldSet:
    if shape is DEDUCED or not (shape.is_map or shape.is_list):
        return node
    atomic = shape.atomic_map if shape.is_map else shape.atomic_list
    return fieldset.LEAF if atomic else reconciled(shape, node)
