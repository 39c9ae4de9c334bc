"""What the server itself does with metadata: fills it in, keeps it from change, says what is wrong with it.

Rules are those of apimachinery's `api/validation/objectmeta.go` and apiserver's `registry/rest`.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from umiak.api.internal import printed_owners
from umiak.api.kind import Kind
from umiak.objects import names
from umiak.objects.errors import (
    FieldError,
    bad_request,
    field_forbidden,
    invalid_value,
    not_supported,
    required,
    too_long,
)
from umiak.objects.meta import FIELDS, format_time
from umiak.objects.types import Object

NAMES = ("name", "generateName", "namespace")
SYSTEM_FIELDS = ("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Without vowels and look-alikes, so that generated names spell nothing."""
SUFFIX_LENGTH = 5
LONGEST_PREFIX = 63 - SUFFIX_LENGTH
MAX_ANNOTATIONS = 256 * 1024
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
STANDARD_FINALIZERS = frozenset({"kubernetes", ORPHAN, FOREGROUND})
IMMUTABLE = "field is immutable"
DUPLICATE_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in 1.20+, and may "
    "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}"
)


def of(obj: Object) -> Object:
    """The object's metadata, made if it has none."""
    found = obj.get("metadata")
    if not isinstance(found, dict):
        found = obj["metadata"] = {}
    return found


def resets_managers(obj: Object) -> bool:
    """Whether the managed fields were sent as an empty list, which says more than none; decoding drops it."""
    about = obj.get("metadata")
    return isinstance(about, dict) and about.get("managedFields") == []


def ordered(obj: Object, kind: Kind) -> Object:
    """The same object, of that kind, with kind, apiVersion and metadata first, as stored bytes begin."""
    return arranged(obj, kind.kind, kind.api_version)


def arranged(obj: Object, name: str, api_version: str) -> Object:
    about = obj.get("metadata") or {}
    first = {k: about[k] for k in FIELDS if k in about}
    rest = {k: v for k, v in obj.items() if k not in ("kind", "apiVersion", "metadata")}
    return {"kind": name, "apiVersion": api_version, "metadata": {**first, **about}, **rest}


def wipe(about: Object) -> None:
    """Forgets what only the server may say."""
    for field in SYSTEM_FIELDS:
        about.pop(field, None)


def fill(about: Object, now: datetime, dice: random.Random) -> None:
    about["creationTimestamp"] = format_time(now)
    about["uid"] = new_uid(dice)


def new_uid(dice: random.Random) -> str:
    """A random UUID, version 4."""
    digits = f"{dice.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | (4 << 76) | (2 << 62):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def generated_name(prefix: str, dice: random.Random) -> str:
    return prefix[:LONGEST_PREFIX] + "".join(dice.choices(ALPHABET, k=SUFFIX_LENGTH))


def ensure_namespace(about: Object, namespace: str) -> None:
    """The object's namespace is the request's; 400 when it names another."""
    own = about.get("namespace") or ""
    if own == namespace:
        return
    if own and namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if namespace:
        about["namespace"] = namespace
    else:
        about.pop("namespace", None)


def without_duplicate_owners(about: Object, after_admission: bool) -> list[str]:
    """Drops repeated owner references; returns the warning, if any."""
    owners = about.get("ownerReferences") or []
    unique = list({msgspec.json.encode(o, order="sorted"): o for o in reversed(owners)}.values())[::-1]
    if len(unique) == len(owners):
        return []
    kept = set(map(id, unique))
    repeated = ", ".join(o.get("uid", "") for o in owners if id(o) not in kept)
    about["ownerReferences"] = unique
    return [DUPLICATE_OWNERS.format(" after mutating admission happens" if after_admission else "", repeated)]


def is_custom(kind: Kind) -> bool:
    return kind.is_custom


def faults_of_new(kind: Kind, about: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with the metadata of an object to be created."""
    return [*_names(kind, about, _name_faults(kind)), *_common(kind, about), *_standard_finalizers(kind, about)]


def faults_of_update(kind: Kind, new: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with changed metadata; what stays was checked when it was stored."""
    named = [] if all(new.get(k) == old.get(k) for k in NAMES) else _names(kind, new, names.path_segment)
    found = [*named, *_common(kind, new, old), *_changes(new, old)]
    if new.get("finalizers") != old.get("finalizers"):
        found += _standard_finalizers(kind, new)
    return [*found, *_prefix_of_update(kind, new, old)]


def _prefix_of_update(kind: Kind, new: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    """A prefix for names is of no use any more; kinds that look at updates as at new objects judge it all the same."""
    prefix = new.get("generateName")
    if not prefix or prefix == old.get("generateName") or kind.is_custom or kind.judges_updates_alone:
        return []
    return [invalid_value("metadata.generateName", prefix, text) for text in _name_faults(kind)(prefix, True)]


def _name_faults(kind: Kind) -> Any:
    if kind.validate_name is not None:
        return kind.validate_name
    return lambda name, prefix: names.dns_subdomain(names.without_trailing_dash(name) if prefix else name)


def name_faults(kind: Kind, name: str) -> list[str]:
    """What is wrong with the name of a new object."""
    found: list[str] = _name_faults(kind)(name, False)
    return found


def _names(kind: Kind, about: Mapping[str, Any], check: Any) -> list[FieldError]:
    name, prefix, namespace = (about.get(k) or "" for k in ("name", "generateName", "namespace"))
    found = [invalid_value("metadata.generateName", prefix, t) for t in (check(prefix, True) if prefix else ())]
    if not name:
        found.append(required("metadata.name", "name or generateName is required"))
    else:
        found += [invalid_value("metadata.name", name, text) for text in check(name, False)]
    if not kind.namespaced:
        return [*found, field_forbidden("metadata.namespace", "not allowed on this type")] if namespace else found
    if not namespace:
        return [*found, required("metadata.namespace")]
    return [*found, *(invalid_value("metadata.namespace", namespace, t) for t in names.dns_label(namespace))]


NOTHING: Mapping[str, Any] = {}


def _common(kind: Kind, about: Mapping[str, Any], old: Mapping[str, Any] = NOTHING) -> list[FieldError]:
    found: list[FieldError] = []
    if (about.get("generation") or 0) < 0:
        found.append(invalid_value("metadata.generation", about["generation"], "must be greater than or equal to 0"))
    for field, check in _CHECKS:
        value = about.get(field)
        if value and value != old.get(field):
            found += check(value)
    return found


def label_faults(labels: Mapping[str, str], path: str) -> list[FieldError]:
    """In order of the keys; the reference's order is random."""
    found: list[FieldError] = []
    for key in sorted(labels):
        found += [invalid_value(path, key, text) for text in names.label_key(key)]
        found += [invalid_value(path, labels[key], text) for text in names.label_value(labels[key])]
    return found


def _annotations(annotations: Mapping[str, str]) -> list[FieldError]:
    path = "metadata.annotations"
    found = [invalid_value(path, k, t) for k in sorted(annotations) for t in names.label_key(k.lower())]
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > MAX_ANNOTATIONS:
        found.append(too_long(path, MAX_ANNOTATIONS))
    return found


def _owners(owners: list[Object]) -> list[FieldError]:
    found: list[FieldError] = []
    controller = ""
    for i, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{i}]"
        found += _owner(owner, path)
        if owner.get("controller"):
            named = f"{owner.get('kind', '')}/{owner.get('name', '')}"
            if controller:
                both = f"references for {controller} and {named}"
                why = f'Only one reference can have Controller set to true. Found "true" in {both}'
                found.append(invalid_value("metadata.ownerReferences", printed_owners(owners), why))
            else:
                controller = named
    return found


def _owner(owner: Object, path: str) -> list[FieldError]:
    version = owner.get("apiVersion") or ""
    found = [] if version else [required(f"{path}.apiVersion", "must not be empty")]
    if version.count("/") > 1 or version.endswith("/"):
        found.append(invalid_value(f"{path}.apiVersion", version, "must be <group>/<version> or <version>"))
    found += [required(f"{path}.{k}", "must not be empty") for k in ("kind", "name", "uid") if not owner.get(k)]
    if (version, owner.get("kind")) == ("v1", "Event"):
        found.append(invalid_value(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
    return found


def _finalizers(finalizers: list[str]) -> list[FieldError]:
    path = "metadata.finalizers"
    found = [invalid_value(path, f, text) for f in finalizers for text in names.label_key(f)]
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        why = f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"
        found.append(invalid_value(path, finalizers, why))
    return found


def _standard_finalizers(kind: Kind, about: Mapping[str, Any]) -> list[FieldError]:
    if is_custom(kind) or kind.group in ("apiextensions.k8s.io", "apiregistration.k8s.io"):
        return []
    why = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        invalid_value(f"metadata.finalizers[{i}]", name, why)
        for i, name in enumerate(about.get("finalizers") or ())
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]


def _managed(entries: list[Object]) -> list[FieldError]:
    found: list[FieldError] = []
    for i, entry in enumerate(entries):
        path = f"metadata.managedFields[{i}]"
        operation = entry.get("operation") or ""
        if not operation:
            found.append(required(f"{path}.operation", "must not be empty"))
        elif operation not in ("Apply", "Update"):
            found.append(not_supported(f"{path}.operation", operation, ("Apply", "Update")))
        if entry.get("fieldsType") not in (None, "", "FieldsV1"):
            found.append(invalid_value(f"{path}.fieldsType", entry["fieldsType"], "must be `FieldsV1`"))
    return found


_CHECKS: tuple[tuple[str, Callable[[Any], list[FieldError]]], ...] = (
    ("labels", lambda labels: label_faults(labels, "metadata.labels")),
    ("annotations", _annotations),
    ("ownerReferences", _owners),
    ("finalizers", _finalizers),
    ("managedFields", _managed),
)


def _changes(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    found: list[FieldError] = []
    if old.get("deletionTimestamp"):
        found += _no_new_finalizers(new.get("finalizers") or [], old.get("finalizers") or [])
    if not new.get("resourceVersion"):
        found.append(invalid_value("metadata.resourceVersion", "", "must be specified for an update"))
    if (new.get("generation") or 0) < (old.get("generation") or 0):
        found.append(invalid_value("metadata.generation", new.get("generation") or 0, "must not be decremented"))
    for field in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if new.get(field) != old.get(field):
            found.append(invalid_value(f"metadata.{field}", new.get(field), IMMUTABLE))
    return found


def _no_new_finalizers(new: Iterable[str], old: Iterable[str]) -> list[FieldError]:
    extra = sorted(set(new) - set(old))
    if not extra:
        return []
    shown = ", ".join(msgspec.json.encode(name).decode() for name in extra)
    why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
    return [field_forbidden("metadata.finalizers", why)]
