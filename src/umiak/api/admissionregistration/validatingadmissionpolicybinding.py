"""ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy holds, and with which parameters."""

from umiak.api.common.policies import BINDING_COLUMNS, default_binding, validate_policy_binding
from umiak.api.registry import builtin

KIND = builtin(
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding",
    default=default_binding,
    validate=lambda obj: validate_policy_binding(obj, has_actions=True),
    columns=BINDING_COLUMNS,
    counts_generation=True,
    updates_unconditionally=False,
)
