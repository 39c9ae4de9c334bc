"""Stored objects as protobuf. Each state of an object is encoded once for all who read it, as long as it is recent."""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from umiak.api import protobuf
from umiak.api.kind import Kind
from umiak.objects.types import Object

ROOM = 16 * 1024 * 1024
"""Bytes of messages that are kept at most."""
TURN = 200
"""Objects encoded without a pause."""


class Messages:
    """Remembers the messages of the objects encoded last.

    They are found by the object's JSON bytes, which the store holds anyway for as long as they are current.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._known: dict[tuple[str, bytes], bytes] = {}

    def of(self, kind: Kind, value: bytes) -> bytes:
        """The message of an object in the kind's own form, without an envelope."""
        key = kind.api_version, value
        found = self._known.get(key)
        if found is None:
            name = protobuf.message_of(kind.api_version, kind.kind)
            found = protobuf.message(name, msgspec.json.decode(value))
            self._keep(key, found)
        return found

    def _keep(self, key: tuple[str, bytes], found: bytes) -> None:
        self._known[key] = found
        self._room -= len(found)
        while self._room < 0:
            self._room += len(self._known.pop(next(iter(self._known))))

    def body(self, kind: Kind, value: bytes) -> bytes:
        """A whole answer."""
        return protobuf.wrapped(kind.api_version, kind.kind, self.of(kind, value))

    async def all_of(self, kind: Kind, values: Sequence[bytes]) -> list[bytes]:
        """Lets others have a turn now and then: thousands of objects take a while."""
        found: list[bytes] = []
        for start in range(0, len(values), TURN):
            if start:
                await asyncio.sleep(0)
            found += [self.of(kind, value) for value in values[start : start + TURN]]
        return found

    async def list_body(self, kind: Kind, values: Sequence[bytes], about: Object) -> bytes:
        items = await self.all_of(kind, values)
        return _list(kind.api_version, kind.list_kind, about, items)


def body(value: bytes) -> bytes:
    """Any JSON object that says what it is and has a message, such as a Status."""
    return protobuf.encode(msgspec.json.decode(value))


def partial_list(version: str, values: Iterable[bytes], about: Object) -> bytes:
    """Of `PartialObjectMetadata` objects."""
    kind = "PartialObjectMetadata"
    name = protobuf.message_of(f"meta.k8s.io/{version}", kind)
    items = (protobuf.message(name, msgspec.json.decode(value)) for value in values)
    return _list(f"meta.k8s.io/{version}", f"{kind}List", about, items)


def _list(api_version: str, kind: str, about: Object, items: Iterable[bytes]) -> bytes:
    message = protobuf.list_message(protobuf.message_of(api_version, kind), about, items)
    return protobuf.wrapped(api_version, kind, message)


def event(type_: bytes, whole: bytes) -> bytes:
    """One frame of a watch, around a whole answer."""
    return protobuf.frame(type_, whole)
