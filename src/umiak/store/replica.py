"""A store in a process beside its owner's: reads from a copy that the owner keeps current, writes through the owner.

A copy may be a moment behind what others were told; `behind` says so, and `caught_up` waits. A write is judged by the
owner against the revision that it expects. On a mismatch the copy has come as far as what it conflicted with when the
caller hears of it, so that reading and trying again makes progress.
"""

import asyncio
import random
import socket
from collections.abc import Callable

import msgspec

from umiak.kit.board import Board
from umiak.kit.pipe import Pipe
from umiak.store.contract import Compacted, Entry, Event, FutureRevision, Mismatch, Render, Unwritable
from umiak.store.hub import OLDEST, REVISION
from umiak.store.index import Index
from umiak.store.view import History, Seals, View
from umiak.store.wire import ENCODER, NEWS, Change, Commit, Compact, Delete, Outcome, Put, Wish, stamped


class _Asked(msgspec.Struct):
    """A wish, and who waits for what becomes of it."""

    wish: Put | Delete
    answer: "asyncio.Future[Entry | Outcome]"


NO_WISH = Delete(0, "", None, None, None)
"""In the place of what is no write."""


class Replica(View):
    """A `Store`. `index` is what is committed at `revision`; news from then on come through `sock`."""

    def __init__(
        self,
        index: Index,
        history: History,
        revision: int,
        board: Board,
        sock: socket.socket,
        lost: Callable[[], None],
        chance: random.Random,
        seals: Seals | None = None,
    ) -> None:
        """`lost` is called when the owner is gone. `chance` must be another in every process."""
        super().__init__(index, history, revision, 1, seals)
        self._words = board.words
        self._lost = lost
        self._pipe = Pipe(sock, self._received, self._gone)
        self._closed = ""
        self._numbers = 0
        self._asked: dict[int, _Asked] = {}
        self._wishes: list[bytes] = []
        self._late: list[tuple[int, asyncio.Future[None]]] = []
        self._place = chance.getrandbits(61) | 1 << 61
        """The revision that values are rendered with to see where it goes; nobody else can know it."""
        self._mark = b"%d" % self._place

    @property
    def oldest(self) -> int:
        return self._words[OLDEST]

    # Staying current

    @property
    def behind(self) -> bool:
        return self._revision < self._words[REVISION]

    def peek(self, key: str) -> Entry | None:
        """As `contract.Store`."""
        return super().peek(key) if self._revision >= self._words[REVISION] else None

    async def caught_up(self) -> None:
        wanted = self._words[REVISION]
        if self._revision < wanted and not self._closed:
            caught: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._late.append((wanted, caught))
            await caught

    def _received(self, frame: memoryview) -> None:
        news = NEWS.decode(frame)
        if isinstance(news, Commit):
            self._learn(news.changes)
        elif (asked := self._asked.pop(news.number, None)) is not None and not asked.answer.done():
            asked.answer.set_result(news)

    def _learn(self, changes: list[Change]) -> None:
        present = self._index.entries
        events = []
        for change in changes:
            if change.modified <= self._revision:
                continue  # it was in what the copy was made from
            before = present.get(change.key)
            if change.number:
                entry = self._own(change, before)
            else:
                entry = Entry(change.key, change.value, change.created, change.modified)
            event = Event(entry, before, change.deleted)
            self._apply((event,))  # one by one: the next may be of the same key
            events.append(event)
        if events:
            self._tell(events)
        if self._late:
            self._wake()

    def _own(self, change: Change, before: Entry | None) -> Entry:
        """What this replica wished for, and answers who waits for it."""
        asked = self._asked[change.number]
        wish = asked.wish
        head = wish.head if wish.head is not None else before.value if before is not None else b""
        entry = Entry(change.key, stamped(head, wish.tail, change.modified), change.created, change.modified)
        if change.deleted or isinstance(wish, Put):
            del self._asked[change.number]
            if not asked.answer.done():
                asked.answer.set_result(entry)
        return entry

    def _wake(self) -> None:
        waiting, self._late = self._late, []
        for wanted, caught in waiting:
            if wanted > self._revision and not self._closed:
                self._late.append((wanted, caught))
            elif not caught.done():
                caught.set_result(None)

    # Writing

    async def latest(self, key: str) -> Entry | None:
        if self._seals is not None:
            self._seals.check(key)
        return self._index.entries.get(key)

    async def put(self, key: str, render: Render, *, expect: int | None = None) -> Entry:
        head, tail = self._split(render(self._place))
        entry = await self._ask(Put(self._number(), key, expect, head, tail))
        render(entry.modified)
        return entry

    async def delete(
        self, key: str, *, expect: int | None = None, render: Render | None = None, parting: bool = False
    ) -> Entry:
        head, tail = self._split(render(self._place)) if render else (None, None)
        return await self._ask(Delete(self._number(), key, expect, head, tail, parting))

    def _split(self, value: bytes) -> tuple[bytes, bytes | None]:
        """What comes before and after the revision in a value."""
        head, found, tail = value.partition(self._mark)
        return head, tail if found else None

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    async def _ask(self, wish: Put | Delete) -> Entry:
        """Raises Mismatch or Unwritable."""
        answer: asyncio.Future[Entry | Outcome] = asyncio.get_running_loop().create_future()
        self._send(wish, _Asked(wish, answer))
        found = await answer
        if isinstance(found, Entry):
            return found
        if found.fault:
            raise Unwritable(found.fault)
        raise Mismatch(wish.key, self._index.entries.get(wish.key))

    def _send(self, wish: Wish, asked: "_Asked") -> None:
        """Raises Unwritable."""
        if self._closed:
            raise Unwritable(self._closed)
        self._asked[wish.number] = asked
        if not self._wishes:
            asyncio.get_running_loop().call_soon(self._flush)
        self._wishes.append(ENCODER.encode(wish))

    def _flush(self) -> None:
        """Sends the wishes of one turn of the loop together: each message that the owner gets wakes it up."""
        wishes, self._wishes = self._wishes, []
        self._pipe.send(*wishes)

    async def compact(self, revision: int) -> None:
        answer: asyncio.Future[Entry | Outcome] = asyncio.get_running_loop().create_future()
        self._send(Compact(self._number(), revision), _Asked(NO_WISH, answer))
        found = await answer
        assert isinstance(found, Outcome)
        if found.fault:
            raise Unwritable(found.fault)
        if found.oldest:
            raise Compacted(found.oldest)
        if not found.revision:
            raise FutureRevision(f"revision {revision} is newer than {self._revision}")

    # The end

    def _gone(self) -> None:
        self._end("the owner of the store is gone")
        self._lost()

    def _end(self, why: str) -> None:
        """Nobody may wait for ever."""
        self._closed = self._closed or why
        asked, self._asked = self._asked, {}
        for number, waiting in asked.items():
            if not waiting.answer.done():
                waiting.answer.set_result(Outcome(number, fault=why))
        self._wake()

    async def close(self) -> None:
        self._pipe.close()
        self._end("the store is closed")
