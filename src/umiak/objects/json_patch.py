"""JSON patch (RFC 6902) as evanphx/json-patch, the reference's library, applies it.

Where it strays from the RFC so do we: `replace` of a missing key adds it, list indexes may count from the end, and an
operation on the document's root is refused except `test` and `replace`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from umiak.objects.encoding import copy, to_json
from umiak.objects.go_text import quoted

COPY_LIMIT = 3 * 1024 * 1024
"""Bytes that all `copy` operations of a patch may add together; the reference's limit on request bodies."""


class InvalidPatch(ValueError):
    """This is no JSON patch."""


class PatchFailed(ValueError):
    """The patch does not fit the document; says which operation and why, in the library's words."""


class TestFailed(PatchFailed):
    """A `test` found another value."""


class _Place(msgspec.Struct):
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
            raise PatchFailed(f"strconv.Atoi: parsing {quoted(self.key)}: invalid syntax") from None
        if not -size <= at < size:
            raise PatchFailed(f"Unable to access invalid index: {at}: invalid index referenced")
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
            self.parent.insert(self.position(), value)

    def position(self) -> int:
        """Where a new element goes."""
        try:
            return self.index(len(self.parent) + 1)
        except PatchFailed as error:
            if "strconv" not in str(error):
                raise
            raise PatchFailed(f"value was not a proper array index: '{self.key}': {error}") from None

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
            raise PatchFailed(f"Unable to remove nonexistent key: {self.key}: missing value")


@contextmanager
def _during(what: str) -> Iterator[None]:
    """Says of a failure what was being done."""
    try:
        yield
    except PatchFailed as error:
        raise PatchFailed(f"{what}: {error}") from None


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
        elif isinstance(kind, str) and kind in _OPERATIONS:
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


def _place(document: Any, path: str, missing: str) -> _Place:
    """Raises PatchFailed, which says `missing`, when there is nothing the place could be in."""
    absent = PatchFailed(f"{missing}: missing value")
    _, *parts = path.split("/")
    if not parts:
        raise absent
    for part in parts[:-1]:
        try:
            document = _Place(document, unescaped(part)).get()
        except PatchFailed:
            raise absent from None
        if not isinstance(document, dict | list):
            raise absent
    return _Place(document, unescaped(parts[-1]))


def unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _add(document: Any, operation: dict[str, Any]) -> None:
    path = _text(operation, "path")
    place = _place(document, path, f'add operation does not apply: doc is missing path: "{path}"')
    with _during(f"error in add for path: '{path}'"):
        place.add(copy(operation.get("value")))


def _remove(document: Any, operation: dict[str, Any]) -> None:
    path = _text(operation, "path")
    place = _place(document, path, f'remove operation does not apply: doc is missing path: "{path}"')
    with _during(f"error in remove for path: '{path}'"):
        place.remove()


def _replace(document: Any, operation: dict[str, Any]) -> None:
    path = _text(operation, "path")
    place = _place(document, path, f"replace operation does not apply: doc is missing path: {path}")
    try:
        place.get()
    except PatchFailed:
        raise PatchFailed(f"replace operation does not apply: doc is missing key: {path}: missing value") from None
    place.replace(copy(operation.get("value")))


def _move(document: Any, operation: dict[str, Any]) -> None:
    origin = _text(operation, "from")
    source = _place(document, origin, f"move operation does not apply: doc is missing from path: {origin}")
    with _during(f"error in move for path: '{source.key}'"):
        value = source.get()
        source.remove()
    path = _text(operation, "path")
    target = _place(document, path, f"move operation does not apply: doc is missing destination path: {path}")
    with _during(f"error in move for path: '{path}'"):
        target.add(value)


def _copy(document: Any, operation: dict[str, Any], before: int) -> int:
    """Gives the number of bytes added."""
    origin = _text(operation, "from")
    source = _place(document, origin, f"copy operation does not apply: doc is missing from path: {origin}")
    with _during(f"error in copy for from: '{origin}'"):
        value = source.get()
    path = _text(operation, "path")
    target = _place(document, path, f"copy operation does not apply: doc is missing destination path: {path}")
    size = len(to_json(value))
    if before + size > COPY_LIMIT:
        raise PatchFailed(
            f"Unable to complete the copy, the accumulated size increase of copy is {before + size}, "
            f"exceeding the limit {COPY_LIMIT}"
        )
    with _during("error while adding value during copy"):
        target.add(copy(value))
    return size


def _test(document: Any, operation: dict[str, Any]) -> None:
    path = _text(operation, "path")
    if path == "":
        found = document
    else:
        place = _place(document, path, f"test operation does not apply: is missing path: {path}")
        with _during(f"error in test for path: '{path}'"):
            found = place.get()
    if not same(found, operation.get("value")):
        raise TestFailed(f"testing value {path} failed: test failed")


def same(a: Any, b: Any) -> bool:
    """Equal as JSON: true is not 1, but 1 is 1 however often it is nested."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and a == b


_OPERATIONS = {"add": _add, "remove": _remove, "replace": _replace, "move": _move, "test": _test}
