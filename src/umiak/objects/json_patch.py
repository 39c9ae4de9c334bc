"""JSON patch (RFC 6902) as evanphx/json-patch, the reference's library, applies it.

Where it strays from the RFC so do we: `replace` of a missing key adds it, list indexes may count from the end, and an
operation on the document's root is refused except `test` and `replace`.
"""

from dataclasses import dataclass
from typing import Any

from umiak.objects.encoding import copy, to_json

COPY_LIMIT = 3 * 1024 * 1024
"""Bytes that all `copy` operations of a patch may add together; the reference's limit on request bodies."""


class InvalidPatch(ValueError):
    """This is no JSON patch."""


class PatchFailed(ValueError):
    """The patch does not fit the document; says which operation and why."""


@dataclass(slots=True)
class _Place:
    """A member of an object or an element of a list, there or not."""

    parent: Any
    key: str

    def index(self, size: int) -> int:
        """Which element; negative numbers count from `size`. Raises PatchFailed when it is out of range."""
        try:
            if self.key.strip() != self.key or "_" in self.key:
                raise ValueError(self.key)
            at = int(self.key)
        except ValueError:
            raise PatchFailed(f"value was not a proper array index: '{self.key}'") from None
        if not -size <= at < size:
            raise PatchFailed(f"Unable to access invalid index: {at}")
        return at + size if at < 0 else at

    def get(self) -> Any:
        """None for a missing key, as for a null."""
        if isinstance(self.parent, dict):
            return self.parent.get(self.key)
        return self.parent[self.index(len(self.parent))]

    def add(self, value: Any) -> None:
        if isinstance(self.parent, dict):
            self.parent[self.key] = value
        elif self.key == "-":
            self.parent.append(value)
        else:
            self.parent.insert(self.index(len(self.parent) + 1), value)

    def replace(self, value: Any) -> None:
        if isinstance(self.parent, dict):
            self.parent[self.key] = value
        else:
            self.parent[self.index(len(self.parent))] = value

    def remove(self) -> None:
        if isinstance(self.parent, list):
            del self.parent[self.index(len(self.parent))]
        elif self.key in self.parent:
            del self.parent[self.key]
        else:
            raise PatchFailed(f"Unable to remove nonexistent key: {self.key}")


def apply(document: Any, patch: Any) -> Any:
    """The patched document; `document` is changed in place. Raises InvalidPatch, PatchFailed."""
    if patch is None:
        return document
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        raise InvalidPatch("invalid JSON patch")
    copied = 0
    for operation in patch:
        kind = operation.get("op")
        if kind == "replace" and operation.get("path") == "":
            document = _new_root(operation.get("value"))
        elif kind == "copy":
            copied += _copy(document, operation, copied)
        elif kind in _OPERATIONS:
            _OPERATIONS[kind](document, operation)
        else:
            raise PatchFailed(f"Unexpected kind: {kind if isinstance(kind, str) else 'unknown'}")
    return document


def _text(operation: dict[str, Any], name: str) -> str:
    found = operation.get(name)
    if not isinstance(found, str):
        raise PatchFailed(f"{operation.get('op')} operation failed to decode {name}: missing value")
    return found


def _new_root(value: Any) -> Any:
    if not isinstance(value, dict | list):
        raise PatchFailed("replace operation value must be object or array")
    return value


def _place(document: Any, operation: dict[str, Any], name: str = "path") -> _Place:
    path = _text(operation, name)
    missing = PatchFailed(f'{operation["op"]} operation does not apply: doc is missing {name}: "{path}": missing value')
    _, *parts = path.split("/")
    if not parts:
        raise missing
    for part in parts[:-1]:
        try:
            document = _Place(document, _unescaped(part)).get()
        except PatchFailed:
            raise missing from None
        if not isinstance(document, dict | list):
            raise missing
    return _Place(document, _unescaped(parts[-1]))


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _add(document: Any, operation: dict[str, Any]) -> None:
    _place(document, operation).add(copy(operation.get("value")))


def _remove(document: Any, operation: dict[str, Any]) -> None:
    _place(document, operation).remove()


def _replace(document: Any, operation: dict[str, Any]) -> None:
    _place(document, operation).replace(copy(operation.get("value")))


def _move(document: Any, operation: dict[str, Any]) -> None:
    source = _place(document, operation, "from")
    value = source.get()
    source.remove()
    _place(document, operation).add(value)


def _copy(document: Any, operation: dict[str, Any], before: int) -> int:
    """Gives the number of bytes added."""
    value = _place(document, operation, "from").get()
    target = _place(document, operation)
    size = len(to_json(value))
    if before + size > COPY_LIMIT:
        raise PatchFailed(
            f"Unable to complete the copy, the accumulated size increase of copy is {before + size}, "
            f"exceeding the limit {COPY_LIMIT}"
        )
    target.add(copy(value))
    return size


def _test(document: Any, operation: dict[str, Any]) -> None:
    found = document if _text(operation, "path") == "" else _place(document, operation).get()
    if not same(found, operation.get("value")):
        raise PatchFailed(f"testing value {operation['path']} failed")


def same(a: Any, b: Any) -> bool:
    """Equal as JSON: true is not 1, but 1 is 1 however often it is nested."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and a == b


_OPERATIONS = {"add": _add, "remove": _remove, "replace": _replace, "move": _move, "test": _test}
