"""ClusterRole: what may be done in every namespace, on cluster-wide kinds and on paths."""

from umiak.api.registry import builtin

KIND = builtin("rbac.authorization.k8s.io/v1", "ClusterRole", creates_on_update=True)
