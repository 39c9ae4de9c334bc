"""StorageClass: how volumes are made."""

from collections.abc import Sequence

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.common.checks import check, declared_immutable, duplicates, one_of
from umiak.api.common.metadata import label_key
from umiak.api.common.pod_warnings import OLD_LABELS
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, duplicate, invalid_value, required, too_long
from umiak.objects.types import Object


def default(obj: Object) -> None:
    if obj.get("reclaimPolicy") is None:
        obj["reclaimPolicy"] = "Delete"
    if obj.get("volumeBindingMode") is None:
        obj["volumeBindingMode"] = "Immediate"


_PARAMETERS, _SIZE = 512, 256 * 1024


def parameters(values: dict[str, str], errors: list[FieldError]) -> None:
    """Of StorageClass and VolumeAttributesClass."""
    if len(values) > _PARAMETERS:
        errors.append(too_long("parameters", _PARAMETERS))
        return
    if "" in values:
        errors.append(invalid_value("parameters", "", "field can not be empty."))
    if sum(len(k.encode()) + len(v.encode()) for k, v in values.items()) > _SIZE:
        errors.append(too_long("parameters", _SIZE))


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    provisioner = obj.get("provisioner") or ""
    if not provisioner:
        late.append(required("provisioner"))
    else:
        for text in label_key(provisioner.lower()):
            errors.append(invalid_value("provisioner", provisioner.lower(), text))
    parameters(obj.get("parameters") or {}, errors)
    if obj["reclaimPolicy"]:
        one_of(obj["reclaimPolicy"], ("Delete", "Retain"), "reclaimPolicy", errors)
    one_of(obj["volumeBindingMode"], ("Immediate", "WaitForFirstConsumer"), "volumeBindingMode", errors)
    before: list[Object] = [{}]
    for index, term in enumerate(obj.get("allowedTopologies") or ()):
        path = f"allowedTopologies[{index}].matchLabelExpressions"
        _topology(term, path, errors)
        wanted = {e.get("key"): set(e.get("values") or ()) for e in term.get("matchLabelExpressions") or ()}
        if wanted in before:
            errors.append(duplicate(path, ""))
        before.append(wanted)
    return errors + late


def _topology(term: Object, path: str, errors: list[FieldError]) -> None:
    seen: set[str] = set()
    for index, requirement in enumerate(term.get("matchLabelExpressions") or ()):
        key, values, where = requirement.get("key") or "", requirement.get("values") or [], f"{path}[{index}]"
        if not values:
            errors.append(required(f"{where}.values"))
        errors += [duplicate(f"{where}.values[{at}]", value) for at, value in duplicates(values)]
        check(label_key, key, f"{where}.key", errors)
        if key in seen:
            errors.append(duplicate(f"{where}.key", key))
        seen.add(key)


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"):
        declared_immutable(new.get(field), old.get(field), field, errors)
    return errors


def warnings(new: Object, old: Object | None) -> list[str]:
    return [
        f"allowedTopologies[{i}].matchLabelExpressions[{j}].key: {OLD_LABELS[term['key']]}"
        for i, topology in enumerate(new.get("allowedTopologies") or ())
        for j, term in enumerate(topology.get("matchLabelExpressions") or ())
        if term.get("key") in OLD_LABELS
    ]


DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def effective_default(classes: Sequence[Object]) -> str:
    """The newest of those annotated as the default, by name where they are equally new."""
    marked = [c for c in classes if _is_default(c)]
    marked.sort(key=lambda c: str(c["metadata"]["name"]))
    newest = max(marked, key=lambda c: str(c["metadata"].get("creationTimestamp") or ""), default=None)
    return str(newest["metadata"]["name"]) if newest else ""


def _is_default(storage_class: Object) -> bool:
    notes = storage_class["metadata"].get("annotations") or {}
    return any(notes.get(name) == "true" for name in DEFAULT_ANNOTATIONS)


KIND = builtin(
    "storage.k8s.io/v1",
    "StorageClass",
    default=default,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    columns=(
        NAME,
        column("Provisioner", reads("provisioner"), "StorageClass.provisioner"),
        column("ReclaimPolicy", reads("reclaimPolicy", otherwise="Delete"), "StorageClass.reclaimPolicy"),
        column(
            "VolumeBindingMode", reads("volumeBindingMode", otherwise="Immediate"), "StorageClass.volumeBindingMode"
        ),
        column(
            "AllowVolumeExpansion", reads("allowVolumeExpansion", otherwise=False), "StorageClass.allowVolumeExpansion"
        ),
        AGE,
    ),
    marked_default=effective_default,
    deletion_returns_object=True,
)
