"""APIService, apiregistration.k8s.io/v1."""

from umiak.api.registry import builtin

KIND = builtin("apiregistration.k8s.io/v1", "APIService")
