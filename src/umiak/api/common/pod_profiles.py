"""Security profiles that once were annotations of pods: what they mean, and whether they agree with the fields.

Source: `pkg/api/pod/util.go` and `warnings.go`, `pkg/apis/core/validation/validation.go`.
"""

from collections.abc import Callable, Iterator

from umiak.objects.errors import FieldError, field_forbidden
from umiak.objects.types import Object

APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
APP_ARMOR_TEXT = 'deprecated since v1.30; use the "appArmorProfile" field instead'
SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
POD_SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_TEXT = 'non-functional in v1.27+; use the "seccompProfile" field instead'
DEFAULTS = ("runtime/default", "docker/default")
LOCAL = "localhost/"


def containers(spec: Object) -> Iterator[tuple[Object, str]]:
    """Of all kinds, each with its place in the spec."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            yield container, f"{kind}[{index}]"


def app_armor_profile(annotation: str) -> Object | None:
    """What an annotation means; None when it means nothing."""
    if annotation in ("runtime/default", "unconfined"):
        return {"type": "RuntimeDefault" if annotation == "runtime/default" else "Unconfined"}
    local = annotation.removeprefix(LOCAL)
    return {"type": "Localhost", "localhostProfile": local} if local != annotation and local else None


def own(holder: Object, field: str) -> Object | None:
    """The profile of a pod's spec or of a container."""
    found: Object | None = (holder.get("securityContext") or {}).get(field)
    return found


def seccomp_warnings(annotations: Object, spec: Object, container: Object | None, path: str) -> list[str]:
    """Of a pod, or of a container, that has the annotation without the field; `path` is that of the annotations."""
    key = POD_SECCOMP if container is None else SECCOMP + (container.get("name") or "")
    if key not in annotations or own(spec if container is None else container, "seccompProfile") is not None:
        return []
    return [f"{path}[{key}]: {SECCOMP_TEXT}"]


def disagreements(annotations: Object, spec: Object, path: str) -> list[FieldError]:
    """Annotations that say something else than the fields beside them; `path` is that of the spec."""
    if not any("security" in key for key in annotations):
        return []
    found = list(
        _differ(annotations.get(POD_SECCOMP), own(spec, "seccompProfile"), f"{path}.securityContext", _SECCOMP)
    )
    for container, place in containers(spec):
        said, profile = annotations.get(SECCOMP + (container.get("name") or "")), own(container, "seccompProfile")
        found += _differ(said, profile, f"{path}.{place}.securityContext", _SECCOMP)
    if (spec.get("os") or {}).get("name") == "windows":
        return found
    for container, place in containers(spec):
        said = annotations.get(APP_ARMOR + (container.get("name") or ""))
        profile = own(container, "appArmorProfile") or own(spec, "appArmorProfile")
        found += _differ(said, profile, f"{path}.{place}.securityContext", _APP_ARMOR)
    return found


_Said = tuple[str, str, Callable[[str], bool]]
_SECCOMP: _Said = ("seccomp", "seccompProfile", DEFAULTS.__contains__)
_APP_ARMOR: _Said = ("apparmor", "appArmorProfile", "runtime/default".__eq__)


def _differ(said: str | None, profile: Object | None, path: str, about: _Said) -> Iterator[FieldError]:
    if said is None or profile is None:
        return
    word, field, is_default = about
    kind, place = profile.get("type"), f"{path}.{field}"
    fits = {"Unconfined": said == "unconfined", "RuntimeDefault": is_default(said), "Localhost": said.startswith(LOCAL)}
    if not fits.get(kind or "", True):
        yield field_forbidden(f"{place}.type", f"{word} type in annotation and field must match")
    elif kind == "Localhost" and said.removeprefix(LOCAL) != profile.get("localhostProfile"):
        yield field_forbidden(f"{place}.localhostProfile", f"{word} profile in annotation and field must match")
