"""The owner's side: workers are started, replaced, stopped, and given their share of connections.

What else there is to do once and not by everybody (default objects, upkeep, what definitions need written) is the
owner's. A worker that dies is replaced at once; all die with the owner. The first workers are forked, before the store
is opened, and share memory with the owner; those that take their place are started anew.
"""

import asyncio
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress

from umiak.kit.board import Board
from umiak.kit.children import fork, reap, spawn
from umiak.kit.http.server import Server
from umiak.kit.metrics import merged
from umiak.server.crew.post import (
    ENDED,
    GO,
    OTHERS,
    READY,
    SHED,
    TAKE,
    TELL,
    TOLD,
    WANT,
    Post,
    hear,
    say,
    say_text,
    text_in,
)
from umiak.server.metrics import ALIKE
from umiak.store.hub import Hub, Link

log = logging.getLogger(__name__)
PATIENCE = 1.0
"""Seconds between replacing a worker twice: one that can not live must not keep a core busy."""
SLOW = 5.0
"""Seconds that a worker has to tell its metrics."""


class Worker:
    """One worker, as the owner sees it."""

    def __init__(self, number: int, board: Board, start: Callable[[Post], int]) -> None:
        self.number = number
        self._board = board
        board.words[ENDED + number] = 0
        self._given = 0
        self.store, theirs = socket.socketpair()
        self._words, inbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = start(Post(number, os.getpid(), theirs.fileno(), inbox.fileno(), board.handle))
        theirs.close()
        inbox.close()
        self._words.setblocking(False)
        self.is_ready = False
        self.link: Link | None = None
        self._asked: list[asyncio.Future[str]] = []
        self._leaves = False

    def begin(self, hub: Hub, changed: Callable[["Worker"], None], wants: Callable[["Worker"], None]) -> None:
        """Lets it read the store and follow it. `changed` is called when it is ready, and when it is gone; `wants` when
        it wants the metrics of all others."""
        self.link = hub.attach(self.store, lambda: self._gone(changed))
        asyncio.get_running_loop().add_reader(self._words.fileno(), self._heard, changed, wants)
        say(self._words, GO)

    def _heard(self, changed: Callable[["Worker"], None], wants: Callable[["Worker"], None]) -> None:
        found = hear(self._words)
        if found is None:
            return
        word, file = found
        if word == READY:
            self.is_ready = True
            changed(self)
        elif word == TOLD and file >= 0:
            self._tell(text_in(file))
        elif word == WANT:
            wants(self)
        elif not word:
            self._gone(changed)

    def _gone(self, changed: Callable[["Worker"], None]) -> None:
        """Either socket says so. A worker that lost one of them is of no use."""
        if self.process:
            self.end()
            changed(self)

    @property
    def open(self) -> int:
        return self._given - self._board.words[ENDED + self.number]

    def take(self, sock: socket.socket) -> bool:
        """The connection is the worker's from then on."""
        if not say(self._words, TAKE, sock.fileno()):
            return False
        sock.close()
        self._given += 1
        return True

    def shed(self, count: int) -> None:
        say(self._words, SHED + str(count).encode())

    async def metrics(self) -> str:
        """What it counts; nothing when it takes too long."""
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[str] = loop.create_future()
        self._asked.append(asked)
        if not say(self._words, TELL):
            self._tell("")
        timer = loop.call_later(SLOW, self._tell, "")
        try:
            return await asked
        finally:
            timer.cancel()

    def _tell(self, text: str) -> None:
        asked, self._asked = self._asked, []
        for waiting in asked:
            if not waiting.done():
                waiting.set_result(text)

    def have(self, others: str) -> None:
        """The metrics that it wanted."""
        say_text(self._words, OTHERS, others)

    def ask_to_stop(self) -> None:
        self._leaves = True
        if self.process:
            with suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGTERM)

    def end(self) -> None:
        """At once."""
        process, self.process = self.process, 0
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        code = reap(process)
        if not self._leaves:
            log.warning("worker %d (process %d) ended with %d", self.number, process, code)
        self._tell("")
        if self.link is not None:
            self.link.close()
            asyncio.get_running_loop().remove_reader(self._words.fileno())
        self.store.close()
        self._words.close()


class Crew:
    """All workers of one owner. Make it before anything else in the process has threads or an open database."""

    def __init__(self, count: int, work: Callable[[Post], int], command: Callable[[Post], Sequence[str]]) -> None:
        """`work` is run in forked workers, `command` starts one anew."""
        self.board = Board()
        self._command = command
        self._hub: Hub | None = None
        self._started: dict[int, float] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = False
        self.own: Own | None = None
        """The owner's share, once it serves."""
        forked = lambda post: fork(lambda: work(post), post.files)  # noqa: E731 - one line reads better here
        self.workers = [Worker(number, self.board, forked) for number in range(count)]

    @property
    def ready(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.is_ready and worker.process]

    @property
    def takers(self) -> list["Worker | Own"]:
        """Who serves connections."""
        return [*([self.own] if self.own is not None else []), *self.ready]

    def begin(self, hub: Hub) -> None:
        """Lets the workers read the store, and make themselves ready."""
        self._hub = hub
        for worker in self.workers:
            worker.begin(hub, self._changed, self._wants)

    async def all_ready(self) -> None:
        """Raises RuntimeError when one can not start."""
        while len(self.ready) < len(self.workers):
            if not all(worker.process for worker in self.workers):
                raise RuntimeError("a worker process ended while it started")
            self._news.clear()
            await self._news.wait()
        self._settled = True

    def _changed(self, worker: Worker) -> None:
        self._news.set()
        if worker.process:
            level(self.takers)
        elif self._settled:
            now = asyncio.get_running_loop().time()
            wait = max(0.0, self._started.get(worker.number, -PATIENCE) + PATIENCE - now)
            timer = asyncio.get_running_loop().call_later(wait, self._replace, worker.number)
            self._timers[worker.number] = timer

    def _replace(self, number: int) -> None:
        assert self._hub is not None
        self._started[number] = asyncio.get_running_loop().time()
        try:
            worker = Worker(number, self.board, lambda post: spawn(self._command(post), post.files))
        except OSError as error:
            log.error("cannot start worker %d: %s", number, error)
            self._timers[number] = asyncio.get_running_loop().call_later(PATIENCE, self._replace, number)
            return
        self.workers[number] = worker
        worker.begin(self._hub, self._changed, self._wants)

    async def others(self, but: Worker | None = None) -> list[str]:
        """The metrics of all workers but one; of the owner too when a worker is left out."""
        own = [self.own.metrics()] if but is not None and self.own is not None else []
        told = await asyncio.gather(*(worker.metrics() for worker in self.ready if worker is not but))
        return [*own, *told]

    def _wants(self, worker: Worker) -> None:
        async def gather() -> None:
            worker.have(merged(await self.others(worker), ALIKE))

        task = asyncio.get_running_loop().create_task(gather())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, grace: float) -> None:
        """Lets each end what it does, for at most `grace` seconds."""
        self._settled = False
        for timer in self._timers.values():
            timer.cancel()
        for worker in self.workers:
            worker.ask_to_stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while any(worker.process for worker in self.workers):
                    self._news.clear()
                    await self._news.wait()
        for worker in self.workers:
            if worker.process:
                worker.end()


def level(takers: Sequence["Worker | Own"]) -> None:
    """Connections stay where they are; when a process has joined, the others let go of what is above its share."""
    share = -(-sum(taker.open for taker in takers) // len(takers))
    for taker in takers:
        if taker.open > share:
            taker.shed(taker.open - share)


class Own:
    """The owner's own share of connections, and what it counts."""

    def __init__(self, server: Server, context: ssl.SSLContext | None, metrics: Callable[[], str]) -> None:
        self._server, self._context, self.metrics = server, context, metrics
        self.open = 0
        server.on_end = self._ended

    def _ended(self) -> None:
        self.open -= 1

    def take(self, sock: socket.socket) -> bool:
        self.open += 1
        self._server.adopt(sock, self._context)
        return True

    def shed(self, count: int) -> None:
        self._server.shed(count)
