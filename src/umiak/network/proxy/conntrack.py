"""Forgets UDP flows whose backend is gone: without connections to reset, clients would talk to nobody for minutes."""

import asyncio
from collections.abc import Iterable

from umiak.network.proxy.services import ServicePort, usable

Flow = tuple[str, ...]
"""Arguments to `conntrack -D` that name the flows to forget."""
MOST = 200
"""Flows named in one go; beyond that the table is left to time out."""


def _fronts(port: ServicePort) -> set[Flow]:
    addresses = {
        ("--orig-dst", ip, "--orig-port-dst", str(port.port)) for ip in (*port.cluster_ips, *port.external_ips)
    }
    return addresses | ({("--orig-port-dst", str(port.node_port))} if port.node_port else set())


def _targets(port: ServicePort) -> set[str]:
    return {b.ip for b in usable(port.backends, only_local=False)}


def stale(old: ServicePort | None, new: ServicePort | None) -> set[Flow]:
    """Flows to forget when one Service port changes. A port that had no backends may have flows to nowhere."""
    if old is None or old.protocol != "udp":
        return set()
    before, after = _targets(old), _targets(new) if new else set()
    if not before and after:
        return _fronts(old)
    return {(*front, "--dst-nat", ip) for front in _fronts(old) for ip in before - after}


async def forget(flows: Iterable[Flow]) -> None:
    """Best effort: conntrack exits with 1 when there was nothing to forget."""
    for flow in sorted(flows)[:MOST]:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            "conntrack", "-D", "-p", "udp", *flow, stdout=quiet, stderr=quiet
        )
        await process.wait()
