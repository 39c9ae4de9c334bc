"""CSIStorageCapacity: how much a storage driver can still make in a part of the cluster."""

from umiak.api.common.cells import NAME, UNSET, column, reads
from umiak.api.registry import builtin

KIND = builtin(
    "storage.k8s.io/v1",
    "CSIStorageCapacity",
    columns=(
        NAME,
        column("StorageClassName", reads("storageClassName"), "CSIStorageCapacity.storageClassName"),
        column("Capacity", reads("capacity", otherwise=UNSET), "CSIStorageCapacity.capacity"),
    ),
    updates_unconditionally=False,
)
