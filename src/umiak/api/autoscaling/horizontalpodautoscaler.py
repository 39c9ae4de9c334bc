"""HorizontalPodAutoscaler (v2): changes the number of pods with the load."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, UNKNOWN, UNSET, column, number
from umiak.api.common.scaling_rules import validate
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.kind import Column
from umiak.api.registry import builtin
from umiak.objects.types import Object

_UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Object = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
_SHOWN = 2


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        behavior["scaleUp"] = _with_rules(_UP, behavior.get("scaleUp"))
        behavior["scaleDown"] = _with_rules(_DOWN, behavior.get("scaleDown"))


def _with_rules(usual: Object, given: Object | None) -> Object:
    """The usual rules, where none were given."""
    rules = {**usual, "policies": [dict(policy) for policy in usual["policies"]]}
    return {**rules, **{name: value for name, value in (given or {}).items() if value is not None}}


def prepare_create(obj: Object) -> None:
    obj["status"] = {"desiredReplicas": 0, "currentMetrics": None}


def reference(obj: Object, now: float) -> Any:
    ref = (obj.get("spec") or {}).get("scaleTargetRef") or {}
    return f"{ref.get('kind') or ''}/{ref.get('name') or ''}"


_FIELDS = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metric(spec: Object, status: Object) -> str:
    """One metric as current/target."""
    field = _FIELDS.get(spec.get("type") or "")
    if field is None:
        return "<unknown type>"
    source = spec.get(field) or {}
    target, current = source.get("target") or {}, (status.get(field) or {}).get("current") or {}
    average = target.get("averageValue")
    if field in ("resource", "containerResource"):
        return f"{source.get('name') or ''}: {_resource_target(target, current)}"
    if field == "pods":
        return f"{current.get('averageValue') or UNKNOWN}/{average or '0'}"
    if average is not None:
        return f"{current.get('averageValue') or UNKNOWN}/{average} (avg)"
    return f"{current.get('value') or UNKNOWN}/{target.get('value') or '0'}"


def _resource_target(target: Object, current: Object) -> str:
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue') or '<nil>' if current else UNKNOWN}/{target['averageValue']}"
    used, wanted = current.get("averageUtilization"), target.get("averageUtilization")
    return f"{UNKNOWN if used is None else f'{used}%'}/{'<auto>' if wanted is None else f'{wanted}%'}"


def targets(obj: Object, now: float) -> Any:
    specs = (obj.get("spec") or {}).get("metrics") or []
    if not specs:
        return NONE
    statuses = (obj.get("status") or {}).get("currentMetrics") or []
    found = [_metric(s, statuses[i] if i < len(statuses) else {}) for i, s in enumerate(specs)]
    text = ", ".join(found[:_SHOWN])
    return f"{text} + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else text


def smallest(obj: Object, now: float) -> Any:
    value = (obj.get("spec") or {}).get("minReplicas")
    return UNSET if value is None else str(value)


COLUMNS: tuple[Column, ...] = (
    NAME,
    column("Reference", reference, "autoscaling/v2:HorizontalPodAutoscalerSpec.scaleTargetRef"),
    column("Targets", targets, "HorizontalPodAutoscalerSpec.metrics"),
    column("MinPods", smallest, "HorizontalPodAutoscalerSpec.minReplicas"),
    column("MaxPods", number("spec", "maxReplicas"), "autoscaling/v2:HorizontalPodAutoscalerSpec.maxReplicas"),
    column(
        "Replicas", number("status", "currentReplicas"), "autoscaling/v2:HorizontalPodAutoscalerStatus.currentReplicas"
    ),
    AGE,
)

KIND = builtin(
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    columns=COLUMNS,
    counts_generation=True,
)
