"""The flags of `umiak server` that say how many requests run at once: names and meaning are kube-apiserver's."""

import argparse
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from umiak.cli._access import switch
from umiak.cli.command import CommandError

if TYPE_CHECKING:
    from umiak.server.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-requests-inflight", type=int, default=400, metavar="N", help="requests that read")
    parser.add_argument("--max-mutating-requests-inflight", type=int, default=200, metavar="N", help="other requests")
    parser.add_argument(
        "--enable-priority-and-fairness",
        type=switch,
        nargs="?",
        const=True,
        default=True,
        metavar="true|false",
        help="divide the sum of both limits by priority levels (default), or keep each limit by itself",
    )


def limits(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of `Settings`. Raises CommandError in the reference's words."""
    reads, changes = args.max_requests_inflight, args.max_mutating_requests_inflight
    if reads < 0:
        raise CommandError("--max-requests-inflight can not be negative value")
    if changes < 0:
        raise CommandError("--max-mutating-requests-inflight can not be negative value")
    if args.enable_priority_and_fairness and reads + changes <= 0:
        given = f"MaxRequestsInFlight={reads} and MaxMutatingRequestsInFlight={changes}"
        raise CommandError(f"invalid configuration: {given}; they must add up to something positive")
    return {
        "max_requests_inflight": reads,
        "max_mutating_requests_inflight": changes,
        "priority_and_fairness": args.enable_priority_and_fairness,
    }


def share(settings: "Settings", processes: int) -> "Settings":
    """One process's part of the limits: each counts by itself, and has as many connections as the others."""
    return replace(
        settings,
        max_requests_inflight=-(-settings.max_requests_inflight // processes),
        max_mutating_requests_inflight=-(-settings.max_mutating_requests_inflight // processes),
    )
