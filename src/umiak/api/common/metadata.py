"""Validates what all objects have in `metadata`, built-in kinds and custom resources alike.

Source: apimachinery's `api/validation/objectmeta.go`, and `ValidateObjectMeta` of the core group.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from umiak.api.internal import printed_owners
from umiak.objects import names
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, required, too_long
from umiak.objects.types import Object

NameCheck = Callable[[str, bool], list[str]]

IMMUTABLE = "field is immutable"
ANNOTATIONS_LIMIT = 256 * 1024
STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})

# The same few labels come with every object.
label_key = lru_cache(maxsize=8192)(names.label_key)
label_value = lru_cache(maxsize=8192)(names.label_value)


def subdomain(name: str, is_prefix: bool) -> list[str]:
    """The rule for most names."""
    return names.dns_subdomain(names.without_trailing_dash(name) if is_prefix else name)


def label(name: str, is_prefix: bool) -> list[str]:
    """The rule for names that become host names."""
    return names.dns_label(names.without_trailing_dash(name) if is_prefix else name)


def dns_1035(name: str, is_prefix: bool) -> list[str]:
    return names.dns_1035_label(names.without_trailing_dash(name) if is_prefix else name)


def path_segment(name: str, is_prefix: bool) -> list[str]:
    """The rule for names that only have to fit in a URL."""
    return names.path_segment(name, is_prefix)


def validate_metadata(
    obj: Object, namespaced: bool, check_name: NameCheck = subdomain, standard_finalizers: bool = True
) -> list[FieldError]:
    """What is wrong with the metadata of a new object, whose name has been generated if it was to be.

    `standard_finalizers` is off for custom resources, whose finalizers need no domain.
    """
    meta = obj.get("metadata") or {}
    errors: list[FieldError] = []
    prefix, name, namespace = meta.get("generateName"), meta.get("name"), meta.get("namespace")
    if prefix:
        errors += [invalid_value("metadata.generateName", prefix, text) for text in check_name(prefix, True)]
    if name:
        errors += [invalid_value("metadata.name", name, text) for text in check_name(name, False)]
    else:
        errors.append(required("metadata.name", "name or generateName is required"))
    if namespaced:
        if not namespace:
            errors.append(required("metadata.namespace"))
        else:
            errors += [invalid_value("metadata.namespace", namespace, text) for text in names.dns_label(namespace)]
    elif namespace:
        errors.append(field_forbidden("metadata.namespace", "not allowed on this type"))
    _common(meta, errors)
    finalizers = meta.get("finalizers")
    if finalizers:
        _finalizers(finalizers, errors)
        if standard_finalizers:
            _qualified_finalizers(finalizers, errors)
    return errors


def validate_metadata_update(new: Object, old: Object, standard_finalizers: bool = True) -> list[FieldError]:
    """What is wrong with the metadata of a changed object."""
    meta, before = new.get("metadata") or {}, old.get("metadata") or {}
    errors: list[FieldError] = []
    if before.get("deletionTimestamp"):
        _no_new_finalizers(meta.get("finalizers") or [], before.get("finalizers") or [], errors)
    if not meta.get("resourceVersion"):
        errors.append(invalid_value("metadata.resourceVersion", "", "must be specified for an update"))
    if (meta.get("generation") or 0) < (before.get("generation") or 0):
        errors.append(invalid_value("metadata.generation", meta.get("generation") or 0, "must not be decremented"))
    for field in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if meta.get(field) != before.get(field):
            errors.append(invalid_value(f"metadata.{field}", meta.get(field), IMMUTABLE))
    _common(meta, errors)
    if standard_finalizers:
        _qualified_finalizers(meta.get("finalizers") or [], errors)
    return errors


def validate_labels(labels: Mapping[str, str] | None, path: str, errors: list[FieldError]) -> None:
    """Keys and values of a map of labels, in the order of the keys."""
    for key in sorted(labels or ()):
        errors += [invalid_value(path, key, text) for text in label_key(key)]
        value = (labels or {})[key]
        errors += [invalid_value(path, value, text) for text in label_value(value)]


def validate_annotations(annotations: Mapping[str, str] | None, path: str, errors: list[FieldError]) -> None:
    """Keys, in any case; and the size of all together."""
    size = 0
    for key in sorted(annotations or ()):
        errors += [invalid_value(path, key, text) for text in label_key(key.lower())]
        size += len(key.encode()) + len(((annotations or {})[key] or "").encode())
    if size > ANNOTATIONS_LIMIT:
        errors.append(too_long(path, ANNOTATIONS_LIMIT))


def _common(meta: Object, errors: list[FieldError]) -> None:
    if meta.get("labels"):
        validate_labels(meta["labels"], "metadata.labels", errors)
    if meta.get("annotations"):
        validate_annotations(meta["annotations"], "metadata.annotations", errors)
    if meta.get("ownerReferences"):
        _owners(meta["ownerReferences"], errors)


def _owners(owners: list[Object], errors: list[FieldError]) -> None:
    controller = ""
    for index, owner in enumerate(owners):
        _owner(owner, f"metadata.ownerReferences[{index}]", errors)
        if owner.get("controller"):
            this = f"{owner.get('kind') or ''}/{owner.get('name') or ''}"
            if controller:
                text = (
                    "Only one reference can have Controller set to true."
                    f' Found "true" in references for {controller} and {this}'
                )
                errors.append(invalid_value("metadata.ownerReferences", printed_owners(owners), text))
            else:
                controller = this


def _owner(owner: Object, path: str, errors: list[FieldError]) -> None:
    version = owner.get("apiVersion") or ""
    _group, slash, rest = version.partition("/")
    if not version:
        errors.append(required(f"{path}.apiVersion", "must not be empty"))
    elif "/" in rest or (slash and not rest):
        errors.append(invalid_value(f"{path}.apiVersion", version, "must be <group>/<version> or <version>"))
    for field in ("kind", "name", "uid"):
        if not owner.get(field):
            errors.append(required(f"{path}.{field}", "must not be empty"))
    if version == "v1" and owner.get("kind") == "Event":
        errors.append(invalid_value(path, owner, "/v1, Kind=Event is disallowed from being an owner"))


def _finalizers(finalizers: list[str], errors: list[FieldError]) -> None:
    for finalizer in finalizers:
        errors += [invalid_value("metadata.finalizers", finalizer, text) for text in label_key(finalizer)]
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid_value("metadata.finalizers", finalizers, text))


def _qualified_finalizers(finalizers: list[str], errors: list[FieldError]) -> None:
    for index, finalizer in enumerate(finalizers):
        if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid_value(f"metadata.finalizers[{index}]", finalizer, text))


def _no_new_finalizers(new: list[str], old: list[str], errors: list[FieldError]) -> None:
    extra = sorted(set(new) - set(old))
    if extra:
        shown = "[]string{" + ", ".join(f'"{name}"' for name in extra) + "}"
        text = f"no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
        errors.append(field_forbidden("metadata.finalizers", text))
