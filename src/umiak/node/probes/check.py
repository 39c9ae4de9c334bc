"""One try of a probe, whichever way it asks."""

from umiak.node.expand import expand, from_maps
from umiak.node.probes import grpc, http, tcp
from umiak.node.probes.outcome import Outcome
from umiak.node.runtime import Runtime, RuntimeFailure, TimedOut
from umiak.objects.types import Object

MAX_OUTPUT = 10 * 1024
TRIES = 3  # when nothing could be asked


async def check(runtime: Runtime, probe: Object, container: Object, id: str, pod_ip: str) -> Outcome:
    """Asks, and again when it could not even ask."""
    outcome = await _once(runtime, probe, container, id, pod_ip)
    for _ in range(TRIES - 1):
        if not outcome.error:
            break
        outcome = await _once(runtime, probe, container, id, pod_ip)
    return outcome


async def _once(runtime: Runtime, probe: Object, container: Object, id: str, pod_ip: str) -> Outcome:
    timeout = float(probe.get("timeoutSeconds") or 1)
    if "exec" in probe:
        return await run_command(runtime, probe["exec"], container, id, timeout)
    if "httpGet" in probe:
        return await http.probe(probe["httpGet"], container, pod_ip, timeout)
    if "tcpSocket" in probe:
        return await tcp.probe(probe["tcpSocket"], container, pod_ip, timeout)
    if "grpc" in probe:
        return await grpc.probe(probe["grpc"], pod_ip, timeout)
    return Outcome(False, f"missing probe handler for {container['name']}", error=True)


async def run_command(runtime: Runtime, action: Object, container: Object, id: str, timeout: float) -> Outcome:
    """Success is exit code 0; variables with a fixed value are filled in."""
    fixed = {e["name"]: e.get("value") or "" for e in container.get("env") or ()}
    command = [expand(word, from_maps(fixed)) for word in action.get("command") or ()]
    try:
        result = await runtime.exec(id, command, timeout)
    except TimedOut:
        return Outcome(False, f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s')
    except RuntimeFailure as error:
        return Outcome(False, str(error), error=True)
    text = (result.stdout + result.stderr)[:MAX_OUTPUT].decode(errors="replace")
    return Outcome(result.exit_code == 0, text)
