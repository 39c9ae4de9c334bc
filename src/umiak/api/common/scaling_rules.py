"""Validates HorizontalPodAutoscalers: bounds, metrics, behavior.

Source: `pkg/apis/autoscaling/validation/validation.go`.
"""

from umiak.api.common.checks import NOT_POSITIVE, Errors, check, label_selector, one_of
from umiak.objects import names
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, not_supported, required
from umiak.objects.quantity import ZERO, parse
from umiak.objects.types import Object

_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_FIELDS = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_MISSING = "must populate information for the given metric source"


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    late: Errors = []
    spec = obj["spec"]
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if most == 0:
        late.append(required("spec.maxReplicas"))
    elif most < 0:
        late.append(invalid_value("spec.maxReplicas", most, "must be greater than or equal to 1"))
    if least is not None and least < 0:
        late.append(invalid_value("spec.minReplicas", least, "must be greater than or equal to 0"))
    if least is not None and most < least:
        errors.append(invalid_value("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    _reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef", errors)
    metrics = spec.get("metrics") or []
    for index, metric in enumerate(metrics):
        _metric(metric, f"spec.metrics[{index}]", errors)
    if least == 0 and not any(m.get("type") in ("Object", "External") for m in metrics):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        errors.append(field_forbidden("spec.metrics", text))
    behavior = spec.get("behavior") or {}
    for direction in ("scaleUp", "scaleDown"):
        if behavior.get(direction) is not None:
            _rules(behavior[direction], f"spec.behavior.{direction}", errors)
    return errors + late


def _reference(ref: Object, path: str, errors: Errors) -> None:
    for field in ("kind", "name"):
        if ref.get(field):
            check(names.path_segment, ref[field], f"{path}.{field}", errors)
        else:
            errors.append(required(f"{path}.{field}"))
    version = ref.get("apiVersion") or ""
    if version.count("/") > 1:
        errors.append(invalid_value(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    elif "/" not in version and ref.get("kind") != "ReplicationController":
        errors.append(invalid_value(f"{path}.apiVersion", version, "apiVersion must specify API group"))


def _metric(metric: Object, path: str, errors: Errors) -> None:
    kind = metric.get("type") or ""
    if not kind:
        errors.append(required(f"{path}.type", "must specify a metric source type"))
    if kind not in _TYPES:
        errors.append(not_supported(f"{path}.type", kind, _TYPES))
    given = [field for field in _FIELDS.values() if metric.get(field) is not None]
    if given:
        _source(given[0], metric[given[0]], f"{path}.{given[0]}", errors)
    expected = _FIELDS.get(kind)
    if expected is None:
        errors.append(not_supported(f"{path}.type", kind, _TYPES))
    elif expected not in given:
        errors.append(required(f"{path}.{expected}", _MISSING))
    if len(given) != 1:
        for field in given:
            if field != expected:
                errors.append(field_forbidden(f"{path}.{field}", "must populate the given metric source only"))


def _source(field: str, source: Object, path: str, errors: Errors) -> None:
    target = source.get("target") or {}
    if field == "object":
        late: Errors = []
        ref = source.get("describedObject") or {}
        for name in ("kind", "name"):
            if ref.get(name):
                check(names.path_segment, ref[name], f"{path}.describedObject.{name}", late)
            else:
                late.append(required(f"{path}.describedObject.{name}"))
        errors += late
    if field in ("object", "external", "pods"):
        _identifier(source.get("metric") or {}, f"{path}.metric", errors)
    elif field == "containerResource" and not source.get("container"):
        errors.append(required(f"{path}.container", "must specify a container"))
    if field in ("resource", "containerResource") and not source.get("name"):
        errors.append(required(f"{path}.name", "must specify a resource name"))
    _target(target, f"{path}.target", errors)
    _needed_target(field, target, f"{path}.target", errors)


def _needed_target(field: str, target: Object, path: str, errors: Errors) -> None:
    average, value, used = (target.get(n) for n in ("averageValue", "value", "averageUtilization"))
    if field in ("resource", "containerResource"):
        if used is None and average is None:
            text = "must set either a target raw value or a target utilization"
            errors.append(required(f"{path}.averageUtilization", text))
        if used is not None and average is not None:
            text = "may not set both a target raw value and a target utilization"
            errors.append(field_forbidden(f"{path}.averageValue", text))
    elif field == "pods":
        if average is None or parse(average) <= ZERO:
            errors.append(required(f"{path}.averageValue", "must specify a positive target averageValue"))
    elif value is None and average is None:
        text = "must set either a target value or averageValue"
        if field == "external":
            text = "must set either a target value for metric or a per-pod target"
        errors.append(required(f"{path}.averageValue", text))
    elif field == "external" and value is not None and average is not None:
        text = "may not set both a target value for metric and a per-pod target"
        errors.append(field_forbidden(f"{path}.value", text))


def _identifier(metric: Object, path: str, errors: Errors) -> None:
    if not metric.get("name"):
        errors.append(required(f"{path}.name", "must specify a metric name"))
    else:
        check(names.path_segment, metric["name"], f"{path}.name", errors)
    label_selector(metric.get("selector"), f"{path}.selector", errors)


def _target(target: Object, path: str, errors: Errors) -> None:
    kind = target.get("type") or ""
    if not kind:
        errors.append(required(f"{path}.type", "must specify a metric target type"))
    if kind not in ("Utilization", "Value", "AverageValue"):
        text = "must be either Utilization, Value, or AverageValue"
        errors.append(invalid_value(f"{path}.type", kind, text))
    for field in ("value", "averageValue"):
        if target.get(field) is not None and parse(target[field]) <= ZERO:
            errors.append(invalid_value(f"{path}.{field}", target[field], "must be positive"))
    used = target.get("averageUtilization")
    if used is not None and used < 1:
        errors.append(invalid_value(f"{path}.averageUtilization", used, "must be greater than 0"))


def _rules(rules: Object, path: str, errors: Errors) -> None:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        text = "must be greater than or equal to zero"
        errors.append(invalid_value(f"{path}.stabilizationWindowSeconds", window, text))
    if window is not None and window > 3600:
        text = "must be less than or equal to 3600"
        errors.append(invalid_value(f"{path}.stabilizationWindowSeconds", window, text))
    if rules.get("selectPolicy") is not None:
        one_of(rules["selectPolicy"], ("Disabled", "Max", "Min"), f"{path}.selectPolicy", errors)
    if not rules.get("policies"):
        errors.append(required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(rules.get("policies") or ()):
        where, seconds = f"{path}.policies[{index}]", policy.get("periodSeconds") or 0
        one_of(policy.get("type") or "", ("Percent", "Pods"), f"{where}.type", errors)
        if (policy.get("value") or 0) <= 0:
            errors.append(invalid_value(f"{where}.value", policy.get("value") or 0, NOT_POSITIVE))
        if seconds <= 0:
            errors.append(invalid_value(f"{where}.periodSeconds", seconds, NOT_POSITIVE))
        if seconds > 1800:
            errors.append(invalid_value(f"{where}.periodSeconds", seconds, "must be less than or equal to 1800"))
    if rules.get("tolerance") is not None and parse(rules["tolerance"]) < ZERO:
        text = "must be greater than or equal to 0"
        errors.append(invalid_value(f"{path}.tolerance", rules["tolerance"], text))
