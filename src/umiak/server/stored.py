"""How objects lie in the store: as the bytes they are answered with, in the kind's storage version.

A kind whose own version is the stored one is never decoded to be read. The bytes of a built-in kind begin with
`head`, so that a list can leave it out of its items.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from umiak.api.kind import Kind
from umiak.objects.errors import StatusError, internal
from umiak.objects.types import Object
from umiak.server.metadata import is_custom, of, ordered
from umiak.store.contract import Entry, Render, Unreadable


class _Meta(msgspec.Struct):
    resourceVersion: str = ""


class _Outline(msgspec.Struct):
    metadata: msgspec.Raw


@lru_cache(1024)
def is_direct(kind: Kind) -> bool:
    """Whether the store's bytes are this kind's own form."""
    if kind.comes_converted:
        return True
    return kind.from_storage is None and kind.storage_version in ("", kind.version) and _same_group(kind)


def _same_group(kind: Kind) -> bool:
    return kind.storage_group in ("", kind.group or "core")


@lru_cache(1024)
def head(kind: Kind) -> bytes:
    """What all stored objects of a kind begin with; items of lists of built-in kinds lack it."""
    return b'{"kind":"%b","apiVersion":"%b",' % (kind.kind.encode(), kind.api_version.encode())


def error_group(kind: Kind) -> str:
    """The group that validation errors name: that of the kind's first home, for kinds that moved."""
    return "" if kind.storage_group == "core" else kind.group


def storage_api_version(kind: Kind) -> str:
    group = kind.storage_group or kind.group
    version = kind.storage_version or kind.version
    return version if group in ("", "core") else f"{group}/{version}"


def read(kind: Kind, value: bytes) -> Object:
    """The object in the kind's version; the caller's own."""
    obj: Object = msgspec.json.decode(value)
    if is_direct(kind):
        return obj
    if kind.from_storage is not None:
        obj = kind.from_storage(obj)
    obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
    return obj


def encode(kind: Kind, obj: Object) -> bytes:
    """Bytes of an object in the kind's own version."""
    return msgspec.json.encode(ordered(obj, kind))


def shown(kind: Kind, value: bytes) -> bytes:
    """Stored bytes in the kind's own version."""
    return value if is_direct(kind) else encode(kind, read(kind, value))


def render(kind: Kind, obj: Object) -> Render:
    """Encodes `obj` for the store once its revision is known; `obj` gets its resourceVersion then. Called again, it
    only changes that."""
    first: list[tuple[int, bytes]] = []

    def rendered(revision: int) -> bytes:
        of(obj)["resourceVersion"] = str(revision)
        if first:
            return _restamped(*first[0], revision)
        value = _kept(kind, obj)
        first.append((revision, value))
        return value

    return rendered


def _kept(kind: Kind, obj: Object) -> bytes:
    """The bytes that are stored."""
    if is_direct(kind):
        return encode(kind, obj)
    kept = kind.to_storage(msgspec.json.decode(encode(kind, obj))) if kind.to_storage else ordered(obj, kind)
    kept["apiVersion"] = storage_api_version(kind)
    return msgspec.json.encode(kept)


def restamp(entry: Entry) -> Render:
    """The same bytes with another resourceVersion, without decoding."""
    return lambda revision: _restamped(entry.modified, entry.value, revision)


def _restamped(before: int, value: bytes, revision: int) -> bytes:
    """Names, namespaces and uids come before it in the bytes and can not contain quotes, so the first match is the
    one."""
    old, new = (b'"resourceVersion":"%d"' % n for n in (before, revision))
    return value.replace(old, new, 1)


def item(kind: Kind, value: bytes) -> bytes:
    """An object's bytes as they stand in a list."""
    return value if is_custom(kind) else b"{" + value[len(head(kind)) :]


PIECE = 112 * 1024
"""Bytes of a list that are joined in one go, also with an object more and encrypted less than the 128 KiB from which on
memory is mapped anew each time: 5,000 Pods take 3 ms to join like this, 12 in pieces of 200 kB. In pieces of 48 KiB a
list costs a tenth more, as encryption and the kernel have something to do for each."""


def joined_size(kind: Kind, values: Sequence[bytes]) -> int:
    """Bytes of the inside of a list's `items`."""
    if not values:
        return 0
    shorter = 0 if is_custom(kind) else len(head(kind)) - 1
    return sum(map(len, values)) + len(values) - 1 - shorter * len(values)


def joined(kind: Kind, values: Sequence[bytes], size: int) -> Iterator[bytes]:
    """The inside of a list's `items`, in pieces; `size` is their `joined_size`."""
    begin = 0 if is_custom(kind) else len(head(kind))
    between = b",{" if begin else b","
    run = 1 + PIECE * len(values) // (size + 1)
    for start in range(0, len(values), run):
        items = [value[begin:] for value in values[start : start + run]]
        items[0] = (between if start else between[1:]) + items[0]
        yield between.join(items)


def metadata_of(value: bytes) -> bytes:
    """The bytes of an object's metadata."""
    return bytes(msgspec.json.decode(value, type=_Outline).metadata)


REINITIALIZING = 25
"""Seconds after which a list of what can not be read may be tried again."""


def unreadable(error: Unreadable, kind: Kind, verb: str) -> StatusError:
    """What is answered when an object is there, but can not be opened, in the reference's words, which depend on what
    was to be done with it."""
    why = f"data from the storage is not transformable revision=0: {error.reason}"
    if verb in ("update", "patch"):
        return internal(why)
    key = error.key.removeprefix("/core")
    corrupt = f"StorageError: corrupt object, Code: 7, Key: {{}}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
    if verb not in ("list", "watch", "deletecollection"):
        return internal(corrupt.format(key))
    told = f"failed to read one or more {kind.plural} from the storage: {corrupt.format(f'/registry{key}')}"
    message = f"storage is (re)initializing: failed to list <unspecified>: {told}"
    return StatusError(429, "TooManyRequests", message, {"retryAfterSeconds": REINITIALIZING})
