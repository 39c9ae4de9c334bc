"""What envtest starts as kube-apiserver: umiak's API server, told what to do by the original's flags."""

import argparse
import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.cli import _access
from umiak.cli._part import run_until_stopped
from umiak.cli.command import CommandError
from umiak.cli.envtest import etcd
from umiak.cli.envtest.flags import Flags, split
from umiak.kit import garbage

if TYPE_CHECKING:
    from umiak.server.assembly import Secrets
    from umiak.server.settings import Settings

DURABLE = "sqlite"
ISSUER = "https://kubernetes.default.svc"
LAST_REQUESTS = 1.0
"""Seconds that requests under way get at the end."""
TUNING = (
    "contention-profiling default-watch-cache-size delete-collection-workers enable-garbage-collector "
    "endpoint-reconciler-type etcd-compaction-interval etcd-count-metric-poll-period etcd-prefix goaway-chance "
    "http2-max-streams-per-connection log-flush-frequency log-json-info-buffer-size log-json-split-stream "
    "log-text-info-buffer-size log-text-split-stream logging-format max-mutating-requests-inflight "
    "max-requests-inflight min-request-timeout profiling request-timeout shutdown-delay-duration storage-backend "
    "storage-media-type v vmodule watch-cache watch-cache-sizes"
)
"""They tune how the original works, or how it logs; no answer depends on them."""
FIXED = "feature-gates runtime-config kubelet-preferred-address-types tls-min-version tls-cipher-suites"
"""Here they are as the original's defaults are; other wishes get a warning."""


def flags() -> Flags:
    made = Flags("kube-apiserver", "umiak's API server behind the flags of Kubernetes' own.")
    made.several("etcd-servers", help="the etcd beside this program: its data folder holds the store")
    made.value("cert-dir", help="has apiserver.crt and apiserver.key")
    made.value("tls-cert-file", help="in place of the certificate of --cert-dir")
    made.value("tls-private-key-file", help="in place of the key of --cert-dir")
    made.value("client-ca-file", help="signs the certificates of clients")
    made.value("requestheader-client-ca-file", help="signs the certificates of front proxies")
    made.value("bind-address", "127.0.0.1", help="where to listen")
    made.value("advertise-address", help="where others reach this server (the address it listens on)")
    made.value("secure-port", "6443", help="where to listen")
    made.value("service-cluster-ip-range", "10.0.0.0/24", help="addresses of services")
    made.value("service-node-port-range", "30000-32767", help="node ports of services")
    made.value("token-auth-file", help='lines of token,user,uid,"group,group"')
    _access.add_switch(made.parser, "--allow-privileged", "pods may be privileged; only true")
    _access.arguments(made.parser)
    made.unused(TUNING, "accepted, changes no answer")
    made.unused(FIXED, "accepted with a warning: always as the original's default")
    return made


def run(words: Sequence[str]) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    args = flags().parse(words)
    check(args)
    return run_until_stopped(lambda: work(args))


def check(args: argparse.Namespace) -> None:
    """Raises CommandError for what this server can not be."""
    if args.allow_privileged is False:
        raise CommandError("--allow-privileged=false is not to be had: umiak has only true")
    if not args.etcd_servers or not args.service_account_signing_key_file:
        raise CommandError("--etcd-servers and --service-account-signing-key-file are needed")
    for name in FIXED.split():
        if getattr(args, name.replace("-", "_")) is not None:
            logging.warning("--%s changes nothing: umiak serves the default of 1.37", name)


async def work(args: argparse.Namespace) -> None:
    from umiak.cli.server import listen, open_store
    from umiak.kit.tls import server_context

    folder = await etcd.data_folder(split(args.etcd_servers)[0])
    settings = settings_of(args, folder)
    with explained():
        secrets = secrets_of(args)
        tls = server_context(*certificate(args), args.client_ca_file)
    store = open_store(settings, DURABLE)
    try:
        listener, app = await listen(settings, secrets, tls, store)
        garbage.settled()
        try:
            await asyncio.Event().wait()
        finally:
            await app.close()
            await listener.close(LAST_REQUESTS)
    finally:
        await store.close()


def settings_of(args: argparse.Namespace, folder: Path) -> "Settings":
    from umiak.server.settings import Settings

    with explained():
        ip_network(args.service_cluster_ip_range.partition(",")[0])
        first, _, last = args.service_node_port_range.partition("-")
        return Settings(
            data_dir=folder,
            bind=args.bind_address,
            port=int(args.secure_port),
            advertise=args.advertise_address or args.bind_address,
            service_cidr=args.service_cluster_ip_range.partition(",")[0],
            node_ports=(int(first), int(last)),
            token_file=Path(args.token_auth_file) if args.token_auth_file else None,
            issuer=next(iter(args.service_account_issuer or ()), ISSUER),
            access=_access.access_settings(args),
            admission=_access.admission_settings(args),
        )


def secrets_of(args: argparse.Namespace) -> "Secrets":
    from umiak.server.assembly import Secrets

    return Secrets(
        service_account_key=text(args.service_account_signing_key_file),
        verification_keys=tuple(text(file) for file in args.service_account_key_file or ()),
        client_ca=text(args.client_ca_file),
        requestheader_ca=text(args.requestheader_client_ca_file),
    )


def certificate(args: argparse.Namespace) -> tuple[str, str]:
    """The files of certificate and key that clients see."""
    certificate, key = (str(Path(args.cert_dir) / name) for name in ("apiserver.crt", "apiserver.key"))
    return args.tls_cert_file or certificate, args.tls_private_key_file or key


def text(file: str) -> str:
    return Path(file).read_text() if file else ""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Files that can not be read and values that make no sense, in one line."""
    try:
        yield
    except ssl.SSLError as error:
        raise CommandError(f"certificate, key or CA: {error}") from None
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(str(error)) from None
