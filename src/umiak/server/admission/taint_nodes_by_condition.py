"""A new node is tainted as not ready until a controller has seen that it is."""

from umiak.server.admission._common import is_resource
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def concerns(request: Admitted) -> bool:
    return is_resource(request, "", "nodes", "CREATE")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    assert request.new is not None
    spec = request.new.setdefault("spec", {})
    taints = spec.get("taints") or []
    if not any((t.get("key"), t.get("effect")) == (TAINT["key"], TAINT["effect"]) for t in taints):
        spec["taints"] = [*taints, dict(TAINT)]


ADMISSION = Admission(
    name="TaintNodesByCondition",
    order=8,
    phases=(Phase.MUTATE,),
    run=run,
    concerns=concerns,
    resources=("nodes",),
    looks_at=(),
)
