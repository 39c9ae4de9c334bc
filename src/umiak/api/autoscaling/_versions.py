"""A HorizontalPodAutoscaler in its two versions. autoscaling/v1 keeps what it cannot say in annotations.

Follows `pkg/apis/autoscaling/v1/conversion.go`; the annotations are those that the reference writes and reads.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from umiak.api import compiled
from umiak.api.schema import Odd, normalize
from umiak.objects.encoding import copy
from umiak.objects.types import Object

PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT_METRICS = PREFIX + "metrics", PREFIX + "current-metrics"
CONDITIONS, BEHAVIOR = PREFIX + "conditions", PREFIX + "behavior"
TOLERANCES = (PREFIX + "scale-down-tolerance", PREFIX + "scale-up-tolerance")
NOTES = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR, *TOLERANCES)
DEFAULT_UTILIZATION = 80

_SPEC = ("scaleTargetRef", "minReplicas", "maxReplicas")
_STATUS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")
_RULES = {
    "StabilizationWindowSeconds": "stabilizationWindowSeconds",
    "SelectPolicy": "selectPolicy",
    "Policies": "policies",
    "Tolerance": "tolerance",
}
_POLICY = {"Type": "type", "Value": "value", "PeriodSeconds": "periodSeconds"}


def to_v2(old: Object) -> Object:
    """The same object in autoscaling/v2. Annotations that cannot be read are ignored."""
    notes = (old.get("metadata") or {}).get("annotations") or {}
    try:
        return _to_v2(old, notes)
    except (Odd, AttributeError, TypeError):
        return _to_v2(old, {})


def _to_v2(old: Object, notes: dict[str, str]) -> Object:
    spec, status = old.get("spec") or {}, old.get("status") or {}
    new = _shell(old, "autoscaling/v2")
    new["spec"] = {name: copy(spec[name]) for name in _SPEC if name in spec} | {"metrics": _all_metrics(spec, notes)}
    behavior = _noted(notes, BEHAVIOR, dict)
    if behavior and any(behavior.values()):
        new["spec"]["behavior"] = _behavior_read(behavior)
    new["status"] = {name: copy(status[name]) for name in _STATUS if name in status}
    new["status"]["currentMetrics"] = _all_current(status, notes)
    conditions = _noted(notes, CONDITIONS, list)
    if conditions:
        new["status"]["conditions"] = conditions
    return normalize(compiled.schema("autoscaling/v2", "HorizontalPodAutoscaler"), new)


def to_v1(new: Object) -> Object:
    """The same object in autoscaling/v1."""
    spec, status = new.get("spec") or {}, new.get("status") or {}
    old = _shell(new, "autoscaling/v1")
    old["spec"] = {name: copy(spec[name]) for name in _SPEC if name in spec}
    old["status"] = {name: copy(status[name]) for name in _STATUS if name in status}
    metrics, current = spec.get("metrics") or [], status.get("currentMetrics") or []
    utilizations = [m["resource"]["target"]["averageUtilization"] for m in metrics if _is_cpu_utilization(m)]
    if utilizations:
        old["spec"]["targetCPUUtilizationPercentage"] = utilizations[0]
    for metric in current:
        used = ((metric.get("resource") or {}).get("current") or {}).get("averageUtilization")
        if _is_cpu(metric) and used is not None:
            old["status"]["currentCPUUtilizationPercentage"] = used
    notes = {
        METRICS: [_metric_to_v1(m) for m in metrics if not _is_cpu_utilization(m)],
        CURRENT_METRICS: [_status_to_v1(m) for m in current],
        BEHAVIOR: _behavior_written(spec["behavior"]) if spec.get("behavior") is not None else None,
        CONDITIONS: [dict(c, lastTransitionTime=c.get("lastTransitionTime")) for c in status.get("conditions") or []],
    }
    _annotate(old, {name: msgspec.json.encode(note).decode() for name, note in notes.items() if note})
    return normalize(compiled.schema("autoscaling/v1", "HorizontalPodAutoscaler"), old)


def _shell(obj: Object, api_version: str) -> Object:
    """Kind and metadata, without the annotations that stand for fields."""
    about = copy(obj.get("metadata") or {})
    notes = about.get("annotations")
    if notes:
        for name in (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR, *TOLERANCES):
            notes.pop(name, None)
    return {"kind": "HorizontalPodAutoscaler", "apiVersion": api_version, "metadata": about}


def _annotate(obj: Object, notes: dict[str, str]) -> None:
    if notes:
        obj["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), **notes}


def _noted(notes: dict[str, str], name: str, wanted: type[dict[Any, Any]] | type[list[Any]]) -> Any:
    """What an annotation says, None when it is absent or no JSON of the wanted type."""
    if name not in notes:
        return None
    try:
        found = msgspec.json.decode(notes[name])
    except msgspec.DecodeError:
        return None
    if not isinstance(found, wanted) or (wanted is list and not all(isinstance(item, dict) for item in list(found))):
        return None
    return found


def _is_cpu(metric: Object) -> bool:
    return metric.get("type") == "Resource" and (metric.get("resource") or {}).get("name") == "cpu"


def _is_cpu_utilization(metric: Object) -> bool:
    return _is_cpu(metric) and (metric["resource"].get("target") or {}).get("averageUtilization") is not None


def _all_metrics(spec: Object, notes: dict[str, str]) -> list[Object]:
    """Those noted, then the one of the spec; when there is none, the utilization that the reference assumes."""
    found = [_metric_to_v2(m) for m in _noted(notes, METRICS, list) or ()]
    percent = spec.get("targetCPUUtilizationPercentage")
    if percent is None and not found:
        percent = DEFAULT_UTILIZATION
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        found.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    return found


def _all_current(status: Object, notes: dict[str, str]) -> list[Object] | None:
    noted = _noted(notes, CURRENT_METRICS, list)
    if noted is not None:
        return [_status_to_v2(m) for m in noted]
    percent = status.get("currentCPUUtilizationPercentage")
    if percent is None:
        return None
    return [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}}]


def _kept(pairs: Object) -> Object:
    return {name: value for name, value in pairs.items() if value is not None}


def _identifier(name: str | None, selector: Any) -> Object:
    return _kept({"name": name or "", "selector": selector})


def _convert(metric: Object, ways: dict[str, Callable[[Object], Object]]) -> Object:
    found: Object = {"type": metric.get("type") or ""}
    for name, way in ways.items():
        if metric.get(name) is not None:
            found[name] = way(metric[name])
    return found


def _metric_to_v2(metric: Object) -> Object:
    return _convert(metric, _SOURCES_TO_V2)


def _metric_to_v1(metric: Object) -> Object:
    return _convert(metric, _SOURCES_TO_V1)


def _status_to_v2(metric: Object) -> Object:
    return _convert(metric, _CURRENT_TO_V2)


def _status_to_v1(metric: Object) -> Object:
    return _convert(metric, _CURRENT_TO_V1)


def _object_to_v2(old: Object) -> Object:
    average, value = old.get("averageValue"), old.get("targetValue") or "0"
    target = {"type": "Value", "value": value}
    if average is not None:
        target = {"type": "AverageValue", "averageValue": average} | ({"value": value} if value != "0" else {})
    return {
        "describedObject": old.get("target") or {},
        "target": target,
        "metric": _identifier(old.get("metricName"), old.get("selector")),
    }


def _object_to_v1(new: Object) -> Object:
    target, metric = new.get("target") or {}, new.get("metric") or {}
    return _kept(
        {
            "target": new.get("describedObject"),
            "metricName": metric.get("name") or "",
            "targetValue": target.get("value") or "0",
            "selector": metric.get("selector"),
            "averageValue": target.get("averageValue"),
        }
    )


def _pods_to_v2(old: Object) -> Object:
    return {
        "metric": _identifier(old.get("metricName"), old.get("selector")),
        "target": {"type": "AverageValue", "averageValue": old.get("targetAverageValue") or "0"},
    }


def _pods_to_v1(new: Object) -> Object:
    metric = new.get("metric") or {}
    average = (new.get("target") or {}).get("averageValue") or "0"
    return _kept(
        {"metricName": metric.get("name") or "", "targetAverageValue": average, "selector": metric.get("selector")}
    )


def _resource_to_v2(old: Object) -> Object:
    percent = old.get("targetAverageUtilization")
    target = {
        "type": "AverageValue" if percent is None else "Utilization",
        "averageValue": old.get("targetAverageValue"),
        "averageUtilization": percent,
    }
    return _kept({"name": old.get("name") or "", "target": _kept(target), "container": old.get("container")})


def _resource_to_v1(new: Object) -> Object:
    target = new.get("target") or {}
    return _kept(
        {
            "name": new.get("name") or "",
            "targetAverageUtilization": target.get("averageUtilization"),
            "targetAverageValue": target.get("averageValue"),
            "container": new.get("container"),
        }
    )


def _external_to_v2(old: Object) -> Object:
    value = old.get("targetValue")
    target = {"type": "AverageValue" if value is None else "Value", "value": value}
    return {
        "metric": _identifier(old.get("metricName"), old.get("metricSelector")),
        "target": _kept(target | {"averageValue": old.get("targetAverageValue")}),
    }


def _external_to_v1(new: Object) -> Object:
    target, metric = new.get("target") or {}, new.get("metric") or {}
    return _kept(
        {
            "metricName": metric.get("name") or "",
            "metricSelector": metric.get("selector"),
            "targetValue": target.get("value"),
            "targetAverageValue": target.get("averageValue"),
        }
    )


def _current_object_to_v2(old: Object) -> Object:
    current = {"value": old.get("currentValue") or "0", "averageValue": old.get("averageValue")}
    return {
        "metric": _identifier(old.get("metricName"), old.get("selector")),
        "current": _kept(current),
        "describedObject": old.get("target") or {},
    }


def _current_object_to_v1(new: Object) -> Object:
    current, metric = new.get("current") or {}, new.get("metric") or {}
    return _kept(
        {
            "target": new.get("describedObject"),
            "metricName": metric.get("name") or "",
            "currentValue": current.get("value") or "0",
            "selector": metric.get("selector"),
            "averageValue": current.get("averageValue"),
        }
    )


def _current_pods_to_v2(old: Object) -> Object:
    return {
        "metric": _identifier(old.get("metricName"), old.get("selector")),
        "current": {"averageValue": old.get("currentAverageValue") or "0"},
    }


def _current_pods_to_v1(new: Object) -> Object:
    current, metric = new.get("current") or {}, new.get("metric") or {}
    average = current.get("averageValue") or "0"
    return _kept(
        {"metricName": metric.get("name") or "", "currentAverageValue": average, "selector": metric.get("selector")}
    )


def _current_resource_to_v2(old: Object) -> Object:
    current = {
        "averageValue": old.get("currentAverageValue") or "0",
        "averageUtilization": old.get("currentAverageUtilization"),
    }
    return _kept({"name": old.get("name") or "", "current": _kept(current), "container": old.get("container")})


def _current_resource_to_v1(new: Object) -> Object:
    current = new.get("current") or {}
    return _kept(
        {
            "name": new.get("name") or "",
            "currentAverageUtilization": current.get("averageUtilization"),
            "currentAverageValue": current.get("averageValue") or "0",
            "container": new.get("container"),
        }
    )


def _current_external_to_v2(old: Object) -> Object:
    current = {"value": old.get("currentValue") or "0", "averageValue": old.get("currentAverageValue")}
    return {"metric": _identifier(old.get("metricName"), old.get("metricSelector")), "current": _kept(current)}


def _current_external_to_v1(new: Object) -> Object:
    current, metric = new.get("current") or {}, new.get("metric") or {}
    return _kept(
        {
            "metricName": metric.get("name") or "",
            "metricSelector": metric.get("selector"),
            "currentValue": current.get("value") or "0",
            "currentAverageValue": current.get("averageValue"),
        }
    )


_Ways = dict[str, Callable[[Object], Object]]
_SOURCES_TO_V2: _Ways = {
    "object": _object_to_v2,
    "pods": _pods_to_v2,
    "resource": _resource_to_v2,
    "containerResource": _resource_to_v2,
    "external": _external_to_v2,
}
_SOURCES_TO_V1: _Ways = {
    "object": _object_to_v1,
    "pods": _pods_to_v1,
    "resource": _resource_to_v1,
    "containerResource": _resource_to_v1,
    "external": _external_to_v1,
}
_CURRENT_TO_V2: _Ways = {
    "object": _current_object_to_v2,
    "pods": _current_pods_to_v2,
    "resource": _current_resource_to_v2,
    "containerResource": _current_resource_to_v2,
    "external": _current_external_to_v2,
}
_CURRENT_TO_V1: _Ways = {
    "object": _current_object_to_v1,
    "pods": _current_pods_to_v1,
    "resource": _current_resource_to_v1,
    "containerResource": _current_resource_to_v1,
    "external": _current_external_to_v1,
}


def _behavior_written(behavior: Object) -> Object:
    """The annotation has the reference's internal field names."""
    return {
        internal: _rules_written(behavior[name]) if behavior.get(name) is not None else None
        for internal, name in (("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown"))
    }


def _rules_written(rules: Object) -> Object:
    written = {internal: rules.get(name) for internal, name in _RULES.items()}
    if rules.get("policies") is not None:
        written["Policies"] = [{internal: p.get(name) for internal, name in _POLICY.items()} for p in rules["policies"]]
    return written


def _lower(pairs: Object) -> Object:
    """Go reads these names whatever their case."""
    return {name.lower(): value for name, value in pairs.items()}


def _behavior_read(noted: Object) -> Object:
    given = _lower(noted)
    return {name: _rules_read(given[name.lower()]) for name in ("scaleUp", "scaleDown") if given.get(name.lower())}


def _rules_read(noted: Object) -> Object:
    given = _lower(noted)
    rules = {name: given[name.lower()] for name in _RULES.values() if given.get(name.lower()) is not None}
    if "policies" in rules:
        policies = [_lower(policy) for policy in rules["policies"]]
        rules["policies"] = [{n: p[n.lower()] for n in _POLICY.values() if n.lower() in p} for p in policies]
    return rules
