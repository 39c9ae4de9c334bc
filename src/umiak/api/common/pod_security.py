"""Validates security contexts, of pods and of containers."""

import re

from umiak.api.common.checks import Errors, descending_path, one_of, user_or_group
from umiak.api.common.pod_windows import windows_options
from umiak.api.internal import shown
from umiak.objects.errors import duplicate, field_forbidden, invalid_value, not_supported, required, too_long
from umiak.objects.types import Object

_PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL_PART = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_PATTERN = rf"({_SYSCTL_PART}[\./])*{_SYSCTL_PART}"
_sysctl = re.compile(_SYSCTL_PATTERN).fullmatch


def pod_security_context(context: Object, spec: Object, path: str, errors: Errors) -> None:
    user_or_group(context, "fsGroup", path, errors)
    user_or_group(context, "runAsUser", path, errors)
    user_or_group(context, "runAsGroup", path, errors)
    groups = context.get("supplementalGroups") or ()
    for index, group in enumerate(groups):
        user_or_group({f"supplementalGroups[{index}]": group}, f"supplementalGroups[{index}]", path, errors)
    if context.get("sysctls"):
        _sysctls(context["sysctls"], spec, f"{path}.sysctls", errors)
    if context.get("fsGroupChangePolicy") is not None:
        one_of(context["fsGroupChangePolicy"], ("Always", "OnRootMismatch"), f"{path}.fsGroupChangePolicy", errors)
    seccomp_profile(context.get("seccompProfile"), f"{path}.seccompProfile", errors)
    windows_options(context.get("windowsOptions"), f"{path}.windowsOptions", errors)
    app_armor_profile(context.get("appArmorProfile"), f"{path}.appArmorProfile", errors)
    if context.get("supplementalGroupsPolicy") is not None:
        one_of(context["supplementalGroupsPolicy"], ("Merge", "Strict"), f"{path}.supplementalGroupsPolicy", errors)
    if context.get("seLinuxChangePolicy") is not None:
        one_of(context["seLinuxChangePolicy"], ("MountOption", "Recursive"), f"{path}.seLinuxChangePolicy", errors)


def security_context(context: Object, host_users: bool, path: str, errors: Errors) -> None:
    """Of a container."""
    user_or_group(context, "runAsUser", path, errors)
    user_or_group(context, "runAsGroup", path, errors)
    mount = context.get("procMount")
    if mount is not None:
        one_of(mount, ("Default", "Unmasked"), f"{path}.procMount", errors)
        if host_users and mount == "Unmasked":
            errors.append(invalid_value(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    seccomp_profile(context.get("seccompProfile"), f"{path}.seccompProfile", errors)
    if context.get("allowPrivilegeEscalation") is False:
        _escalation(context, path, errors)
    windows_options(context.get("windowsOptions"), f"{path}.windowsOptions", errors)
    app_armor_profile(context.get("appArmorProfile"), f"{path}.appArmorProfile", errors)


def _escalation(context: Object, path: str, errors: Errors) -> None:
    if context.get("privileged"):
        text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        errors.append(invalid_value(path, shown("core.SecurityContext", context), text))
    for capability in (context.get("capabilities") or {}).get("add") or ():
        if capability == "CAP_SYS_ADMIN":
            text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            errors.append(invalid_value(path, shown("core.SecurityContext", context), text))


def seccomp_profile(profile: Object | None, path: str, errors: Errors) -> None:
    if profile is None:
        return
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        errors.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif kind not in _PROFILE_TYPES:
        errors.append(not_supported(f"{path}.type", kind, _PROFILE_TYPES))
    where = f"{path}.localhostProfile"
    if kind != "Localhost":
        if local is not None:
            errors.append(
                invalid_value(
                    where, shown("core.SeccompProfile", profile), "can only be set when seccomp type is Localhost"
                )
            )
    elif local is None:
        errors.append(required(where, "must be set when seccomp type is Localhost"))
    else:
        descending_path(local, where, errors)


def app_armor_profile(profile: Object | None, path: str, errors: Errors) -> None:
    if profile is None:
        return
    kind, local, where = profile.get("type") or "", profile.get("localhostProfile"), f"{path}.localhostProfile"
    if kind == "Localhost":
        if local is None or not local:
            errors.append(required(where, "must be set when AppArmor type is Localhost"))
            return
        if local.strip() != local:
            errors.append(invalid_value(where, local, "must not be padded with whitespace"))
        if len(local.encode()) > 4095:
            errors.append(too_long(where, 4095))
    elif kind in _PROFILE_TYPES:
        if local is not None:
            errors.append(invalid_value(where, local, "can only be set when AppArmor type is Localhost"))
    elif not kind:
        errors.append(required(f"{path}.type", "type is required when appArmorProfile is set"))
    else:
        errors.append(not_supported(f"{path}.type", kind, _PROFILE_TYPES))


def _sysctls(sysctls: list[Object], spec: Object, path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        name, where = sysctl.get("name") or "", f"{path}[{index}].name"
        if not name:
            errors.append(required(where))
        elif len(name) > 253 or not _sysctl(name):
            errors.append(
                invalid_value(where, name, f"must have at most 253 characters and match regex ^{_SYSCTL_PATTERN}$")
            )
        elif name in seen:
            errors.append(duplicate(where, name))
        seen.add(name)
        _host_sysctl(name, spec, where, errors)


def _host_sysctl(name: str, spec: Object, path: str, errors: Errors) -> None:
    """Sysctls of a namespace that the pod shares with its host are not the pod's to set."""
    dotted = name.replace("/", ".") if "/" in name and ("." not in name or name.index("/") < name.index(".")) else name
    if spec.get("hostNetwork") and dotted.startswith("net."):
        errors.append(invalid_value(path, name, "may not be specified when 'hostNetwork' is true"))
    shared = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
    if spec.get("hostIPC") and dotted.startswith(shared):
        errors.append(invalid_value(path, name, "may not be specified when 'hostIPC' is true"))


def share_process_namespace(spec: Object, path: str, errors: Errors) -> None:
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid_value(f"{path}.shareProcessNamespace", True, text))


def host_users(spec: Object, path: str, errors: Errors) -> None:
    """A pod with users of its own shares nothing of its host (KEP 127)."""
    if spec.get("hostUsers") is not False:
        return
    for field, said in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(field):
            errors.append(field_forbidden(f"{path}.{said}", "when `hostUsers` is false"))
    for name in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(name) or ()):
            if container.get("volumeDevices"):
                where = f"{path}.{name}[{index}].volumeDevices"
                errors.append(field_forbidden(where, "when `hostUsers` is false"))
