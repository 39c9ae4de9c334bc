"""Pods of a namespace run on the nodes that its annotation, or the configuration, selects.

Source: `plugin/pkg/admission/podnodeselector`.
"""

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects import encoding
from umiak.objects.encoding import Unreadable
from umiak.objects.errors import StatusError, forbidden
from umiak.objects.meta import annotations, name
from umiak.objects.types import Object
from umiak.server.admission._common import is_pod
from umiak.server.contract import Admission, Admitted, Means, Phase, Surroundings

ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
DEFAULT = "clusterDefaultNodeSelector"
CONFLICT = "pod node label selector conflicts with its namespace node label selector"
NOT_LISTED = "pod node label selector labels conflict with its namespace whitelist"


def concerns(request: Admitted) -> bool:
    return is_pod(request, "CREATE")


def labels_of(selector: str) -> dict[str, str]:
    """`a=b,c=d` as a map. Raises StatusError."""
    found: dict[str, str] = {}
    for part in filter(None, selector.split(",")):
        key, equals, value = part.partition("=")
        if not equals or "=" in value:
            raise StatusError(500, "", f"invalid selector: {part.split('=')}".replace("'", "").replace(",", ""))
        found[key.strip()] = value.strip()
    return found


class Selecting:
    def __init__(self, selectors: dict[str, str]) -> None:
        """By namespace what its pods may select; under `clusterDefaultNodeSelector` what they select by default."""
        self._selectors = selectors

    async def run(self, around: Surroundings, request: Admitted, phase: Phase) -> None:
        assert request.new is not None
        where, spec = request.attributes.namespace, request.new["spec"]
        namespace = await around.objects.get(NAMESPACE, "", where)
        wanted, own = self._wanted(namespace), spec.get("nodeSelector") or {}
        if any(key in own and own[key] != value for key, value in wanted.items()):
            raise forbidden("", "pods", name(request.new), CONFLICT)
        if phase is Phase.MUTATE and (merged := {**wanted, **own}):
            spec["nodeSelector"] = own = merged
        allowed = labels_of(self._selectors.get(where) or "")
        if allowed and any(allowed.get(key) != value for key, value in own.items()):
            raise forbidden("", "pods", name(request.new), NOT_LISTED)

    def _wanted(self, namespace: Object) -> dict[str, str]:
        told = annotations(namespace).get(ANNOTATION)
        return labels_of(self._selectors.get(DEFAULT) or "" if told is None else told)


def configure(data: bytes, means: Means) -> Admission:
    try:
        value = encoding.from_yaml(data)[0] if data else {}
    except Unreadable:
        value = {}
    told = value.get("podNodeSelectorPluginConfig") if isinstance(value, dict) else None
    return _plugin(Selecting({key: str(text) for key, text in (told or {}).items()}))


def _plugin(selecting: Selecting) -> Admission:
    return Admission(
        name="PodNodeSelector",
        order=12,
        phases=(Phase.MUTATE, Phase.VALIDATE),
        run=selecting.run,
        concerns=concerns,
        configure=configure,
    )


ADMISSION = _plugin(Selecting({}))
