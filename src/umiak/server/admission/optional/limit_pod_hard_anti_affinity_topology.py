"""Pods may keep others off their node, not off a whole zone (`plugin/pkg/admission/antiaffinity`)."""

from umiak.objects.errors import forbidden
from umiak.objects.meta import name
from umiak.server.admission._common import is_pod
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

HOSTNAME = "kubernetes.io/hostname"


def concerns(request: Admitted) -> bool:
    return is_pod(request, "CREATE", "UPDATE")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    assert request.new is not None
    rules = ((request.new["spec"].get("affinity") or {}).get("podAntiAffinity") or {}) or {}
    for term in rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
        key = term.get("topologyKey") or ""
        if key != HOSTNAME:
            what = f"affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {key}"
            raise forbidden("", "pods", name(request.new), f"{what} but only key {HOSTNAME} is allowed")


ADMISSION = Admission(
    name="LimitPodHardAntiAffinityTopology", order=4, phases=(Phase.VALIDATE,), run=run, concerns=concerns
)
