"""StorageClass: how volumes are made."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    if obj.get("reclaimPolicy") is None:
        obj["reclaimPolicy"] = "Delete"
    if obj.get("volumeBindingMode") is None:
        obj["volumeBindingMode"] = "Immediate"


KIND = builtin(
    "storage.k8s.io/v1",
    "StorageClass",
    default=default,
    columns=(
        NAME,
        column("Provisioner", reads("provisioner"), "StorageClass.provisioner"),
        column("ReclaimPolicy", reads("reclaimPolicy", otherwise="Delete"), "StorageClass.reclaimPolicy"),
        column(
            "VolumeBindingMode", reads("volumeBindingMode", otherwise="Immediate"), "StorageClass.volumeBindingMode"
        ),
        column(
            "AllowVolumeExpansion", reads("allowVolumeExpansion", otherwise=False), "StorageClass.allowVolumeExpansion"
        ),
        AGE,
    ),
    deletion_returns_object=True,
)
