"""Validates what a pod spec says of nodes: affinity, tolerations, spreading."""

from umiak.api.common.checks import Errors, check, label_selector, positive, selector_requirement
from umiak.api.common.metadata import label_key, label_value, subdomain
from umiak.objects import names
from umiak.objects.errors import duplicate, field_forbidden, invalid_value, not_supported, required
from umiak.objects.types import Object

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_WEIGHT = "must be in the range 1-100"


def affinity(value: Object, path: str, errors: Errors) -> None:
    node = value.get("nodeAffinity")
    if node:
        if node.get(REQUIRED) is not None:
            node_selector(node[REQUIRED], f"{path}.nodeAffinity.{REQUIRED}", errors)
        for index, term in enumerate(node.get(PREFERRED) or ()):
            where = f"{path}.nodeAffinity.{PREFERRED}[{index}]"
            _weight(term, where, errors)
            _node_term(term.get("preference") or {}, f"{where}.preference", errors, allow_bad_values=True)
    for side in ("podAffinity", "podAntiAffinity"):
        if value.get(side):
            _pod_affinity(value[side], f"{path}.{side}", errors)


def _weight(term: Object, path: str, errors: Errors) -> None:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        errors.append(invalid_value(f"{path}.weight", weight, _WEIGHT))


def node_selector(selector: Object, path: str, errors: Errors) -> None:
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        errors.append(required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for index, term in enumerate(terms):
        _node_term(term, f"{path}.nodeSelectorTerms[{index}]", errors)


def _node_term(term: Object, path: str, errors: Errors, allow_bad_values: bool = False) -> None:
    for index, requirement in enumerate(term.get("matchExpressions") or ()):
        node_requirement(requirement, f"{path}.matchExpressions[{index}]", errors, allow_bad_values)
    for index, requirement in enumerate(term.get("matchFields") or ()):
        _node_field(requirement, f"{path}.matchFields[{index}]", errors)


def node_requirement(requirement: Object, path: str, errors: Errors, allow_bad_values: bool = False) -> None:
    if requirement.get("operator") not in ("Gt", "Lt"):
        selector_requirement(requirement, path, errors, allow_bad_values)
        return
    values = requirement.get("values") or ()
    if len(values) != 1:
        text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
        errors.append(required(f"{path}.values", text))
    check(label_key, requirement.get("key") or "", f"{path}.key", errors)
    if not allow_bad_values:
        for index, value in enumerate(values):
            check(label_value, value, f"{path}.values[{index}]", errors)


def _node_field(requirement: Object, path: str, errors: Errors) -> None:
    operator, key = requirement.get("operator") or "", requirement.get("key") or ""
    values = requirement.get("values") or ()
    if operator not in ("In", "NotIn"):
        errors.append(invalid_value(f"{path}.operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(f"{path}.values", text))
    if key != "metadata.name":
        errors.append(invalid_value(f"{path}.key", key, "not a valid field selector key"))
        return
    for index, value in enumerate(values):
        check(names.dns_subdomain, value, f"{path}.values[{index}]", errors)


def _pod_affinity(value: Object, path: str, errors: Errors) -> None:
    for index, term in enumerate(value.get(REQUIRED) or ()):
        _pod_term(term, f"{path}.{REQUIRED}[{index}]", errors)
    for index, weighted in enumerate(value.get(PREFERRED) or ()):
        where = f"{path}.{PREFERRED}[{index}]"
        _weight(weighted, where, errors)
        _pod_term(weighted.get("podAffinityTerm") or {}, f"{where}.podAffinityTerm", errors)


def _pod_term(term: Object, path: str, errors: Errors) -> None:
    label_selector(term.get("labelSelector"), f"{path}.labelSelector", errors)
    label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector", errors)
    for name in term.get("namespaces") or ():
        check(names.dns_label, name, f"{path}.namespace", errors)
    label_keys(term, path, errors)
    topology = term.get("topologyKey") or ""
    if not topology:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    check(label_key, topology, f"{path}.topologyKey", errors)


def label_keys(term: Object, path: str, errors: Errors) -> None:
    """matchLabelKeys and mismatchLabelKeys, beside the selector that already includes them (KEPs 3633, 3243)."""
    selector = term.get("labelSelector")
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = term.get(field) or ()
        if keys and selector is None:
            errors.append(field_forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set"))
        elif keys:
            for index, key in enumerate(keys):
                check(label_key, key, f"{path}.{field}[{index}]", errors)
    matched = {key: index for index, key in enumerate(term.get("matchLabelKeys") or ())}
    seen = set((selector or {}).get("matchLabels") or ())
    for requirement in (selector or {}).get("matchExpressions") or ():
        key = requirement.get("key") or ""
        if key in matched and key in seen:
            where = f"{path}[{matched[key]}]"
            errors.append(invalid_value(where, key, "exists in both matchLabelKeys and labelSelector"))
        seen.add(key)
    for key, index in matched.items():
        if key in (term.get("mismatchLabelKeys") or ()):
            where = f"{path}.matchLabelKeys[{index}]"
            errors.append(invalid_value(where, key, "exists in both matchLabelKeys and mismatchLabelKeys"))


def tolerations(values: list[Object], path: str, errors: Errors) -> None:
    for index, toleration in enumerate(values):
        _toleration(toleration, f"{path}[{index}]", errors)


def _toleration(toleration: Object, path: str, errors: Errors) -> None:
    key, operator = toleration.get("key") or "", toleration.get("operator") or ""
    value, effect = toleration.get("value") or "", toleration.get("effect") or ""
    if key:
        check(label_key, key, f"{path}.key", errors)
    elif operator != "Exists":
        text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(invalid_value(f"{path}.operator", operator, text))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid_value(f"{path}.effect", effect, text))
    if operator in ("Equal", ""):
        faults = label_value(value)
        if faults:
            errors.append(invalid_value(f"{path}.operator", value, ";".join(faults)))
    elif operator == "Exists":
        if value:
            text = "value must be empty when `operator` is 'Exists'"
            errors.append(invalid_value(f"{path}.operator", value, text))
    else:
        known = ("Equal", "Exists", "Lt", "Gt") if operator in ("Lt", "Gt") else ("Equal", "Exists")
        errors.append(not_supported(f"{path}.operator", operator, known))
    if effect and effect not in EFFECTS:
        errors.append(not_supported(f"{path}.effect", effect, EFFECTS))


def spread_constraints(constraints: list[Object], path: str, errors: Errors) -> None:
    seen = [(c.get("topologyKey") or "", c.get("whenUnsatisfiable") or "") for c in constraints]
    for index, constraint in enumerate(constraints):
        where = f"{path}[{index}]"
        positive(constraint.get("maxSkew") or 0, f"{where}.maxSkew", errors)
        topology, action = seen[index]
        if not topology:
            errors.append(required(f"{where}.topologyKey", "can not be empty"))
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            errors.append(not_supported(f"{where}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway")))
        if seen[index] in seen[index + 1 :]:
            errors.append(duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{topology}, {action}}}"))
        _spread_options(constraint, action, where, errors)
        label_keys(constraint, where, errors)
        label_selector(constraint.get("labelSelector"), f"{where}.labelSelector", errors)


def _spread_options(constraint: Object, action: str, path: str, errors: Errors) -> None:
    domains = constraint.get("minDomains")
    if domains is not None:
        positive(domains, f"{path}.minDomains", errors)
        if action != "DoNotSchedule":
            text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            errors.append(invalid_value(f"{path}.minDomains", domains, text))
    for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = constraint.get(field)
        if policy is not None and policy not in ("Honor", "Ignore"):
            errors.append(not_supported(f"{path}.{field}", policy, ("Honor", "Ignore")))


def service_account_name(name: str, path: str, errors: Errors) -> None:
    for text in subdomain(name, False):
        errors.append(invalid_value(path, name, text))
