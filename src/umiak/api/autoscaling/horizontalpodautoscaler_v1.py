"""HorizontalPodAutoscaler, autoscaling/v1."""

from umiak.api.registry import builtin

KIND = builtin("autoscaling/v1", "HorizontalPodAutoscaler")
