"""What holds where a namespace's labels say nothing, and for whom nothing holds: PodSecurityConfiguration.

Source: pod-security-admission's `admission/api`, versions v1, v1beta1 and v1alpha1 alike.
"""

from collections.abc import Callable, Sequence

from umiak.api.configuration import TEXT, Unacceptable, document, list_of, read, struct
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, invalid_value, together
from umiak.objects.types import Object
from umiak.server.pod_security.policy import MODES, Policy, Rules, Standard, level_of, version_of

_DEFAULTS = struct("PodSecurityDefaults", **{name: TEXT for mode in MODES for name in (mode, f"{mode}-version")})
_LISTS = {name: list_of(TEXT) for name in ("usernames", "namespaces", "runtimeClasses")}
_FILE = document("PodSecurityConfiguration", defaults=_DEFAULTS, exemptions=struct("PodSecurityExemptions", **_LISTS))
_KNOWN = {
    (f"pod-security.admission.config.k8s.io/{version}", "PodSecurityConfiguration"): _FILE
    for version in ("v1", "v1beta1", "v1alpha1")
}


def rules_of(data: bytes) -> Rules:
    """Of the configuration in `data`; without any, the usual ones. Raises Unacceptable."""
    if not data:
        return Rules()
    config = read(data, _KNOWN)
    faults: list[FieldError] = []
    defaults = Policy(**{mode: _standard(config.get("defaults") or {}, mode, faults) for mode in MODES})
    exempt: Object = config.get("exemptions") or {}
    namespaces = _each(exempt, "namespaces", names.dns_label, faults)
    classes = _each(exempt, "runtimeClasses", names.dns_subdomain, faults)
    users = _each(exempt, "usernames", lambda name: [] if name else ["username must not be empty"], faults)
    if faults:
        raise Unacceptable(together(faults))
    return Rules(defaults, namespaces, users, classes)


def _standard(defaults: Object, mode: str, faults: list[FieldError]) -> Standard:
    level, version = defaults.get(mode) or "privileged", defaults.get(f"{mode}-version") or "latest"
    found, why = level_of(level, "restricted")
    number, wrong = version_of(version)
    for name, value, text in ((mode, level, why), (f"{mode}-version", version, wrong)):
        if text:
            faults.append(invalid_value(f"defaults.{name}", value, text))
    return Standard(found, number)


def _each(
    exempt: Object, field: str, wrong: Callable[[str], Sequence[str]], faults: list[FieldError]
) -> frozenset[str]:
    seen: set[str] = set()
    for i, value in enumerate(exempt.get(field) or ()):
        path = f"exemptions.{field}[{i}]"
        if why := wrong(value):
            faults.append(invalid_value(path, value, ", ".join(why)))
        elif value in seen:
            faults.append(duplicate(path, value))
        seen.add(value)
    return frozenset(seen)
