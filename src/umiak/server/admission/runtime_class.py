"""A pod takes over what its runtime class costs and where it can run (KEP-585, KEP-688)."""

from umiak.api import registry
from umiak.objects.quantity import parse
from umiak.objects.types import Object
from umiak.server.admission._common import is_pod, refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

MISMATCH = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
UNFOUNDED = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


def concerns(request: Admitted) -> bool:
    spec = (request.new or {}).get("spec") or {}
    return is_pod(request, "CREATE") and (spec.get("runtimeClassName") is not None or spec.get("overhead") is not None)


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    assert request.new is not None
    spec = request.new["spec"]
    chosen: Object = {}
    if (name := spec.get("runtimeClassName")) is not None:
        found = await around.objects.find(registry.find("node.k8s.io/v1", "RuntimeClass"), "", name)
        if found is None:
            raise refuse(request, f'pod rejected: RuntimeClass "{name}" not found')
        chosen = found
    overhead = (chosen.get("overhead") or {}).get("podFixed") if chosen.get("overhead") is not None else None
    if phase is Phase.MUTATE:
        if overhead is not None:
            _set_overhead(request, spec, overhead)
        if chosen.get("scheduling") is not None:
            _set_scheduling(request, spec, chosen["scheduling"])
    elif chosen.get("overhead") is None and spec.get("overhead") is not None:
        raise refuse(request, UNFOUNDED)
    elif chosen.get("overhead") is not None and not _same(spec.get("overhead"), overhead):
        raise refuse(request, MISMATCH)


def _same(a: Object | None, b: Object | None) -> bool:
    a, b = a or {}, b or {}
    return a.keys() == b.keys() and all(parse(str(a[name])) == parse(str(b[name])) for name in a)


def _set_overhead(request: Admitted, spec: Object, overhead: Object) -> None:
    if spec.get("overhead") and not _same(spec["overhead"], overhead):
        raise refuse(request, MISMATCH)
    spec["overhead"] = dict(overhead)


def _set_scheduling(request: Admitted, spec: Object, scheduling: Object) -> None:
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.get(key, value) != value:
            ours, theirs = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}", selector[key]
            raise refuse(request, f"conflict: {ours}; pod.spec.nodeSelector[{key}] = {theirs}")
        selector[key] = value
    if selector:
        spec["nodeSelector"] = selector
    tolerations = merged([*(spec.get("tolerations") or ()), *(scheduling.get("tolerations") or ())])
    if tolerations:
        spec["tolerations"] = tolerations


def merged(tolerations: list[Object]) -> list[Object]:
    """Without those that another one implies; of equal ones the first stays."""
    kept: list[Object] = []
    for i, one in enumerate(tolerations):
        implied = any(covers(other, one) for other in kept)
        wider = any(covers(later, one) and later != one for later in tolerations[i + 1 :])
        if not implied and not wider:
            kept.append(one)
    return kept


def covers(wide: Object, narrow: Object) -> bool:
    """Whether `wide` tolerates all that `narrow` does, for at least as long."""
    if wide == narrow:
        return True
    everything = not wide.get("key") and wide.get("operator") == "Exists"
    if (wide.get("key") or "") != (narrow.get("key") or "") and not everything:
        return False
    if wide.get("effect") and wide.get("effect") != narrow.get("effect"):
        return False
    if wide.get("effect") == "NoExecute" and wide.get("tolerationSeconds") is not None:
        seconds = narrow.get("tolerationSeconds")
        if seconds is None or seconds > wide["tolerationSeconds"]:
            return False
    if wide.get("operator") in (None, "", "Equal"):
        return narrow.get("operator") == "Equal" and (wide.get("value") or "") == (narrow.get("value") or "")
    return bool(wide.get("operator") == "Exists")


ADMISSION = Admission(
    name="RuntimeClass",
    order=23,
    phases=(Phase.MUTATE, Phase.VALIDATE),
    looks_at=("/node.k8s.io/runtimeclasses/",),
    run=run,
    concerns=concerns,
    operations=("CREATE",),
    resources=("pods",),
)
