"""ResourceSlice: devices that a driver offers."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.registry import builtin

KIND = builtin(
    "resource.k8s.io/v1",
    "ResourceSlice",
    columns=(
        NAME,
        column("Node", reads("spec", "nodeName"), "ResourceSliceSpec.nodeName"),
        column("Driver", reads("spec", "driver"), "ResourceSliceSpec.driver"),
        column("Pool", reads("spec", "pool", "name"), "ResourcePool.name"),
        AGE,
    ),
    selectable={
        "spec.nodeName": lambda obj: (obj.get("spec") or {}).get("nodeName") or "",
        "spec.driver": lambda obj: (obj.get("spec") or {}).get("driver") or "",
    },
    counts_generation=True,
    deletion_returns_object=True,
)
