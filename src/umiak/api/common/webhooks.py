"""What the two kinds of webhook configuration share."""

from urllib.parse import urlsplit

from umiak.api.common.cells import AGE, NAME, column, counts
from umiak.api.common.checks import Errors, check, label_selector, one_of
from umiak.api.common.expressions import condition as condition_fault
from umiak.api.common.metadata import label_key
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, invalid_value, required, too_many
from umiak.objects.types import Object

COLUMNS = (
    NAME,
    column(
        "Webhooks",
        counts("webhooks"),
        "Webhooks indicates the number of webhooks registered in this configuration",
        type="integer",
    ),
    AGE,
)

_DEFAULTS = {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 10}


def default_webhook(webhook: Object) -> None:
    for name, value in _DEFAULTS.items():
        if webhook.get(name) is None:
            webhook[name] = value
    for name in ("namespaceSelector", "objectSelector"):
        if webhook.get(name) is None:
            webhook[name] = {}
    service = webhook.setdefault("clientConfig", {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = 443
    default_scopes(webhook.get("rules"))


def default_scopes(rules: list[Object] | None) -> None:
    for rule in rules or ():
        if rule.get("scope") is None:
            rule["scope"] = "*"


_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_FORM = "; desired format: https://host[/path]"


def rule(value: Object, path: str, errors: Errors) -> None:
    """Which writes a webhook or policy concerns."""
    operations = value.get("operations") or []
    if not operations:
        errors.append(required(f"{path}.operations"))
    _lone_star(operations, "operations", f"{path}.operations", errors)
    for index, operation in enumerate(operations):
        one_of(operation, _OPERATIONS, f"{path}.operations[{index}]", errors)
    groups, versions = value.get("apiGroups") or [], value.get("apiVersions") or []
    if not groups:
        errors.append(required(f"{path}.apiGroups"))
    _lone_star(groups, "API groups", f"{path}.apiGroups", errors)
    if not versions:
        errors.append(required(f"{path}.apiVersions"))
    _lone_star(versions, "API versions", f"{path}.apiVersions", errors)
    errors += [required(f"{path}.apiVersions[{i}]") for i, version in enumerate(versions) if not version]
    _resources(value.get("resources") or [], f"{path}.resources", errors)
    if value.get("scope") is not None:
        one_of(value["scope"], _SCOPES, f"{path}.scope", errors)


def _lone_star(values: list[str], noun: str, path: str, errors: Errors) -> None:
    if len(values) > 1 and "*" in values:
        errors.append(invalid_value(path, values, f"if '*' is present, must not specify other {noun}"))


def _resources(values: list[str], path: str, errors: Errors) -> None:
    """`resource` or `resource/subresource`, where a star takes in what others say already."""
    if not values:
        errors.append(required(path))
    whole = {v.partition("/")[0] for v in values if v.endswith("/*")}
    every_sub = {v.partition("/")[2] for v in values if v.startswith("*/")}
    for index, value in enumerate(values):
        where = f"{path}[{index}]"
        if not value:
            errors.append(required(where))
            continue
        resource, slash, sub = value.partition("/")
        if not slash:
            continue
        if sub != "*" and resource in whole:
            text = f"if '{resource}/*' is present, must not specify {value}"
            errors.append(invalid_value(where, value, text))
        if resource != "*" and sub in every_sub:
            text = f"if '*/{sub}' is present, must not specify {value}"
            errors.append(invalid_value(where, value, text))
    if len(values) > 1 and "*/*" in values:
        errors.append(invalid_value(path, values, "if '*/*' is present, must not specify other resources"))
    if "*" in values and any("/" not in v for v in values if v != "*"):
        text = "if '*' is present, must not specify other resources without subresources"
        errors.append(invalid_value(path, values, text))


def match_conditions(conditions: list[Object], path: str, errors: Errors, params: bool = False) -> None:
    """`params` is whether expressions may speak of a policy's parameters."""
    seen: set[str] = set()
    if len(conditions) > 64:
        errors.append(too_many(path, len(conditions), 64))
    for index, condition in enumerate(conditions):
        where, name = f"{path}[{index}]", condition.get("name") or ""
        if not (condition.get("expression") or "").strip():
            errors.append(required(f"{where}.expression"))
        else:
            condition_fault(condition["expression"], f"{where}.expression", errors, params)
        if not name:
            errors.append(required(f"{where}.name"))
            continue
        check(label_key, name, f"{where}.name", errors)
        if name in seen:
            errors.append(duplicate(f"{where}.name", name))
        seen.add(name)


def validate_webhooks(obj: Object) -> list[FieldError]:
    """Both kinds of configuration."""
    errors: Errors = []
    seen: set[str] = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", hook.get("name") or ""
        _name(name, f"{path}.name", errors)
        _webhook(hook, path, errors)
        _review_versions(hook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions", errors)
        if name and name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
    return errors


def _name(name: str, path: str, errors: Errors) -> None:
    """At least three labels."""
    if not name:
        errors.append(required(path))
    elif names.dns_subdomain(name):
        errors.append(invalid_value(path, name, ",".join(names.dns_subdomain(name))))
    elif name.count(".") < 2:
        text = "should be a domain with at least three segments separated by dots"
        errors.append(invalid_value(path, name, text))


def _webhook(hook: Object, path: str, errors: Errors) -> None:
    for index, value in enumerate(hook.get("rules") or ()):
        rule(value, f"{path}.rules[{index}]", errors)
    one_of(hook["failurePolicy"], ("Fail", "Ignore"), f"{path}.failurePolicy", errors)
    one_of(hook["matchPolicy"], ("Equivalent", "Exact"), f"{path}.matchPolicy", errors)
    effects = hook.get("sideEffects")
    if effects is None:
        errors.append(required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun"))
    else:
        one_of(effects, ("None", "NoneOnDryRun"), f"{path}.sideEffects", errors)
    seconds = hook["timeoutSeconds"]
    if not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid_value(f"{path}.timeoutSeconds", seconds, text))
    for field in ("namespaceSelector", "objectSelector"):
        label_selector(hook.get(field), f"{path}.{field}", errors)
    if hook.get("reinvocationPolicy") is not None:
        one_of(hook["reinvocationPolicy"], ("IfNeeded", "Never"), f"{path}.reinvocationPolicy", errors)
    client_config(hook.get("clientConfig") or {}, f"{path}.clientConfig", errors)
    match_conditions(hook.get("matchConditions") or [], f"{path}.matchConditions", errors)


def client_config(config: Object, path: str, errors: Errors) -> None:
    """Where a webhook is: a URL or a Service."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        errors.append(required(path, "exactly one of url or service is required"))
    elif url is not None:
        _url(url, f"{path}.url", errors)
    elif service is not None:
        service_faults(service, f"{path}.service", errors)


def _url(url: str, path: str, errors: Errors) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as fault:
        errors.append(required(path, f"url must be a valid URL: {fault}{_FORM}"))
        return
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme != "https":
        errors.append(invalid_value(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    if not host:
        errors.append(invalid_value(path, host, f"host must be specified{_FORM}"))
    if "@" in parts.netloc:
        who = parts.netloc.rpartition("@")[0]
        errors.append(invalid_value(path, who, "user information is not permitted in the URL"))
    if parts.fragment:
        errors.append(invalid_value(path, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        errors.append(invalid_value(path, parts.query, "query parameters are not permitted in the URL"))


def service_faults(service: Object, path: str, errors: Errors, names_are_mixed_up: bool = True) -> None:
    """A reference to a Service, of a webhook or an APIService."""
    # For webhooks, the reference takes the one name for the other, and clients see it.
    shown = {"namespace": "name", "name": "namespace"} if names_are_mixed_up else {}
    for field in ("namespace", "name"):
        if not service.get(field):
            errors.append(required(f"{path}.{shown.get(field, field)}"))
    if not 1 <= service["port"] <= 65535:
        text = "port is not valid: must be between 1 and 65535, inclusive"
        errors.append(invalid_value(f"{path}.port", service["port"], text))
    place = service.get("path")
    if not place or place == "/":
        return
    if place == "//":
        errors.append(invalid_value(f"{path}.path", place, "segment[0] may not be empty"))
        return
    if not place.startswith("/"):
        errors.append(invalid_value(f"{path}.path", place, "must start with a '/'"))
    for index, step in enumerate(place[1:].removesuffix("/").split("/")):
        if not step:
            errors.append(invalid_value(f"{path}.path", place, f"segment[{index}] may not be empty"))
        else:
            faults = names.dns_subdomain(step)
            errors += [invalid_value(f"{path}.path", place, f"segment[{index}]: {text}") for text in faults]


def _review_versions(versions: list[str], path: str, errors: Errors) -> None:
    if not versions:
        errors.append(required(path, "must specify one of v1, v1beta1"))
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.append(invalid_value(f"{path}[{index}]", version, "duplicate version"))
        else:
            check(names.dns_1035_label, version, f"{path}[{index}]", errors)
    if not {"v1", "v1beta1"} & set(versions):
        errors.append(invalid_value(path, versions, "must include at least one of v1, v1beta1"))
