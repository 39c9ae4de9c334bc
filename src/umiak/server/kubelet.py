"""Where the agent of a node answers, and how this server shows itself there."""

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.objects.errors import StatusError, bad_request
from umiak.objects.types import Object
from umiak.server.answer import unknown_failure
from umiak.server.upstream import Place

if TYPE_CHECKING:
    from umiak.server.app import ApiServer
    from umiak.server.call import Call

PREFERRED = ("InternalIP", "Hostname", "InternalDNS", "ExternalDNS", "ExternalIP")
"""Addresses before names: an address needs no DNS that knows the nodes."""
ORDINARY_PORT = 10250


def context(app: "ApiServer") -> ssl.SSLContext:
    """TLS towards nodes; made once, as loading keys takes milliseconds."""
    if app.kubelet_tls is None:
        from umiak.kit.tls import client_context

        pair = app.kubelet_client
        app.kubelet_tls = client_context(
            app.settings.kubelet_ca,
            pair.certificate_pem if pair else "",
            pair.key_pem if pair else "",
            insecure=not app.settings.kubelet_ca,
        )
    return app.kubelet_tls


def address(node: Object) -> str:
    """Raises 500 when the node has not said where it is."""
    known = (node.get("status") or {}).get("addresses") or []
    for wanted in PREFERRED:
        for found in known:
            if found.get("type") == wanted and found.get("address"):
                return str(found["address"])
    raise unknown_failure(f"no preferred addresses found; known addresses: {[a.get('address') for a in known]}")


async def place_of(app: "ApiServer", name: str) -> Place:
    """Raises not-found, and 500 when the node has no address."""
    node = await app.objects.get(NODE, "", name)
    endpoint = ((node.get("status") or {}).get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
    return Place(address(node), endpoint.get("Port") or ORDINARY_PORT, context(app))


async def pod_of(call: "Call") -> Object:
    return await call.app.objects.get(POD, call.namespace, call.name)


async def place_of_pod(call: "Call", pod: Object) -> Place:
    """Raises 400 when the pod has no node yet."""
    name = (pod.get("spec") or {}).get("nodeName")
    if not name:
        raise bad_request(f"pod {call.name} does not have a host assigned")
    return await place_of(call.app, name)


def all_containers(pod: Object) -> list[str]:
    spec = pod["spec"]
    lists = ("initContainers", "containers", "ephemeralContainers")
    return [c["name"] for field in lists for c in spec.get(field) or ()]


def container_of(pod: Object, asked: str) -> str:
    """The container asked for, or the only one. Raises 400."""
    name, every = pod["metadata"]["name"], all_containers(pod)
    if asked:
        if asked not in every:
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    plain: Sequence[Object] = pod["spec"].get("containers") or ()
    if len(plain) == 1:
        return str(plain[0]["name"])
    raise _choose(name, every)


def _choose(name: str, every: list[str]) -> StatusError:
    text = f"a container name must be specified for pod {name}"
    return bad_request(f"{text}, choose one of: [{' '.join(every)}]" if every else text)
