"""What admission policies, validating and mutating, and their bindings share."""

import re
from collections.abc import Callable
from typing import Any

from umiak.api.common.cells import AGE, NAME, UNSET, column, reads, selector_text
from umiak.api.common.checks import Errors, check, filled_one_of, label_selector, one_of
from umiak.api.common.expressions import PolicyExpressions
from umiak.api.common.metadata import label_key
from umiak.api.common.webhooks import default_scopes, match_conditions, rule
from umiak.api.kind import Column
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, field_forbidden, invalid_value, not_supported, required
from umiak.objects.types import Object

Cell = Callable[[Object, float], Any]


def default_match_resources(match: Object | None) -> None:
    if match is None:
        return
    if match.get("matchPolicy") is None:
        match["matchPolicy"] = "Equivalent"
    for name in ("namespaceSelector", "objectSelector"):
        if match.get(name) is None:
            match[name] = {}
    default_scopes(match.get("resourceRules"))
    default_scopes(match.get("excludeResourceRules"))


def default_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("failurePolicy") is None:
        spec["failurePolicy"] = "Fail"
    default_match_resources(spec.get("matchConstraints"))


def default_binding(obj: Object) -> None:
    default_match_resources(obj.setdefault("spec", {}).get("matchResources"))


def _param_kind(obj: Object, now: float) -> Any:
    kind = (obj.get("spec") or {}).get("paramKind")
    return f"{kind.get('apiVersion') or ''}/{kind.get('kind') or ''}" if kind else UNSET


def _param_ref(obj: Object, now: float) -> Any:
    ref = (obj.get("spec") or {}).get("paramRef")
    if not ref:
        return UNSET
    if ref.get("name"):
        return f"{ref.get('namespace') or '*'}/{ref['name']}"
    return selector_text(ref["selector"]) if ref.get("selector") is not None else UNSET


def policy_columns(name: str, cell: Cell, description: str) -> tuple[Column, ...]:
    """The columns of a policy; the second counts its rules."""
    return (
        NAME,
        column(name, cell, description, type="integer"),
        column("ParamKind", _param_kind, "ParamKind specifies the kind of resources used to parameterize this policy"),
        AGE,
    )


BINDING_COLUMNS = (
    NAME,
    column(
        "PolicyName",
        reads("spec", "policyName"),
        "PolicyName indicates the policy definition which the policy binding binded to",
    ),
    column("ParamRef", _param_ref, "ParamRef indicates the param resource which sets the configuration param"),
    AGE,
)


_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_MUTABLE = ("*", "CONNECT", "CREATE", "UPDATE")
_MOST_AUDITS = 20
_RESERVED_WORDS = (
    "as break const continue else false for function if import in let loop namespace null package return true"
    " var void while"
)
_RESERVED = frozenset(_RESERVED_WORDS.split())


def match_resources(match: Object, path: str, errors: Errors) -> None:
    one_of(match["matchPolicy"], ("Equivalent", "Exact"), f"{path}.matchPolicy", errors)
    for field in ("namespaceSelector", "objectSelector"):
        label_selector(match.get(field), f"{path}.{field}", errors)
    for field in ("resourceRules", "excludeResourceRules"):
        for index, value in enumerate(match.get(field) or ()):
            where = f"{path}.{field}[{index}]"
            rule(value, where, errors)
            for at, name in enumerate(value.get("resourceNames") or ()):
                check(names.path_segment, name, f"{where}.resourceNames[{at}]", errors)
                if name in value["resourceNames"][:at]:
                    errors.append(duplicate(f"{where}.resourceNames[{at}]", name))


def _policy(spec: Object, errors: Errors, composes: bool) -> PolicyExpressions:
    """What validating and mutating policies have in common, up to their rules. `composes` is whether expressions may
    speak of variables even when there are none."""
    one_of(spec["failurePolicy"], ("Fail", "Ignore"), "spec.failurePolicy", errors)
    has_params = spec.get("paramKind") is not None
    if has_params:
        _kind_of_params(spec["paramKind"], "spec.paramKind", errors)
    match = spec.get("matchConstraints")
    if match is None:
        errors.append(required("spec.matchConstraints"))
    else:
        match_resources(match, "spec.matchConstraints", errors)
        if not match.get("resourceRules"):
            errors.append(required("spec.matchConstraints.resourceRules"))
        if composes:
            _mutable_operations(match, "spec.matchConstraints", errors)
    match_conditions(spec.get("matchConditions") or [], "spec.matchConditions", errors, has_params)
    variables = spec.get("variables") or ()
    expressions = PolicyExpressions(spec, composes or bool(variables))
    for index, variable in enumerate(variables):
        _variable(variable, f"spec.variables[{index}]", expressions, errors)
    return expressions


def _mutable_operations(match: Object, path: str, errors: Errors) -> None:
    """There is nothing to change when an object is deleted."""
    for value in match.get("resourceRules") or ():
        for operation in value.get("operations") or ():
            one_of(operation, _MUTABLE, f"{path}.resourceRules.operations", errors)


def _kind_of_params(kind: Object, path: str, errors: Errors) -> None:
    version = kind.get("apiVersion") or ""
    if not version:
        errors.append(required(f"{path}.apiVersion"))
    elif version.count("/") > 1:
        text = f"unexpected GroupVersion string: {version}"
        errors.append(invalid_value(f"{path}.apiVersion", version, text))
    else:
        _version_of_params(version, f"{path}.apiVersion", errors)
    name = kind.get("kind") or ""
    if not name:
        errors.append(required(f"{path}.kind"))
    elif names.dns_1035_label(name.lower()):
        text = "may have mixed case, but should otherwise match: " + ",".join(names.dns_1035_label(name.lower()))
        errors.append(invalid_value(f"{path}.kind", name, text))


def _version_of_params(text: str, path: str, errors: Errors) -> None:
    group, _, version = text.rpartition("/")
    if group and names.dns_subdomain(group):
        errors.append(invalid_value(path, group, ",".join(names.dns_subdomain(group))))
    if not version:
        errors.append(invalid_value(path, text, "version must be specified"))
    elif names.dns_1035_label(version):
        errors.append(invalid_value(path, version, ",".join(names.dns_1035_label(version))))


def _variable(variable: Object, path: str, expressions: PolicyExpressions, errors: Errors) -> None:
    name = variable.get("name") or ""
    if not name.strip():
        errors.append(required(f"{path}.name", "name is not specified"))
    elif not re.fullmatch("[_a-zA-Z][_a-zA-Z0-9]*", name) or name in _RESERVED:
        errors.append(invalid_value(f"{path}.name", name, "must be a valid CEL identifier"))
    if not (variable.get("expression") or "").strip():
        errors.append(required(f"{path}.expression", "expression is not specified"))
    else:
        expressions.variable(variable, f"{path}.expression", errors)


def validate_validating(obj: Object) -> list[FieldError]:
    """A ValidatingAdmissionPolicy."""
    errors: Errors = []
    spec = obj["spec"]
    expressions = _policy(spec, errors, composes=False)
    validations, audits = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not audits:
        text = "validations or auditAnnotations must contain at least one item"
        errors += [required("spec.validations", text), required("spec.auditAnnotations", text)]
    for index, validation in enumerate(validations):
        _validation(validation, f"spec.validations[{index}]", expressions, errors)
    if len(audits) > _MOST_AUDITS:
        text = f"must not have more than {_MOST_AUDITS} auditAnnotations"
        errors.append(invalid_value("spec.auditAnnotations", audits, text))
    seen: set[str] = set()
    for index, audit in enumerate(audits):
        path = f"spec.auditAnnotations[{index}]"
        _audit(audit, (obj.get("metadata") or {}).get("name") or "", path, expressions, errors)
        if (key := audit.get("key") or "") in seen:
            errors.append(duplicate(f"{path}.key", key))
        seen.add(key)
    return errors


def _validation(validation: Object, path: str, expressions: PolicyExpressions, errors: Errors) -> None:
    source, message = validation.get("expression") or "", validation.get("message") or ""
    if not source.strip():
        errors.append(required(f"{path}.expression", "expression is not specified"))
    else:
        expressions.validation(source, f"{path}.expression", errors)
    worded = validation.get("messageExpression") or ""
    if worded and not worded.strip():
        errors.append(invalid_value(f"{path}.messageExpression", worded, "must be non-empty if specified"))
    elif worded:
        expressions.message(worded, f"{path}.messageExpression", errors)
    if message and not message.strip():
        errors.append(invalid_value(f"{path}.message", message, "must be non-empty if specified"))
    elif re.search("[\n\r]", message.strip()):
        errors.append(invalid_value(f"{path}.message", message, "must not contain line breaks"))
    if validation.get("reason") is not None:
        one_of(validation["reason"], _REASONS, f"{path}.reason", errors)


def _audit(audit: Object, name: str, path: str, expressions: PolicyExpressions, errors: Errors) -> None:
    key, value = audit.get("key") or "", audit.get("valueExpression") or ""
    if name:
        qualified = f"{name}/{key}"
        errors += [invalid_value(f"{path}.key", qualified, text) for text in label_key(qualified)]
    else:
        errors.append(invalid_value(f"{path}.key", key, "requires metadata.name be non-empty"))
    if not value.strip():
        errors.append(required(f"{path}.valueExpression", "valueExpression is not specified"))
    else:
        expressions.audit_value(value, f"{path}.valueExpression", errors)


def validate_mutating(obj: Object) -> list[FieldError]:
    """A MutatingAdmissionPolicy."""
    errors: Errors = []
    spec = obj["spec"]
    expressions = _policy(spec, errors, composes=True)
    if not spec.get("mutations"):
        errors.append(required("spec.mutations", "mutations must contain at least one item"))
    for index, mutation in enumerate(spec.get("mutations") or ()):
        _mutation(mutation, f"spec.mutations[{index}]", expressions, errors)
    if spec.get("reinvocationPolicy"):
        one_of(spec["reinvocationPolicy"], ("IfNeeded", "Never"), "spec.reinvocationPolicy", errors)
    else:
        errors.append(required("spec.reinvocationPolicy"))
    return errors


_FIELDS = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}


def _mutation(mutation: Object, path: str, expressions: PolicyExpressions, errors: Errors) -> None:
    kind = mutation.get("patchType") or ""
    field = _FIELDS.get(kind)
    if field is None:
        errors.append(not_supported(f"{path}.patchType", kind, _FIELDS) if kind else required(f"{path}.patchType"))
        return
    if mutation.get(field) is None:
        errors.append(required(f"{path}.{field}", f"must be specified when patchType is {kind}"))
    elif not (mutation[field].get("expression") or "").strip():
        errors.append(required(f"{path}.{field}.expression"))
    else:
        expressions.mutation(mutation[field]["expression"], field, f"{path}.{field}.expression", errors)
    for other in _FIELDS.values():
        if other != field and mutation.get(other) is not None:
            text = f"must not be specified when patchType is {kind}"
            errors.append(invalid_value(f"{path}.{other}", f"{{{other}}}", text))


def validate_policy_binding(obj: Object, has_actions: bool) -> list[FieldError]:
    """Both kinds of binding; only those of validating policies say what happens."""
    errors: Errors = []
    spec = obj["spec"]
    late: Errors = []
    if spec.get("policyName"):
        check(names.dns_subdomain, spec["policyName"], "spec.policyName", errors)
    else:
        late.append(required("spec.policyName"))
    if spec.get("paramRef") is not None:
        _params(spec["paramRef"], "spec.paramRef", errors)
    if spec.get("matchResources") is not None:
        match_resources(spec["matchResources"], "spec.matchResources", errors)
        if not has_actions:
            _mutable_operations(spec["matchResources"], "spec.matchResources", errors)
    if has_actions:
        _actions(spec.get("validationActions") or [], "spec.validationActions", errors)
    return errors + late


_NAME_OR_SELECTOR = "name and selector are mutually exclusive"


def _params(ref: Object, path: str, errors: Errors) -> None:
    name, selector, action = ref.get("name") or "", ref.get("selector"), ref.get("parameterNotFoundAction")
    if name:
        check(names.path_segment, name, f"{path}.name", errors)
    if name and selector is not None:
        errors.append(field_forbidden(f"{path}.name", _NAME_OR_SELECTOR))
    label_selector(selector, f"{path}.selector", errors)
    if name and selector is not None:
        errors.append(field_forbidden(f"{path}.selector", _NAME_OR_SELECTOR))
    if not name and selector is None:
        errors.append(required(path, "one of name or selector must be specified"))
    filled_one_of(action, ("Deny", "Allow"), f"{path}.parameterNotFoundAction", errors)


def _actions(actions: list[str], path: str, errors: Errors) -> None:
    for index, action in enumerate(actions):
        one_of(action, ("Audit", "Deny", "Warn"), f"{path}[{index}]", errors)
        if action in actions[:index]:
            errors.append(duplicate(f"{path}[{index}]", action))
    if {"Deny", "Warn"} <= set(actions):
        text = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API"
            " response and headers serves no purpose)"
        )
        errors.append(invalid_value(path, actions, text))
    if not actions:
        errors.append(required(path))
