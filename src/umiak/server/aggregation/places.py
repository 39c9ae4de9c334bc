"""Where the servers of a Service are. Those of a cluster IP are reached at their endpoints, as kube-apiserver does with
`--enable-aggregator-routing`: this server need not be part of the service network."""

from umiak.api.core.service import KIND as SERVICE
from umiak.api.discovery.endpointslice import KIND as ENDPOINT_SLICE
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.server.contract import Objects
from umiak.server.service_endpoints import SERVICE_NAME, endpoints, port_name


class Nowhere(Exception):
    """There is no server; the text says why, in the reference's words."""


async def found(objects: Objects, reference: Object) -> tuple[Object | None, list[Object]]:
    """(the Service that an APIService refers to, its EndpointSlices)."""
    namespace, name = reference["namespace"], reference["name"]
    service = await objects.find(SERVICE, namespace, name)
    slices = await objects.list(ENDPOINT_SLICE, namespace, containing=name.encode())
    return service, [s for s in slices if (s["metadata"].get("labels") or {}).get(SERVICE_NAME) == name]


def places(reference: Object, service: Object | None, slices: list[Object]) -> list[tuple[str, int]]:
    """(host, port) of every server. Raises Nowhere when there is none."""
    name, port = reference["name"], reference["port"]
    if service is None:
        raise Nowhere(f'service "{name}" not found')
    if service["spec"].get("type") == "ExternalName":
        return [(service["spec"].get("externalName") or "", port)]
    try:
        everywhere = endpoints(slices, port_name(service, str(port)))
    except StatusError as error:
        raise Nowhere(error.message) from None
    if not everywhere:
        raise Nowhere(f'no endpoints available for service "{name}"')
    return everywhere
