"""ValidatingAdmissionPolicy: rules in CEL that a write must satisfy."""

from umiak.api.common.cells import counts
from umiak.api.common.policies import default_policy, policy_columns, validate_validating
from umiak.api.common.strategy import keep_status, nothing_but_status, reset_status
from umiak.api.registry import builtin

KIND = builtin(
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicy",
    default=default_policy,
    validate=validate_validating,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    columns=policy_columns(
        "Validations",
        counts("spec", "validations"),
        "Validations indicates the number of validation rules defined in this configuration",
    ),
    counts_generation=True,
    updates_unconditionally=False,
)
