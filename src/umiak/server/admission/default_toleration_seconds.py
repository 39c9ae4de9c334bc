"""Pods stay on a node that went silent for five minutes, unless they say otherwise."""

from umiak.objects.types import Object
from umiak.server.admission._common import is_pod
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
SECONDS = 300


def concerns(request: Admitted) -> bool:
    return is_pod(request, "CREATE", "UPDATE")


def tolerates(toleration: Object, taint: str) -> bool:
    """Whether the pod has its own mind about being evicted for the taint."""
    return (toleration.get("key") or taint) == taint and (toleration.get("effect") or "NoExecute") == "NoExecute"


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    assert request.new is not None
    spec = request.new["spec"]
    own = spec.get("tolerations") or []
    added = [
        {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
        for taint in TAINTS
        if not any(tolerates(toleration, taint) for toleration in own)
    ]
    if added:
        spec["tolerations"] = [*own, *added]


ADMISSION = Admission(
    name="DefaultTolerationSeconds",
    order=14,
    phases=(Phase.MUTATE,),
    looks_at=(),
    run=run,
    concerns=concerns,
    operations=("CREATE", "UPDATE"),
    resources=("pods",),
)
