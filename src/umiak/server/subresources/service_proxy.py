"""`services/proxy`: HTTP to one of the endpoints of a service."""

from umiak.api.core.service import KIND as SERVICE
from umiak.api.discovery.endpointslice import KIND as ENDPOINT_SLICE
from umiak.objects.errors import StatusError, unavailable
from umiak.server.call import Call
from umiak.server.connecting import PROXY_METHODS, admit, proxied_path
from umiak.server.part import SubresourceHandlers
from umiak.server.service_endpoints import SERVICE_NAME, endpoints, port_name
from umiak.server.upstream import Place, forward, parsed_name, trusting


async def connect(call: Call) -> None:
    scheme, name, port = parsed_name(call, "service")
    path, base = proxied_path(call)
    await admit(call, "ServiceProxyOptions", {"path": path})
    try:
        wanted = port_name(await call.app.objects.get(SERVICE, call.namespace, name), port)
    except StatusError as error:
        if error.code != 404:
            raise
        raise _nobody(call) from None
    every = await call.app.objects.list(ENDPOINT_SLICE, call.namespace)
    own = [s for s in every if (s["metadata"].get("labels") or {}).get(SERVICE_NAME) == name]
    found = endpoints(own, wanted)
    if not found:
        raise _nobody(call)
    address, number = call.app.dice.choice(found)
    await forward(call, Place(address, number, trusting() if scheme == "https" else None), path, base)


def _nobody(call: Call) -> StatusError:
    return unavailable(f'no endpoints available for service "{call.name}"')


SUBRESOURCE = SubresourceHandlers(
    name="proxy", of=(("", "services"),), methods=dict.fromkeys(PROXY_METHODS, connect), connects=True
)
