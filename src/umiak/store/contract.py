"""What a store is: ordered keys, values as bytes, one revision counter, history until compaction.

Every backend passes `tests/store/contract.py`. Semantics follow etcd v3: each write gets the next revision; a
watch from revision R sees every later change of its prefix exactly once and in order.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

Render = Callable[[int], bytes]
"""Makes the value once its revision is known, so that an object's bytes carry their own resourceVersion. It may be
called with another number before, to see where the revision goes; the last call is the one that counts."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One key's state. `created` and `modified` are revisions."""

    key: str
    value: bytes
    created: int
    modified: int


class Event(msgspec.Struct, eq=False):
    """One committed change. On a deletion `entry` holds the final value, rendered with the deletion's revision."""

    entry: Entry
    previous: Entry | None
    deleted: bool
    sealed: bytes | None = None
    """What is stored in the place of the value, where that is not the same."""
    memo: dict[str, Any] = msgspec.field(default_factory=dict)
    """Room for readers to keep what they derived, e.g. an encoded line shared by all watchers."""

    @property
    def revision(self) -> int:
        return self.entry.modified


class Range(msgspec.Struct, frozen=True):
    """A page of entries in key order, true at `revision`; `remaining` counts what follows the page."""

    entries: list[Entry]
    revision: int
    remaining: int = 0


class StoreError(Exception):
    """The store could not do what was asked."""


class Mismatch(StoreError):
    """The key was not at the expected revision. `current` is None when the key does not exist."""

    def __init__(self, key: str, current: Entry | None) -> None:
        super().__init__(f"{key} is at revision {current.modified if current else 0}")
        self.key = key
        self.current = current


class Compacted(StoreError):
    """The revision asked for is older than the history kept. `oldest` is the first one still there."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"revisions before {oldest} are compacted")
        self.oldest = oldest


class FutureRevision(StoreError):
    """The revision asked for has not happened yet."""


class Unwritable(StoreError):
    """The write could not be made durable (disk full, I/O error); nothing of it is kept."""


class Unreadable(StoreError):
    """The value is there, but can not be made out (e.g. its key is missing)."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f'unable to transform key "{key}": {reason}')
        self.key = key
        self.reason = reason


class Unsealable(Unwritable):
    """The value can not be brought into the form in which it has to be stored; it is not written."""


class WrongFormat(StoreError):
    """The data folder was written by a version of umiak that this one cannot read."""


Sink = Callable[[Sequence[Event]], None]
"""Takes the events of one commit, in order; called on the event loop, must not block or raise."""
Cancel = Callable[[], None]


class Store(Protocol):
    """Reads see committed writes only. A write returns when it is durable.

    Writes are judged in the order they are called against all earlier ones, committed or not, so a caller that
    loops on `latest` and `put` makes progress without waiting for the disk.
    """

    @property
    def revision(self) -> int:
        """The newest committed revision; 1 for an empty store."""
        ...

    @property
    def oldest(self) -> int:
        """The oldest revision that reads and watches may still name."""
        ...

    @property
    def behind(self) -> bool:
        """Whether reads here may not see yet what somebody was told elsewhere; only where other processes write."""
        ...

    async def caught_up(self) -> None:
        """Waits until reads see all that anybody was told of before the call."""
        ...

    async def get(self, key: str) -> Entry | None: ...

    def peek(self, key: str) -> Entry | None:
        """As `get`, where that can be told at once and is not `behind`; None says nothing."""
        ...

    async def latest(self, key: str) -> Entry | None:
        """The state that the next write will be judged against, as far as this process knows: committed or, where all
        writes are its own, about to be."""
        ...

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        """Entries whose key begins with `prefix` and is not before `start`, at `revision` (0: the newest).

        Raises Compacted or FutureRevision.
        """
        ...

    def count(self, prefix: str) -> int: ...

    def changes(self, root: str) -> int:
        """A number that changes with everything below `root`, which is all of one resource (`/group/plural/`)."""
        ...

    def is_stale(self, key: str) -> bool:
        """Whether writing the same value again would store it in another form, e.g. with a newer key."""
        ...

    async def put(self, key: str, render: Render, *, expect: int | None = None) -> Entry:
        """Writes; `expect` 0: the key must not exist; N: it must be at revision N; None: whatever it is.
        When this returns, reads and watches of this process have seen it and everything before it.

        Raises Mismatch as soon as `latest` knows better, Unwritable when the commit failed.
        """
        ...

    async def delete(
        self, key: str, *, expect: int | None = None, render: Render | None = None, parting: bool = False
    ) -> Entry:
        """Removes; returns the final state, rendered anew with the deletion's revision if `render` is given. When it is
        `parting`, that state is put first, as a change of its own: so watchers see how it went, and both happen or
        neither.

        Raises Mismatch (with current None when there is no such key).
        """
        ...

    def watch(self, prefix: str, after: int, sink: Sink) -> Cancel:
        """Feeds `sink` every change under `prefix` (which ends in "/" or is a whole key) with revision > `after`.

        Past changes come in the first call(s), before this returns; no change is lost or doubled in between.
        Raises Compacted or FutureRevision.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Forgets history before `revision`; current state stays."""
        ...

    async def close(self) -> None:
        """Commits what is pending and lets go of the files."""
        ...
