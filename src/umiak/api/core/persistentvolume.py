"""PersistentVolume: storage that outlives pods."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, UNSET, access_modes_text, column, reads
from umiak.api.common.persistent_volume_spec import volume_spec
from umiak.api.common.pod_defaults import default_volume_source
from umiak.api.common.pod_warnings import OLD_VOLUMES, old_node_labels
from umiak.api.common.resources import round_up
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.common.volume_sources import SHARED
from umiak.api.internal import difference, shown
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value
from umiak.objects.types import Object

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def default(obj: Object) -> None:
    spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    if spec.get("capacity"):
        round_up(spec["capacity"])
    default_volume_source(spec)


def prepare_create(obj: Object) -> None:
    """The time of the phase is that of creation."""
    obj["status"] = {"phase": "Pending"}
    created = (obj.get("metadata") or {}).get("creationTimestamp")
    if created:
        obj["status"]["lastPhaseTransitionTime"] = created


def prepare_status(new: Object, old: Object) -> None:
    only_status(new, old)
    status, before = new.setdefault("status", {}), old.get("status") or {}
    moment = before.get("lastPhaseTransitionTime")
    if status.get("phase") == before.get("phase") and moment and not status.get("lastPhaseTransitionTime"):
        status["lastPhaseTransitionTime"] = moment


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    volume_spec(obj["spec"], False, "spec", errors)
    return errors


_SOURCES = frozenset({"hostPath", "local", "csi", *SHARED})


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """Where the data lies never changes."""
    errors: list[FieldError] = []
    if any(new["spec"].get(name) != old["spec"].get(name) for name in _SOURCES):
        change = difference("core.PersistentVolumeSource", old["spec"], new["spec"])
        text = f"spec.persistentvolumesource is immutable after creation\n{change}"
        errors.append(field_forbidden("spec.persistentvolumesource", text))
    mode = new["spec"].get("volumeMode")
    if mode != old["spec"].get("volumeMode"):
        errors.append(invalid_value("volumeMode", mode, "field is immutable"))
    affinity, before = new["spec"].get("nodeAffinity"), old["spec"].get("nodeAffinity")
    if before is not None and affinity not in (before, _with_new_labels(before)):
        text = "field is immutable, except for updating from beta label to GA"
        errors.append(invalid_value("nodeAffinity", shown("*core.VolumeNodeAffinity", affinity), text))
    return errors


_NEW_LABELS = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/os": "kubernetes.io/os",
}


def _with_new_labels(value: Any) -> Any:
    """Node affinity with labels under the names that they have today."""
    if isinstance(value, dict):
        found = {name: _with_new_labels(part) for name, part in value.items()}
        return {**found, "key": _NEW_LABELS.get(found["key"], found["key"])} if "key" in found else found
    return [_with_new_labels(part) for part in value] if isinstance(value, list) else value


def warnings(new: Object, old: Object | None) -> list[str]:
    spec, annotations = new["spec"], (new.get("metadata") or {}).get("annotations") or {}
    found = [f"metadata.annotations[{key}]: {text}" for key, text in _OLD_ANNOTATIONS.items() if key in annotations]
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        advice = "Instead, the recommended approach is to use dynamic provisioning."
        text = f"The Recycle reclaim policy is deprecated. {advice}"
        found.append(f"spec.persistentVolumeReclaimPolicy: {text}")
    for index, term in enumerate(
        ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    ):
        found += old_node_labels(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]")
    return found + [f"spec.{text}" for field, text in _OLD_SOURCES.items() if spec.get(field) is not None]


_OLD_ANNOTATIONS = {
    "volume.beta.kubernetes.io/storage-class": 'deprecated since v1.8; use "storageClassName" attribute instead',
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_OLD_SOURCES = {
    field: OLD_VOLUMES[field]
    for field in ("cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd")
}


def claim(obj: Object, now: float) -> Any:
    ref = (obj.get("spec") or {}).get("claimRef")
    return f"{ref.get('namespace') or ''}/{ref.get('name') or ''}" if ref else ""


def phase(obj: Object, now: float) -> Any:
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else (obj.get("status") or {}).get("phase") or ""


def storage_class(obj: Object, now: float) -> Any:
    old_way = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    return old_way if old_way is not None else (obj.get("spec") or {}).get("storageClassName") or ""


def modes(obj: Object, now: float) -> Any:
    return access_modes_text((obj.get("spec") or {}).get("accessModes"))


KIND = builtin(
    "v1",
    "PersistentVolume",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=prepare_status,
    validate=validate,
    warnings=warnings,
    validate_update=validate_update,
    columns=(
        NAME,
        column("Capacity", reads("spec", "capacity", "storage", otherwise="0"), "PersistentVolumeSpec.capacity"),
        column("Access Modes", modes, "PersistentVolumeSpec.accessModes"),
        column(
            "Reclaim Policy",
            reads("spec", "persistentVolumeReclaimPolicy"),
            "PersistentVolumeSpec.persistentVolumeReclaimPolicy",
        ),
        column("Status", phase, "PersistentVolumeStatus.phase"),
        column("Claim", claim, "PersistentVolumeSpec.claimRef"),
        column("StorageClass", storage_class, "StorageClass of the pv"),
        column(
            "VolumeAttributesClass",
            reads("spec", "volumeAttributesClassName", otherwise=UNSET),
            "VolumeAttributesClass of the pv",
        ),
        column("Reason", reads("status", "reason"), "PersistentVolumeStatus.reason"),
        AGE,
        column(
            "VolumeMode", reads("spec", "volumeMode", otherwise=UNSET), "PersistentVolumeSpec.volumeMode", wide=True
        ),
    ),
    deletion_returns_object=True,
)
