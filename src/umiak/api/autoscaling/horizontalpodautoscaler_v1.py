"""HorizontalPodAutoscaler (v1): the older form, which knows one metric. Kept in the form of v2."""

import json
from typing import Any

from umiak.api.autoscaling.horizontalpodautoscaler import COLUMNS
from umiak.api.autoscaling.horizontalpodautoscaler import default as default_v2
from umiak.api.common import scaling_rules
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS, _BEHAVIOR = f"{_PREFIX}metrics", f"{_PREFIX}behavior"
_CURRENT, _CONDITIONS = f"{_PREFIX}current-metrics", f"{_PREFIX}conditions"


def default(obj: Object) -> None:
    """Without any metric, 80 % of the requested processor time is the target."""
    spec = obj.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    if spec.get("targetCPUUtilizationPercentage") is None and _METRICS not in annotations:
        spec["targetCPUUtilizationPercentage"] = 80


def _is_cpu(metric: Object, holder: str) -> bool:
    resource = metric.get("resource") or {}
    return (
        metric.get("type") == "Resource"
        and resource.get("name") == "cpu"
        and (resource.get(holder) or {}).get("averageUtilization") is not None
    )


def _from_text(annotations: Object, key: str) -> Any:
    """What an annotation holds; None when it is absent or no JSON."""
    try:
        return json.loads(annotations.pop(key)) if key in annotations else None
    except ValueError:
        return None


def to_storage(obj: Object) -> Object:
    """The form of v2; what v1 has no fields for comes out of annotations."""
    spec, metadata = dict(obj.get("spec") or {}), dict(obj.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    metrics = _from_text(annotations, _METRICS) or []
    behavior = _from_text(annotations, _BEHAVIOR)
    cpu = spec.pop("targetCPUUtilizationPercentage", None)
    if cpu is not None:
        target = {"type": "Utilization", "averageUtilization": cpu}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}, *metrics]
    spec |= {"metrics": metrics} if metrics else {}
    spec |= {"behavior": behavior} if behavior else {}
    status = dict(obj.get("status") or {})
    used = status.pop("currentCPUUtilizationPercentage", None)
    current = _from_text(annotations, _CURRENT) or []
    if used is not None:
        now = {"averageUtilization": used, "averageValue": "0"}
        current = [{"type": "Resource", "resource": {"name": "cpu", "current": now}}, *current]
    status["currentMetrics"] = current or None
    conditions = _from_text(annotations, _CONDITIONS)
    status |= {"conditions": conditions} if conditions else {}
    metadata.pop("annotations", None)
    metadata |= {"annotations": annotations} if annotations else {}
    return {**obj, "apiVersion": "autoscaling/v2", "metadata": metadata, "spec": spec, "status": status}


def from_storage(obj: Object) -> Object:
    """The form of v1; what it has no fields for goes into annotations."""
    spec, metadata, status = (dict(obj.get(part) or {}) for part in ("spec", "metadata", "status"))
    annotations = dict(metadata.get("annotations") or {})
    metrics, behavior = spec.pop("metrics", None) or [], spec.pop("behavior", None)
    cpu = next((m for m in metrics if _is_cpu(m, "target")), None)
    if cpu is not None:
        spec["targetCPUUtilizationPercentage"] = cpu["resource"]["target"]["averageUtilization"]
    current = status.pop("currentMetrics", None) or []
    used = next((m for m in current if _is_cpu(m, "current")), None)
    if used is not None:
        status["currentCPUUtilizationPercentage"] = used["resource"]["current"]["averageUtilization"]
    texts = {
        _METRICS: [m for m in metrics if m is not cpu],
        _BEHAVIOR: behavior,
        _CURRENT: [m for m in current if m is not used],
        _CONDITIONS: status.pop("conditions", None),
    }
    annotations |= {key: json.dumps(value, separators=(",", ":")) for key, value in texts.items() if value}
    metadata |= {"annotations": annotations} if annotations else {}
    return {**obj, "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def prepare_create(obj: Object) -> None:
    obj["status"] = {"currentReplicas": 0, "desiredReplicas": 0}


def validate(obj: Object) -> list[FieldError]:
    """The rules of v2 hold for what is stored."""
    stored = to_storage(obj)
    default_v2(stored)
    return scaling_rules.validate(stored)


KIND = builtin(
    "autoscaling/v1",
    "HorizontalPodAutoscaler",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    to_storage=to_storage,
    from_storage=from_storage,
    storage_version="v2",
    columns=COLUMNS,
    counts_generation=True,
)
