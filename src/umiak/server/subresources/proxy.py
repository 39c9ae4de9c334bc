"""`pods/proxy`: HTTP straight to a port of a pod."""

from umiak.api.core.pod import KIND as POD
from umiak.objects.errors import bad_request
from umiak.server.call import Call
from umiak.server.connecting import PROXY_METHODS, admit, proxied_path
from umiak.server.part import SubresourceHandlers
from umiak.server.service_endpoints import is_reachable
from umiak.server.upstream import Place, forward, parsed_name, trusting


async def connect(call: Call) -> None:
    scheme, name, port = parsed_name(call, "pod")
    path, base = proxied_path(call)
    await admit(call, "PodProxyOptions", {"path": path})
    pod = await call.app.objects.get(POD, call.namespace, name)
    addresses = (pod.get("status") or {}).get("podIPs") or ()
    address = addresses[0].get("ip", "") if addresses else ""
    if not is_reachable(address):
        raise bad_request("address not allowed")
    if not port:
        declared = (p for c in pod["spec"].get("containers") or () for p in c.get("ports") or ())
        port = str(next((p["containerPort"] for p in declared), 443 if scheme == "https" else 80))
    if not (port.isascii() and port.isdigit()):
        raise bad_request(f'invalid pod request "{call.name}"')
    await forward(call, Place(address, int(port), trusting() if scheme == "https" else None), path, base)


SUBRESOURCE = SubresourceHandlers(
    name="proxy", of=(("", "pods"),), methods=dict.fromkeys(PROXY_METHODS, connect), connects=True
)
