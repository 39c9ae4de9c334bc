"""Serves what scheduler and controllers tell of themselves, for the commands that run them."""

import argparse
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from umiak.cli.command import CommandError

if TYPE_CHECKING:
    from umiak.kit.clock import Clock
    from umiak.objects.types import Object
    from umiak.reconcile.context import Runtime
    from umiak.reconcile.endpoint import Checks

LOOPBACK = "127.0.0.1"
DAYS = 365
"""How long a certificate that is made here is good for; it is made anew at every start."""


def add_telling(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--secure-port", type=int, default=0, metavar="P", help="serve /healthz, /metrics and the like here; 0: do not")
    add("--bind-address", default=LOOPBACK, metavar="A", help="where --secure-port listens")
    add("--tls-cert-file", type=Path, metavar="F", help="its certificate (PEM); without, one is made")
    add("--tls-private-key-file", type=Path, metavar="F", help="the certificate's key (PEM)")


class Teller(NamedTuple):
    """One part: its name, whether it is ready, what it counts, and its configuration when it has one."""

    name: str
    ready: "Checks"
    metrics: Callable[[], bytes]
    described: "Object | None" = None


@contextlib.asynccontextmanager
async def telling(args: argparse.Namespace, shared: "Runtime", teller: Teller) -> AsyncIterator[None]:
    """Serves while it is entered, when a port is given. Raises CommandError."""
    if not args.secure_port:
        yield
        return
    from umiak.client.reviews import Reviews
    from umiak.kit.http.server import serve
    from umiak.reconcile.endpoint import Endpoint

    reviews = Reviews(shared.client, shared.clock)
    endpoint = Endpoint(reviews, teller.ready, teller.metrics, teller.described)
    try:
        context = identity(args, teller.name, shared.clock)
        server = await serve(endpoint.handle, args.bind_address, args.secure_port, ssl=context, clock=shared.clock)
    except OSError as error:
        raise CommandError(f"{args.bind_address}:{args.secure_port}: {error.strerror or error}") from error
    try:
        yield
    finally:
        await server.close(0)


def identity(args: argparse.Namespace, name: str, clock: "Clock") -> ssl.SSLContext:
    """Of the files given, or of a certificate made for this run. Raises OSError, of which ssl.SSLError is one."""
    from umiak.kit import pki
    from umiak.kit.tls import load_chain, server_context

    if args.tls_cert_file and args.tls_private_key_file:
        return server_context(str(args.tls_cert_file), str(args.tls_private_key_file))
    authority = pki.new_authority(f"umiak-{name}-ca", DAYS, clock.now())
    pair = pki.issue(authority, f"umiak-{name}", ips=[LOOPBACK], server=True, days=DAYS, now=clock.now())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_chain(context, pair.certificate_pem, pair.key_pem)
    return context
