"""ClusterRoleBinding: grants a role in every namespace and on cluster-wide kinds."""

from umiak.api.common.metadata import path_segment
from umiak.api.common.rbac import binding_columns, default_binding, validate_binding, validate_binding_update
from umiak.api.registry import builtin

KIND = builtin(
    "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding",
    default=default_binding,
    validate=lambda obj: validate_binding(obj, namespaced=False),
    validate_update=validate_binding_update,
    validate_name=path_segment,
    columns=binding_columns("ClusterRoleBinding", "clusterRoleBinding"),
    creates_on_update=True,
)
