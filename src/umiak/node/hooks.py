"""Lifecycle hooks: what a container wants done after it starts and before it stops."""

import asyncio
import ssl

from umiak.kit.clock import Clock
from umiak.node import pods
from umiak.node.probes import http
from umiak.node.runtime import Runtime, RuntimeFailure
from umiak.objects.types import Object

HTTP_TIMEOUT = 60.0  # seconds; kubelet's client has none of its own, a lost answer must still end


class HookFailed(Exception):
    """The message is what the container's status shows."""


async def run_hook(
    runtime: Runtime, clock: Clock, pod: Object, container: Object, id: str, hook: Object, ip: str
) -> None:
    """Runs one hook to its end; raises HookFailed."""
    where = f'for Container "{container["name"]}" in Pod "{pods.described(pod)}" failed'
    if "exec" in hook:
        await _command(runtime, id, hook["exec"].get("command") or [], where)
    elif "httpGet" in hook:
        await _http(hook["httpGet"], container, ip, where)
    elif "sleep" in hook:
        await clock.sleep(float(hook["sleep"].get("seconds") or 0))
    else:
        raise HookFailed(f"Cannot run handler: invalid handler: {', '.join(hook)}")


async def _command(runtime: Runtime, id: str, command: list[str], where: str) -> None:
    shown = f"Exec lifecycle hook ([{' '.join(command)}]) {where}"
    try:
        result = await runtime.exec(id, command, 0)
    except RuntimeFailure as error:
        raise HookFailed(f'{shown} - error: {error}, message: ""') from error
    if result.exit_code != 0:
        problem = (
            f"command '{' '.join(command)}' exited with {result.exit_code}: {result.stderr.decode(errors='replace')}"
        )
        output = (result.stdout + result.stderr).decode(errors="replace")
        raise HookFailed(f"{shown} - error: {problem}, message: {_quoted(output)}")


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


async def _http(action: Object, container: Object, ip: str, where: str) -> None:
    """Any answer will do; a server that speaks no TLS is asked again in plain text."""
    shown = f"HTTP lifecycle hook ({action.get('path') or ''}) {where}"
    try:
        url = http.url_of(action, container, ip)
        headers = http.headers_of(action, "lifecycle")
        async with asyncio.timeout(HTTP_TIMEOUT):
            try:
                await http.follow(url, headers)
            except ssl.SSLError:
                plain = [(n, v) for n, v in headers if n.lower() != "authorization"]
                await http.follow(url.replace("https://", "http://", 1), plain)
    except (OSError, ValueError, http.BadPort, TimeoutError) as error:
        raise HookFailed(f"{shown} - error: {error or 'timed out'}") from error
