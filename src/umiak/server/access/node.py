"""Authorization of nodes: each may touch only what its own pods need. Texts are the reference's node authorizer's.

What the objects say (a node must not label itself, bind a pod elsewhere ...) is the NodeRestriction plugin's business.
"""

import asyncio
from collections.abc import Callable, Sequence

from umiak.objects.selectors import FieldRequirement, InvalidSelector, parse_fields
from umiak.server.access.graph import Graph
from umiak.server.access.rules import Rule, allows
from umiak.server.contract import Attributes, Decision, User
from umiak.store.contract import Store

PREFIX = "system:node:"
NODES = "system:nodes"
NO_OPINION = Decision(False)
ALLOWED = Decision(True)


def node_of(user: User) -> str | None:
    """The name of the node that `user` is; None for anybody else."""
    if user.name.startswith(PREFIX) and NODES in user.groups:
        return user.name[len(PREFIX) :]
    return None


def _selects(fields: str, field: str, value: str) -> bool:
    """Whether a field selector demands that `field` equals `value`."""
    try:
        return FieldRequirement(field, False, value) in parse_fields(fields)
    except InvalidSelector:
        return False


class NodeAuthorizer:
    """Reads the graph from the store when the first node speaks, since many clusters have no such user."""

    def __init__(self, store: Store, rules: Callable[[], Sequence[Rule]]) -> None:
        """`rules` gives those of the role `system:node`, for all that is not judged object by object."""
        self._store = store
        self._load_rules = rules
        self._rules: Sequence[Rule] = ()
        self._graph = Graph()
        self._ready: asyncio.Task[None] | None = None

    def stop(self) -> None:
        if self._ready:
            self._ready.cancel()
        self._graph.stop()

    async def graph(self) -> Graph:
        """The graph, complete: requests that come while it is being read wait for it."""
        if self._ready is None:
            self._rules = self._load_rules()
            self._ready = asyncio.ensure_future(self._graph.start(self._store))
        if not self._ready.done():
            await asyncio.shield(self._ready)
        return self._graph

    async def authorize(self, asked: Attributes) -> Decision:
        node = node_of(asked.user)
        if node is None:
            return NO_OPINION
        if not node:
            return Decision(False, f'unknown node for user "{asked.user.name}"')
        graph = await self.graph()
        judge = JUDGES.get((asked.group, asked.resource)) if asked.is_resource else None
        if judge is not None:
            why = judge(graph, node, asked)
            return ALLOWED if why is None else Decision(False, why)
        return ALLOWED if any(allows(rule, asked) for rule in self._rules) else NO_OPINION


Judge = Callable[[Graph, str, Attributes], str | None]
"""(graph, node, what is asked) to None when allowed, else why not."""


def _related(graph: Graph, node: str, asked: Attributes) -> str | None:
    if not asked.name:
        return "No Object name found"
    if graph.related(node, asked.resource, asked.namespace, asked.name):
        return None
    return f"no relationship found between node '{node}' and this object"


def _reading(graph: Graph, node: str, asked: Attributes) -> str | None:
    """Secrets and config maps: single ones, by get, list or watch."""
    if asked.verb not in ("get", "list", "watch"):
        return "can only read resources of this type"
    if asked.subresource:
        return "cannot read subresource"
    if not asked.namespace:
        return "can only read namespaced object of this type"
    return _related(graph, node, asked)


def _getting(graph: Graph, node: str, asked: Attributes) -> str | None:
    if asked.verb != "get":
        return "can only get individual resources of this type"
    if asked.subresource:
        return "cannot get subresource"
    return _related(graph, node, asked)


def _claim(graph: Graph, node: str, asked: Attributes) -> str | None:
    if asked.subresource != "status":
        return _getting(graph, node, asked)
    if asked.verb not in ("update", "patch"):
        return "can only get/update/patch this type"
    return _related(graph, node, asked)


def _service_account(graph: Graph, node: str, asked: Attributes) -> str | None:
    if asked.verb == "get" and not asked.subresource:
        return _reading(graph, node, asked)
    if asked.verb != "create" or not asked.name:
        return "can only create tokens for individual service accounts"
    if asked.subresource != "token":
        return "can only create token subresource of serviceaccount"
    return _related(graph, node, asked)


def _lease(graph: Graph, node: str, asked: Attributes) -> str | None:
    if asked.verb not in ("get", "create", "update", "patch", "delete"):
        return "can only get, create, update, patch, or delete a node lease"
    if asked.namespace != "kube-node-lease":
        return 'can only access leases in the "kube-node-lease" system namespace'
    if asked.verb != "create" and asked.name != node:
        return "can only access node lease with the same name as the requesting node"
    return None


def _csi_node(graph: Graph, node: str, asked: Attributes) -> str | None:
    if asked.subresource == "status":
        return "CSINode status access requires CSIVolumeHealth feature"
    if asked.subresource:
        return "cannot authorize CSINode subresources"
    if asked.verb not in ("get", "create", "update", "patch", "delete"):
        return "can only get, create, update, patch, or delete a CSINode"
    if asked.verb != "create" and asked.name != node:
        return "can only access CSINode with the same name as the requesting node"
    return None


def _resource_slice(graph: Graph, node: str, asked: Attributes) -> str | None:
    if asked.subresource:
        return "cannot authorize ResourceSlice subresources"
    if asked.verb == "create":
        return None
    if asked.verb in ("get", "update", "patch", "delete"):
        return _related(graph, node, asked)
    if asked.verb not in ("watch", "list", "deletecollection"):
        return (
            "only the following verbs are allowed for a ResourceSlice: "
            "get, watch, list, create, update, patch, delete, deletecollection"
        )
    if _selects(asked.fields, "spec.nodeName", node):
        return None
    return "can only list/watch/deletecollection resourceslices with nodeName field selector"


def _certificate_request(graph: Graph, node: str, asked: Attributes) -> str | None:
    if asked.subresource:
        return "nodes may not access the status subresource of PodCertificateRequests"
    if asked.verb == "create":
        return None
    if asked.verb == "get":
        return _related(graph, node, asked)
    if asked.verb not in ("list", "watch"):
        return f"nodes may not {asked.verb} podcertificaterequests"
    if _selects(asked.fields, "spec.nodeName", node):
        return None
    return "can only list/watch podcertificaterequests with nodeName field selector"


def _node(graph: Graph, node: str, asked: Attributes) -> str | None:
    if asked.subresource == "status":
        return None if asked.verb in ("update", "patch") else ""
    if asked.subresource:
        return ""
    if asked.verb in ("create", "update", "patch"):
        return None
    if asked.verb not in ("get", "list", "watch"):
        return ""
    if not asked.name:
        return f"node '{node}' cannot read all nodes, only its own Node object"
    if asked.name != node:
        return f"node '{node}' cannot read '{asked.name}', only its own Node object"
    return None


def _pod(graph: Graph, node: str, asked: Attributes) -> str | None:
    about = (asked.subresource, asked.verb)
    if about == ("", "get"):
        return _related(graph, node, asked)
    if about in (("", "list"), ("", "watch")):
        if _selects(asked.fields, "spec.nodeName", node):
            return None
        if asked.name:
            return _related(graph, node, asked)
        return "can only list/watch pods with spec.nodeName field selector"
    granted = (("", "create"), ("", "delete"), ("status", "update"), ("status", "patch"), ("eviction", "create"))
    return None if about in granted else ""


JUDGES: dict[tuple[str, str], Judge] = {
    ("", "secrets"): _reading,
    ("", "configmaps"): _reading,
    ("", "persistentvolumeclaims"): _claim,
    ("", "persistentvolumes"): _getting,
    ("resource.k8s.io", "resourceclaims"): _getting,
    ("storage.k8s.io", "volumeattachments"): _getting,
    ("", "serviceaccounts"): _service_account,
    ("coordination.k8s.io", "leases"): _lease,
    ("storage.k8s.io", "csinodes"): _csi_node,
    ("resource.k8s.io", "resourceslices"): _resource_slice,
    ("", "nodes"): _node,
    ("", "pods"): _pod,
    ("certificates.k8s.io", "podcertificaterequests"): _certificate_request,
}
