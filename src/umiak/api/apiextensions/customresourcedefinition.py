"""CustomResourceDefinition: a kind that the user adds."""

from umiak.api.apiextensions.schema_checks import openapi_schema
from umiak.api.common.checks import Errors, check
from umiak.api.common.strategy import keep_metadata, keep_status, only_status
from umiak.api.common.webhooks import client_config
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, not_supported, required
from umiak.objects.types import Object

_SCOPES = ("Cluster", "Namespaced")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_REVIEWS = ("v1", "v1beta1")
_MISSING = (
    "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until "
    "a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
)
# What the reference keeps once for all versions when they agree, and what it then calls it.
_SHARED = {"schema": "validation", "additionalPrinterColumns": "additionalPrinterColumns"}
_NAMES = ("plural", "singular", "kind", "listKind")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    called = spec.setdefault("names", {})
    if called.get("kind"):
        if not called.get("singular"):
            called["singular"] = called["kind"].lower()
        if not called.get("listKind"):
            called["listKind"] = called["kind"] + "List"
    conversion = spec.get("conversion")
    if conversion is None:
        spec["conversion"] = {"strategy": "None"}
        return
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = 443


def _stored(spec: Object) -> str | None:
    return next((version.get("name") or "" for version in spec.get("versions") or () if version.get("storage")), None)


def prepare_create(obj: Object) -> None:
    stored = _stored(obj["spec"])
    obj["status"] = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": None if stored is None else [stored],
    }


def prepare_update(new: Object, old: Object) -> None:
    """Versions that objects were ever stored as stay on record."""
    keep_status(new, old)
    stored, status = _stored(new.get("spec") or {}), new.get("status") or {}
    before = status.get("storedVersions") or []
    if stored is not None and stored not in before:
        new["status"] = {**status, "storedVersions": [*before, stored]}


def prepare_status(new: Object, old: Object) -> None:
    only_status(new, old)
    keep_metadata(new, old)


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    spec, name = obj["spec"], (obj.get("metadata") or {}).get("name") or ""
    called = spec.get("names") or {}
    group = spec.get("group") or ""
    if name and name != f"{called.get('plural') or ''}.{group}":
        errors.append(invalid_value("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    _group(group, errors)
    if not spec.get("scope"):
        errors.append(required("spec.scope"))
    elif spec["scope"] not in _SCOPES:
        errors.append(not_supported("spec.scope", spec["scope"], _SCOPES))
    if spec.get("preserveUnknownFields"):
        text = "must be false in order to use defaults in the schema"
        errors.append(invalid_value("spec.preserveUnknownFields", True, text))
    _versions(spec, errors)
    for field in _NAMES:
        if not called.get(field):
            errors.append(required(f"spec.names.{field}"))
    _called(called, "spec.names", errors)
    _shared(spec, errors)
    _conversion(spec.get("conversion") or {}, "spec.conversion", errors)
    _stored_versions(obj, errors)
    return errors


def _group(group: str, errors: Errors) -> None:
    if not group:
        errors.append(required("spec.group"))
        return
    faults = names.dns_subdomain(group)
    if faults:
        errors.append(invalid_value("spec.group", group, ",".join(faults)))
    elif "." not in group:
        errors.append(invalid_value("spec.group", group, "should be a domain with at least one dot"))


def _agreed(spec: Object) -> set[str]:
    """The fields in which all versions agree."""
    versions = spec.get("versions") or []
    return {field for field in _SHARED if versions and all(v.get(field) == versions[0].get(field) for v in versions)}


def _versions(spec: Object, errors: Errors) -> None:
    versions, agreed = spec.get("versions") or [], _agreed(spec)
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        check(names.dns_1035_label, version.get("name") or "", f"{path}.name", errors)
        warning = version.get("deprecationWarning")
        if warning is not None:
            _deprecation(version, warning, f"{path}.deprecationWarning", errors)
        if "schema" not in agreed:
            _schema(version, f"{path}.schema", errors)
        if "additionalPrinterColumns" not in agreed:
            _columns(version, path, errors)
    if len({version.get("name") for version in versions}) != len(versions):
        text = "must contain unique version names"
        errors.append(invalid_value("spec.versions", _printed(versions, agreed), text))
    if sum(1 for version in versions if version.get("storage")) != 1:
        text = "must have exactly one version marked as storage version"
        errors.append(invalid_value("spec.versions", _printed(versions, agreed), text))
    if versions and versions[0].get("name"):
        check(names.dns_1035_label, versions[0]["name"], "spec.version", errors)


def _printed(versions: list[Object], agreed: set[str]) -> list[Object]:
    """Versions in the words of the reference's internal version; schemas, when they differ, as they were given."""
    return [
        {
            "Name": version.get("name") or "",
            "Served": bool(version.get("served")),
            "Storage": bool(version.get("storage")),
            "Deprecated": bool(version.get("deprecated")),
            "DeprecationWarning": version.get("deprecationWarning"),
            "Schema": None if "schema" in agreed else version.get("schema"),
            "Subresources": None,
            "AdditionalPrinterColumns": None,
            "SelectableFields": None,
        }
        for version in versions
    ]


def _deprecation(version: Object, warning: str, path: str, errors: Errors) -> None:
    if not version.get("deprecated"):
        errors.append(invalid_value(path, warning, "can only be set for deprecated versions"))
    if not warning:
        errors.append(invalid_value(path, warning, "must not be an empty string"))
    elif len(warning) > 256:
        errors.append(invalid_value(path, warning, "must be <= 256 characters long"))


def _shared(spec: Object, errors: Errors) -> None:
    agreed = _agreed(spec)
    if "schema" in agreed:
        _schema(spec["versions"][0], "spec.validation", errors)
    if "additionalPrinterColumns" in agreed:
        _columns(spec["versions"][0], "spec", errors)


def _schema(version: Object, path: str, errors: Errors) -> None:
    found = (version.get("schema") or {}).get("openAPIV3Schema")
    if found is None:
        errors.append(required(f"{path}.openAPIV3Schema", "schemas are required"))
    else:
        openapi_schema(found, f"{path}.openAPIV3Schema", errors)


def _columns(version: Object, path: str, errors: Errors) -> None:
    for index, shown in enumerate(version.get("additionalPrinterColumns") or ()):
        place = f"{path}.additionalPrinterColumns[{index}]"
        if not shown.get("name"):
            errors.append(required(f"{place}.name"))
        text, kind = f"must be one of {','.join(_COLUMN_TYPES)}", shown.get("type") or ""
        if not kind:
            errors.append(required(f"{place}.type", text))
        elif kind not in _COLUMN_TYPES:
            errors.append(invalid_value(f"{place}.type", kind, text))
        if shown.get("format") and shown["format"] not in _COLUMN_FORMATS:
            text = f"must be one of {','.join(_COLUMN_FORMATS)}"
            errors.append(invalid_value(f"{place}.format", shown["format"], text))
        if not shown.get("jsonPath"):
            errors.append(required(f"{place}.JSONPath"))


def _called(called: Object, path: str, errors: Errors) -> None:
    for field in ("plural", "singular"):
        if called.get(field):
            _label(called[field], f"{path}.{field}", errors)
    for field in ("kind", "listKind"):
        if called.get(field):
            faults = names.dns_1035_label(called[field].lower())
            if faults:
                text = f"may have mixed case, but should otherwise match: {','.join(faults)}"
                errors.append(invalid_value(f"{path}.{field}", called[field], text))
    for field in ("shortNames", "categories"):
        for index, value in enumerate(called.get(field) or ()):
            _label(value, f"{path}.{field}[{index}]", errors)
    if called.get("kind") and called["kind"] == called.get("listKind"):
        text = "kind and listKind may not be the same"
        errors.append(invalid_value(f"{path}.listKind", called["listKind"], text))


def _label(value: str, path: str, errors: Errors) -> None:
    faults = names.dns_1035_label(value)
    if faults:
        errors.append(invalid_value(path, value, ",".join(faults)))


def _conversion(conversion: Object, path: str, errors: Errors) -> None:
    strategy, webhook = conversion.get("strategy") or "", conversion.get("webhook") or {}
    config, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
    if strategy == "Webhook":
        # The reference knows these by their names in an older version of the API.
        if config is None:
            text = "required when strategy is set to Webhook"
            errors.append(required(f"{path}.webhookClientConfig", text))
        else:
            client_config(config, f"{path}.webhookClientConfig", errors)
        _reviews(versions, f"{path}.conversionReviewVersions", errors)
        return
    if not strategy:
        errors.append(required(f"{path}.strategy"))
    elif strategy != "None":
        errors.append(not_supported(f"{path}.strategy", strategy, ("None", "Webhook")))
    for given, field in ((config, "webhookClientConfig"), (versions, "conversionReviewVersions")):
        if given:
            text = "should not be set when strategy is not set to Webhook"
            errors.append(field_forbidden(f"{path}.{field}", text))


def _reviews(versions: list[str], path: str, errors: Errors) -> None:
    if not versions:
        errors.append(required(path))
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.append(invalid_value(f"{path}[{index}]", version, "duplicate version"))
        else:
            check(names.dns_1035_label, version, f"{path}[{index}]", errors)
    if not set(_REVIEWS) & set(versions):
        errors.append(invalid_value(path, versions, f"must include at least one of {', '.join(_REVIEWS)}"))


def _stored_versions(obj: Object, errors: Errors) -> None:
    path, stored = "status.storedVersions", (obj.get("status") or {}).get("storedVersions")
    if not stored:
        errors.append(invalid_value(path, stored, "must have at least one stored version"))
        return
    known = {version.get("name") or "" for version in obj["spec"].get("versions") or ()}
    for index, name in enumerate(stored):
        if name not in known:
            errors.append(invalid_value(f"{path}[{index}]", name, _MISSING.format(name=name)))


def validate_update(new: Object, old: Object) -> list[FieldError]:
    established = any(
        found.get("type") == "Established" and found.get("status") == "True"
        for found in (old.get("status") or {}).get("conditions") or ()
    )
    spec, before = new["spec"], old.get("spec") or {}
    fixed = [("spec.group", spec.get("group"), before.get("group"))]
    if established:
        fixed.append(("spec.scope", spec.get("scope"), before.get("scope")))
    for field in ("plural", "kind") if established else ():
        now, then = ((part.get("names") or {}).get(field) for part in (spec, before))
        fixed.append((f"spec.names.{field}", now, then))
    return [invalid_value(path, now, "field is immutable") for path, now, then in fixed if now != then]


KIND = builtin(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    counts_generation=True,
    updates_unconditionally=False,
)
