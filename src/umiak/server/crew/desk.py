"""A worker's end of what its owner hands it."""

import asyncio
import os
import random
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from umiak.kit.board import Board
from umiak.kit.http.server import Server
from umiak.server.crew import post as words
from umiak.server.crew.post import ENDED, GO, LONGEST, READY, TOLD, WANT, Post, hear, say, say_text, text_in
from umiak.store.hub import REVISION
from umiak.store.index import Index
from umiak.store.replica import Replica
from umiak.store.sealing import OpenedHistory

if TYPE_CHECKING:
    from umiak.store.sqlite import SqliteHistory


class Desk:
    """Everything that comes from the owner, and goes there."""

    def __init__(self, post: Post) -> None:
        self._number = post.number
        self.store = socket.socket(fileno=post.store)
        self.board = Board(post.board)
        self._words = socket.socket(fileno=post.words)
        self._words.setblocking(False)
        self._ended = 0
        self._wanted: list[asyncio.Future[list[str]]] = []

    async def may_read(self) -> None:
        """Waits until the store's owner has begun to tell what is committed."""
        if await asyncio.get_running_loop().sock_recv(self._words, LONGEST) != GO:
            os._exit(1)  # the owner could not start, and says why

    def replica(self, history: "SqliteHistory | OpenedHistory") -> Replica:
        """The store as it is in the file, followed from then on."""
        loaded = history.load(self.board.words[REVISION])
        index = Index()
        for entry in loaded.entries:
            index.put(entry)
        end = lambda: os._exit(1)  # noqa: E731 - without the owner there is nothing left to do
        seals = history.seals if isinstance(history, OpenedHistory) else None
        return Replica(index, history, loaded.revision, self.board, self.store, end, random.Random(), seals)

    def serve(self, server: Server, context: ssl.SSLContext | None, metrics: Callable[[], str]) -> None:
        """From now on connections come, and go to `server`; `metrics` is the text of this process."""
        server.on_end = self._count
        loop = asyncio.get_running_loop()
        loop.add_reader(self._words.fileno(), self._heard, server, context, metrics)
        say(self._words, READY)

    def _count(self) -> None:
        self._ended += 1
        self.board.words[ENDED + self._number] = self._ended

    def _heard(self, server: Server, context: ssl.SSLContext | None, metrics: Callable[[], str]) -> None:
        found = hear(self._words)
        if found is None:
            return
        word, file = found
        match word[:1]:
            case words.TAKE if file >= 0:
                server.adopt(socket.socket(fileno=file), context)
            case words.SHED:
                server.shed(int(word[1:]))
            case words.TELL:
                say_text(self._words, TOLD, metrics())
            case words.OTHERS if file >= 0:
                self._others(text_in(file))
            case b"":  # the owner is gone, and so are we in a moment
                asyncio.get_running_loop().remove_reader(self._words.fileno())
                self._others("")

    async def others(self) -> list[str]:
        """The metrics of the other processes, added up."""
        wanted: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._wanted.append(wanted)
        if not say(self._words, WANT):
            self._others("")
        return await wanted

    def _others(self, text: str) -> None:
        waiting, self._wanted = self._wanted, []
        for wanted in waiting:
            if not wanted.done():
                wanted.set_result([text])
