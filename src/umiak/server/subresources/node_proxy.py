"""`nodes/proxy`: HTTP to the agent of a node."""

from umiak.objects.errors import bad_request
from umiak.server import kubelet
from umiak.server.call import Call
from umiak.server.connecting import PROXY_METHODS, admit, proxied_path
from umiak.server.part import SubresourceHandlers
from umiak.server.service_endpoints import is_reachable
from umiak.server.upstream import Place, forward, parsed_name, trusting


async def connect(call: Call) -> None:
    scheme, name, port = parsed_name(call, "node")
    path, base = proxied_path(call)
    await admit(call, "NodeProxyOptions", {"path": path})
    place = await kubelet.place_of(call.app, name)
    if port and port != str(place.port):
        if not (port.isascii() and port.isdigit()) or not is_reachable(place.host):
            raise bad_request(f'invalid node request "{call.name}"')
        place = Place(place.host, int(port), trusting() if scheme == "https" else None)
    await forward(call, place, path, base)


SUBRESOURCE = SubresourceHandlers(
    name="proxy", of=(("", "nodes"),), methods=dict.fromkeys(PROXY_METHODS, connect), connects=True
)
