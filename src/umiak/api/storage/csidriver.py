"""CSIDriver: what a storage driver can do."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, UNSET, column, reads
from umiak.api.registry import builtin
from umiak.objects.types import Object

_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
    "preventPodSchedulingIfMissing": False,
}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for name, value in _DEFAULTS.items():
        if spec.get(name) is None:
            spec[name] = value
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def modes(obj: Object, now: float) -> Any:
    return ",".join((obj.get("spec") or {}).get("volumeLifecycleModes") or ()) or NONE


def audiences(obj: Object, now: float) -> Any:
    requests = (obj.get("spec") or {}).get("tokenRequests")
    return UNSET if requests is None else ",".join(r.get("audience") or "" for r in requests)


def _flag(name: str, otherwise: bool = False) -> Any:
    return reads("spec", name, otherwise=otherwise)


KIND = builtin(
    "storage.k8s.io/v1",
    "CSIDriver",
    default=default,
    columns=(
        NAME,
        column("AttachRequired", _flag("attachRequired", True), "CSIDriverSpec.attachRequired", type="boolean"),
        column("PodInfoOnMount", _flag("podInfoOnMount"), "CSIDriverSpec.podInfoOnMount", type="boolean"),
        column("StorageCapacity", _flag("storageCapacity"), "CSIDriverSpec.storageCapacity", type="boolean"),
        column("TokenRequests", audiences, "CSIDriverSpec.tokenRequests"),
        column("RequiresRepublish", _flag("requiresRepublish"), "CSIDriverSpec.requiresRepublish", type="boolean"),
        column("Modes", modes, "CSIDriverSpec.volumeLifecycleModes"),
        AGE,
    ),
    updates_unconditionally=False,
    deletion_returns_object=True,
)
