"""RuntimeClass: which container runtime runs a pod."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.registry import builtin

KIND = builtin(
    "node.k8s.io/v1",
    "RuntimeClass",
    columns=(NAME, column("Handler", reads("handler")), AGE),
    creates_on_update=True,
    updates_unconditionally=False,
)
