"""What is wrong with a custom resource definition (apiextensions' `validation.go`).

Fields are named as the reference names them in its internal form, where what all versions share stands beside them.
"""

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from umiak.api.apiextensions import _default_values, _field_paths, _internal, _schema, _structural
from umiak.api.apiextensions._approval import ANNOTATION, approval, is_protected
from umiak.api.common.webhooks import client_config
from umiak.objects import names
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, not_supported, required, too_many
from umiak.objects.go_text import quoted
from umiak.objects.structural import formats
from umiak.objects.types import Object

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
REVIEWS = ("v1", "v1beta1")
MOST_SELECTABLE = 8
LONGEST_WARNING = 256
NOT_STORED = (
    "missing from spec.versions; {0} was previously a storage version, and must remain in spec.versions until a "
    "storage migration ensures no data remains persisted in {0} and removes {0} from status.storedVersions"
)
SELECTABLE = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)
WEBHOOK_ONLY = "should not be set when strategy is not set to Webhook"
PRESERVING = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"


def faults(definition: Object) -> list[FieldError]:
    return [*_name(definition), *_whole(definition, ())]


def faults_of_update(new: Object, old: Object) -> list[FieldError]:
    return _whole(new, _changes(new, old))


def _whole(definition: Object, changes: Iterable[FieldError]) -> list[FieldError]:
    spec = _internal.lifted(definition["spec"])
    found = [*_spec(spec), *changes, *_accepted(definition), *_stored(definition), *_approval(definition)]
    if spec.get("preserveUnknownFields"):
        found.append(invalid_value("spec.preserveUnknownFields", True, PRESERVING))
    return found


def _changes(new: Object, old: Object) -> Iterator[FieldError]:
    """What may not change, once the names are in use."""
    after, before = new["spec"], old["spec"]
    ours, theirs = after.get("names") or {}, before.get("names") or {}
    pairs: list[tuple[str, Any, Any]] = []
    if _established(old):
        yield from _bundle(after, before)
        pairs.append(("spec.scope", after.get("scope"), before.get("scope")))
        pairs.append(("spec.names.kind", ours.get("kind"), theirs.get("kind")))
    pairs.append(("spec.group", after.get("group"), before.get("group")))
    pairs.append(("spec.names.plural", ours.get("plural"), theirs.get("plural")))
    yield from (invalid_value(path, now, "field is immutable") for path, now, then in pairs if now != then)


def _bundle(after: Object, before: Object) -> Iterator[FieldError]:
    """An authority of a webhook that can not be read is let pass only while nobody relies on it."""
    found = _authority(after)
    if found and not _is_bundle(found) and (not (was := _authority(before)) or _is_bundle(was)):
        text = "unable to load root certificates: unable to parse bytes as PEM block"
        yield invalid_value("spec.conversion.webhookClientConfig.caBundle", found, text)


def _authority(spec: Object) -> str:
    """The base64 of what the conversion's webhook is trusted by; empty when nothing is said."""
    conversion = spec.get("conversion") or {}
    return ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("caBundle") or ""


def _is_bundle(found: str) -> bool:
    from cryptography.x509 import load_pem_x509_certificates  # takes a while to load

    try:
        return bool(load_pem_x509_certificates(base64.b64decode(found)))
    except ValueError:
        return False


def faults_of_status(definition: Object) -> list[FieldError]:
    return list(_accepted(definition))


def _name(definition: Object) -> Iterator[FieldError]:
    """Of a new definition; later the parts of its name can not change."""
    about, spec = definition["metadata"], definition["spec"]
    wanted = f"{(spec.get('names') or {}).get('plural') or ''}.{spec.get('group') or ''}"
    for field in ("generateName", "name"):
        if about.get(field) and about[field] != wanted:
            yield invalid_value(f"metadata.{field}", about[field], 'must be spec.names.plural+"."+spec.group')


def _labels(path: str, value: str) -> list[FieldError]:
    faults = names.dns_1035_label(value)
    return [invalid_value(path, value, ",".join(faults))] if faults else []


def _established(definition: Object) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


# The specification


def _spec(spec: Object) -> Iterator[FieldError]:
    """`spec` is lifted."""
    yield from _group(spec.get("group") or "")
    scope = spec.get("scope") or ""
    if not scope:
        yield required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", scope, ("Cluster", "Namespaced"))
    yield from _schemas_are_there(spec)
    if spec.get("preserveUnknownFields") and any(_has_defaults(s) for s in _schemas(spec)):
        text = "must be false in order to use defaults in the schema"
        yield invalid_value("spec.preserveUnknownFields", True, text)
    shared_parts = spec.get("subresources")
    for index, version in enumerate(spec["versions"] or ()):
        path = f"spec.versions[{index}]"
        yield from _labels(f"{path}.name", version.get("name") or "")
        yield from _deprecation(version, f"{path}.deprecationWarning")
        yield from _about_versions(version, path, f"{path}.schema", shared_parts or version.get("subresources"))
    yield from _together(spec["versions"])
    yield from _names(spec.get("names") or {})
    any_status = [shared_parts, *(v.get("subresources") for v in spec["versions"] or ())]
    status = next((p for p in any_status if p and p.get("status") is not None), None)
    shared = {field: spec.get(name) for field, name in _internal.SHARED.items()}
    yield from _about_versions(shared, "spec", "spec.validation", status)
    yield from _conversion(spec)


def _group(group: str) -> Iterator[FieldError]:
    if not group:
        yield required("spec.group")
    elif faults := names.dns_subdomain(group):
        yield invalid_value("spec.group", group, ",".join(faults))
    elif "." not in group:
        yield invalid_value("spec.group", group, "should be a domain with at least one dot")


def _open_api(version: Object | None) -> Object | None:
    found: Object | None = (version or {}).get("openAPIV3Schema")
    return found


def _schemas(spec: Object) -> list[Object]:
    """All schemas of a specification, lifted or not."""
    found = [spec.get("validation"), *(v.get("schema") for v in spec.get("versions") or ())]
    return [schema for part in found if (schema := _open_api(part)) is not None]


def _schemas_are_there(spec: Object) -> Iterator[FieldError]:
    if _open_api(spec.get("validation")) is not None:
        return
    for index, version in enumerate(spec["versions"] or ()):
        if _open_api(version.get("schema")) is None:
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")


def _has_defaults(schema: Object) -> bool:
    return schema.get("default") is not None or any(map(_has_defaults, _structural.parts(schema)))


def _about_versions(version: Object, path: str, schema_path: str, parts: Object | None) -> Iterator[FieldError]:
    """What versions say, each for itself or all alike."""
    schema = _open_api(version.get("schema"))
    if schema is not None:
        has_status = bool(parts) and (parts or {}).get("status") is not None
        yield from _schema_faults(schema, schema_path, has_status)
    yield from _scale((version.get("subresources") or {}).get("scale"), f"{path}.subresources")
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        yield from _column(column, f"{path}.additionalPrinterColumns[{index}]")
    yield from _selectable(version.get("selectableFields") or [], schema, f"{path}.selectableFields")


def _schema_faults(schema: Object, path: str, has_status: bool) -> list[FieldError]:
    found = list(_schema.root_faults(schema, path, has_status))
    inner = f"{path}.openAPIV3Schema"
    shapeless = _structural.unsupported(schema)
    misshapen = [] if shapeless else _structural.faults(schema, inner) or _default_values.faults(schema, inner)
    found += misshapen
    odd = _schema.faults(schema, inner)
    found += odd
    if not shapeless and not misshapen and _structural.has_rules(schema):
        from umiak.api.apiextensions import _rules  # brings the expression language

        found += _rules.faults(schema, inner, [fault.path for fault in odd])
    return found if found or not shapeless else [invalid_value(inner, "", shapeless)]


def _deprecation(version: Object, path: str) -> Iterator[FieldError]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        yield invalid_value(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > LONGEST_WARNING:
        yield invalid_value(path, text, f"must be <= {LONGEST_WARNING} characters long")
    if not text:
        yield invalid_value(path, text, "must not be an empty string")
    at = next((index for index, char in enumerate(text) if not char.isprintable()), None)
    if at is not None:
        where = len(text[:at].encode())
        why = f"must only contain printable UTF-8 characters; non-printable character found at index {where}"
        yield invalid_value(path, text, why)


def _together(named: list[Object] | None) -> Iterator[FieldError]:
    versions = named or []
    if len({v.get("name") or "" for v in versions}) != len(versions):
        yield invalid_value("spec.versions", _internal.versions(versions), "must contain unique version names")
    if sum(1 for v in versions if v.get("storage")) != 1:
        text = "must have exactly one version marked as storage version"
        yield invalid_value("spec.versions", _internal.versions(named), text)
    if versions and versions[0].get("name"):
        yield from _labels("spec.version", versions[0]["name"])


def _names(found: Object) -> Iterator[FieldError]:
    for field in ("plural", "singular", "kind", "listKind"):
        if not found.get(field):
            yield required(f"spec.names.{field}")
    yield from _well_formed(found, "spec.names")


def _well_formed(found: Object, path: str) -> Iterator[FieldError]:
    for field in ("plural", "singular"):
        if found.get(field):
            yield from _labels(f"{path}.{field}", found[field])
    for field in ("kind", "listKind"):
        faults = names.dns_1035_label(found[field].lower()) if found.get(field) else []
        if faults:
            text = f"may have mixed case, but should otherwise match: {','.join(faults)}"
            yield invalid_value(f"{path}.{field}", found[field], text)
    for index, name in enumerate(found.get("shortNames") or ()):
        yield from _labels(f"{path}.shortNames[{index}]", name)
    if found.get("kind") and found["kind"] == found.get("listKind"):
        yield invalid_value(f"{path}.listKind", found["listKind"], "kind and listKind may not be the same")
    for index, name in enumerate(found.get("categories") or ()):
        yield from _labels(f"{path}.categories[{index}]", name)


def _scale(scale: Object | None, path: str) -> Iterator[FieldError]:
    if scale is None:
        return
    for field, roots in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",))):
        if not scale.get(field):
            yield required(f"{path}.scale.{field}")
        else:
            yield from _dotted(scale[field], f"{path}.scale.{field}", roots, f"under {roots[0][:-1]}")
    if scale.get("labelSelectorPath"):
        place = f"{path}.scale.labelSelectorPath"
        yield from _dotted(scale["labelSelectorPath"], place, (".spec.", ".status."), "under either .spec or .status")


def _dotted(value: str, path: str, roots: tuple[str, ...], where: str) -> Iterator[FieldError]:
    if not value.startswith("."):
        yield invalid_value(path, value, "must be a simple json path starting with .")
    elif not value.startswith(roots):
        yield invalid_value(path, value, f"should be a json path {where}")


def _column(column: Object, path: str) -> Iterator[FieldError]:
    if not column.get("name"):
        yield required(f"{path}.name")
    kind, text = column.get("type") or "", f"must be one of {','.join(COLUMN_TYPES)}"
    if not kind:
        yield required(f"{path}.type", text)
    elif kind not in COLUMN_TYPES:
        yield invalid_value(f"{path}.type", kind, text)
    if column.get("format") and column["format"] not in COLUMN_FORMATS:
        yield invalid_value(f"{path}.format", column["format"], f"must be one of {','.join(COLUMN_FORMATS)}")
    where = column.get("jsonPath") or ""
    if not where:
        yield required(f"{path}.JSONPath")
    elif not where.startswith("."):
        yield invalid_value(f"{path}.JSONPath", where, "must be a simple json path starting with .")


def _selectable(fields: list[Object], schema: Object | None, path: str) -> Iterator[FieldError]:
    if not fields:
        return
    if schema is None:
        text = "may only be set when `version.schema.openAPIV3Schema` is not included"
        yield invalid_value(
            path, "", "may only be set when validations.schema is included" if path.count(".") < 2 else text
        )
        return
    if shapeless := _structural.unsupported(schema):
        yield invalid_value(f"{path.rpartition('.')[0]}.schema.openAPIV3Schema", "", shapeless)
        return
    seen: set[str] = set()
    for index, field in enumerate(fields):
        yield from _selectable_field(field.get("jsonPath") or "", schema, f"{path}[{index}].jsonPath", seen)
    if len(seen) > MOST_SELECTABLE:
        yield too_many(path, len(seen), MOST_SELECTABLE)


def _selectable_field(where: str, schema: Object, path: str, seen: set[str]) -> Iterator[FieldError]:
    if not where:
        yield required(path)
        return
    try:
        usual, found = _field_paths.resolve(where, schema, arrays=False)
    except _field_paths.NoSuchField as error:
        yield invalid_value(path, where, f"is an invalid path: {error}")
        return
    if usual.split(".")[0] == "metadata":
        yield invalid_value(path, where, "must not point to fields in metadata")
    if found.get("type") not in ("string", "boolean", "integer"):
        yield invalid_value(path, where, SELECTABLE)
    if usual in seen:
        yield FieldError("FieldValueDuplicate", path, f"Duplicate value: {quoted(where)}")
    seen.add(usual)


# Conversion


def _conversion(spec: Object) -> Iterator[FieldError]:
    conversion, path = spec.get("conversion") or {}, "spec.conversion"
    strategy, webhook = conversion.get("strategy") or "", conversion.get("webhook") or {}
    config, reviews = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
    if strategy != "None" and spec.get("preserveUnknownFields"):
        text = "must be None if spec.preserveUnknownFields is true"
        yield invalid_value(f"{path}.strategy", strategy, text)
    if not strategy:
        yield required(f"{path}.strategy")
    elif strategy not in ("None", "Webhook"):
        yield not_supported(f"{path}.strategy", strategy, ("None", "Webhook"))
    if strategy == "Webhook":
        yield from _webhook(config, reviews, path)
        return
    if config is not None:
        yield field_forbidden(f"{path}.webhookClientConfig", WEBHOOK_ONLY)
    if reviews:
        yield field_forbidden(f"{path}.conversionReviewVersions", WEBHOOK_ONLY)


def _webhook(config: Object | None, reviews: list[str], path: str) -> Iterator[FieldError]:
    if config is None:
        yield required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")
    else:
        found: list[FieldError] = []
        client_config(config, f"{path}.webhookClientConfig", found)
        yield from found
    place = f"{path}.conversionReviewVersions"
    if not reviews:
        yield required(place)
        return
    for index, review in enumerate(reviews):
        if review in reviews[:index]:
            yield invalid_value(f"{place}[{index}]", review, "duplicate version")
        else:
            yield from (invalid_value(f"{place}[{index}]", review, text) for text in names.dns_1035_label(review))
    if not set(REVIEWS) & set(reviews):
        yield invalid_value(place, reviews, f"must include at least one of {', '.join(REVIEWS)}")


# What the status says


def _accepted(definition: Object) -> Iterator[FieldError]:
    found = (definition.get("status") or {}).get("acceptedNames") or {}
    yield from _well_formed(found, "status.acceptedNames")


def _stored(definition: Object) -> Iterator[FieldError]:
    path, stored = "status.storedVersions", (definition.get("status") or {}).get("storedVersions")
    if not stored:
        yield invalid_value(path, None, "must have at least one stored version")
        return
    versions = definition["spec"].get("versions") or []
    for version in versions:
        if version.get("storage") and version.get("name") not in stored:
            yield invalid_value(path, stored, f"must have the storage version {version.get('name') or ''}")
    known = {version.get("name") or "" for version in versions}
    yield from (
        invalid_value(f"{path}[{index}]", name, NOT_STORED.format(name))
        for index, name in enumerate(stored)
        if name not in known
    )


def _approval(definition: Object) -> Iterator[FieldError]:
    if not is_protected(definition["spec"].get("group") or ""):
        return
    annotations = definition["metadata"].get("annotations") or {}
    state, reason = approval(annotations)
    path = f"metadata.annotations[{ANNOTATION}]"
    if state == "Missing":
        yield required(path, reason)
    elif state == "Invalid":
        yield invalid_value(path, annotations.get(ANNOTATION, ""), reason)


# Warnings


def warnings_of(new: Object, old: Object | None) -> list[str]:
    """Formats nobody knows, and sets of what server-side apply can not tell apart."""
    before = () if old is None else _schemas(old["spec"])
    known = {format for schema in before for format in _unknown_formats(schema)}
    found = [format for schema in _schemas(_internal.lifted(new["spec"])) for format in _unknown_formats(schema)]
    texts = [f"unrecognized format {quoted(format)}" for format in found if format not in known]
    seen = {text for schema in before for text in _odd_sets(schema)}
    odd = {text for schema in _schemas(new["spec"]) for text in _odd_sets(schema)}
    return [*texts, *sorted(odd - seen)]


def _unknown_formats(schema: Object) -> Iterator[str]:
    format = schema.get("format") or ""
    if format and not formats.is_known(format, schema.get("type") or ""):
        yield format
    for part in _structural.parts(schema):
        yield from _unknown_formats(part)


def _odd_sets(schema: Object) -> Iterable[str]:
    items = schema.get("items")
    if schema.get(_schema.LIST_TYPE) == "set" and isinstance(items, dict) and items.get("type") in ("object", "array"):
        kind = quoted(items["type"])
        yield (
            f"{_schema.LIST_TYPE}: set for items of type {kind} is not supported by server-side apply or CEL "
            "validation rules"
        )
    for part in _structural.parts(schema):
        yield from _odd_sets(part)
