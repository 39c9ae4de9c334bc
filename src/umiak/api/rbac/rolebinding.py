"""RoleBinding: grants a role inside a namespace."""

from umiak.api.common.rbac import binding_columns, default_binding
from umiak.api.registry import builtin

KIND = builtin(
    "rbac.authorization.k8s.io/v1",
    "RoleBinding",
    default=default_binding,
    columns=binding_columns("RoleBinding", "roleBinding"),
    creates_on_update=True,
)
