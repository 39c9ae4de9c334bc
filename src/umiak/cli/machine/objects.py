"""The objects that a cluster made by `umiak up` has on top of what the API server makes: permissions of its parts."""

import asyncio
from collections.abc import Iterator
from datetime import datetime

from umiak.api.core import node
from umiak.api.rbac import clusterrole, clusterrolebinding, role, rolebinding
from umiak.cli.machine.credentials import CONTROLLERS, NETWORK
from umiak.client.contract import Client
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

RBAC = "rbac.authorization.k8s.io"
CONTROLLER_ROLES = "system:controller:"
NODES = "umiak:nodes"


def _binding(kind: str, name: str, role_kind: str, role_name: str, group: str, namespace: str = "") -> Object:
    about = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": about,
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role_name},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": group}],
    }


def controller_bindings(roles: list[str]) -> Iterator[Object]:
    """One process runs all controllers, so its group has the role of each, and of the controller manager itself."""
    for name in [*roles, "system:kube-controller-manager"]:
        yield _binding("ClusterRoleBinding", f"{CONTROLLERS}:{name}", "ClusterRole", name, CONTROLLERS)


def storage_objects() -> Iterator[tuple[str, Object]]:
    """The built-in provisioner makes its storage class; the rest it may do as the reference's volume binder."""
    rules = [{"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["create"]}]
    rules.append({"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["create", "update", "patch"]})
    name = "umiak:local-path"
    yield "ClusterRole", {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    yield "ClusterRoleBinding", _binding("ClusterRoleBinding", name, "ClusterRole", name, CONTROLLERS)
    # Agents look for local-path volumes of theirs that are to be deleted.
    follow = [{"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["list", "watch", "patch"]}]
    yield (
        "ClusterRole",
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": NODES}, "rules": follow},
    )
    yield "ClusterRoleBinding", _binding("ClusterRoleBinding", NODES, "ClusterRole", NODES, "system:nodes")


def network_objects() -> Iterator[tuple[str, Object]]:
    """DNS reads namespaces, and announces itself in kube-system. What the proxy reads is the reference's own role."""
    read = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]}
    names: Object = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": NETWORK}, "rules": [read]}
    yield "ClusterRole", names
    yield "ClusterRoleBinding", _binding("ClusterRoleBinding", NETWORK, "ClusterRole", NETWORK, NETWORK)
    write = [
        {"apiGroups": [""], "resources": ["services"], "verbs": ["create", "get"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["create", "get", "update"]},
    ]
    about = {"name": NETWORK, "namespace": "kube-system"}
    yield "Role", {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": about, "rules": write}
    yield "RoleBinding", _binding("RoleBinding", NETWORK, "Role", NETWORK, NETWORK, "kube-system")


KINDS = {k.kind: k for k in (clusterrole.KIND, clusterrolebinding.KIND, role.KIND, rolebinding.KIND)}


async def apply(client: Client) -> None:
    """Creates what is missing; leaves what is there to its administrator."""
    roles = [meta.name(r) for r in (await client.list(clusterrole.KIND)).items]
    present = {meta.name(b) for b in (await client.list(clusterrolebinding.KIND)).items}
    controllers = [n for n in roles if n.startswith(CONTROLLER_ROLES)]
    wanted = [("ClusterRoleBinding", b) for b in controller_bindings(controllers)]
    wanted += [*storage_objects(), *network_objects()]
    missing = [(kind, obj) for kind, obj in wanted if kind != "ClusterRoleBinding" or meta.name(obj) not in present]
    await asyncio.gather(*(_create(client, kind, obj) for kind, obj in missing))


async def _create(client: Client, kind: str, obj: Object) -> None:
    try:
        await client.create(KINDS[kind], obj)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise


def is_ready(obj: Object, since: datetime) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    ready = next((c for c in conditions if c.get("type") == "Ready" and c.get("status") == "True"), None)
    return ready is not None and (ready.get("lastHeartbeatTime") or "") >= meta.format_time(since)


async def node_ready(client: Client, name: str, since: datetime) -> None:
    """Waits until the node is Ready, without end. Its heartbeat must be younger than `since`: what it said before a
    reboot does not count."""
    while True:
        listed = await client.list(node.KIND, fields=f"metadata.name={name}")
        if any(is_ready(n, since) for n in listed.items):
            return
        events = client.watch(
            node.KIND, fields=f"metadata.name={name}", resource_version=listed.resource_version, timeout=30
        )
        async for event in events:
            if is_ready(event.object, since):
                return
