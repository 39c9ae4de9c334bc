"""What the runtime is told of a pod's sandbox and its containers: pure functions of the pod and what was prepared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from umiak.node import hosts, names, pods, qos, security
from umiak.node.expand import expand, from_maps
from umiak.node.limits import container_resources, pod_resources
from umiak.node.names import Paths
from umiak.node.runtime import ContainerConfig, Device, Image, Mount, PortMapping, SandboxConfig
from umiak.objects import meta
from umiak.objects.types import Object

SIGNAL_PREFIX = "SIGNAL_"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent knows of its machine and was told of the cluster."""

    paths: Paths
    resolver: hosts.Resolver = msgspec.field(default_factory=hosts.Resolver)
    memory: int = 0
    """Bytes."""
    page_sizes: tuple[str, ...] = ()
    seccomp_root: Path = Path("/var/lib/kubelet/seccomp")


def port_mappings(pod: Object) -> list[PortMapping]:
    """Ports of the host that lead into the pod."""
    return [
        PortMapping(p["containerPort"], p["hostPort"], p.get("protocol") or "TCP", p.get("hostIP") or "")
        for c in (*pods.containers(pod), *(c for c in pods.init_containers(pod) if pods.is_sidecar(c)))
        for p in c.get("ports") or ()
        if p.get("hostPort")
    ]


def sandbox_config(
    pod: Object, attempt: int, machine: Machine, cgroup_parent: str, extra_groups: Sequence[int] = ()
) -> SandboxConfig:
    """Raises ValueError when the pod's name in full is too long for the kernel, or when it wants its own users."""
    if pods.spec(pod).get("hostUsers") is False:
        raise ValueError("user namespaces are not supported on this node")  # to run without would be less than asked
    on_host = pods.uses_host_network(pod)
    return SandboxConfig(
        name=meta.name(pod),
        namespace=meta.namespace(pod),
        uid=meta.uid(pod),
        attempt=attempt,
        hostname="" if on_host else hosts.kernel_hostname(pod, machine.resolver.cluster_domain),
        log_directory=str(machine.paths.pod_logs(meta.namespace(pod), meta.name(pod), meta.uid(pod))),
        dns=hosts.pod_dns(pod, machine.resolver),
        ports=() if on_host else port_mappings(pod),
        labels=names.sandbox_labels(pod),
        annotations=meta.annotations(pod),
        cgroup_parent=cgroup_parent,
        sysctls=security.sysctls(pod),
        security=security.sandbox_security(pod, extra_groups),
        resources=pod_resources(pod),
    )


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What was made ready for one container before its configuration is written."""

    image: Image
    environment: Mapping[str, str]
    mounts: Sequence[Mount] = ()
    devices: Sequence[Device] = ()
    restarts: int = 0
    extra_groups: Sequence[int] = ()
    target: str = ""
    """Id of the container that an ephemeral one looks at."""


def container_config(pod: Object, container: Object, machine: Machine, ready: Prepared) -> ContainerConfig:
    """Raises `security.Refused`."""
    values = from_maps(ready.environment)
    name = container["name"]
    signal = (container.get("lifecycle") or {}).get("stopSignal")
    return ContainerConfig(
        name=name,
        attempt=ready.restarts,
        image=ready.image.id,
        user_image=container.get("image", ""),
        command=[expand(c, values) for c in container.get("command") or ()],
        args=[expand(a, values) for a in container.get("args") or ()],
        working_dir=container.get("workingDir") or "",
        environment=list(ready.environment.items()),
        mounts=ready.mounts,
        devices=ready.devices,
        labels=names.container_labels(pod, container),
        annotations=names.container_annotations(pod, container, ready.restarts),
        log_path=f"{name}/{ready.restarts}.log",
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        stop_signal=f"{SIGNAL_PREFIX}{signal}" if signal else "",
        resources=container_resources(pod, container, machine.memory, machine.page_sizes),
        security=security.container_security(
            pod, container, ready.image, machine.seccomp_root, ready.extra_groups, ready.target
        ),
    )


def cgroup(pod: Object) -> tuple[str, str]:
    """Which group a pod is in: its class and its uid."""
    return pods.status(pod).get("qosClass") or qos.qos_class(pod), meta.uid(pod)
