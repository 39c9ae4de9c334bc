"""CSINode: the storage drivers of a node."""

from umiak.api.common.cells import AGE, NAME, column, counts
from umiak.api.registry import builtin

KIND = builtin(
    "storage.k8s.io/v1",
    "CSINode",
    columns=(
        NAME,
        column(
            "Drivers",
            counts("spec", "drivers"),
            "Drivers indicates the number of CSI drivers registered on the node",
            type="integer",
        ),
        AGE,
    ),
    updates_unconditionally=False,
    deletion_returns_object=True,
)
