"""umiak kubeconfig: prints a kubeconfig, the administrator's or one of a new user."""

import argparse
import ipaddress
from datetime import UTC, datetime
from pathlib import Path

from umiak.cli._output import JSON, YAML, add_output, show
from umiak.cli.command import Command, CommandError
from umiak.cli.machine.layout import DEFAULT_DATA
from umiak.client.kubeconfig import Config, ConfigError, described, load

DAYS = 365


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, default=DEFAULT_DATA / "server", metavar="D", help="the API server's folder"
    )
    parser.add_argument("--user", default="", metavar="U", help="a user to make a certificate for")
    parser.add_argument(
        "--group", action="append", default=[], metavar="G", help="a group of that user; may be repeated"
    )
    parser.add_argument("--days", type=int, default=DAYS, help="how long the user's certificate is good")
    parser.add_argument("--server", default="", metavar="URL", help="where the user reaches the API server")
    add_output(parser, YAML, JSON)


def run(args: argparse.Namespace) -> int:
    if args.group and not args.user:
        raise CommandError("--group needs --user: a group without a user has no name to act under")
    try:
        admin = load(str(args.data_dir / "admin.kubeconfig"))
    except (ConfigError, OSError) as error:
        raise CommandError(f"{error}; is the cluster up, and are you allowed to read {args.data_dir}?") from error
    config = of_user(args, admin) if args.user else admin
    show(described(config, user=args.user or "admin"), args.output)
    return 0


def of_user(args: argparse.Namespace, admin: Config) -> Config:
    """A certificate of the cluster's authority; what the user may do is up to role bindings."""
    from umiak.kit import pki

    try:
        authority = pki.Pair((args.data_dir / "ca.crt").read_text(), (args.data_dir / "ca.key").read_text())
    except OSError as error:
        raise CommandError(f"cannot read the cluster's authority: {error}") from error
    pair = pki.issue(authority, args.user, args.group, client=True, days=args.days, now=datetime.now(UTC))
    return Config(
        server=args.server or reachable(admin.server, args.data_dir),
        ca_pem=authority.certificate_pem,
        certificate_pem=pair.certificate_pem,
        key_pem=pair.key_pem,
    )


def reachable(server: str, folder: Path) -> str:
    """The server's address as others see it: the last of its certificate's that is no loopback. Names stand there in
    the order loopback, Service, bound and advertised address."""
    found = [a for a in map(as_address, (folder / "apiserver.names").read_text().split()) if a and not a.is_loopback]
    if len(found) < 2:  # the first is the Service's
        return server
    host = f"[{found[-1]}]" if found[-1].version == 6 else str(found[-1])
    return f"https://{host}:{server.rpartition(':')[2]}"


def as_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


COMMAND = Command(
    name="kubeconfig",
    help="print a kubeconfig, for the administrator by default",
    arguments=arguments,
    run=run,
    examples=("umiak kubeconfig > ~/.kube/config", "umiak kubeconfig --user ada --group developers"),
)
