"""Validates what pods say of Windows: credentials, user names, processes of the host.

Source: `validateWindowsSecurityContextOptions`, `validateWindowsHostProcessPod` in
`pkg/apis/core/validation/validation.go`.
"""

import re

from umiak.api.common.checks import Errors, check
from umiak.objects import names
from umiak.objects.errors import invalid_value
from umiak.objects.types import Object

_MOST_KIBIBYTES = 64
_LONGEST_DOMAIN = 255
_LONGEST_USER = 104
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DOTS_OR_SPACES = re.compile(r"[. ]+")
_NOT_IN_USERS = re.compile(r'["/\\:;|=,+*?<>@\[\]]')


def windows_options(options: Object | None, path: str, errors: Errors) -> None:
    if not options:
        return
    name, spec, user = (
        options.get(field) for field in ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName")
    )
    if name is not None:
        check(names.dns_subdomain, name, f"{path}.gmsaCredentialSpecName", errors)
    if spec is not None:
        check(_spec_faults, spec, f"{path}.gmsaCredentialSpec", errors)
    if user is not None:
        check(_user_name_faults, user, f"{path}.runAsUserName", errors)


def _spec_faults(spec: str) -> list[str]:
    if not spec:
        return ["gmsaCredentialSpec cannot be an empty string"]
    is_long = len(spec.encode()) > _MOST_KIBIBYTES * 1024
    return [f"gmsaCredentialSpec size must be under {_MOST_KIBIBYTES} KiB"] if is_long else []


def _user_name_faults(text: str) -> list[str]:
    if not text:
        return ["runAsUserName cannot be an empty string"]
    if _CONTROL.search(text):
        return ["runAsUserName cannot contain control characters"]
    parts = text.split("\\")
    if len(parts) > 2:
        return ["runAsUserName cannot contain more than one backslash"]
    return _domain_faults(parts[0] if len(parts) == 2 else None) + _user_faults(parts[-1])


def _domain_faults(domain: str | None) -> list[str]:
    faults = []
    if len((domain or "").encode()) > _LONGEST_DOMAIN:
        faults.append(f"runAsUserName's Domain length must be under {_LONGEST_DOMAIN + 1} characters")
    if domain is not None and not (_NETBIOS.fullmatch(domain) or _DNS.fullmatch(domain)):
        faults.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    return faults


def _user_faults(user: str) -> list[str]:
    faults = []
    if not user:
        faults.append("runAsUserName's User cannot be empty")
    elif len(user.encode()) > _LONGEST_USER:
        faults.append(f"runAsUserName's User length must not be longer than {_LONGEST_USER} characters")
    if _DOTS_OR_SPACES.fullmatch(user):
        faults.append("runAsUserName's User cannot contain only periods or spaces")
    if _NOT_IN_USERS.search(user):
        faults.append("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return faults


def host_process(spec: Object, path: str, errors: Errors) -> None:
    """Either all containers are processes of the host or none is; those that are use its network."""
    of_pod = _is_host_process(spec)
    verdicts = []
    for name in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(name) or ()):
            own = _is_host_process(container)
            if None not in (own, of_pod) and own != of_pod:
                text = f"pod hostProcess value must be identical if both are specified, was {str(of_pod).lower()}"
                where = f"{path}.{name}[{index}].securityContext.windowsOptions.hostProcess"
                errors.append(invalid_value(where, own, text))
            verdicts.append(bool(of_pod if own is None else own))
    if not any(verdicts):
        return
    if not all(verdicts):
        text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        errors.append(invalid_value(path, "", text))
    if not spec.get("hostNetwork"):
        text = "hostNetwork must be true if pod contains any hostProcess containers"
        errors.append(invalid_value(f"{path}.hostNetwork", False, text))


def _is_host_process(holder: Object) -> bool | None:
    found: bool | None = ((holder.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    return found
