"""A claim that names no storage class gets the default one, if there is one."""

from umiak.api import registry
from umiak.objects.meta import annotations, name
from umiak.server.admission._common import is_resource
from umiak.server.admission._defaults import newest_default
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


def concerns(request: Admitted) -> bool:
    return is_resource(request, "", "persistentvolumeclaims", "CREATE")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    claim = request.new
    assert claim is not None
    if OLD_CLASS in annotations(claim) or claim["spec"].get("storageClassName") is not None:
        return
    if default := newest_default(
        await around.objects.look_all(registry.find("storage.k8s.io/v1", "StorageClass")), *MARKS
    ):
        claim["spec"]["storageClassName"] = name(default)


ADMISSION = Admission(
    name="DefaultStorageClass",
    order=18,
    phases=(Phase.MUTATE,),
    run=run,
    concerns=concerns,
    resources=("persistentvolumeclaims",),
)
