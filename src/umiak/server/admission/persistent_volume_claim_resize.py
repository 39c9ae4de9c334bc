"""A claim may grow only once it is bound, and only if its storage class allows it."""

from umiak.api import registry
from umiak.objects.meta import annotations
from umiak.objects.quantity import ZERO, Quantity, parse
from umiak.objects.types import Object
from umiak.server.admission._common import is_resource, refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
NOT_BOUND = "Only bound persistent volume claims can be expanded"
NOT_ALLOWED = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


def concerns(request: Admitted) -> bool:
    return is_resource(request, "", "persistentvolumeclaims", "UPDATE")


def size(claim: Object) -> Quantity:
    text = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    return ZERO if text is None else parse(str(text))


def class_of(claim: Object) -> str:
    return annotations(claim).get(OLD_CLASS) or claim["spec"].get("storageClassName") or ""


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    new, old = request.new, request.old
    if new is None or old is None or size(new) <= size(old):
        return
    if (old.get("status") or {}).get("phase") != "Bound":
        raise refuse(request, NOT_BOUND)
    wanted = class_of(new)
    storage = (
        await around.objects.find(registry.find("storage.k8s.io/v1", "StorageClass"), "", wanted)
        if wanted and wanted == class_of(old)
        else None
    )
    if storage is None or not storage.get("allowVolumeExpansion"):
        raise refuse(request, NOT_ALLOWED)


ADMISSION = Admission(
    name="PersistentVolumeClaimResize",
    order=22,
    phases=(Phase.VALIDATE,),
    run=run,
    concerns=concerns,
    resources=("persistentvolumeclaims",),
)
