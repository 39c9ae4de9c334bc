"""Several processes that are one API server: the owner of the store and workers beside it.

The owner accepts connections and gives each process, itself included, as many as the others. What else there is to do
once and not by everybody (default objects, upkeep, what definitions need written) is the owner's. A worker that dies
is replaced at once; all die with the owner. The first workers are forked, before the store is opened, and share
memory with the owner; those that take their place are started anew.
"""

import asyncio
import logging
import os
import random
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from umiak.kit.board import Board
from umiak.kit.children import fork, reap, spawn
from umiak.kit.http.server import Server
from umiak.store.hub import Hub, Link
from umiak.store.index import Index
from umiak.store.replica import Replica

if TYPE_CHECKING:
    from umiak.store.sqlite import SqliteHistory

log = logging.getLogger(__name__)
ENDED = 8
"""The first word of the board for workers: how many connections of each have ended."""
GO, READY, TAKE, SHED = b"g", b"r", b"t", b"s"
"""What owner and worker say on the socket that connections go over: read the store; I serve; serve this; have so many
connections go elsewhere (followed by the number)."""
PATIENCE = 1.0
"""Seconds between replacing a worker twice: one that can not live must not keep a core busy."""
LARGEST_CREW = 16


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker is handed: its place, whose it is, and open files: to the store, for connections, the board."""

    number: int
    owner: int
    store: int
    connections: int
    board: int

    @property
    def files(self) -> tuple[int, ...]:
        return self.store, self.connections, self.board

    def __str__(self) -> str:
        return ",".join(map(str, (self.number, self.owner, *self.files)))

    @classmethod
    def of(cls, text: str) -> "Post":
        """Raises ValueError."""
        number, owner, store, connections, board = map(int, text.split(","))
        return cls(number, owner, store, connections, board)


class Worker:
    """One worker, as the owner sees it."""

    def __init__(self, number: int, board: Board, start: Callable[[Post], int]) -> None:
        self.number = number
        self._board = board
        board.words[ENDED + number] = 0
        self._given = 0
        self.store, theirs = socket.socketpair()
        self._connections, inbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = start(Post(number, os.getpid(), theirs.fileno(), inbox.fileno(), board.handle))
        theirs.close()
        inbox.close()
        self._connections.setblocking(False)
        self.is_ready = False
        self.link: Link | None = None

    def begin(self, hub: Hub, changed: Callable[["Worker"], None]) -> None:
        """Lets it read the store and follow it. `changed` is called when it is ready, and when it is gone."""
        loop = asyncio.get_running_loop()
        self.link = hub.attach(self.store, lambda: self._gone(changed))
        loop.add_reader(self._connections.fileno(), lambda: self._heard(changed))
        with suppress(OSError):  # gone already, as it is going to be heard
            self._connections.send(GO)

    def _heard(self, changed: Callable[["Worker"], None]) -> None:
        try:
            told = self._connections.recv(16)
        except BlockingIOError:
            return
        except OSError:
            told = b""
        if told == READY:
            self.is_ready = True
            changed(self)
        else:
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
        try:
            socket.send_fds(self._connections, [TAKE], [sock.fileno()])
        except OSError:
            return False
        sock.close()
        self._given += 1
        return True

    def shed(self, count: int) -> None:
        with suppress(OSError):
            self._connections.send(SHED + str(count).encode())

    def ask_to_stop(self) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGTERM)

    def end(self) -> None:
        """At once."""
        process, self.process = self.process, 0
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        code = reap(process)
        log.info("worker %d (process %d) ended with %d", self.number, process, code)
        if self.link is not None:
            self.link.close()
            asyncio.get_running_loop().remove_reader(self._connections.fileno())
        self.store.close()
        self._connections.close()


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

    async def begin(self, hub: Hub) -> None:
        """Returns when all are ready. Raises RuntimeError when one can not start."""
        self._hub = hub
        for worker in self.workers:
            worker.begin(hub, self._changed)
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
        worker.begin(self._hub, self._changed)

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


class Desk:
    """A worker's own end of what its owner hands it."""

    def __init__(self, post: Post) -> None:
        self._number = post.number
        self.store = socket.socket(fileno=post.store)
        self.board = Board(post.board)
        self._connections = socket.socket(fileno=post.connections)
        self._connections.setblocking(False)
        self._ended = 0

    async def may_read(self) -> None:
        """Waits until the store's owner has begun to tell what is committed."""
        if await asyncio.get_running_loop().sock_recv(self._connections, len(GO)) != GO:
            os._exit(1)  # the owner could not start, and says why

    def replica(self, history: "SqliteHistory") -> Replica:
        """The store as it is in the file, followed from then on."""
        loaded = history.load()
        index = Index()
        for entry in loaded.entries:
            index.put(entry)
        end = lambda: os._exit(1)  # noqa: E731 - without the owner there is nothing left to do
        return Replica(index, history, loaded.revision, self.board, self.store, end, random.Random())

    def serve(self, server: Server, context: ssl.SSLContext | None) -> None:
        """From now on connections come, and go to `server`."""
        server.on_end = self._count
        asyncio.get_running_loop().add_reader(self._connections.fileno(), self._take, server, context)
        self._connections.send(READY)

    def _count(self) -> None:
        self._ended += 1
        self.board.words[ENDED + self._number] = self._ended

    def _take(self, server: Server, context: ssl.SSLContext | None) -> None:
        try:
            told, files, _, _ = socket.recv_fds(self._connections, 16, 1)
        except BlockingIOError:
            return
        if not told:  # the owner is gone, and so are we in a moment
            asyncio.get_running_loop().remove_reader(self._connections.fileno())
        if told[:1] == SHED:
            server.shed(int(told[1:]))
        for file in files:
            server.adopt(socket.socket(fileno=file), context)


class Own:
    """The owner's own share of connections."""

    def __init__(self, server: Server, context: ssl.SSLContext | None) -> None:
        self._server, self._context = server, context
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
