"""umiak server: one API server, without root."""

import argparse
import contextlib
import errno
import logging
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from umiak.cli import _access, _audit, _encryption, _front_proxy, _limits
from umiak.cli._output import JSON, TEXT, add_output
from umiak.cli._part import run_until_stopped, say_ready
from umiak.cli.command import Command, CommandError
from umiak.client.kubeconfig import Config, write

if TYPE_CHECKING:
    import ssl

    from umiak.cli._crew import Front
    from umiak.kit.clock import Clock
    from umiak.kit.http.server import Server
    from umiak.server.app import ApiServer
    from umiak.server.assembly import Secrets
    from umiak.server.crew.owner import Crew
    from umiak.server.identity import Identity
    from umiak.server.settings import Settings
    from umiak.store.contract import Store
    from umiak.store.logged import LoggedStore
    from umiak.store.sealing import Transformer

SWITCH = 0.0005
"""Seconds after which a busy event loop lets a waiting thread run. With Python's 5 ms the thread that writes to the
disk waits that long two or three times in each commit, and with it all who write; the CPU time is the same."""
FEW, MOST = 4, 16
"""Processes that answer requests: by themselves, and at most. All writes go through one of them."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, required=True, metavar="D", help="store, certificates, admin.kubeconfig"
    )
    parser.add_argument("--port", type=int, default=6443, metavar="P", help="default 6443; 0 for a free one")
    parser.add_argument(
        "--bind", default="127.0.0.1", metavar="A", help="address to listen on (default: loopback only)"
    )
    parser.add_argument("--store", default="sqlite", metavar="S", help="sqlite (default) or memory")
    parser.add_argument("--token-file", type=Path, metavar="F", help='lines of token,user,uid,"group,group"')
    parser.add_argument("--advertise", default="", metavar="A", help="address others reach this server at")
    parser.add_argument("--service-cidr", default="10.96.0.0/16", metavar="CIDR")
    parser.add_argument("--cluster-domain", default="cluster.local", metavar="DOMAIN")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help=f"processes that answer requests (one for each core, at most {FEW}; with --store memory 1)",
    )
    parser.add_argument("--post", help=argparse.SUPPRESS)  # how a server starts a worker of its own
    _access.arguments(parser)
    _audit.arguments(parser)
    _encryption.arguments(parser)
    _front_proxy.arguments(parser)
    _limits.arguments(parser)
    add_output(parser, TEXT, JSON)


def run(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    sys.setswitchinterval(SWITCH)
    count = processes(args.workers, args.store)
    settings = _limits.share(settings_of(args), count)
    if count == 1:
        return run_until_stopped(lambda: serve(settings, args.store, args.output))
    from umiak.cli import _crew
    from umiak.server.crew.post import Post

    if args.post:
        return _crew.join(settings, keys(settings), Post.of(args.post))
    crew = _crew.crew(settings, keys(settings), count)
    return run_until_stopped(lambda: serve(settings, args.store, args.output, crew))


def processes(wanted: int, store: str) -> int:
    """How many there are to be; `wanted` is 0 where nothing was said. Raises CommandError."""
    if not 0 <= wanted <= MOST:
        raise CommandError(f"--workers {wanted}: choose 1 to {MOST}")
    if store == "sqlite":
        return wanted or min(_cores(), FEW)
    if wanted > 1:
        raise CommandError(f"--store {store} is one process's own: choose --workers 1")
    return 1


def _cores() -> int:
    """Those this process may use. Elsewhere than on Linux one, as what processes share is Linux's."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def settings_of(args: argparse.Namespace) -> "Settings":
    """Raises CommandError on what can not be."""
    import ipaddress

    from umiak.server.settings import Settings

    if not 0 <= args.port <= 65535:
        raise CommandError(f"--port {args.port} is no port number: choose one from 1 to 65535")
    try:
        ipaddress.ip_network(args.service_cidr)
    except ValueError as error:
        raise CommandError(f"--service-cidr: {error}") from None
    if args.token_file is not None and not args.token_file.exists():
        raise CommandError(f"--token-file {args.token_file}: no such file")
    advertise = args.advertise or (args.bind if args.bind not in ("0.0.0.0", "::") else own_address())
    return Settings(
        data_dir=args.data_dir,
        bind=args.bind,
        port=args.port or free_port(args.bind),
        advertise=advertise,
        service_cidr=args.service_cidr,
        cluster_domain=args.cluster_domain,
        issuer=f"https://kubernetes.default.svc.{args.cluster_domain}",
        token_file=args.token_file,
        access=_access.access_settings(args),
        admission=_access.admission_settings(args),
        flags=flags(args),
        audit=_audit.audit_settings(args),
        front_proxy=_front_proxy.settings(args),
        encryption=_encryption.encryption_settings(args),
        **_limits.limits(args),
    )


def flags(args: argparse.Namespace) -> dict[str, str]:
    """By name, as Go would print them; what only our own processes tell each other is left out."""
    said = {name.replace("_", "-"): value for name, value in vars(args).items() if name not in ("post", "command")}
    return {name: _shown(value) for name, value in said.items() if not callable(value)}


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(str, value))}]"
    return "" if value is None else str(value)


def own_address() -> str:
    """The address this machine uses towards others; loopback when it has none."""
    import socket

    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # documentation range: nothing is sent
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def free_port(bind: str) -> int:
    """Chosen before anything starts, since default objects and discovery name the port."""
    from umiak.kit import ports

    with contextlib.suppress(OSError):
        return ports.free_port(bind)
    return 0


async def serve(settings: "Settings", kind_of_store: str, output: str, crew: "Crew | None" = None) -> None:
    """Until cancelled. Raises CommandError when it can not start."""
    from umiak.kit.clock import RealClock
    from umiak.kit.memory import stay_small

    async with serving(settings, kind_of_store, crew=crew) as running:
        assert settings.data_dir is not None
        kubeconfig = str(settings.data_dir / "admin.kubeconfig")
        write(kubeconfig, running.kubeconfig)  # its appearance says: ready
        url, spent = f"https://{settings.bind}:{running.port}", round(elapsed())
        facts = {"part": "server", "url": url, "kubeconfig": kubeconfig, "milliseconds": spent}
        say_ready(f"umiak server is ready on {url} after {spent} ms", output, **facts)
        await stay_small(RealClock())


class Running(msgspec.Struct, frozen=True):
    """A server that answers requests."""

    app: "ApiServer"
    port: int
    identity: "Identity"
    kubeconfig: Config
    """The administrator's."""


@contextlib.asynccontextmanager
async def serving(
    settings: "Settings",
    kind_of_store: str,
    grace: float = 5,
    crew: "Crew | None" = None,
    clock: "Clock | None" = None,
) -> AsyncIterator[Running]:
    """A server with its store. At the end requests get `grace` seconds to finish. Raises CommandError.

    Without a crew `clock` may be another than the machine's.
    """
    identity = keys(settings)
    async with _encryption.encrypting(settings) as encryptor:
        store = open_store(settings, kind_of_store, encryptor.transformer if encryptor else None)
        try:
            listener, app = await start(settings, identity, store, crew, clock)
            _encryption.hang_in(app, encryptor, store)
            try:
                yield Running(app, listener.port, identity, administrator(settings, identity, listener.port))
            finally:
                await app.close()
                await listener.close(grace)
        finally:
            await store.close()


def elapsed() -> float:
    """Milliseconds since this process was started, the interpreter's own start included."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")) * 1000
    except (OSError, ValueError, AttributeError):
        return time.process_time() * 1000


def keys(settings: "Settings") -> "Identity":
    import ipaddress
    from datetime import UTC, datetime

    from umiak.server.identity import names, prepare

    assert settings.data_dir is not None
    service_ip = str(ipaddress.ip_network(settings.service_cidr)[1])
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        wanted = names(service_ip, settings.cluster_domain, settings.bind, settings.advertise)
        return prepare(settings.data_dir, datetime.now(UTC), *wanted, settings.front_proxy)
    except OSError as error:
        raise CommandError(f"--data-dir {settings.data_dir}: {error.strerror or error}") from None


def open_store(settings: "Settings", kind: str, transformer: "Transformer | None" = None) -> "LoggedStore":
    from umiak.store.contract import StoreError

    if kind == "memory":
        from umiak.store.memory import MemoryStore

        return MemoryStore()
    if kind != "sqlite":
        raise CommandError(f'--store {kind}: unknown store; choose "sqlite" or "memory"')
    from umiak.store.sqlite import SqliteStore

    assert settings.data_dir is not None
    try:
        return SqliteStore(settings.data_dir / "store.db", transformer)
    except StoreError as error:
        raise CommandError(str(error)) from None


async def application(
    settings: "Settings",
    secrets: "Secrets",
    store: "Store",
    keeps_house: bool = True,
    clock: "Clock | None" = None,
) -> "ApiServer":
    """What answers requests. Raises CommandError."""
    from umiak.kit.clock import RealClock
    from umiak.server.assembly import assemble

    try:
        return await assemble(
            store,
            clock=clock or RealClock(),
            chance=random.Random(),
            settings=settings,
            secrets=secrets,
            keeps_house=keeps_house,
        )
    except ValueError as error:
        raise CommandError(str(error)) from None


def secrets_of(identity: "Identity") -> "Secrets":
    from umiak.server.assembly import Secrets

    return Secrets(
        service_account_key=identity.signing_key,
        client_ca=identity.authority.certificate_pem,
        requestheader_ca=identity.front_proxy_ca,
        kubelet_client=identity.kubelet_client,
        front_proxy_client=identity.front_proxy_client,
    )


def tls_of(identity: "Identity") -> "ssl.SSLContext":
    from umiak.kit.tls import server_context

    return server_context(str(identity.certificate_file), str(identity.key_file), str(identity.clients_file))


def server_of(settings: "Settings", app: "ApiServer") -> "Server":
    """An HTTP server in front of `app` that does not listen itself."""
    from umiak.kit.clock import RealClock
    from umiak.kit.http.server import Limits, Server
    from umiak.server.answer import unheard

    shortcut = app.express.answer if app.express is not None else None
    return Server(app.handler, Limits(max_body=settings.max_body), unheard, RealClock(), shortcut)


async def start(
    settings: "Settings",
    identity: "Identity",
    store: "LoggedStore",
    crew: "Crew | None",
    clock: "Clock | None" = None,
) -> tuple["Server | Front", "ApiServer"]:
    """With the keys of its data folder. Raises CommandError."""
    secrets, tls = secrets_of(identity), tls_of(identity)
    if crew is None:
        return await listen(settings, secrets, tls, store, clock)
    from umiak.cli import _crew
    from umiak.kit.http import spread
    from umiak.store.hub import Hub

    app = await application(settings, secrets, store)
    with _listening(settings):
        listener = spread.listen(settings.bind, settings.port)
    crew.begin(Hub(store, crew.board))
    await app.start()
    return await _crew.front(crew, app, listener, server_of(settings, app), tls), app


async def listen(
    settings: "Settings", secrets: "Secrets", tls: "ssl.SSLContext", store: "Store", clock: "Clock | None" = None
) -> tuple["Server", "ApiServer"]:
    """Listens first, so that a taken port is told before anything is written to the store. Raises CommandError."""
    from umiak.kit.http import server as http

    app = await application(settings, secrets, store, clock=clock)
    server = server_of(settings, app)
    with _listening(settings):
        await http.listen(server, settings.bind, settings.port, ssl=tls)
    await app.start()
    return server, app


@contextlib.contextmanager
def _listening(settings: "Settings") -> Iterator[None]:
    """Raises CommandError when the port can not be had."""
    try:
        yield
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "the port is in use; choose another with --port" if taken else error.strerror or str(error)
        raise CommandError(f"cannot listen on {settings.bind}:{settings.port}: {why}") from None


def administrator(settings: "Settings", identity: "Identity", port: int) -> Config:
    host = "127.0.0.1" if settings.bind in ("0.0.0.0", "::") else settings.bind
    return Config(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_pem=identity.authority.certificate_pem,
        certificate_pem=identity.admin.certificate_pem,
        key_pem=identity.admin.key_pem,
    )


COMMAND = Command(
    name="server",
    help="run one API server, without root",
    arguments=arguments,
    run=run,
    examples=("umiak server --data-dir ./data --port 6443", "kubectl --kubeconfig ./data/admin.kubeconfig get ns"),
)
