"""VolumeAttributesClass: settings of a volume that may change while it is used."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.registry import builtin

KIND = builtin(
    "storage.k8s.io/v1",
    "VolumeAttributesClass",
    columns=(NAME, column("DriverName", reads("driverName"), "VolumeAttributesClass.driverName"), AGE),
    deletion_returns_object=True,
)
