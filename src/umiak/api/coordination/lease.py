"""Lease: who holds a role, and since when."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.registry import builtin

KIND = builtin(
    "coordination.k8s.io/v1",
    "Lease",
    columns=(NAME, column("Holder", reads("spec", "holderIdentity"), "LeaseSpec.holderIdentity"), AGE),
    creates_on_update=True,
    updates_unconditionally=False,
)
