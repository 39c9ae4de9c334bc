"""Who may use the agent's endpoint: the API server by its certificate, others as the API server says (KEP-2862).

As kubelet does it: client certificate or bearer token tell who it is, a SubjectAccessReview whether the access is
allowed.
"""

from umiak.client.contract import Client, Unreachable
from umiak.client.reviews import Caller, Reviews
from umiak.kit.clock import Clock
from umiak.node.subject import Malformed, names
from umiak.objects.errors import StatusError

VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def subresource(path: str) -> str:
    """Which part of the node a path belongs to (kubelet's server/auth.go)."""
    for prefix, part in (("/stats", "stats"), ("/metrics", "metrics"), ("/logs", "log"), ("/checkpoint", "checkpoint")):
        if path == prefix or path.startswith(prefix + "/"):
            return part
    if path.startswith(("/pods", "/runningpods")):
        return "pods"
    return "healthz" if path == "/healthz" else "proxy"


class Access:
    def __init__(self, client: Client, clock: Clock, node: str) -> None:
        self._reviews, self._node = Reviews(client, clock), node

    async def caller(self, certificate: bytes, authorization: str) -> Caller | None:
        """None when nobody can be told; then the answer is 401. Raises StatusError or Unreachable."""
        if not certificate:
            return await self._reviews.bearer(authorization)
        try:
            name, groups = names(certificate)
        except Malformed:
            return None
        return Caller(name, tuple(groups)) if name else None

    async def allowed(self, caller: Caller, method: str, path: str) -> bool:
        """Raises StatusError or Unreachable."""
        verb, part = VERBS.get(method, method.lower()), subresource(path)
        about = {"verb": verb, "version": "v1", "resource": "nodes", "subresource": part, "name": self._node}
        return await self._reviews.allowed(caller, resourceAttributes=about)


Failure = (StatusError, Unreachable)
