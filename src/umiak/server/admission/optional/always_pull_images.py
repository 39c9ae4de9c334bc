"""Every image is pulled anew, so that nobody runs one that somebody else pulled with his own credentials.

Source: `plugin/pkg/admission/alwayspullimages`.
"""

from collections.abc import Iterator

from umiak.objects.errors import StatusError, not_supported, together
from umiak.objects.types import Object
from umiak.server.admission._common import containers, is_pod, refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

ALWAYS = "Always"


def concerns(request: Admitted) -> bool:
    return is_pod(request, "CREATE", "UPDATE") and bool(_images(request.new) - _images(request.old))


def _images(pod: Object | None) -> set[str]:
    return {container.get("image") or "" for _, container in containers((pod or {}).get("spec") or {})}


def _policies(spec: Object) -> Iterator[tuple[str, Object, str]]:
    """(path, where it is, under which name) of each pull policy."""
    for path, container in containers(spec):
        yield f"{path}.imagePullPolicy", container, "imagePullPolicy"
    for i, volume in enumerate(spec.get("volumes") or ()):
        if volume.get("image") is not None:
            yield f"spec.volumes[{i}].image.pullPolicy", volume["image"], "pullPolicy"


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    assert request.new is not None
    policies = list(_policies(request.new["spec"]))
    if phase is Phase.MUTATE:
        for _, holder, name in policies:
            holder[name] = ALWAYS
        return
    wrong = [
        not_supported(path, holder.get(name) or "", (ALWAYS,))
        for path, holder, name in policies
        if holder.get(name) != ALWAYS
    ]
    if wrong:
        raise StatusError(500, "", together(refuse(request, str(fault)).message for fault in wrong))


ADMISSION = Admission(
    name="AlwaysPullImages", order=9, phases=(Phase.MUTATE, Phase.VALIDATE), run=run, concerns=concerns
)
