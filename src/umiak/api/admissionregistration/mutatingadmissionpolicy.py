"""MutatingAdmissionPolicy: changes in CEL that a write goes through."""

from umiak.api.common.cells import counts
from umiak.api.common.policies import default_policy, policy_columns, validate_mutating
from umiak.api.registry import builtin

KIND = builtin(
    "admissionregistration.k8s.io/v1",
    "MutatingAdmissionPolicy",
    default=default_policy,
    validate=validate_mutating,
    columns=policy_columns(
        "Mutations",
        counts("spec", "mutations"),
        "Mutation indicates the number of mutations rules defined in this configuration",
    ),
    counts_generation=True,
    updates_unconditionally=False,
)
