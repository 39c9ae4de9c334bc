"""An owner and its replicas in one process: the same sockets and frames, without forking."""

import random
import socket

from umiak.kit.board import Board
from umiak.store.hub import Hub
from umiak.store.index import Index
from umiak.store.logged import LoggedStore
from umiak.store.replica import Replica
from umiak.store.view import History


class Shared:
    """`history` is what replicas look back with; None for the owner's own."""

    def __init__(self, store: LoggedStore, history: History | None = None) -> None:
        self.board = Board()
        self.hub = Hub(store, self.board)
        self.store = store
        self.history = history or store._journal
        self.lost: list[str] = []
        self.replicas: list[Replica] = []

    def replica(self) -> Replica:
        """One more, as if it were forked now."""
        ours, theirs = socket.socketpair()
        self.hub.attach(ours, lambda: self.lost.append("replica"))
        index = Index()
        for entry in self.store._index.entries.values():
            index.put(entry)
        end = lambda: self.lost.append("owner")  # noqa: E731 - one line reads better here
        made = Replica(index, self.history, self.store.revision, self.board, theirs, end, random.Random())
        self.replicas.append(made)
        return made

    async def close(self) -> None:
        for replica in self.replicas:
            await replica.close()
        for link in list(self.hub.links):
            link.close()
        await self.store.close()
