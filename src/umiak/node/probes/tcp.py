"""Asks whether a port takes connections."""

import asyncio

from umiak.node.probes.http import BadPort, join_host_port, port_number
from umiak.node.probes.outcome import Outcome
from umiak.objects.types import Object


async def probe(action: Object, container: Object, pod_ip: str, timeout: float) -> Outcome:
    try:
        port = port_number(action["port"], container)
    except BadPort as error:
        return Outcome(False, str(error), error=True)
    host = action.get("host") or pod_ip
    where = join_host_port(host, port)
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except TimeoutError:
        return Outcome(False, f"dial tcp {where}: i/o timeout")
    except ConnectionRefusedError:
        return Outcome(False, f"dial tcp {where}: connect: connection refused")
    except OSError as error:
        return Outcome(False, f"dial tcp {where}: {error}")
    return Outcome(True)
