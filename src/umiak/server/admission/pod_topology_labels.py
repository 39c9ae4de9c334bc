"""Pods carry the zone and region of the node they run on."""

from umiak.api import registry
from umiak.objects.meta import labels
from umiak.objects.types import Object
from umiak.server.admission._common import is_pod
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

COPIED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


def concerns(request: Admitted) -> bool:
    is_one = is_pod(request, "CREATE") or is_pod(request, "CREATE", subresource="binding")
    return is_one and bool(node_of(request, request.new or {}))


def node_of(request: Admitted, obj: Object) -> str:
    """The node of a pod, or of a binding, whose labels go to the pod."""
    if not request.attributes.subresource:
        return str((obj.get("spec") or {}).get("nodeName") or "")
    target = obj.get("target") or {}
    return str(target.get("name") or "") if target.get("kind") == "Node" else ""


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    assert request.new is not None
    name = node_of(request, request.new)
    node = await around.objects.find(registry.find("v1", "Node"), "", name) if name else None
    if node is None:
        return
    found = {key: labels(node)[key] for key in COPIED if key in labels(node)}
    if found:
        request.new["metadata"]["labels"] = {**labels(request.new), **found}


ADMISSION = Admission(
    name="PodTopologyLabels",
    order=30,
    phases=(Phase.MUTATE,),
    run=run,
    concerns=concerns,
    operations=("CREATE",),
    resources=("pods",),
)
