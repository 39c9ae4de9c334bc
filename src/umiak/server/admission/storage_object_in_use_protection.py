"""Volumes, claims and volume attributes classes get a finalizer that a controller takes off once nobody uses them."""

from umiak.server.contract import Admission, Admitted, Phase, Surroundings

FINALIZERS = {
    ("", "persistentvolumes"): "kubernetes.io/pv-protection",
    ("", "persistentvolumeclaims"): "kubernetes.io/pvc-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


def concerns(request: Admitted) -> bool:
    asked = request.attributes
    return request.operation == "CREATE" and not asked.subresource and (asked.group, asked.resource) in FINALIZERS


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    assert request.new is not None
    finalizer = FINALIZERS[request.attributes.group, request.attributes.resource]
    about = request.new["metadata"]
    if finalizer not in (about.get("finalizers") or ()):
        about["finalizers"] = [*(about.get("finalizers") or ()), finalizer]


ADMISSION = Admission(
    name="StorageObjectInUseProtection",
    order=19,
    phases=(Phase.MUTATE,),
    run=run,
    concerns=concerns,
    resources=tuple(resource for _, resource in FINALIZERS),
)
