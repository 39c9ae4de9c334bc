"""Which fields an object has, and which ones differ between two objects, told apart as their shapes say.

This is structured-merge-diff's ToFieldSet, Compare and Validate over plain JSON data.
"""

from functools import lru_cache
from typing import Any

import msgspec

from umiak.objects import fieldset, go_text
from umiak.objects.fieldset import LEAF, NONE, SELF, FieldSet
from umiak.objects.shapes import DEDUCED, LIST, MAP, SCALAR, Mismatch, Shape, element_of

MISSING: Any = object()


class Comparison(msgspec.Struct):
    """Fields that only the old object has, that both have with different values, that only the new one has."""

    removed: FieldSet = msgspec.field(default_factory=dict)
    modified: FieldSet = msgspec.field(default_factory=dict)
    added: FieldSet = msgspec.field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        return not (self.removed or self.modified or self.added)


def field_set(shape: Shape, value: Any) -> FieldSet:
    """All leaves that `value` mentions, and all items of its lists and maps. Raises Mismatch."""
    kind = shape.kind_of(value)
    if kind == MAP and value and not shape.atomic_map:
        return _fields_of(shape, value)
    if kind == LIST and value and not shape.atomic_list:
        return _items_of(shape, value)
    return NONE


def _fields_of(shape: Shape, value: dict[str, Any]) -> FieldSet:
    out: FieldSet = {}
    fields = shape.fields
    for name in sorted(value):
        item = value[name]
        label, part = fields.get(name) or ("", shape.value or DEDUCED)
        if not label:
            below = NONE if part.is_leaf else field_set(part, item)
            out["f:" + name] = {SELF: LEAF, **below} if below else LEAF
        elif part.is_leaf or item is None or item == {} or part.kind_of(item) == SCALAR or _is_whole(part, item):
            out[label] = LEAF
        elif below := field_set(part, item):
            out[label] = below
    return out


def _is_whole(shape: Shape, item: Any) -> bool:
    return shape.atomic_map if shape.kind_of(item) == MAP else shape.atomic_list


def _items_of(shape: Shape, value: list[Any]) -> FieldSet:
    out: FieldSet = {}
    repeated = set()
    for item in value:
        element = element_of(shape, item)
        if element in out:
            repeated.add(element)
        below = NONE if shape.item.is_leaf else field_set(shape.item, item)
        out[element] = {SELF: LEAF, **below} if below else LEAF
    for element in repeated:
        out[element] = LEAF
    return _sorted(out)


def _sorted(fields: FieldSet) -> FieldSet:
    return fields if len(fields) < 2 else {e: fields[e] for e in fieldset.in_order(fields)}


def appeared(shape: Shape, value: Any) -> FieldSet:
    """The node of a value that was not there before: it belongs to the set, and so does all below. Raises Mismatch."""
    if not value or shape.is_leaf:
        return LEAF
    kind = shape.kind_of(value)
    if kind == MAP and not shape.atomic_map:
        return {SELF: LEAF, **_appeared_fields(shape, value)}
    if kind == LIST and not shape.atomic_list:
        return {SELF: LEAF, **_appeared_items(shape, value)}
    return LEAF


@lru_cache(4096)
def _named(shape: Shape, names: tuple[str, ...]) -> tuple[tuple[str, str, Shape | None], ...]:
    """(name, path element, shape; None for a leaf) of a map's fields, in order: objects of a kind are much alike."""
    known = [(name, *(shape.fields.get(name) or ("f:" + name, shape.value or DEDUCED))) for name in sorted(names)]
    return tuple((name, label, None if part.is_leaf else part) for name, label, part in known)


def _appeared_fields(shape: Shape, value: dict[str, Any]) -> FieldSet:
    out: FieldSet = {}
    for name, label, part in _named(shape, tuple(value)):
        item = value[name]
        out[label] = appeared(part, item) if part and item else LEAF
    return out


def _appeared_items(shape: Shape, value: list[Any]) -> FieldSet:
    out: FieldSet = {}
    for item in value:
        element = element_of(shape, item)
        out[element] = LEAF if element in out else appeared(shape.item, item)
    return _sorted(out)


def filled(shape: Shape, zero: Any, value: Any) -> FieldSet | None:
    """What `compare` calls modified or added when an object that says nothing yet, `zero`, becomes `value`; None for
    nothing. It is what a creation sets, and quick. Raises Mismatch."""
    if type(value) is dict and value and not shape.is_leaf and not zero_is_full(shape, zero):
        return _filled_fields(shape, zero or {}, value) or None
    if type(value) is list and value and not shape.is_leaf and not zero:
        return LEAF if shape.atomic_list else _appeared_items(shape, value)
    return None if zero == value and type(zero) is type(value) else LEAF


def emptied(zero: Any, value: Any) -> FieldSet:
    """Lists and maps that `value` says are empty, where `zero` has null. Decoding makes no difference between both, but
    who sent an empty one has set it."""
    out: FieldSet = {}
    for name, before in zero.items():
        item = value.get(name)
        if before is None and (item == [] or item == {}):
            out["f:" + name] = LEAF
        elif type(before) is dict and type(item) is dict and (below := emptied(before, item)):
            out["f:" + name] = below
    return out


def zero_is_full(shape: Shape, zero: Any) -> bool:
    return shape.atomic_map or not (zero is None or type(zero) is dict)


def _filled_fields(shape: Shape, zero: dict[str, Any], value: dict[str, Any]) -> FieldSet:
    out: FieldSet = {}
    for name, label, part in _named(shape, tuple(value)):
        item = value[name]
        if name not in zero:
            out[label] = appeared(part, item) if part and item else LEAF
        elif part and (node := filled(part, zero[name], item)) is not None:
            out[label] = node
        elif not part and (zero[name] != item or type(zero[name]) is not type(item)):
            out[label] = LEAF
    return out


def compare(shape: Shape, old: Any, new: Any) -> Comparison:
    """Raises Mismatch."""
    out = Comparison()
    _compare(shape, old, new, [], out)
    return out


def _compare(shape: Shape, old: Any, new: Any, path: list[str], out: Comparison) -> None:
    """Both are there, and may be null."""
    if not _are_equal(shape, old, new):
        _compare_different(shape, old, new, path, out)


def _are_equal(shape: Shape, old: Any, new: Any) -> bool:
    return old is new or (old == new and (not shape.is_open or _same(old, new)))


def _compare_different(shape: Shape, old: Any, new: Any, path: list[str], out: Comparison) -> None:
    kind, other = shape.kind_of(old), shape.kind_of(new)
    if old is None:
        kind = other
    elif new is None:
        other = kind
    if kind == other == MAP and not shape.atomic_map and (old or new):
        _compare_maps(shape, old or {}, new or {}, path, out)
    elif kind == other == LIST and not shape.atomic_list and (old or new):
        _compare_lists(shape, old or [], new or [], path, out)
    else:
        fieldset.add(out.modified, path, LEAF)
        if kind != other:
            _compare_unlike(shape, old, new, path, out)


def _compare_unlike(shape: Shape, old: Any, new: Any, path: list[str], out: Comparison) -> None:
    """Of a type without schema: a map became something else, or the other way round."""
    for value, fields in ((old, out.removed), (new, out.added)):
        if type(value) is dict and value and not shape.atomic_map:
            fieldset.add(fields, path, _appeared_fields(shape, value))


def _same(old: Any, new: Any) -> bool:
    """Python takes true for 1; JSON does not. Both are equal for Python."""
    if isinstance(old, dict):
        return all(_same(item, new[name]) for name, item in old.items())
    if isinstance(old, list):
        return all(map(_same, old, new))
    return isinstance(old, bool) == isinstance(new, bool)


def _compare_maps(shape: Shape, old: dict[str, Any], new: dict[str, Any], path: list[str], out: Comparison) -> None:
    fields = shape.fields
    for name, value in new.items():
        before = old.get(name, MISSING)
        if before is value:
            continue
        label, part = fields.get(name) or ("f:" + name, shape.value or DEDUCED)
        if before is MISSING:
            fieldset.add(out.added, [*path, label], appeared(part, value))
        elif not _are_equal(part, before, value):
            path.append(label)
            _compare_different(part, before, value, path, out)
            path.pop()
    for name in old.keys() - new.keys():
        label, part = fields.get(name) or ("f:" + name, shape.value or DEDUCED)
        fieldset.add(out.removed, [*path, label], appeared(part, old[name]))


def _grouped(shape: Shape, items: list[Any]) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for item in items:
        out.setdefault(element_of(shape, item), []).append(item)
    return out


def _compare_lists(shape: Shape, old: list[Any], new: list[Any], path: list[str], out: Comparison) -> None:
    before, after = _grouped(shape, old), _grouped(shape, new)
    for element in {**before, **after}:
        path.append(element)
        _compare_items(shape.item, before.get(element) or [], after.get(element) or [], path, out)
        path.pop()


def _compare_items(shape: Shape, old: list[Any], new: list[Any], path: list[str], out: Comparison) -> None:
    """Items that cannot be told apart are one thing."""
    if len(old) == 1 and len(new) == 1:
        _compare(shape, old[0], new[0], path, out)
    elif len(old) > 1 and len(new) > 1:
        if old != new:
            fieldset.add(out.modified, path, LEAF)
    else:
        if old:
            fieldset.add(out.removed, path, LEAF if len(old) > 1 else appeared(shape, old[0]))
        if new:
            fieldset.add(out.added, path, LEAF if len(new) > 1 else appeared(shape, new[0]))


def conforms(shape: Shape, value: Any) -> bool:
    """Whether `faults`, with repetitions allowed, would find none; quick."""
    if value is None or shape is DEDUCED:
        return True
    kind = shape.kind_of(value)
    if kind == SCALAR:
        return not _scalar_fault(shape.scalar, value)
    if kind == MAP:
        return type(value) is dict and all(_fits(shape, name, item) for name, item in value.items())
    return type(value) is list and all(_is_element(shape, item) for item in value)


def _fits(shape: Shape, name: str, item: Any) -> bool:
    part = shape.part(name)
    return part is not None and conforms(part, item)


def _is_element(shape: Shape, item: Any) -> bool:
    if not shape.atomic_list:
        try:
            element_of(shape, item)
        except Mismatch:
            return False
    return conforms(shape.item, item)


def faults(shape: Shape, value: Any, *, allow_repeated: bool = False) -> list[str]:
    """What is not as the shape has it, each as `.path: text`."""
    found: list[tuple[str, str]] = []
    _validate(shape, value, "", allow_repeated, found)
    return [f"{path}: {text}" if path else text for path, text in found]


def _validate(shape: Shape, value: Any, path: str, allow_repeated: bool, found: list[tuple[str, str]]) -> None:
    if value is None:
        return
    kind = shape.kind_of(value)
    if kind == SCALAR:
        if text := _scalar_fault(shape.scalar, value):
            found.append((path, text))
    elif kind == MAP:
        if type(value) is dict:
            _validate_fields(shape, value, path, allow_repeated, found)
        else:
            found.append((path, f"expected map, got {_pointer(value)}"))
    elif type(value) is list:
        _validate_items(shape, value, path, allow_repeated, found)
    else:
        found.append((path, f"expected list, got {_pointer(value)}"))


def _validate_fields(
    shape: Shape, value: dict[str, Any], path: str, allow_repeated: bool, found: list[tuple[str, str]]
) -> None:
    for name in sorted(value):
        part = shape.part(name)
        if part is None:
            found.append((f"{path}.{name}", "field not declared in schema"))
            return
        _validate(part, value[name], f"{path}.{name}", allow_repeated, found)


def _validate_items(
    shape: Shape, value: list[Any], path: str, allow_repeated: bool, found: list[tuple[str, str]]
) -> None:
    seen = set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if not shape.atomic_list:
            try:
                element = element_of(shape, item)
            except Mismatch as error:
                found.append((path, f"element {index}: {error}"))
                return
            if element in seen and not allow_repeated:
                found.append((path, f"duplicate entries for key {fieldset.element_text(element)}"))
            seen.add(element)
        _validate(shape.item, item, path + fieldset.element_text(element), allow_repeated, found)


def _pointer(value: Any) -> str:
    """A pointer to a struct around the value, as Go prints it."""
    return "&{" + go_text.plain(value) + "}"


def _scalar_fault(scalar: str, value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if scalar == "numeric":
        return "" if is_number else f"expected numeric (int or float), got {go_text.type_name(value)}"
    if scalar == "string":
        return (
            "" if isinstance(value, str) else f"expected string, got &value.valueUnstructured{{Value:{_syntax(value)}}}"
        )
    if scalar == "boolean":
        return "" if isinstance(value, bool) else f"expected boolean, got {_pointer(value)}"
    return "" if isinstance(value, str | int | float) else f"expected any scalar, got {_pointer(value)}"


def _syntax(value: Any) -> str:
    """A value as Go source text (the verb %#v)."""
    if isinstance(value, dict):
        inner = ", ".join(f"{go_text.quoted(name)}:{_syntax(value[name])}" for name in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(_syntax, value)) + "}"
    if value is None:
        return "interface {}(nil)"
    return go_text.quoted(value) if isinstance(value, str) else go_text.plain(value)
