"""From the agent's plain data to the fields of CRI messages, as nested dicts that protobuf's constructors take."""

from typing import Any

from umiak.node.runtime import (
    Auth,
    ContainerConfig,
    Mount,
    Namespaces,
    Profile,
    Resources,
    SandboxConfig,
    Security,
)

Fields = dict[str, Any]


def number(value: int | None) -> Fields | None:
    """An optional number; None stays unset."""
    return None if value is None else {"value": value}


def namespaces(wanted: Namespaces) -> Fields:
    return {
        "network": wanted.network.value,
        "pid": wanted.pid.value,
        "ipc": wanted.ipc.value,
        "target_id": wanted.target,
    }


def profile(wanted: Profile | None) -> Fields | None:
    return None if wanted is None else {"profile_type": wanted.type, "localhost_ref": wanted.reference}


def _common_security(wanted: Security) -> Fields:
    return {
        "namespace_options": namespaces(wanted.namespaces),
        "selinux_options": dict(wanted.selinux) if wanted.selinux else None,
        "run_as_user": number(wanted.user),
        "run_as_group": number(wanted.group),
        "readonly_rootfs": wanted.readonly_root,
        "supplemental_groups": list(wanted.supplemental_groups),
        "supplemental_groups_policy": "Strict" if wanted.strict_groups else "Merge",
        "privileged": wanted.privileged,
        "seccomp": profile(wanted.seccomp),
        "apparmor": profile(wanted.apparmor),
    }


def _old_seccomp(wanted: Profile | None) -> str:
    """The form that runtimes older than CRI 1.19 read; containerd 1.6 still prefers it when present."""
    if wanted is None:
        return ""
    words = {"RuntimeDefault": "runtime/default", "Unconfined": "unconfined"}
    return words.get(wanted.type) or f"localhost/{wanted.reference}"


def container_security(wanted: Security) -> Fields:
    return {
        **_common_security(wanted),
        "run_as_username": wanted.user_name,
        "capabilities": {
            "add_capabilities": list(wanted.add_capabilities),
            "drop_capabilities": list(wanted.drop_capabilities),
        },
        "no_new_privs": wanted.no_new_privileges,
        "masked_paths": list(wanted.masked_paths),
        "readonly_paths": list(wanted.readonly_paths),
        "seccomp_profile_path": _old_seccomp(wanted.seccomp),
    }


def sandbox_security(wanted: Security) -> Fields:
    return {**_common_security(wanted), "seccomp_profile_path": _old_seccomp(wanted.seccomp)}


def resources(wanted: Resources | None) -> Fields | None:
    if wanted is None:
        return None
    return {
        "cpu_period": wanted.cpu_period,
        "cpu_quota": wanted.cpu_quota,
        "cpu_shares": wanted.cpu_shares,
        "memory_limit_in_bytes": wanted.memory_limit,
        "memory_swap_limit_in_bytes": wanted.memory_swap_limit,
        "oom_score_adj": wanted.oom_score_adj,
        "hugepage_limits": [{"page_size": size, "limit": limit} for size, limit in wanted.hugepages.items()],
        "unified": dict(wanted.unified),
    }


def sandbox(wanted: SandboxConfig) -> Fields:
    dns = wanted.dns
    return {
        "metadata": {
            "name": wanted.name,
            "uid": wanted.uid,
            "namespace": wanted.namespace,
            "attempt": wanted.attempt,
        },
        "hostname": wanted.hostname,
        "log_directory": wanted.log_directory,
        "dns_config": dns
        and {"servers": list(dns.servers), "searches": list(dns.searches), "options": list(dns.options)},
        "port_mappings": [
            {
                "protocol": p.protocol,
                "container_port": p.container_port,
                "host_port": p.host_port,
                "host_ip": p.host_ip,
            }
            for p in wanted.ports
        ],
        "labels": dict(wanted.labels),
        "annotations": dict(wanted.annotations),
        "linux": {
            "cgroup_parent": wanted.cgroup_parent,
            "security_context": sandbox_security(wanted.security),
            "sysctls": dict(wanted.sysctls),
            "overhead": resources(wanted.overhead),
            "resources": resources(wanted.resources),
        },
    }


def mount(wanted: Mount) -> Fields:
    return {
        "container_path": wanted.container_path,
        "host_path": wanted.host_path,
        "readonly": wanted.readonly,
        "propagation": f"PROPAGATION_{wanted.propagation}",
        "recursive_read_only": wanted.recursive_readonly,
        "image": {"image": wanted.image} if wanted.image else None,
        "image_sub_path": wanted.image_sub_path,
    }


def container(wanted: ContainerConfig) -> Fields:
    return {
        "metadata": {"name": wanted.name, "attempt": wanted.attempt},
        "image": {"image": wanted.image, "user_specified_image": wanted.user_image},
        "command": list(wanted.command),
        "args": list(wanted.args),
        "working_dir": wanted.working_dir,
        "envs": [{"key": key, "value": value.encode()} for key, value in wanted.environment],
        "mounts": [mount(m) for m in wanted.mounts],
        "devices": [
            {"container_path": d.container_path, "host_path": d.host_path, "permissions": d.permissions}
            for d in wanted.devices
        ],
        "labels": dict(wanted.labels),
        "annotations": dict(wanted.annotations),
        "log_path": wanted.log_path,
        "stdin": wanted.stdin,
        "stdin_once": wanted.stdin_once,
        "tty": wanted.tty,
        "linux": {
            "resources": resources(wanted.resources),
            "security_context": container_security(wanted.security),
        },
        **({"stop_signal": wanted.stop_signal} if wanted.stop_signal else {}),
    }


def auth(wanted: Auth | None) -> Fields | None:
    if wanted is None:
        return None
    return {
        "username": wanted.username,
        "password": wanted.password,
        "auth": wanted.auth,
        "identity_token": wanted.identity_token,
        "registry_token": wanted.registry_token,
    }
