"""Objects in the form in which the reference keeps them for itself, as its error texts print them.

Fields have the names of Go's structs and stand in their order, and what is absent is printed, too. The structs are in
`_compiled/internal.json`, made by `scripts/compile-internal-forms`: by the name of a struct, such as `core.PodSpec`,
a line per field.
"""

import difflib
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from umiak.objects.meta import FIELDS
from umiak.objects.quantity import InvalidQuantity, canonical
from umiak.objects.types import Object

FORMS = Path(__file__).with_name("_compiled") / "internal.json"
OWNER = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_ZEROS = {"string": "", "bool": False, "int-or-string": 0, "quantity.Quantity": "0", "float64": 0}
_NUMBERS = ("int", "int32", "int64", "uint32", "uint64")


class Shown:
    """A value that is printed as Go's JSON encoder would print it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shown) and self._value == other._value

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return _escaped(json.dumps(self._value, separators=(",", ":"), ensure_ascii=False))


def shown(type: str, value: Any) -> Shown:
    """`type` as in the compiled file: `*` pointer, `[]` list, `{}` map, in front of a name."""
    return Shown(_form(type, value, False))


def printed_owners(references: list[Object]) -> Shown:
    """`metadata.ownerReferences`, which Go prints in an order of its own."""
    return Shown([_owner(reference) for reference in references])


def printed_metadata(metadata: Object) -> Shown:
    return Shown(_metadata(metadata))


def _owner(reference: Object) -> Object:
    texts = {name: reference.get(name) or "" for name in OWNER[:4]}
    return texts | {name: reference[name] for name in OWNER[4:] if reference.get(name) is not None}


def difference(type: str, old: Any, new: Any) -> str:
    """What `diff.Diff` says of two values: lines of the unified format, three of context, no heads.

    `old` comes from the store, where nothing is told apart from an empty list.
    """
    before, after = (_lines(_form(type, value, stored)) for value, stored in ((old, True), (new, False)))
    return "".join(list(difflib.unified_diff(before, after))[2:])


def _lines(value: Any) -> list[str]:
    return [f"{line}\n" for line in _escaped(json.dumps(value, indent=1, ensure_ascii=False)).split("\n")]


def _escaped(text: str) -> str:
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


class _Field(msgspec.Struct, frozen=True):
    go: str
    name: str
    type: str
    tag: str = ""


@cache
def _structs() -> dict[str, list[_Field]]:
    found: dict[str, list[str]] = msgspec.json.decode(FORMS.read_bytes())
    return {name: [_Field(*line.split(" ")) for line in lines] for name, lines in found.items()}


def _form(type: str, value: Any, stored: bool) -> Any:
    if type.startswith("*"):
        return None if value is None else _form(type[1:], value, stored)
    if type == "[]byte":
        return value or None
    if type.startswith("[]"):
        return _empty(value, stored) if not value else [_form(type[2:], item, stored) for item in value]
    if type.startswith("{}"):
        return _empty(value, stored) if not value else {k: _form(type[2:], value[k], stored) for k in sorted(value)}
    if type in _structs():
        return _struct(type, value or {}, stored)
    return _plain(type, value)


def _empty(value: Any, stored: bool) -> Any:
    return None if stored else value


def _plain(type: str, value: Any) -> Any:
    if value is None:
        return _ZEROS.get(type, 0 if type in _NUMBERS else None)
    if type == "quantity.Quantity":
        try:
            return canonical(str(value))
        except InvalidQuantity:
            return value
    return value


def _struct(type: str, value: Object, stored: bool) -> Object:
    made: Object = {}
    for field in _structs()[type]:
        if field.type == "meta.ObjectMeta":
            made |= _metadata(value.get("metadata") or {})
            continue
        found = _form(field.type, value.get(field.name), stored)
        if not field.tag:
            made[field.go] = found
        elif found or "omitempty" not in field.tag:
            made[field.name] = found
    return made


def _metadata(metadata: Object) -> Object:
    made = {name: metadata[name] for name in FIELDS if metadata.get(name)}
    for name in ("labels", "annotations"):
        if name in made:
            made[name] = {key: made[name][key] for key in sorted(made[name])}
    if "ownerReferences" in made:
        made["ownerReferences"] = [_owner(reference) for reference in made["ownerReferences"]]
    return made
