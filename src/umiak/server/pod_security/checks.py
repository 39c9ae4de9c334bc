"""The single checks. Each says nothing, or (what is wrong in a few words, where and how)."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from umiak.objects.types import Object
from umiak.server.pod_security.policy import Standard

Fault = tuple[str, str]
Check = Callable[[Mapping[str, str], Object], Fault | None]
"""(annotations, spec of a pod) to what is wrong."""

DEFAULT_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
SAFE_VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ]
)
SYSCTLS = {
    0: "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range "
    "net.ipv4.ip_unprivileged_port_start",
    27: "net.ipv4.ip_local_reserved_ports",
    29: "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl "
    "net.ipv4.tcp_keepalive_probes",
    32: "net.ipv4.tcp_rmem net.ipv4.tcp_wmem",
    37: "net.ipv4.tcp_slow_start_after_idle net.ipv4.tcp_notsent_lowat",
}
"""Allowed kernel settings, by the version that allowed them."""
SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")
PROFILES = ("RuntimeDefault", "Localhost")
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"


def quoted(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def counted(singular: str, count: int, plural: str = "") -> str:
    return singular if count == 1 else plural or singular + "s"


def containers(spec: Object) -> Iterator[Object]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def context(part: Object) -> Object:
    return part.get("securityContext") or {}


def named(names: list[str]) -> str:
    """`container "a"` or `containers "a", "b"`."""
    return f"{counted('container', len(names))} {quoted(names)}"


def setters(pod: bool, names: list[str]) -> str:
    """Who set something: the pod, some containers, or both."""
    return " and ".join([*(["pod"] if pod else []), *([named(names)] if names else [])])


def privileged(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    bad = [c["name"] for c in containers(spec) if context(c).get("privileged")]
    return ("privileged", f"{named(bad)} must not set securityContext.privileged=true") if bad else None


def host_namespaces(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    used = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    return ("host namespaces", ", ".join(used)) if used else None


def host_path_volumes(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    bad = [v["name"] for v in spec.get("volumes") or () if v.get("hostPath") is not None]
    return ("hostPath volumes", f"{counted('volume', len(bad))} {quoted(bad)}") if bad else None


def host_ports(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    ports = {c["name"]: [p["hostPort"] for p in c.get("ports") or () if p.get("hostPort")] for c in containers(spec)}
    bad = [name for name, used in ports.items() if used]
    used = sorted({str(port) for found in ports.values() for port in found})
    if not bad:
        return None
    uses = f"{counted('uses', len(bad), 'use')} {counted('hostPort', len(used))} {', '.join(used)}"
    return "hostPort", f"{named(bad)} {uses}"


def host_probes(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    hosts = {c["name"]: set(_hosts(c)) for c in containers(spec)}
    bad = sorted(name for name, found in hosts.items() if found)
    used = sorted({host for found in hosts.values() for host in found})
    if not bad:
        return None
    what = counted("probe or lifecycle host", len(used))
    return "probe or lifecycle host", f"{named(bad)} {counted('uses', len(bad), 'use')} {what} {quoted(used)}"


def _hosts(container: Object) -> Iterator[str]:
    lifecycle = container.get("lifecycle") or {}
    handlers = [container.get(field) for field in ("livenessProbe", "readinessProbe", "startupProbe")]
    for handler in (*handlers, lifecycle.get("postStart"), lifecycle.get("preStop")):
        for action in ("httpGet", "tcpSocket"):
            if host := ((handler or {}).get(action) or {}).get("host"):
                yield host


def capabilities_baseline(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    added = {c["name"]: (context(c).get("capabilities") or {}).get("add") or [] for c in containers(spec)}
    return _forbidden_capabilities(added, DEFAULT_CAPABILITIES, "non-default capabilities")


def _forbidden_capabilities(added: Mapping[str, list[str]], allowed: Iterable[str], what: str) -> Fault | None:
    allowed = frozenset(allowed)
    bad = [name for name, found in added.items() if set(found) - allowed]
    used = sorted({c for found in added.values() for c in found} - allowed)
    if not bad:
        return None
    return what, f"{named(bad)} must not include {quoted(used)} in securityContext.capabilities.add"


def capabilities_restricted(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    found = {c["name"]: context(c).get("capabilities") or {} for c in containers(spec)}
    keeping = [name for name, c in found.items() if "ALL" not in (c.get("drop") or ())]
    details = [f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    added = {name: c.get("add") or [] for name, c in found.items()}
    if fault := _forbidden_capabilities(added, ("NET_BIND_SERVICE",), ""):
        details.append(fault[1])
    return ("unrestricted capabilities", "; ".join(details)) if details else None


def proc_mount(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    kinds = {c["name"]: context(c).get("procMount") for c in containers(spec)}
    bad = [name for name, kind in kinds.items() if kind not in (None, "Default")]
    used = sorted({str(kinds[name]) for name in bad})
    return ("procMount", f"{named(bad)} must not set securityContext.procMount to {quoted(used)}") if bad else None


def se_linux(types: Iterable[str]) -> Check:
    allowed = frozenset(types)

    def check(annotations: Mapping[str, str], spec: Object) -> Fault | None:
        options = {c["name"]: context(c).get("seLinuxOptions") or {} for c in containers(spec)}
        own = context(spec).get("seLinuxOptions") or {}

        def is_bad(one: Object) -> bool:
            return (one.get("type") or "") not in allowed or bool(one.get("user")) or bool(one.get("role"))

        bad = [name for name, one in options.items() if is_bad(one)]
        if not bad and not is_bad(own):
            return None
        everyone = [own, *options.values()]
        kinds = sorted({one.get("type") or "" for one in everyone} - allowed)
        data = [f"{counted('type', len(kinds))} {quoted(kinds)}"] if kinds else []
        data += [f"{what} may not be set" for what in ("user", "role") if any(one.get(what) for one in everyone)]
        who = setters(is_bad(own), bad)
        return "seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"

    return check


def app_armor(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    kinds = {c["name"]: (context(c).get("appArmorProfile") or {}).get("type") for c in containers(spec)}
    own = (context(spec).get("appArmorProfile") or {}).get("type")
    bad = [name for name, kind in kinds.items() if kind not in (None, *PROFILES)]
    pod_is_bad = own not in (None, *PROFILES)
    values = sorted({str(kinds[name]) for name in bad} | ({str(own)} if pod_is_bad else set()))
    notes = sorted(
        f'{key}="{value}"' for key, value in annotations.items() if key.startswith(APPARMOR) and not _allowed(value)
    )
    who = [part for part in (setters(pod_is_bad, bad), counted("annotation", len(notes)) if notes else "") if part]
    if not who:
        return None
    what = counted("forbidden AppArmor profile", len(values) + len(notes))
    return what, f"{' and '.join(who)} must not set AppArmor profile type to {quoted([*values, *notes])}"


def _allowed(profile: str) -> bool:
    return profile in ("", "runtime/default") or profile.startswith("localhost/")


def _seccomp(spec: Object) -> tuple[bool, list[str], list[str], list[str]]:
    """(the pod's own is bad, containers with a bad one, bad values, containers that no good one covers)."""
    own = (context(spec).get("seccompProfile") or {}).get("type")
    pod_is_bad = context(spec).get("seccompProfile") is not None and own not in PROFILES
    bad, bare, values = [], [], {str(own or "")} if pod_is_bad else set()
    for container in containers(spec):
        profile = context(container).get("seccompProfile")
        if profile is None:
            if own not in PROFILES:
                bare.append(container["name"])
        elif profile.get("type") not in PROFILES:
            bad.append(container["name"])
            values.add(profile.get("type") or "")
    return pod_is_bad, bad, sorted(values), bare


def seccomp_baseline(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    pod_is_bad, bad, values, _ = _seccomp(spec)
    if not pod_is_bad and not bad:
        return None
    who = setters(pod_is_bad, bad)
    return "seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {quoted(values)}"


def seccomp_restricted(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    bare = _seccomp(spec)[3]
    if fault := seccomp_baseline(annotations, spec):
        return fault
    if not bare:
        return None
    must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return "seccompProfile", f"pod or {named(bare)} {must}"


def seccomp_annotations(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    """Before the field existed."""
    keys = [SECCOMP_POD, *(SECCOMP_CONTAINER + c["name"] for c in containers(spec))]
    bad = {f'{key}="{annotations[key]}"' for key in keys if key in annotations and not _old_seccomp(annotations[key])}
    return ("seccompProfile", f"forbidden {counted('annotation', len(bad))} {', '.join(sorted(bad))}") if bad else None


def _old_seccomp(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def sysctls(version: int) -> Check:
    allowed = {name for since, names in SYSCTLS.items() if since <= version for name in names.split()}

    def check(annotations: Mapping[str, str], spec: Object) -> Fault | None:
        bad = [s["name"] for s in context(spec).get("sysctls") or () if s["name"] not in allowed]
        return ("forbidden sysctls", ", ".join(bad)) if bad else None

    return check


def windows_host_process(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    def is_bad(part: Object) -> bool:
        return bool((context(part).get("windowsOptions") or {}).get("hostProcess"))

    bad = [c["name"] for c in containers(spec) if is_bad(c)]
    if not bad and not is_bad(spec):
        return None
    return "hostProcess", f"{setters(is_bad(spec), bad)} must not set securityContext.windowsOptions.hostProcess=true"


def privilege_escalation(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    bad = [c["name"] for c in containers(spec) if context(c).get("allowPrivilegeEscalation") is not False]
    text = "must set securityContext.allowPrivilegeEscalation=false"
    return ("allowPrivilegeEscalation != false", f"{named(bad)} {text}") if bad else None


def restricted_volumes(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    bad, kinds = [], set()
    for volume in spec.get("volumes") or ():
        sources = [field for field, value in volume.items() if field != "name" and value is not None]
        if not SAFE_VOLUMES & set(sources):
            bad.append(volume["name"])
            kinds.add(sources[0] if sources else "unknown")
    if not bad:
        return None
    what = counted("restricted volume type", len(kinds))
    uses = f"{counted('uses', len(bad), 'use')} {what} {quoted(sorted(kinds))}"
    return "restricted volume types", f"{counted('volume', len(bad))} {quoted(bad)} {uses}"


def run_as_non_root(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    own = context(spec).get("runAsNonRoot")
    wishes = {c["name"]: context(c).get("runAsNonRoot") for c in containers(spec)}
    bad = [name for name, wish in wishes.items() if wish is False]
    if own is False or bad:
        who = setters(own is False, bad)
        return "runAsNonRoot != true", f"{who} must not set securityContext.runAsNonRoot=false"
    bare = [name for name, wish in wishes.items() if wish is None and own is not True]
    return (
        ("runAsNonRoot != true", f"pod or {named(bare)} must set securityContext.runAsNonRoot=true") if bare else None
    )


def run_as_user(annotations: Mapping[str, str], spec: Object) -> Fault | None:
    bad = [c["name"] for c in containers(spec) if context(c).get("runAsUser") == 0]
    pod_is_bad = context(spec).get("runAsUser") == 0
    if not bad and not pod_is_bad:
        return None
    return "runAsUser=0", f"{setters(pod_is_bad, bad)} must not set runAsUser=0"


def unless_windows(check: Check) -> Check:
    def wrapped(annotations: Mapping[str, str], spec: Object) -> Fault | None:
        return None if (spec.get("os") or {}).get("name") == "windows" else check(annotations, spec)

    return wrapped


def unless_own_users(check: Check) -> Check:
    """In a user namespace, root is not the machine's root (KEP-127)."""

    def wrapped(annotations: Mapping[str, str], spec: Object) -> Fault | None:
        return None if spec.get("hostUsers") is False else check(annotations, spec)

    return wrapped


class Versioned(msgspec.Struct, frozen=True):
    """A check and the versions of it; `replaces` names the baseline check that it makes superfluous."""

    versions: tuple[tuple[int, Check], ...]
    replaces: str = ""

    def at(self, version: int) -> Check | None:
        return next((check for since, check in reversed(self.versions) if since <= version), None)


BASELINE = {
    "appArmorProfile": Versioned(((0, app_armor),)),
    "capabilities_baseline": Versioned(((0, capabilities_baseline),)),
    "hostNamespaces": Versioned(((0, host_namespaces),)),
    "hostPathVolumes": Versioned(((0, host_path_volumes),)),
    "hostPorts": Versioned(((0, host_ports),)),
    "hostProbesAndHostLifecycle": Versioned(((34, host_probes),)),
    "privileged": Versioned(((0, privileged),)),
    "procMount": Versioned(((0, proc_mount), (35, unless_own_users(proc_mount)))),
    "seLinuxOptions": Versioned(((0, se_linux(SELINUX_TYPES)), (31, se_linux((*SELINUX_TYPES, "container_engine_t"))))),
    "seccompProfile_baseline": Versioned(((0, seccomp_annotations), (19, seccomp_baseline))),
    "sysctls": Versioned(tuple((since, sysctls(since)) for since in SYSCTLS)),
    "windowsHostProcess": Versioned(((0, windows_host_process),)),
}
RESTRICTED = {
    "allowPrivilegeEscalation": Versioned(((8, privilege_escalation), (25, unless_windows(privilege_escalation)))),
    "capabilities_restricted": Versioned(
        ((22, capabilities_restricted), (25, unless_windows(capabilities_restricted))), "capabilities_baseline"
    ),
    "procMount_restricted": Versioned(((35, proc_mount),), "procMount"),
    "restrictedVolumes": Versioned(((0, restricted_volumes),), "hostPathVolumes"),
    "runAsNonRoot": Versioned(((0, run_as_non_root), (35, unless_own_users(run_as_non_root)))),
    "runAsUser": Versioned(((23, run_as_user), (35, unless_own_users(run_as_user)))),
    "seccompProfile_restricted": Versioned(
        ((19, seccomp_restricted), (25, unless_windows(seccomp_restricted))), "seccompProfile_baseline"
    ),
}


def _wanted(standard: Standard) -> Iterator[Check]:
    """Baseline first, then restricted, each by name."""
    strict = {}
    if standard.level == "restricted":
        strict = {name: check for name, check in sorted(RESTRICTED.items()) if check.at(standard.version)}
    replaced = {check.replaces for check in strict.values()}
    for name, versioned in (*sorted(BASELINE.items()), *strict.items()):
        if name not in replaced and (check := versioned.at(standard.version)):
            yield check


def faults(standard: Standard, annotations: Mapping[str, str], spec: Object) -> list[Fault]:
    """Everything about a pod that its namespace's standard does not allow."""
    if standard.level == "privileged":
        return []
    found = (check(annotations, spec) for check in _wanted(standard))
    return [fault for fault in found if fault is not None]


def told(found: list[Fault]) -> str:
    return ", ".join(f"{what} ({detail})" if detail else what for what, detail in found)
