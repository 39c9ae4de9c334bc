"""PersistentVolumeClaim: a wish for storage."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, UNSET, access_modes_text, column, reads
from umiak.api.common.pod_defaults import default_claim_spec
from umiak.api.common.resources import round_up
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.common.volume_sources import claim_spec, claim_warnings
from umiak.api.internal import difference, shown
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value
from umiak.objects.quantity import parse
from umiak.objects.types import Object

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def default(obj: Object) -> None:
    default_claim_spec(obj.setdefault("spec", {}))
    status = obj.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"
    for name in ("capacity", "allocatedResources"):
        if status.get(name):
            round_up(status[name])


def _stay_in_namespace(spec: Object) -> None:
    """Claims do not refer to other namespaces unless the feature is asked for."""
    if (spec.get("dataSourceRef") or {}).get("namespace"):
        del spec["dataSourceRef"]


def prepare_create(obj: Object) -> None:
    """Of dataSource and dataSourceRef, either stands for both."""
    obj["status"] = {"phase": "Pending"}
    _stay_in_namespace(obj["spec"])
    normalize_data_sources(obj["spec"])


def warnings(new: Object, old: Object | None) -> list[str]:
    found = []
    if CLASS_ANNOTATION in ((new.get("metadata") or {}).get("annotations") or {}):
        text = 'deprecated since v1.8; use "storageClassName" attribute instead'
        found.append(f"metadata.annotations[{CLASS_ANNOTATION}]: {text}")
    return found + claim_warnings(new["spec"], "spec")


_OLD_SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def normalize_data_sources(spec: Object) -> None:
    """`dataSource` names claims and snapshots only; what else it names is ignored."""
    given = spec.get("dataSource")
    if (
        spec.get("dataSourceRef") is None
        and given is not None
        and (given.get("apiGroup") or "", given.get("kind") or "") not in _OLD_SOURCES
    ):
        del spec["dataSource"]
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and ref is None:
        spec["dataSourceRef"] = dict(source)
    elif ref is not None and source is None and not ref.get("namespace"):
        spec["dataSource"] = {name: ref[name] for name in ("apiGroup", "kind", "name") if name in ref}


def prepare_update(new: Object, old: Object) -> None:
    keep_status(new, old)
    if not old["spec"].get("dataSourceRef"):
        _stay_in_namespace(new["spec"])
    normalize_data_sources(new["spec"])


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    claim_spec(obj["spec"], "spec", errors)
    return errors


_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """Once made, a claim may only be bound, and when bound only grow or change class."""
    errors: list[FieldError] = []
    spec, before = dict(new["spec"]), dict(old["spec"])
    is_bound = (new.get("status") or {}).get("phase") == "Bound"
    if not before.get("volumeName"):
        before["volumeName"] = spec.get("volumeName")
    if before.get("storageClassName") is None and CLASS_ANNOTATION not in (old["metadata"].get("annotations") or {}):
        spec["storageClassName"] = None  # a default class that came later (KEP-3333)
    if is_bound:
        _may_grow(spec, before)
    if shown(_SPEC, spec) != shown(_SPEC, before):
        change = difference(_SPEC, before, spec)
        errors.append(field_forbidden("spec", f"{_FIXED}\n{change}"))
    size, had = (parse(_storage(obj["spec"].get("resources"), "requests")) for obj in (new, old))
    if size < had and size <= parse((((old.get("status") or {}).get("capacity")) or {}).get("storage") or "0"):
        text = "field can not be less than status.capacity"
        errors.append(field_forbidden("spec.resources.requests.storage", text))
    mode = new["spec"].get("volumeMode")
    if mode != old["spec"].get("volumeMode"):
        errors.append(invalid_value("volumeMode", mode, "field is immutable"))
    return errors + _attributes_class(new["spec"], old)


_SPEC = "core.PersistentVolumeClaimSpec"


def _storage(resources: Object | None, field: str) -> str:
    return str(((resources or {}).get(field) or {}).get("storage") or "0")


def _may_grow(spec: Object, before: Object) -> None:
    """Makes the size and the class of a bound claim what they were."""
    spec["volumeAttributesClassName"] = before.get("volumeAttributesClassName")
    resources = spec.get("resources") or {}
    if resources.get("requests") is not None:
        requests = {**resources["requests"], "storage": _storage(before.get("resources"), "requests")}
        spec["resources"] = {**resources, "requests": requests}


def _attributes_class(spec: Object, old: Object) -> list[FieldError]:
    """A class that is in use can be exchanged and not be given up."""
    name, path = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    is_used = (old.get("status") or {}).get("currentVolumeAttributesClassName") is not None
    if name or not is_used or name == old["spec"].get("volumeAttributesClassName"):
        return []
    what = "nil" if name is None else "empty string"
    text = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
    return [field_forbidden(path, text)]


def phase(obj: Object, now: float) -> Any:
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else (obj.get("status") or {}).get("phase") or ""


def storage_class(obj: Object, now: float) -> Any:
    old_way = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    return old_way if old_way is not None else (obj.get("spec") or {}).get("storageClassName") or ""


def capacity(obj: Object, now: float) -> Any:
    if not (obj.get("spec") or {}).get("volumeName"):
        return ""
    return ((obj.get("status") or {}).get("capacity") or {}).get("storage") or "0"


def modes(obj: Object, now: float) -> Any:
    bound = (obj.get("spec") or {}).get("volumeName")
    return access_modes_text((obj.get("status") or {}).get("accessModes")) if bound else ""


KIND = builtin(
    "v1",
    "PersistentVolumeClaim",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=only_status,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    columns=(
        NAME,
        column("Status", phase, "PersistentVolumeClaimStatus.phase"),
        column("Volume", reads("spec", "volumeName"), "PersistentVolumeClaimSpec.volumeName"),
        column("Capacity", capacity, "PersistentVolumeClaimStatus.capacity"),
        column("Access Modes", modes, "PersistentVolumeClaimStatus.accessModes"),
        column("StorageClass", storage_class, "StorageClass of the pvc"),
        column(
            "VolumeAttributesClass",
            reads("spec", "volumeAttributesClassName", otherwise=UNSET),
            "VolumeAttributesClass of the pvc",
        ),
        AGE,
        column(
            "VolumeMode",
            reads("spec", "volumeMode", otherwise=UNSET),
            "PersistentVolumeClaimSpec.volumeMode",
            wide=True,
        ),
    ),
    deletion_returns_object=True,
)
