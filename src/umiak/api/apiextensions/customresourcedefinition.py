"""CustomResourceDefinition, apiextensions.k8s.io/v1: the definition itself, not what it defines.

What a definition may say is checked in modules of its own, which are loaded when one is written.
"""

from typing import Any

from umiak.api.common.cells import NAME, column, condition_is_true, reads
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object


def default(definition: Object) -> None:
    """Names that follow from the kind, no conversion, and the stored version (`SetDefaults`)."""
    spec = definition.get("spec") or {}
    names = spec.get("names") or {}
    kind = names.get("kind") or ""
    if not names.get("singular") and kind:
        names["singular"] = kind.lower()
    if not names.get("listKind") and kind:
        names["listKind"] = kind + "List"
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}
    service = (((spec.get("conversion") or {}).get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = 443
    status = definition.setdefault("status", {})
    if not status.get("storedVersions"):
        status["storedVersions"] = _storage_version(definition) or None


def _storage_version(definition: Object) -> list[str]:
    versions = (definition.get("spec") or {}).get("versions") or []
    return [version.get("name") or "" for version in versions if version.get("storage")][:1]


def prepare_create(definition: Object) -> None:
    definition["status"] = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": _storage_version(definition) or None,
    }


def prepare_update(new: Object, old: Object) -> None:
    """A new storage version is remembered until somebody says that nothing is stored in the old one."""
    status = new["status"] = dict(old["status"])
    stored = list(status.get("storedVersions") or [])
    status["storedVersions"] = [*stored, *(v for v in _storage_version(new) if v not in stored)] or None


def prepare_status(new: Object, old: Object) -> None:
    """Metadata may change here, so that controllers can take their finalizers off."""
    new["spec"] = old["spec"]


def validate(definition: Object) -> list[FieldError]:
    from umiak.api.apiextensions._definition import faults

    return faults(definition)


def validate_update(new: Object, old: Object) -> list[FieldError]:
    from umiak.api.apiextensions._definition import faults_of_update

    return faults_of_update(new, old)


def validate_status(new: Object, old: Object) -> list[FieldError]:
    from umiak.api.apiextensions._definition import faults_of_status

    return faults_of_status(new)


def warnings(new: Object, old: Object | None) -> list[str]:
    from umiak.api.apiextensions._definition import warnings_of

    return warnings_of(new, old)


def served(obj: Object, now: float) -> Any:
    versions = [v for v in obj["spec"].get("versions") or () if v.get("served")]
    return ",".join(sorted(f"{v['name']}(storage)" if v.get("storage") else v["name"] for v in versions))


def short_names(obj: Object, now: float) -> Any:
    return ",".join((obj["spec"].get("names") or {}).get("shortNames") or ())


def is_established(obj: Object, now: float) -> Any:
    return condition_is_true(obj, "Established")


KIND = builtin(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    validate_status=validate_status,
    warnings=warnings,
    columns=(
        NAME,
        column("Scope", reads("spec", "scope", otherwise=""), "Cluster/Namespaced"),
        column("Versions", served, "Served versions"),
        column("Created At", reads("metadata", "creationTimestamp"), "ObjectMeta.creationTimestamp", type="date"),
        column("Group", reads("spec", "group", otherwise=""), "API group", wide=True),
        column("Kind", reads("spec", "names", "kind", otherwise=""), "CustomResource kind", wide=True),
        column("ShortNames", short_names, "Short names", wide=True),
        column("Established", is_established, "Established status", type="boolean", wide=True),
    ),
    counts_generation=True,
    updates_unconditionally=False,
)
