"""RoleBinding: grants a role inside a namespace."""

from umiak.api.common.metadata import path_segment
from umiak.api.common.rbac import binding_columns, default_binding, validate_binding, validate_binding_update
from umiak.api.registry import builtin

KIND = builtin(
    "rbac.authorization.k8s.io/v1",
    "RoleBinding",
    default=default_binding,
    validate=lambda obj: validate_binding(obj, namespaced=True),
    validate_update=validate_binding_update,
    validate_name=path_segment,
    columns=binding_columns("RoleBinding", "roleBinding"),
    creates_on_update=True,
)
