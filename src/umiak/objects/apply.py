"""Merging one object into another, and taking fields out of one, as their shapes say (structured-merge-diff)."""

from typing import Any

from umiak.objects import fieldset
from umiak.objects.fieldset import FieldSet
from umiak.objects.shapes import DEDUCED, LIST, MAP, SCALAR, Mismatch, Shape, element_of
from umiak.objects.typed import MISSING


def merge(shape: Shape, old: Any, new: Any) -> Any:
    """`old` with all that `new` mentions; nothing goes. MISSING when nothing is left to say. Shares parts with both."""
    if new is MISSING:
        return old
    if old is MISSING:
        return new
    kind, other = shape.kind_of(old), shape.kind_of(new)
    if old is None:
        kind = other
    elif new is None:
        other = kind
    if kind != other or not (old or new):
        return new
    if kind == MAP and not shape.atomic_map:
        return _merge_maps(shape, old or {}, new or {})
    if kind == LIST and not shape.atomic_list:
        return _merge_lists(shape, old or [], new or [])
    return new


def _merge_maps(shape: Shape, old: dict[str, Any], new: dict[str, Any]) -> Any:
    out = dict(old)
    for name, value in new.items():
        merged = merge(shape.part(name) or DEDUCED, old.get(name, MISSING), value)
        if merged is MISSING:
            out.pop(name, None)
        else:
            out[name] = merged
    return out or MISSING


def _index(shape: Shape, items: list[Any]) -> tuple[list[str], dict[str, Any]]:
    """Elements in their order, and the item of each; null for elements that came more than once."""
    order: list[str] = []
    found: dict[str, Any] = {}
    for item in items:
        element = element_of(shape, item)
        found[element] = None if element in found else item
        order.append(element)
    return order, found


def _merge_lists(shape: Shape, old: list[Any], new: list[Any]) -> Any:
    """In the order of `new`; items it does not know stay behind the item they followed."""
    left, before = _index(shape, old)
    right, after = _index(shape, new)
    if len(after) != len(right):
        raise Mismatch(f"duplicate entries for key {fieldset.element_text(_repeated(right))}")
    shared = iter([element for element in right if element in before])
    wanted = next(shared, None)
    out: list[Any] = []
    done: set[str] = set()

    def take(element: str) -> None:
        done.add(element)
        merged = merge(shape.item, before.get(element, MISSING), after[element])
        if merged is not MISSING:
            out.append(merged)

    at_left = at_right = 0
    while at_left < len(left) or at_right < len(right):
        if at_left < len(left) and at_right < len(right):
            element = left[at_left]
            if element == right[at_right]:
                take(element)
                at_left, at_right = at_left + 1, at_right + 1
                wanted = next(shared, None)
                continue
            if element in after and wanted is not None and wanted != element:
                at_left += 1  # shared, but not the one whose turn it is
                continue
        if at_left < len(left):
            element = left[at_left]
            if element not in after:
                out.append(old[at_left])
                at_left += 1
                continue
            if element in done:
                at_left += 1
        if at_right < len(right):
            element = right[at_right]
            take(element)
            at_right += 1
            if wanted == element:
                wanted = next(shared, None)
    return out or MISSING


def _repeated(elements: list[str]) -> str:
    return next(e for i, e in enumerate(elements) if e in elements[:i])


def remove(shape: Shape, value: Any, fields: FieldSet) -> Any:
    """`value` without the fields and items of the set; null when nothing is left."""
    kind = shape.kind_of(value)
    if kind == SCALAR:
        return value
    if not value:
        return None
    if kind == MAP and not shape.atomic_map and type(value) is dict:
        return _remove_fields(shape, value, fields) or None
    if kind == LIST and not shape.atomic_list and type(value) is list:
        return _remove_items(shape, value, fields) or None
    return None


def _remove_fields(shape: Shape, value: dict[str, Any], fields: FieldSet) -> dict[str, Any]:
    out = {}
    for name, item in value.items():
        node = fields.get("f:" + name)
        if node is None:
            out[name] = item
        elif not fieldset.belongs(node):
            out[name] = remove(shape.part(name) or DEDUCED, item, node)
    return out


def _remove_items(shape: Shape, value: list[Any], fields: FieldSet) -> list[Any]:
    out = []
    for item in value:
        node = fields.get(element_of(shape, item))
        if node is None:
            out.append(item)
        elif not fieldset.belongs(node):
            out.append(remove(shape.item, item, node))
    return out
