"""A specification's security context as the runtime is told it."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from umiak.node import pods
from umiak.node.runtime import Image, Mode, Namespaces, Profile, Security
from umiak.objects.types import Object

MASKED = (
    *("/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
    "/sys/devices/virtual/powercap",
)
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"


class Refused(Exception):
    """The container may not run as its image or its specification wants."""


@cache
def masked_paths() -> tuple[str, ...]:
    throttles = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle")
    return (*MASKED, *sorted(map(str, throttles)))


def namespaces(pod: Object, target: str = "") -> Namespaces:
    """`target` is the container whose processes an ephemeral container sees."""
    spec = pods.spec(pod)
    pid = Mode.CONTAINER
    if spec.get("hostPID"):
        pid = Mode.NODE
    elif spec.get("shareProcessNamespace"):
        pid = Mode.POD
    elif target:
        pid = Mode.TARGET
    return Namespaces(
        network=Mode.NODE if spec.get("hostNetwork") else Mode.POD,
        pid=pid,
        ipc=Mode.NODE if spec.get("hostIPC") else Mode.POD,
        target=target if pid == Mode.TARGET else "",
    )


def groups(pod: Object, extra: Sequence[int]) -> list[int]:
    """Supplemental groups: of the volumes' files, then those named. `extra` are volumes' own group ids."""
    shared = pods.security(pod)
    fs_group = [] if shared.get("fsGroup") is None else [shared["fsGroup"]]
    return [*fs_group, *(shared.get("supplementalGroups") or ()), *extra]


def seccomp(pod: Object, container: Object, profiles: Path) -> Profile:
    """The container's profile, else the pod's, else none. Localhost profiles lie below `profiles`."""
    own = (container.get("securityContext") or {}).get("seccompProfile") or pods.security(pod).get("seccompProfile")
    if (container.get("securityContext") or {}).get("privileged"):
        return Profile("Unconfined")
    if not own:
        return Profile("Unconfined")
    if own["type"] == "Localhost":
        return Profile("Localhost", str(profiles / own.get("localhostProfile", "")))
    return Profile(own["type"])


def apparmor(pod: Object, container: Object) -> Profile | None:
    own = (container.get("securityContext") or {}).get("appArmorProfile") or pods.security(pod).get("appArmorProfile")
    if own:
        return Profile(own["type"], own.get("localhostProfile") or "")
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    text = annotations.get(APPARMOR_ANNOTATION + container["name"], "")
    if text.startswith("localhost/"):
        return Profile("Localhost", text.removeprefix("localhost/"))
    return {"runtime/default": Profile("RuntimeDefault"), "unconfined": Profile("Unconfined")}.get(text)


def is_privileged(container: Object) -> bool:
    return bool((container.get("securityContext") or {}).get("privileged"))


def sandbox_security(pod: Object, extra_groups: Sequence[int] = ()) -> Security:
    shared = pods.security(pod)
    return Security(
        namespaces=namespaces(pod),
        user=shared.get("runAsUser"),
        group=shared.get("runAsGroup"),
        supplemental_groups=groups(pod, extra_groups),
        strict_groups=shared.get("supplementalGroupsPolicy") == "Strict",
        privileged=any(is_privileged(c) for _, c in pods.every_container(pod)),
        seccomp=Profile("RuntimeDefault"),
        selinux=shared.get("seLinuxOptions"),
    )


def check_not_root(pod: Object, container: Object, image: Image) -> None:
    """Raises Refused when runAsNonRoot is set and the process would run as root, or nobody can tell."""
    wanted = pods.effective_security(pod, container)
    if not wanted.get("runAsNonRoot"):
        return
    where = f'(pod: "{pods.described(pod)}", container: {container["name"]})'
    if wanted.get("runAsUser") is not None:
        if wanted["runAsUser"] == 0:
            raise Refused(f"container's runAsUser breaks non-root policy {where}")
        return
    if image.user is None and image.user_name:
        unknown = f"image has non-numeric user ({image.user_name}), cannot verify user is non-root"
        raise Refused(f"container has runAsNonRoot and {unknown} {where}")
    if (image.user or 0) == 0:
        raise Refused(f"container has runAsNonRoot and image will run as root {where}")


def container_security(
    pod: Object, container: Object, image: Image, profiles: Path, extra_groups: Sequence[int] = (), target: str = ""
) -> Security:
    """Raises Refused, see `check_not_root`."""
    check_not_root(pod, container, image)
    wanted = pods.effective_security(pod, container)
    user = wanted.get("runAsUser")
    capabilities = wanted.get("capabilities") or {}
    unmasked = wanted.get("procMount") == "Unmasked"
    return Security(
        namespaces=namespaces(pod, target),
        user=_image_user(image) if user is None else user,
        user_name=image.user_name if user is None else "",
        group=wanted.get("runAsGroup"),
        supplemental_groups=groups(pod, extra_groups),
        strict_groups=pods.security(pod).get("supplementalGroupsPolicy") == "Strict",
        privileged=bool(wanted.get("privileged")),
        readonly_root=bool(wanted.get("readOnlyRootFilesystem")),
        seccomp=seccomp(pod, container, profiles),
        apparmor=apparmor(pod, container),
        selinux=wanted.get("seLinuxOptions"),
        add_capabilities=capabilities.get("add") or (),
        drop_capabilities=capabilities.get("drop") or (),
        no_new_privileges=wanted.get("allowPrivilegeEscalation") is False,
        masked_paths=() if unmasked else masked_paths(),
        readonly_paths=() if unmasked else READONLY,
    )


def _image_user(image: Image) -> int | None:
    """Root when the image names nobody."""
    return 0 if image.user is None and not image.user_name else image.user


def sysctls(pod: Object) -> dict[str, str]:
    """Kernel settings of the pod, with dots: runc knows no slashes."""
    wanted = pods.security(pod).get("sysctls") or ()
    return {dotted(s["name"]): s["value"] for s in wanted}


def dotted(name: str) -> str:
    """`net/ipv4/conf/eth0.1/x` as `net.ipv4.conf.eth0/1.x`; a name that begins with dots stays (sysctl(8))."""
    first = min((i for i in (name.find("."), name.find("/")) if i >= 0), default=-1)
    if first < 0 or name[first] == ".":
        return name
    return name.translate({ord("."): "/", ord("/"): "."})
