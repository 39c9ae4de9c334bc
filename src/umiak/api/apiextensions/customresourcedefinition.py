"""CustomResourceDefinition, apiextensions.k8s.io/v1."""

from umiak.api.registry import builtin

KIND = builtin("apiextensions.k8s.io/v1", "CustomResourceDefinition")
