"""Pods that ask for a device tolerate the taint that keeps others off its nodes.

Source: `plugin/pkg/admission/extendedresourcetoleration`.
"""

from umiak.api.common.resource_requirements import is_extended
from umiak.objects.types import Object
from umiak.server.admission._common import containers, is_pod
from umiak.server.contract import Admission, Admitted, Phase, Surroundings


def concerns(request: Admitted) -> bool:
    return is_pod(request, "CREATE", "UPDATE")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    assert request.new is not None
    spec = request.new["spec"]
    wanted: set[str] = set()
    for _, container in containers(spec, ephemeral=False):
        wanted.update(filter(is_extended, (container.get("resources") or {}).get("requests") or ()))
    for resource in sorted(wanted):
        spec["tolerations"] = _tolerating(spec.get("tolerations") or [], resource)


def _tolerating(own: list[Object], resource: str) -> list[Object]:
    """With the toleration, in place of one that is the same."""
    added = {"key": resource, "operator": "Exists", "effect": "NoSchedule"}
    same = [all((one.get(name) or "") == added.get(name, "") for name in (*added, "value")) for one in own]
    found = [added if is_same else one for one, is_same in zip(own, same, strict=True)]
    return found if any(same) else [*found, added]


ADMISSION = Admission(name="ExtendedResourceToleration", order=17, phases=(Phase.MUTATE,), run=run, concerns=concerns)
