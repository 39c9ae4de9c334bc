"""`umiak server` as several processes: what the owner does besides serving, and what a worker is."""

import asyncio
import gc
import signal
import sys
from typing import TYPE_CHECKING

from umiak.cli import _encryption
from umiak.cli._part import run_until_stopped
from umiak.cli.command import CommandError
from umiak.kit import garbage
from umiak.kit.children import end_with
from umiak.server.crew.desk import Desk
from umiak.server.crew.owner import Crew, Own
from umiak.server.crew.post import Post

if TYPE_CHECKING:
    import socket
    import ssl

    from umiak.kit.http.server import Server
    from umiak.kit.http.spread import Spread
    from umiak.server.app import ApiServer
    from umiak.server.identity import Identity
    from umiak.server.settings import Settings

GRACE = 5
"""Seconds that requests under way get at the end."""


def crew(settings: "Settings", identity: "Identity", count: int) -> Crew:
    """The workers that make this process one of `count`. They share what is imported by now."""
    import umiak.cli.server
    import umiak.kit.http.server
    import umiak.server.assembly
    import umiak.store.replica
    import umiak.store.sqlite  # noqa: F401 - loaded once for all

    def command(post: Post) -> list[str]:
        given = [*sys.argv[1:], f"--port={settings.port}", f"--workers={count}", f"--post={post}"]
        return [sys.executable, "-m", "umiak.cli.main", *given]

    gc.freeze()
    return Crew(count - 1, lambda post: work(settings, identity, post), command)


def join(settings: "Settings", identity: "Identity", post: Post) -> int:
    """A worker that takes the place of one that died."""
    end_with(post.owner)
    return work(settings, identity, post)


def work(settings: "Settings", identity: "Identity", post: Post) -> int:
    """All that a worker does, until it is told to stop."""
    return run_until_stopped(lambda: _work(settings, identity, Desk(post)))


async def _work(settings: "Settings", identity: "Identity", desk: Desk) -> None:
    from umiak.cli.server import application, secrets_of, server_of, tls_of
    from umiak.kit.clock import RealClock
    from umiak.kit.memory import stay_small
    from umiak.store.sqlite import SqliteHistory

    loop = asyncio.get_running_loop()
    loop.remove_signal_handler(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all of us; the owner decides
    await desk.may_read()
    assert settings.data_dir is not None
    async with _encryption.encrypting(settings) as encryptor:
        history = _encryption.opened(SqliteHistory(settings.data_dir / "store.db"), encryptor)
        replica = desk.replica(history)
        app = await application(settings, secrets_of(identity), replica, keeps_house=False)
        _encryption.hang_in(app, encryptor, replica)
        server = server_of(settings, app)
        await app.start()
        garbage.settled()
        app.metrics.others = desk.others
        desk.serve(server, tls_of(identity), lambda: app.metrics.text(app))
        try:
            await stay_small(RealClock())
        finally:
            await app.close()
            await server.close(GRACE)
            await replica.close()


class Front:
    """All processes of a server behind one port."""

    def __init__(self, crew: Crew, spread: "Spread", server: "Server") -> None:
        self._crew, self._spread, self._server = crew, spread, server
        self.port = spread.port

    async def close(self, grace: float) -> None:
        """As `kit.http.server.Server.close`."""
        self._spread.close()
        await asyncio.gather(self._crew.close(grace + 1), self._server.close(grace))


async def front(
    crew: Crew, app: "ApiServer", listener: "socket.socket", server: "Server", context: "ssl.SSLContext"
) -> Front:
    """Serves when every process is ready. Raises CommandError."""
    from umiak.kit.http.spread import Spread

    try:
        await crew.all_ready()
    except RuntimeError as error:
        raise CommandError(str(error)) from None
    crew.own = Own(server, context, lambda: app.metrics.text(app))
    app.metrics.others = crew.others
    return Front(crew, Spread(listener, lambda: crew.takers), server)
