"""Which objects each node needs: those that its pods name, and what hangs on them.

    node <- pod <- secret, config map, claim, service account, resource claim
                   claim <- volume <- secret
    node <- volume attachment, resource slice, certificate request

Follows the store; counts per node answer at once, however many pods share an object.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from umiak.api.common.pod_secrets import VOLUME_SECRETS
from umiak.server.access.feed import follow
from umiak.store.contract import Cancel, Store

Vertex = tuple[str, str, str]
"""(resource, namespace, name)"""

MIRROR = "kubernetes.io/config.mirror"
SAME_NAMESPACE = ("cephfs", "flexVolume", "rbd", "scaleIO", "iscsi")
"""Sources of persistent volumes whose secret lives beside the claim unless a namespace is given."""


class _Named(msgspec.Struct):
    name: str = ""


class _Container(msgspec.Struct, rename="camel"):
    env: list[dict[str, Any]] | None = None
    env_from: list[dict[str, Any]] | None = None


class _PodSpec(msgspec.Struct, rename="camel"):
    node_name: str = ""
    service_account_name: str = ""
    image_pull_secrets: list[_Named] | None = None
    volumes: list[dict[str, Any]] | None = None
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None
    ephemeral_containers: list[_Container] | None = None
    resource_claims: list[dict[str, Any]] | None = None


class _PodStatus(msgspec.Struct, rename="camel"):
    resource_claim_statuses: list[dict[str, Any]] | None = None
    extended_resource_claim_status: dict[str, Any] | None = None


class _Meta(msgspec.Struct):
    name: str
    annotations: dict[str, str] | None = None


class _Pod(msgspec.Struct):
    metadata: _Meta
    spec: _PodSpec
    status: _PodStatus | None = None


class _HasSpec(msgspec.Struct):
    spec: dict[str, Any]


_POD = msgspec.json.Decoder(_Pod)
_SPEC = msgspec.json.Decoder(_HasSpec)


def _from_containers(spec: _PodSpec) -> Iterator[tuple[str, str]]:
    for container in (*(spec.init_containers or ()), *(spec.containers or ()), *(spec.ephemeral_containers or ())):
        for source in container.env_from or ():
            yield "secrets", (source.get("secretRef") or {}).get("name", "")
            yield "configmaps", (source.get("configMapRef") or {}).get("name", "")
        for variable in container.env or ():
            source = variable.get("valueFrom") or {}
            yield "secrets", (source.get("secretKeyRef") or {}).get("name", "")
            yield "configmaps", (source.get("configMapKeyRef") or {}).get("name", "")


def _from_volume(pod: str, volume: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for source, (key, inner) in VOLUME_SECRETS.items():
        if found := (volume.get(source) or {}).get(key):
            yield "secrets", found.get(inner, "") if inner else found
    for part in (volume.get("projected") or {}).get("sources") or ():
        yield "secrets", (part.get("secret") or {}).get("name", "")
        yield "configmaps", (part.get("configMap") or {}).get("name", "")
    yield "configmaps", (volume.get("configMap") or {}).get("name", "")
    yield "persistentvolumeclaims", (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
    if volume.get("ephemeral") is not None:
        yield "persistentvolumeclaims", f"{pod}-{volume['name']}"


def _from_claims(pod: _Pod) -> Iterator[tuple[str, str]]:
    status = pod.status or _PodStatus()
    made = {s["name"]: s.get("resourceClaimName") for s in status.resource_claim_statuses or ()}
    for claim in pod.spec.resource_claims or ():
        yield "resourceclaims", claim.get("resourceClaimName") or made.get(claim["name"]) or ""
    yield "resourceclaims", (status.extended_resource_claim_status or {}).get("resourceClaimName", "")


def named_by(pod: _Pod) -> set[tuple[str, str]]:
    """(resource, name) of everything in its namespace that the pod refers to; nothing for a mirror pod."""
    if MIRROR in (pod.metadata.annotations or {}):
        return set()
    spec = pod.spec
    found = {("serviceaccounts", spec.service_account_name), *_from_containers(spec), *_from_claims(pod)}
    found.update(("secrets", secret.name) for secret in spec.image_pull_secrets or ())
    for volume in spec.volumes or ():
        found.update(_from_volume(pod.metadata.name, volume))
    return {(resource, name) for resource, name in found if name}


def volume_secrets(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(namespace, name) of the secrets that a node needs to mount a persistent volume."""
    home = (spec.get("claimRef") or {}).get("namespace", "")
    if (azure := spec.get("azureFile")) and azure.get("secretName"):
        yield azure.get("secretNamespace") or home, azure["secretName"]
    for source in (*SAME_NAMESPACE, "cinder", "storageos"):
        if secret := (spec.get(source) or {}).get("secretRef"):
            yield secret.get("namespace") or (home if source in SAME_NAMESPACE else ""), secret.get("name", "")
    for key in ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"):
        if secret := (spec.get("csi") or {}).get(key):
            yield secret.get("namespace", ""), secret.get("name", "")


class Graph:
    """The relations between nodes and objects."""

    def __init__(self) -> None:
        self._pods: dict[str, tuple[str, frozenset[Vertex]]] = {}  # "namespace/name" to its node and what it names
        self._users: dict[Vertex, dict[str, int]] = {}  # how many pods of each node name an object
        self._volumes: dict[str, tuple[Vertex, frozenset[Vertex]]] = {}  # volume to its claim and secrets
        self._volumes_of: dict[Vertex, set[str]] = {}  # secret to volumes
        self._direct: dict[Vertex, str] = {}  # objects that name their node themselves
        self._cancels: list[Cancel] = []

    async def start(self, store: Store) -> None:
        """Reads what is there and follows changes until `stop`."""
        self._cancels = [
            await follow(store, "/core/pods/", self.pod_changed),
            await follow(store, "/core/persistentvolumes/", self.volume_changed),
            await self._follow_direct(store, "storage.k8s.io", "volumeattachments"),
            await self._follow_direct(store, "resource.k8s.io", "resourceslices"),
            await self._follow_direct(store, "certificates.k8s.io", "podcertificaterequests"),
        ]

    def stop(self) -> None:
        for cancel in self._cancels:
            cancel()
        self._cancels = []

    async def _follow_direct(self, store: Store, group: str, resource: str) -> Cancel:
        def changed(key: str, value: bytes | None) -> None:
            namespace, _, name = key.rpartition("/")
            node = _SPEC.decode(value).spec.get("nodeName") if value is not None else None
            self._direct.pop((resource, namespace, name), None)
            if node:
                self._direct[resource, namespace, name] = node

        return await follow(store, f"/{group}/{resource}/", changed)

    def pod_changed(self, key: str, value: bytes | None) -> None:
        old_node, old = self._pods.pop(key, ("", frozenset()))
        for vertex in old:
            self._count(vertex, old_node, -1)
        pod = _POD.decode(value) if value is not None else None
        if pod is None or not pod.spec.node_name:
            return
        namespace = key.partition("/")[0]
        new = frozenset((resource, namespace, name) for resource, name in named_by(pod))
        self._pods[key] = pod.spec.node_name, new
        for vertex in new:
            self._count(vertex, pod.spec.node_name, 1)

    def _count(self, vertex: Vertex, node: str, by: int) -> None:
        users = self._users.setdefault(vertex, {})
        users[node] = users.get(node, 0) + by
        if not users[node]:
            del users[node]
        if not users:
            del self._users[vertex]

    def volume_changed(self, name: str, value: bytes | None) -> None:
        _, old = self._volumes.pop(name, (None, frozenset()))
        for vertex in old:
            self._volumes_of[vertex].discard(name)
            if not self._volumes_of[vertex]:
                del self._volumes_of[vertex]
        spec = _SPEC.decode(value).spec if value is not None else {}
        if claim := spec.get("claimRef"):
            secrets = frozenset(("secrets", namespace, secret) for namespace, secret in volume_secrets(spec) if secret)
            vertex = ("persistentvolumeclaims", claim.get("namespace", ""), claim.get("name", ""))
            self._volumes[name] = vertex, secrets
            for secret in secrets:
                self._volumes_of.setdefault(secret, set()).add(name)

    def related(self, node: str, resource: str, namespace: str, name: str) -> bool:
        """Whether the object concerns the node."""
        vertex = (resource, namespace, name)
        if resource == "pods":
            return self._pods.get(f"{namespace}/{name}", ("",))[0] == node
        if vertex in self._direct:
            return self._direct[vertex] == node
        if resource == "persistentvolumes":
            return name in self._volumes and node in self._users.get(self._volumes[name][0], ())
        if node in self._users.get(vertex, ()):
            return True
        return any(self.related(node, "persistentvolumes", "", volume) for volume in self._volumes_of.get(vertex, ()))
