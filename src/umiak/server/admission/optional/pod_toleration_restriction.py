"""Pods of a namespace get the tolerations of its annotation, and no others than those that another one lists.

Source: `plugin/pkg/admission/podtolerationrestriction` and `pkg/util/tolerations`.
"""

import msgspec

from umiak.api.common.pod_levels import quality_of_service
from umiak.api.configuration import ANYTHING, document, list_of, read
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects.errors import StatusError
from umiak.objects.meta import annotations
from umiak.objects.types import Object
from umiak.server.admission._common import is_pod
from umiak.server.contract import Admission, Admitted, Means, Phase, Surroundings

DEFAULTS = "scheduler.alpha.kubernetes.io/defaultTolerations"
LISTED = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
MEMORY = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}
_FILE = document("Configuration", default=list_of(ANYTHING), whitelist=list_of(ANYTHING))
_KNOWN = {("podtolerationrestriction.admission.k8s.io/v1alpha1", "Configuration"): _FILE}


def concerns(request: Admitted) -> bool:
    return is_pod(request, "CREATE", "UPDATE")


def covers(wide: Object, narrow: Object) -> bool:
    """Whether everything that `narrow` tolerates is tolerated by `wide`."""
    if wide == narrow:
        return True
    exists = wide.get("operator") == "Exists"
    if narrow.get("key") != wide.get("key") and (wide.get("key") or not exists):
        return False
    if wide.get("effect") and narrow.get("effect") != wide["effect"]:
        return False
    limit = wide.get("tolerationSeconds")
    if wide.get("effect") == "NoExecute" and limit is not None:
        own = narrow.get("tolerationSeconds")
        if own is None or own > limit:
            return False
    return exists or (narrow.get("operator") == "Equal" and narrow.get("value") == wide.get("value"))


def merged(own: list[Object], more: list[Object]) -> list[Object]:
    """Without those that another one makes needless."""
    every, kept = [*own, *more], list[Object]()
    for i, one in enumerate(every):
        later = (other for other in every[i + 1 :] if other != one)
        if not any(covers(other, one) for other in (*kept, *later)):
            kept.append(one)
    return kept


class Restriction:
    def __init__(self, default: list[Object], listed: list[Object]) -> None:
        self._default = default
        self._listed = listed

    async def run(self, around: Surroundings, request: Admitted, phase: Phase) -> None:
        assert request.new is not None
        spec = request.new["spec"]
        namespace = await around.objects.get(NAMESPACE, "", request.attributes.namespace)
        if phase is Phase.MUTATE and (more := self._more(request, namespace)):
            spec["tolerations"] = merged(spec.get("tolerations") or [], more)
        own = spec.get("tolerations") or []
        listed, scope = _annotated(namespace, LISTED), "namespace"
        if listed is None:
            listed, scope = self._listed, "cluster"
        if listed and not all(any(covers(wide, one) for wide in listed) for one in own):
            what = "pod tolerations (possibly merged with namespace default tolerations)"
            raise StatusError(500, "", f"{what} conflict with its {scope} whitelist")

    def _more(self, request: Admitted, namespace: Object) -> list[Object]:
        more: list[Object] = []
        if request.operation == "CREATE":
            told = _annotated(namespace, DEFAULTS)
            more += self._default if told is None else told
        assert request.new is not None
        return more if quality_of_service(request.new["spec"]) == "BestEffort" else [*more, MEMORY]


def _annotated(namespace: Object, key: str) -> list[Object] | None:
    """The tolerations of an annotation, None when it is not there."""
    text = annotations(namespace).get(key)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=list[Object]) if text else []
    except msgspec.DecodeError as error:
        raise StatusError(500, "", str(error)) from None


def configure(data: bytes, means: Means) -> Admission:
    """Raises Unacceptable."""
    told = read(data, _KNOWN) if data else {}
    return _plugin(Restriction(told.get("default") or [], told.get("whitelist") or []))


def _plugin(restriction: Restriction) -> Admission:
    return Admission(
        name="PodTolerationRestriction",
        order=15,
        phases=(Phase.MUTATE, Phase.VALIDATE),
        run=restriction.run,
        concerns=concerns,
        configure=configure,
    )


ADMISSION = _plugin(Restriction([], []))
