"""Where a service can be reached: the addresses and ports that endpoint slices tell."""

import ipaddress

from umiak.objects.errors import unavailable
from umiak.objects.types import Object

SERVICE_NAME = "kubernetes.io/service-name"


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


def is_reachable(address: str) -> bool:
    """No loopback, link-local or multicast addresses: they would mean this machine, not the pod."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified)
