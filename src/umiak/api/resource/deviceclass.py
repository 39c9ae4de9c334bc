"""DeviceClass: a named choice of devices."""

from umiak.api.common.cells import AGE, NAME
from umiak.api.registry import builtin

KIND = builtin(
    "resource.k8s.io/v1", "DeviceClass", columns=(NAME, AGE), counts_generation=True, deletion_returns_object=True
)
