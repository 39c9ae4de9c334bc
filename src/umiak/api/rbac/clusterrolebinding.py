"""ClusterRoleBinding: grants a role in every namespace and on cluster-wide kinds."""

from umiak.api.common.rbac import binding_columns, default_binding
from umiak.api.registry import builtin

KIND = builtin(
    "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding",
    default=default_binding,
    columns=binding_columns("ClusterRoleBinding", "clusterRoleBinding"),
    creates_on_update=True,
)
