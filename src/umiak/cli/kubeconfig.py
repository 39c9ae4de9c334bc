"""umiak kubeconfig: how to reach the cluster, as the administrator or as anybody else."""

import argparse
from pathlib import Path

from umiak.cli.command import Command, CommandError
from umiak.cli.machine.layout import DEFAULT_DATA

DEFAULT_FOLDER = DEFAULT_DATA / "server"
DAYS = 365


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", default="", metavar="U", help="a user of this name instead of the administrator")
    parser.add_argument("--group", action="append", default=[], metavar="G", help="a group of the user; repeatable")
    parser.add_argument("--days", type=int, default=DAYS, help=f"how long the user's certificate lasts ({DAYS})")
    parser.add_argument(
        "--data-dir", type=Path, default=DEFAULT_FOLDER, metavar="D", help=f"the server's folder ({DEFAULT_FOLDER})"
    )


def run(args: argparse.Namespace) -> int:
    if args.group and not args.user:
        raise CommandError("--group needs --user: whose groups are they?")
    if args.days < 1:
        raise CommandError(f"--days {args.days}: must be at least 1")
    print(made(args.data_dir, args.user, args.group, args.days), end="")
    return 0


def made(folder: Path, user: str, groups: list[str], days: int) -> str:
    """The text of a kubeconfig. Raises CommandError."""
    admin = folder / "admin.kubeconfig"
    try:
        text = admin.read_text()
        if not user:
            return text
        return for_user(text, folder, user, groups, days)
    except PermissionError:
        raise CommandError(f"{admin} may not be read: run this as the user that runs the server") from None
    except FileNotFoundError as error:
        why = "start the server first, or name its folder with --data-dir"
        raise CommandError(f"no {error.filename}: {why}") from None


def for_user(admin: str, folder: Path, user: str, groups: list[str], days: int) -> str:
    """Signs a certificate for the user with the cluster's authority. Nothing of it is kept."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from umiak.client.kubeconfig import loads, render
    from umiak.kit import pki

    authority = pki.Pair((folder / "ca.crt").read_text(), (folder / "ca.key").read_text())
    pair = pki.issue(authority, user, groups, client=True, days=days, now=datetime.now(UTC))
    config = replace(loads(admin), certificate_pem=pair.certificate_pem, key_pem=pair.key_pem)
    return render(config, user=user)


COMMAND = Command(
    name="kubeconfig",
    help="print a kubeconfig for this cluster",
    arguments=arguments,
    run=run,
    examples=("umiak kubeconfig > admin.kubeconfig", "umiak kubeconfig --user ines --group team:red > ines.kubeconfig"),
)
