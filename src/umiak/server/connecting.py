"""What subresources that connect to somebody else share: leave, admission, options, paths."""

from urllib.parse import quote, urlencode

from msgspec.structs import replace

from umiak.objects.errors import bad_request
from umiak.objects.types import Object
from umiak.server import kubelet, streams, upstream
from umiak.server.call import Call
from umiak.server.contract import Phase
from umiak.server.options import boolean

PROXY_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FLAGS = ("stdin", "stdout", "stderr", "tty")
NODE_NAMES = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
"""What a kubelet calls them."""


async def may_create(call: Call) -> None:
    """A GET that opens a WebSocket needs the same leave as a POST. Raises 403."""
    if call.route.verb != "create":
        await call.app.authorize(replace(call.route.attributes(call.user), verb="create"))


async def admit(call: Call, kind: str, options: Object) -> None:
    """Raises 400 for a dry run, and what admission raises."""
    if "dryRun" in call.request.query:
        raise bad_request("dryRun is not supported")
    about = {"kind": kind, "apiVersion": "v1", **options}
    admitted = call.admitted("CONNECT", about, None, {}, False)
    for phase in Phase:
        await call.app.gate.pass_through(admitted, phase)


def proxied_path(call: Call) -> tuple[str, str]:
    """(the path behind the proxy, empty if nothing follows; the path on this server that leads there)."""
    whole = call.route.path
    marker = f"/{call.route.subresource}"
    base = whole[: len(whole) - len(call.route.rest)].rstrip("/") if call.route.rest else whole.rstrip("/")
    if not call.route.rest:
        return ("/" if whole.endswith(f"{marker}/") else ""), base
    return "/" + quote(call.route.rest, safe="/:@!$&'()*+,;=~-._"), base


async def run_in_container(call: Call, verb: str, options_kind: str) -> None:
    """Exec and attach."""
    await may_create(call)
    query = call.request.query
    flags = {name: boolean(query.get(name) or ()) for name in FLAGS}
    commands = list(query.get("command") or ())
    said = {name: True for name, is_set in flags.items() if is_set}
    options: Object = {**said, "container": call.request.option("container")}
    await admit(call, options_kind, {**options, "command": commands} if verb == "exec" else options)
    pod = await kubelet.pod_of(call)
    container = kubelet.container_of(pod, call.request.option("container"))
    place = await kubelet.place_of_pod(call, pod)
    if not upstream.is_upgrade(call.request):
        raise bad_request("Upgrade request required")
    asked = [(NODE_NAMES[name], "1") for name, is_set in flags.items() if is_set]
    asked += [("command", word) for word in commands] if verb == "exec" else []
    target = f"/{verb}/{call.namespace}/{call.name}/{container}?{urlencode(asked)}"
    if streams.is_websocket(call):
        await streams.translated(call, place, target, set(said))
    else:
        await upstream.upgraded(call, place, target)
