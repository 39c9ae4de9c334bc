"""A running pod may not be resized to more than its node has (KEP-1287)."""

from collections.abc import Iterator

from umiak.api import registry
from umiak.api.common.quota import pod_amounts
from umiak.objects.errors import StatusError
from umiak.objects.meta import labels
from umiak.objects.quantity import ZERO, parse
from umiak.objects.types import Object
from umiak.server.admission._common import is_pod, refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

OS = "kubernetes.io/os"
PLATFORM, CAPACITY = "UnsupportedPlatform", "NodeCapacity"


def concerns(request: Admitted) -> bool:
    return is_pod(request, "UPDATE", subresource="resize")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    new, old = request.new or {}, request.old or {}
    name = (new.get("spec") or {}).get("nodeName")
    if not name or new.get("spec") == old.get("spec"):
        return
    node = await around.objects.find(registry.find("v1", "Node"), "", name)
    if node is None:
        raise refuse(request, f'node "{name}" not found')
    if labels(node).get(OS, "linux") != "linux":
        why = f'pod resize is only supported on linux nodes, node "{name}" is "{labels(node)[OS]}"'
        raise _refuse(request, why, PLATFORM)
    if lacking := "; ".join(_lacking(new, node)):
        raise _refuse(request, f"node didn't have enough allocatable resources: {lacking}", CAPACITY)


def _lacking(pod: Object, node: Object) -> Iterator[str]:
    wanted = pod_amounts(pod, "requests")
    there = (node.get("status") or {}).get("allocatable") or {}
    cpu, memory = (wanted.get(what, ZERO) for what in ("cpu", "memory"))
    most_cpu, most_memory = (parse(str(there.get(what, "0"))) for what in ("cpu", "memory"))
    if cpu > most_cpu:
        yield f"cpu, requested: {cpu.milli()}, allocatable: {most_cpu.milli()}"
    if memory > most_memory:
        yield f"memory, requested: {memory.value()}, allocatable: {most_memory.value()}"


def _refuse(request: Admitted, why: str, cause: str) -> StatusError:
    error = refuse(request, why)
    error.details = {**(error.details or {}), "causes": [{"reason": cause}]}
    return error


ADMISSION = Admission(
    name="PodResizeValidator",
    order=32,
    phases=(Phase.VALIDATE,),
    run=run,
    concerns=concerns,
    operations=("UPDATE",),
    resources=("pods",),
)
