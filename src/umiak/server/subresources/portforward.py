"""`pods/portforward`: connections to ports of a pod, in SPDY streams, perhaps tunnelled through a WebSocket."""

from umiak.objects.errors import StatusError, bad_request
from umiak.objects.go_text import whole
from umiak.server import kubelet, streams, upstream
from umiak.server.call import Call
from umiak.server.connecting import admit, may_create
from umiak.server.part import SubresourceHandlers
from umiak.server.upstream import Place

TUNNEL_PREFIX = "SPDY/3.1+"
PROTOCOL = "portforward.k8s.io"


async def connect(call: Call) -> None:
    await may_create(call)
    await admit(call, "PodPortForwardOptions", {"ports": [whole(p) for p in _ports(call)]})
    pod = await kubelet.pod_of(call)
    place = await kubelet.place_of_pod(call, pod)
    ports = ",".join(_ports(call))
    target = f"/portForward/{call.namespace}/{call.name}" + (f"?port={ports}" if ports else "")
    if not upstream.is_upgrade(call.request):
        raise bad_request("Upgrade request required")
    tunnels = [name for name in streams.offered(call) if name.startswith(TUNNEL_PREFIX)]
    if streams.is_websocket(call) and tunnels:
        await _tunnelled(call, place, target, tunnels)
    else:
        await upstream.upgraded(call, place, target)


def _ports(call: Call) -> list[str]:
    """Raises 400."""
    found = [port for value in call.request.query.get("ports") or () for port in value.split(",")]
    for port in found:
        if not (port.isascii() and port.isdigit() and whole(port) < 65536):
            raise bad_request(f'cannot convert to []int32: strconv.ParseUint: parsing "{port}": invalid syntax')
    return found


async def _tunnelled(call: Call, place: Place, target: str, tunnels: list[str]) -> None:
    """SPDY in the messages of a WebSocket on this side, plain SPDY towards the node."""
    from umiak.kit import websocket
    from umiak.kit.http.client import HttpError

    asked = ", ".join(name.removeprefix(TUNNEL_PREFIX) for name in tunnels)
    headers = {"Upgrade": streams.SPDY, "X-Stream-Protocol-Version": asked}
    try:
        status, answer, wire = await call.app.upstreams.client(place).upgrade("POST", target, headers)
    except HttpError as error:
        raise upstream.unreachable(error) from None
    if status != 101:
        raise StatusError(status if status >= 400 else 502, "InternalError", f"unable to upgrade: {status}")
    chosen = TUNNEL_PREFIX + (answer.get("x-stream-protocol-version") or PROTOCOL)
    try:
        socket = websocket.accept(streams.http_request(call), call.exchange, (chosen,))  # type: ignore[arg-type]
    except websocket.HandshakeError as error:
        wire.close()
        raise StatusError(error.status, "BadRequest", str(error)) from None
    await upstream.joined(websocket.Tunnel(socket), wire)


SUBRESOURCE = SubresourceHandlers(
    name="portforward", of=(("", "pods"),), methods={"GET": connect, "POST": connect}, connects=True
)
