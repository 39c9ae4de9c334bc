"""`services/proxy`: HTTP to one of the endpoints of a service."""

from umiak.api.core.service import KIND as SERVICE
from umiak.api.discovery.endpointslice import KIND as ENDPOINT_SLICE
from umiak.objects.errors import unavailable
from umiak.objects.types import Object
from umiak.server.call import Call
from umiak.server.connecting import PROXY_METHODS, admit, proxied_path
from umiak.server.part import SubresourceHandlers
from umiak.server.subresources.proxy import is_reachable
from umiak.server.upstream import Place, forward, parsed_name, trusting

SERVICE_NAME = "kubernetes.io/service-name"


async def connect(call: Call) -> None:
    scheme, name, port = parsed_name(call, "service")
    path, base = proxied_path(call)
    await admit(call, "ServiceProxyOptions", {"path": path})
    service = await call.app.objects.get(SERVICE, call.namespace, name)
    wanted = port_name(service, port)
    every = await call.app.objects.list(ENDPOINT_SLICE, call.namespace)
    own = [s for s in every if (s["metadata"].get("labels") or {}).get(SERVICE_NAME) == name]
    found = endpoints(own, wanted)
    if not found:
        raise unavailable(f'no endpoints available for service "{call.name}"')
    address, number = call.app.dice.choice(found)
    await forward(call, Place(address, number, trusting() if scheme == "https" else None), path, base)


def port_name(service: Object, port: str) -> str:
    """The name of the port of that number; a name, or nothing, stays as it is. Raises 503."""
    if not (port.isascii() and port.isdigit()):
        return port
    for known in service["spec"].get("ports") or ():
        if known["port"] == int(port):
            return str(known.get("name") or "")
    name = service["metadata"]["name"]
    raise unavailable(f'no service port {port} found for service "{name}"')


def endpoints(slices: list[Object], port: str) -> list[tuple[str, int]]:
    """(address, port) of every endpoint that is ready."""
    return [
        (endpoint["addresses"][0], known["port"])
        for found in slices
        for known in found.get("ports") or ()
        if (known.get("name") or "") == port and known.get("port")
        for endpoint in found.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False and is_reachable(endpoint["addresses"][0])
    ]


SUBRESOURCE = SubresourceHandlers(
    name="proxy", of=(("", "services"),), methods=dict.fromkeys(PROXY_METHODS, connect), connects=True
)
