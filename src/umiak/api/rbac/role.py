"""Role: what may be done inside a namespace."""

from umiak.api.registry import builtin

KIND = builtin("rbac.authorization.k8s.io/v1", "Role", creates_on_update=True)
