"""SelfSubjectReview, authentication.k8s.io/v1."""

from umiak.api.registry import builtin

KIND = builtin("authentication.k8s.io/v1", "SelfSubjectReview")
