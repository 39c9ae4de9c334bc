"""Validates what a FlowSchema matches."""

from umiak.api.common.checks import Errors, check
from umiak.objects import names
from umiak.objects.errors import field_forbidden, invalid_value, not_supported, required
from umiak.objects.types import Object

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_NAMESPACE = "each member of this list must be '*' or a DNS-1123 label; "


def rules_with_subjects(rule: Object, path: str, errors: Errors) -> None:
    for index, subject in enumerate(rule.get("subjects") or ()):
        _subject(subject, f"{path}.subjects[{index}]", errors)
    if not rule.get("subjects"):
        errors.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    resource_rules, other_rules = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resource_rules and not other_rules:
        text = "at least one of resourceRules and nonResourceRules has to be non-empty"
        errors.append(required(path, text))
    for index, value in enumerate(resource_rules):
        _resource_rule(value, f"{path}.resourceRules[{index}]", errors)
    for index, value in enumerate(other_rules):
        _other_rule(value, f"{path}.nonResourceRules[{index}]", errors)


def _subject(subject: Object, path: str, errors: Errors) -> None:
    kind = subject.get("kind") or ""
    own = _SUBJECTS.get(kind)
    if own is None:
        errors.append(not_supported(f"{path}.kind", kind, tuple(_SUBJECTS)))
        return
    detail = subject.get(own)
    if detail is None:
        errors.append(required(f"{path}.{own}", f"{own} is required when subject kind is '{kind}'"))
    elif own == "serviceAccount":
        _account(detail, f"{path}.{own}", errors)
    elif not detail.get("name"):
        errors.append(required(f"{path}.{own}.name"))
    for other in ("ServiceAccount", "User", "Group"):
        field = _SUBJECTS[other]
        if field != own and subject.get(field) is not None:
            errors.append(
                field_forbidden(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{other}'")
            )


def _account(account: Object, path: str, errors: Errors) -> None:
    name, namespace = account.get("name") or "", account.get("namespace") or ""
    if not name:
        errors.append(required(f"{path}.name"))
    elif name != "*":
        check(names.dns_subdomain, name, f"{path}.name", errors)
    if namespace:
        check(names.dns_label, namespace, f"{path}.namespace", errors)
    else:
        errors.append(required(f"{path}.namespace", "must specify namespace for service account"))


def _verbs(verbs: list[str], path: str, errors: Errors) -> None:
    if not verbs:
        errors.append(required(path, "verbs must contain at least one value"))
    elif "*" in verbs:
        _lone_star(verbs, "verbs", path, errors)
    elif not set(verbs) <= set(_VERBS):
        errors.append(not_supported(path, verbs, _VERBS))


def _lone_star(values: list[str], noun: str, path: str, errors: Errors) -> None:
    if len(values) > 1 and "*" in values:
        errors.append(invalid_value(path, values, f"if '*' is present, must not specify other {noun}"))


def _resource_rule(rule: Object, path: str, errors: Errors) -> None:
    _verbs(rule.get("verbs") or [], f"{path}.verbs", errors)
    for field, one, many in (("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")):
        values = rule.get(field) or []
        if not values:
            errors.append(required(f"{path}.{field}", f"resource rules must supply at least one {one}"))
        _lone_star(values, many, f"{path}.{field}", errors)
    namespaces = rule.get("namespaces") or []
    if not namespaces and not rule.get("clusterScope"):
        text = "resource rules that are not cluster scoped must supply at least one namespace"
        errors.append(required(f"{path}.namespaces", text))
    elif "*" in namespaces:
        _lone_star(namespaces, "namespaces", f"{path}.namespaces", errors)
    else:
        for index, name in enumerate(namespaces):
            for text in names.dns_label(name):
                errors.append(invalid_value(f"{path}.namespaces[{index}]", name, _NAMESPACE + text))


def _other_rule(rule: Object, path: str, errors: Errors) -> None:
    _verbs(rule.get("verbs") or [], f"{path}.verbs", errors)
    urls, where = rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    if not urls:
        errors.append(required(where, "nonResourceURLs must contain at least one value"))
    elif "*" in urls:
        _lone_star(urls, "non-resource URLs", where, errors)
    else:
        for index, url in enumerate(urls):
            _url(url, f"{where}[{index}]", errors)


def _url(url: str, path: str, errors: Errors) -> None:
    if not url:
        errors.append(invalid_value(path, url, "must not be empty"))
    elif url == "/":
        return
    elif not url.startswith("/"):
        errors.append(invalid_value(path, url, "must start with slash"))
    elif " " in url:
        errors.append(invalid_value(path, url, "must not contain white-space"))
    elif "//" in url:
        errors.append(invalid_value(path, url, "must not contain double slash"))
    elif "*" in url[:-1] or (url.endswith("*") and not url.endswith("/*")):
        text = "wildcard can only do suffix matching"
        errors.append(invalid_value(path, url, text))
