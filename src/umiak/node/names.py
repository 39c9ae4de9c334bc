"""Labels, annotations and paths as kubelet writes them, so that either agent can take over the other's pods."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from umiak.node import pods
from umiak.objects import meta
from umiak.objects.types import Object

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
MESSAGE_POLICY = "io.kubernetes.container.terminationMessagePolicy"
PRE_STOP = "io.kubernetes.container.preStopHandler"
PORTS = "io.kubernetes.container.ports"
DELETION_GRACE = "io.kubernetes.pod.deletionGracePeriod"
TERMINATION_GRACE = "io.kubernetes.pod.terminationGracePeriod"


def sandbox_labels(pod: Object) -> dict[str, str]:
    return {**meta.labels(pod), **_identity(pod)}


def _identity(pod: Object) -> dict[str, str]:
    return {POD_NAME: meta.name(pod), POD_NAMESPACE: meta.namespace(pod), POD_UID: meta.uid(pod)}


def container_labels(pod: Object, container: Object) -> dict[str, str]:
    return {**_identity(pod), CONTAINER_NAME: container["name"]}


def container_annotations(pod: Object, container: Object, restarts: int) -> dict[str, str]:
    """What a restarted agent needs to know of a container, were its pod gone from the API."""
    found = {
        HASH: container_hash(container),
        RESTART_COUNT: str(restarts),
        MESSAGE_PATH: container.get("terminationMessagePath") or "",
        MESSAGE_POLICY: container.get("terminationMessagePolicy") or "",
    }
    deletion = meta.metadata(pod).get("deletionGracePeriodSeconds")
    if deletion is not None:
        found[DELETION_GRACE] = str(deletion)
    grace = pods.spec(pod).get("terminationGracePeriodSeconds")
    if grace is not None:
        found[TERMINATION_GRACE] = str(grace)
    pre_stop = (container.get("lifecycle") or {}).get("preStop")
    if pre_stop:
        found[PRE_STOP] = msgspec.json.encode(pre_stop).decode()
    if container.get("ports"):
        found[PORTS] = msgspec.json.encode(container["ports"]).decode()
    return found


def fnv32a(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def container_hash(container: Object) -> str:
    """Of what forces a restart when it changes: name and image, as kubelet has hashed them since 1.31."""
    picked = msgspec.json.encode({"image": container.get("image", ""), "name": container["name"]})
    shown = f"([]uint8)[{' '.join(map(str, picked))}]"  # how the reference prints what it hashes
    return f"{fnv32a(shown.encode()):x}"


def hash_of(annotations: Mapping[str, str]) -> str:
    return annotations.get(HASH, "")


def restarts_of(annotations: Mapping[str, str]) -> int:
    text = annotations.get(RESTART_COUNT, "0")
    return int(text) if text.isdecimal() else 0


class Paths:
    """Where things lie below the agent's root folder and the log folder."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root = root
        self.logs = logs

    def pod(self, uid: str) -> Path:
        return self.root / "pods" / uid

    def volume(self, uid: str, plugin: str, name: str) -> Path:
        """`plugin` without its prefix: kubernetes.io/empty-dir is `empty-dir`."""
        return self.pod(uid) / "volumes" / f"kubernetes.io~{plugin}" / name

    def container(self, uid: str, name: str) -> Path:
        return self.pod(uid) / "containers" / name

    def hosts(self, uid: str) -> Path:
        return self.pod(uid) / "etc-hosts"

    def subpath(self, uid: str, volume: str, container: str, index: int) -> Path:
        return self.pod(uid) / "volume-subpaths" / volume / container / str(index)

    def pod_logs(self, namespace: str, name: str, uid: str) -> Path:
        return self.logs / f"{namespace}_{name}_{uid}"

    def log(self, namespace: str, name: str, uid: str, container: str, restarts: int) -> Path:
        return self.pod_logs(namespace, name, uid) / container / f"{restarts}.log"
