"""A store in a process beside its owner's: reads from a copy that the owner keeps current, writes through the owner.

A copy may be a moment behind what others were told; `behind` says so, and `caught_up` waits. A write is judged by the
owner against the revision that it expects. On a mismatch the copy has come as far as what it conflicted with when the
caller hears of it, so that reading and trying again makes progress.
"""

import asyncio
import random
import socket
from collections.abc import Callable

from umiak.kit.board import Board
from umiak.kit.pipe import Pipe
from umiak.store.contract import Compacted, Entry, Event, FutureRevision, Mismatch, Render, Unwritable
from umiak.store.hub import OLDEST, REVISION
from umiak.store.index import Index
from umiak.store.view import History, Seals, View
from umiak.store.wire import ENCODER, NEWS, Change, Commit, Compact, Delete, Outcome, Put, Wish, stamped


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
        self._asked: dict[int, asyncio.Future[Outcome]] = {}
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
        elif (asked := self._asked.pop(news.number, None)) is not None and not asked.done():
            asked.set_result(news)

    def _learn(self, changes: list[Change]) -> None:
        present = self._index.entries
        events = []
        for change in changes:
            if change.modified <= self._revision:
                continue  # it was in what the copy was made from
            entry = Entry(change.key, change.value, change.created, change.modified)
            event = Event(entry, present.get(change.key), change.deleted)
            self._apply((event,))  # one by one: the next may be of the same key
            events.append(event)
        if events:
            self._tell(events)
        if self._late:
            self._wake()

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
        outcome = await self._ask(Put(self._number(), key, expect, head, tail))
        render(outcome.revision)
        return self._entry(key, head, tail, outcome)

    async def delete(
        self, key: str, *, expect: int | None = None, render: Render | None = None, parting: bool = False
    ) -> Entry:
        before = self._index.entries.get(key)
        head, tail = self._split(render(self._place)) if render else (None, None)
        outcome = await self._ask(Delete(self._number(), key, expect, head, tail, parting))
        kept = before.value if before is not None else b""
        return self._entry(key, kept if head is None else head, tail, outcome)

    def _split(self, value: bytes) -> tuple[bytes, bytes | None]:
        """What comes before and after the revision in a value."""
        head, found, tail = value.partition(self._mark)
        return head, tail if found else None

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _entry(self, key: str, head: bytes, tail: bytes | None, outcome: Outcome) -> Entry:
        """What was written, shared with what is read where it is still the newest."""
        present = self._index.entries.get(key)
        if present is not None and present.modified == outcome.revision:
            return present
        return Entry(key, stamped(head, tail, outcome.revision), outcome.created, outcome.revision)

    async def _ask(self, wish: Put | Delete) -> Outcome:
        """Raises Mismatch or Unwritable."""
        outcome = await self._answered(wish)
        if not outcome.revision:
            raise Mismatch(wish.key, self._index.entries.get(wish.key))
        return outcome

    async def _answered(self, wish: Wish) -> Outcome:
        """Raises Unwritable."""
        if self._closed:
            raise Unwritable(self._closed)
        asked: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._asked[wish.number] = asked
        self._pipe.send(ENCODER.encode(wish))
        outcome = await asked
        if outcome.fault:
            raise Unwritable(outcome.fault)
        return outcome

    async def compact(self, revision: int) -> None:
        outcome = await self._answered(Compact(self._number(), revision))
        if outcome.oldest:
            raise Compacted(outcome.oldest)
        if not outcome.revision:
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
            if not waiting.done():
                waiting.set_result(Outcome(number, 0, 0, why))
        self._wake()

    async def close(self) -> None:
        self._pipe.close()
        self._end("the store is closed")
