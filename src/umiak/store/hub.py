"""The owner's side of a store shared by several processes: takes the replicas' writes, tells them what is committed.

Order is all: the revision of a commit is published on the board, then the commit goes out to every replica, which may
be what tells whoever wished for it. So who was told of a write finds every replica either past it or knowing that it
has to wait. Replicas that wished for nothing in it hear of it after those who wait for an answer here.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence

from umiak.kit.board import Board
from umiak.kit.pipe import Pipe
from umiak.store.contract import Compacted, Entry, Event, FutureRevision, Mismatch, StoreError, Unreadable, Unwritable
from umiak.store.logged import LoggedStore
from umiak.store.wire import ENCODER, WISHES, Change, Commit, Compact, Delete, Outcome, Put, stamped

REVISION, OLDEST = 0, 1
"""Words of the board."""
LARGEST_FRAME = 1024 * 1024
"""Bytes of values from which on a commit is told in several frames."""
BACKLOG = 64 * 1024 * 1024
"""Bytes; a replica that lets more pile up does not work any more, and is dropped."""


NOBODY: "tuple[Link | None, int]" = (None, 0)
"""Wished for what the owner itself writes."""


class Hub:
    """All replicas of `store`. Make it before the first replica is forked."""

    def __init__(self, store: LoggedStore, board: Board) -> None:
        self.store = store
        self.board = board
        self.links: list[Link] = []
        self.wished: dict[int, tuple[Link | None, int]] = {}
        """Who wished for a revision that is on its way to the disk, and under which number."""
        board.words[REVISION], board.words[OLDEST] = store.revision, store.oldest
        store.relay = self

    def attach(self, sock: socket.socket, lost: Callable[[], None]) -> "Link":
        """Takes up with a replica whose state is what is committed now."""
        link = Link(self, sock, lost)
        self.links.append(link)
        return link

    def published(self, revision: int) -> None:
        self.board.words[REVISION] = revision

    def committed(self, events: Sequence[Event]) -> None:
        wished = [self.wished.pop(event.revision, NOBODY) for event in events]
        askers = {asker for asker, _ in wished}
        shared: list[bytes] = []
        for link in list(self.links):
            if link in askers:
                link.tell(
                    _frames(events, [number if asker is link else 0 for asker, number in wished]), is_awaited=True
                )
                continue
            shared = shared or _frames(events, [0] * len(events))
            link.tell(shared, is_awaited=False)

    def failed(self) -> None:
        self.wished.clear()
        for link in list(self.links):
            link.tell([], is_awaited=False)

    def compacted(self, oldest: int) -> None:
        self.board.words[OLDEST] = oldest


def _frames(events: Sequence[Event], numbers: Sequence[int]) -> list[bytes]:
    """Bounded in size, so that neither side has to hold a whole large commit twice. `numbers` are those of the wishes
    of who is told, 0 for what others wrote."""
    frames: list[bytes] = []
    part: list[Change] = []
    size = 0
    for event, number in zip(events, numbers, strict=True):
        entry = event.entry
        value = b"" if number else entry.value
        part.append(Change(entry.key, value, entry.created, entry.modified, event.deleted, number))
        size += len(value)
        if size > LARGEST_FRAME:
            frames.append(ENCODER.encode(Commit(part)))
            part, size = [], 0
    if part:
        frames.append(ENCODER.encode(Commit(part)))
    return frames


class Link:
    """One replica, as its owner sees it."""

    def __init__(self, hub: Hub, sock: socket.socket, lost: Callable[[], None]) -> None:
        self._hub = hub
        self._lost = lost
        self._pipe = Pipe(sock, self._received, self._gone)
        self._refused: list[tuple[str, Outcome]] = []
        self._unsaid: list[bytes] = []
        self._compaction: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def tell(self, frames: Sequence[bytes], is_awaited: bool) -> None:
        """Says `frames`, then the refusals whose reason is settled by now: at once where they are awaited."""
        self._soon(*frames)
        if self._refused:
            waiting, self._refused = self._refused, []
            for key, outcome in waiting:
                if self._hub.store.is_pending(key):
                    self._refused.append((key, outcome))
                else:
                    self._outcome(outcome)
        if is_awaited:
            self._say()

    def _soon(self, *frames: bytes) -> None:
        """In their order, together with others of this turn of the loop, after those who were called before."""
        if frames and not self._unsaid:
            self._loop.call_soon(self._say)
        self._unsaid += frames

    def _say(self) -> None:
        frames, self._unsaid = self._unsaid, []
        if self._pipe.unsent > BACKLOG:
            self.close()
            self._lost()
        elif frames:
            self._pipe.send(*frames)

    def _received(self, frame: memoryview) -> None:
        wish = WISHES.decode(frame)
        if isinstance(wish, Compact):
            self._compaction = self._loop.create_task(self._compact(wish))
            return
        try:
            self._submit(wish)
        except Mismatch:
            refusal = Outcome(wish.number)
            if self._hub.store.is_pending(wish.key):  # the replica has to see that first, to do better next time
                self._refused.append((wish.key, refusal))
            else:
                self._outcome(refusal)
        except (Unwritable, Unreadable) as error:
            self._outcome(Outcome(wish.number, fault=str(error)))

    def _submit(self, wish: Put | Delete) -> None:
        """Raises Mismatch and Unwritable."""
        store, reply = self._hub.store, _Reply(self, wish.number)
        render = None if wish.head is None else _rendering(wish.head, wish.tail)
        mine = self, wish.number
        if isinstance(wish, Delete):
            revision = store.submit_delete(wish.key, render, wish.expect, reply, wish.parting)
            if wish.parting and render is not None:
                self._hub.wished[revision - 1] = mine
        else:
            assert render is not None
            revision = store.submit_put(wish.key, render, wish.expect, reply)
        self._hub.wished[revision] = mine

    async def _compact(self, wish: Compact) -> None:
        try:
            await self._hub.store.compact(wish.revision)
            self._outcome(Outcome(wish.number, wish.revision))
        except Compacted as error:
            self._outcome(Outcome(wish.number, oldest=error.oldest))
        except FutureRevision:
            self._outcome(Outcome(wish.number))
        except StoreError as error:
            self._outcome(Outcome(wish.number, fault=str(error)))

    def _outcome(self, outcome: Outcome) -> None:
        self._soon(ENCODER.encode(outcome))

    def _gone(self) -> None:
        self.close()
        self._lost()

    def close(self) -> None:
        self._pipe.close()
        if self in self._hub.links:
            self._hub.links.remove(self)


def _rendering(head: bytes, tail: bytes | None) -> Callable[[int], bytes]:
    return lambda revision: stamped(head, tail, revision)


class _Reply:
    """Tells a replica that its write failed; the commit tells that it did not."""

    __slots__ = ("_link", "_number")

    def __init__(self, link: Link, number: int) -> None:
        self._link = link
        self._number = number

    def done(self) -> bool:
        return False

    def set_result(self, entry: Entry) -> None: ...

    def set_exception(self, exception: Exception) -> None:
        self._link._outcome(Outcome(self._number, fault=str(exception) or type(exception).__name__))
