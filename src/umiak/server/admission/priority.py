"""Pods get the number that stands behind the name of their priority class; only one class may be the default."""

from umiak.api import registry
from umiak.objects.meta import name
from umiak.objects.types import Object
from umiak.server.admission._common import is_pod, is_resource, refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

KEPT = ("priority", "preemptionPolicy")
IS_DEFAULT = b'"globalDefault":true'
"""As it is stored; in a text its quotes would be escaped."""
COMPUTED = "priority admission controller computed"


def concerns(request: Admitted) -> bool:
    return is_pod(request, "CREATE", "UPDATE") or is_class(request)


def is_class(request: Admitted) -> bool:
    return is_resource(request, "scheduling.k8s.io", "priorityclasses", "CREATE", "UPDATE")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    assert request.new is not None
    if is_class(request):
        if phase is Phase.VALIDATE and request.new.get("globalDefault"):
            await check_default(around, request, request.new)
        return
    if phase is Phase.VALIDATE:
        return
    spec = request.new["spec"]
    if request.operation == "UPDATE":
        keep(spec, (request.old or {}).get("spec") or {})
        return
    chosen = await class_of(around, request, spec.get("priorityClassName") or "")
    give(request, spec, chosen)


def keep(spec: Object, old: Object) -> None:
    """An update that leaves out what was computed does not mean to remove it."""
    for field in KEPT:
        if spec.get(field) is None and old.get(field) is not None:
            spec[field] = old[field]


async def class_of(around: Surroundings, request: Admitted, wanted: str) -> Object | None:
    """The class asked for, else the default one, if any."""
    if not wanted:
        return await default_class(around)
    found = await around.objects.find(registry.find("scheduling.k8s.io/v1", "PriorityClass"), "", wanted)
    if found is None:
        raise refuse(request, f"no PriorityClass with name {wanted} was found")
    return found


async def default_class(around: Surroundings) -> Object | None:
    """Of several defaults, made at once, the lowest counts."""
    defaults = await around.objects.look_all(
        registry.find("scheduling.k8s.io/v1", "PriorityClass"), containing=IS_DEFAULT
    )
    return min(defaults, key=lambda c: int(c.get("value") or 0), default=None)


def give(request: Admitted, spec: Object, chosen: Object | None) -> None:
    number = (chosen or {}).get("value") or 0
    policy = chosen.get("preemptionPolicy") if chosen else "PreemptLowerPriority"
    if chosen:
        spec["priorityClassName"] = name(chosen)
    tail = "from the given PriorityClass name"
    if spec.get("priority") not in (None, number):
        must_not = f"the integer value of priority ({spec['priority']}) must not be provided in pod spec"
        raise refuse(request, f"{must_not}; {COMPUTED} {number} {tail}")
    spec["priority"] = number
    if policy is None:
        return
    if spec.get("preemptionPolicy") not in (None, policy):
        must_not = f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec"
        raise refuse(request, f"{must_not}; {COMPUTED} {policy} {tail}")
    spec["preemptionPolicy"] = policy


async def check_default(around: Surroundings, request: Admitted, new: Object) -> None:
    other = await default_class(around)
    if other is not None and (request.operation == "CREATE" or name(other) != name(new)):
        raise refuse(request, f"PriorityClass {name(other)} is already marked as default. Only one default can exist")


ADMISSION = Admission(
    name="Priority",
    order=13,
    phases=(Phase.MUTATE, Phase.VALIDATE),
    looks_at=("/scheduling.k8s.io/priorityclasses/",),
    run=run,
    concerns=concerns,
    operations=("CREATE", "UPDATE"),
    resources=("pods", "priorityclasses"),
)
