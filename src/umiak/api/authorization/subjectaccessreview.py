"""SubjectAccessReview, authorization.k8s.io/v1."""

from umiak.api.registry import builtin

KIND = builtin("authorization.k8s.io/v1", "SubjectAccessReview")
