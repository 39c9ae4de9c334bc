"""From CRI messages to the agent's plain data."""

from typing import Any

from umiak.node.cri.messages import enum
from umiak.node.runtime import Condition as RuntimeCondition
from umiak.node.runtime import (
    Container,
    ContainerStatus,
    Filesystem,
    Health,
    Image,
    Mount,
    Resources,
    Sandbox,
    State,
    Usage,
)

STATES = (State.CREATED, State.RUNNING, State.EXITED, State.UNKNOWN)
READY = 0  # PodSandboxState.SANDBOX_READY
NODE = 2  # NamespaceMode.NODE


def sandbox(found: Any) -> Sandbox:
    """Reads a PodSandbox (from a list) or a PodSandboxStatus, which alone tells addresses and namespaces."""
    about = found.metadata
    ips: tuple[str, ...] = ()
    on_host = False
    if "network" in found.DESCRIPTOR.fields_by_name:
        ips = tuple(ip for ip in (found.network.ip, *(a.ip for a in found.network.additional_ips)) if ip)
        on_host = found.linux.namespaces.options.network == NODE
    return Sandbox(
        id=found.id,
        name=about.name,
        namespace=about.namespace,
        uid=about.uid,
        attempt=about.attempt,
        ready=found.state == READY,
        created_at=found.created_at,
        labels=dict(found.labels),
        annotations=dict(found.annotations),
        handler=found.runtime_handler,
        ips=ips,
        host_network=on_host,
    )


def container(found: Any) -> Container:
    return Container(
        id=found.id,
        sandbox_id=found.pod_sandbox_id,
        name=found.metadata.name,
        attempt=found.metadata.attempt,
        state=STATES[found.state],
        created_at=found.created_at,
        labels=dict(found.labels),
        annotations=dict(found.annotations),
        image=found.image.image,
        image_ref=found.image_ref,
    )


def mount(found: Any) -> Mount:
    return Mount(
        container_path=found.container_path,
        host_path=found.host_path,
        readonly=found.readonly,
        propagation=enum("MountPropagation").values_by_number[found.propagation].name.removeprefix("PROPAGATION_"),
        recursive_readonly=found.recursive_read_only,
        image=found.image.image,
        image_sub_path=found.image_sub_path,
    )


def resources(found: Any) -> Resources:
    return Resources(
        cpu_period=found.cpu_period,
        cpu_quota=found.cpu_quota,
        cpu_shares=found.cpu_shares,
        memory_limit=found.memory_limit_in_bytes,
        memory_swap_limit=found.memory_swap_limit_in_bytes,
        oom_score_adj=found.oom_score_adj,
        hugepages={h.page_size: h.limit for h in found.hugepage_limits},
        unified=dict(found.unified),
    )


def container_status(found: Any) -> ContainerStatus:
    user = found.user.linux if found.HasField("user") and found.user.HasField("linux") else None
    limits = found.resources.linux if found.HasField("resources") and found.resources.HasField("linux") else None
    signal = enum("Signal").values_by_number[found.stop_signal].name if found.stop_signal else ""
    return ContainerStatus(
        id=found.id,
        name=found.metadata.name,
        attempt=found.metadata.attempt,
        state=STATES[found.state],
        created_at=found.created_at,
        started_at=found.started_at,
        finished_at=found.finished_at,
        exit_code=found.exit_code,
        image=found.image.image,
        image_ref=found.image_ref,
        image_id=found.image_id,
        reason=found.reason,
        message=found.message,
        labels=dict(found.labels),
        annotations=dict(found.annotations),
        mounts=[mount(m) for m in found.mounts],
        log_path=found.log_path,
        resources=limits and resources(limits),
        user=user and (user.uid, user.gid, tuple(user.supplemental_groups)),
        stop_signal=signal.removeprefix("SIGNAL_"),
    )


def image(found: Any) -> Image:
    return Image(
        id=found.id,
        tags=tuple(found.repo_tags),
        digests=tuple(found.repo_digests),
        size=found.size,
        user=found.uid.value if found.HasField("uid") else None,
        user_name=found.username,
        pinned=found.pinned,
    )


def health(answer: Any) -> Health:
    conditions = tuple(RuntimeCondition(c.type, c.status, c.reason, c.message) for c in answer.status.conditions)
    return Health(conditions, tuple(h.name for h in answer.runtime_handlers))


def usage(found: Any) -> Usage:
    about = found.attributes
    return Usage(
        container_id=about.id,
        name=about.metadata.name,
        labels=dict(about.labels),
        at=found.cpu.timestamp,
        cpu=found.cpu.usage_core_nano_seconds.value,
        working_set=found.memory.working_set_bytes.value,
        memory=found.memory.usage_bytes.value,
        rss=found.memory.rss_bytes.value,
        root_bytes=found.writable_layer.used_bytes.value,
        root_inodes=found.writable_layer.inodes_used.value,
    )


def filesystem(found: Any) -> Filesystem:
    return Filesystem(found.fs_id.mountpoint, found.used_bytes.value, found.inodes_used.value)
