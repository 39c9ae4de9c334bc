"""LimitRanges: containers get the namespace's defaults, and nobody asks for less or more than it allows.

Texts are the reference's; errors come in the order of resource names where the reference's is random.
"""

from collections.abc import Iterator, Mapping

from umiak.api import registry
from umiak.api.common.pod_levels import aggregated
from umiak.objects.meta import is_being_deleted
from umiak.objects.quantity import Quantity, parse
from umiak.objects.types import Object
from umiak.server.admission._common import is_pod, is_resource, refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

ANNOTATION = "kubernetes.io/limit-ranger"
MAX_MILLI = (2**63 - 1) // 1000
Amounts = Mapping[str, Quantity]


def concerns(request: Admitted) -> bool:
    return (
        is_pod(request, "CREATE")
        or is_pod(request, "UPDATE", subresource="resize")
        or is_resource(request, "", "persistentvolumeclaims", "CREATE", "UPDATE")
    )


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    obj = request.new
    if obj is None or (request.old is not None and is_being_deleted(request.old)):
        return
    is_claim = request.attributes.resource == "persistentvolumeclaims"
    for limit_range in await around.objects.look_all(registry.find("v1", "LimitRange"), request.attributes.namespace):
        limits = (limit_range.get("spec") or {}).get("limits") or []
        if phase is Phase.MUTATE:
            if not is_claim:
                give_defaults(obj, limits)
            continue
        faults = claim_faults(obj, limits) if is_claim else pod_faults(obj, limits)
        if unique := list(dict.fromkeys(faults)):
            raise refuse(request, unique[0] if len(unique) == 1 else "[" + ", ".join(unique) + "]")


def amounts(plain: Object | None) -> dict[str, Quantity]:
    return {name: parse(str(text)) for name, text in (plain or {}).items()}


def give_defaults(pod: Object, limits: list[Object]) -> None:
    """Fills in what containers do not say, and notes it in an annotation."""
    requests: Object = {}
    most: Object = {}
    for limit in limits:
        if limit.get("type") == "Container":
            requests.update(limit.get("defaultRequest") or {})
            most.update(limit.get("default") or {})
    notes: list[str] = []
    for field, word in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(field) or ():
            notes += _give(container, "requests", "request", requests, word)
            notes += _give(container, "limits", "limit", most, word)
    if notes:
        about = pod["metadata"]
        text = "LimitRanger plugin set: " + "; ".join(notes)
        about["annotations"] = {**(about.get("annotations") or {}), ANNOTATION: text}


def _give(container: Object, field: str, what: str, defaults: Object, word: str) -> list[str]:
    resources = container.get("resources") or {}
    own = resources.get(field) or {}
    missing = sorted(name for name in defaults if name not in own)
    if not missing:
        return []
    container["resources"] = {**resources, field: {**own, **{name: defaults[name] for name in missing}}}
    return [f"{', '.join(missing)} {what} for {word} {container['name']}"]


def pod_faults(pod: Object, limits: list[Object]) -> Iterator[str]:
    spec = pod["spec"]
    for limit in limits:
        if limit.get("type") == "Container":
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                own = amounts(resources.get("requests")), amounts(resources.get("limits"))
                yield from _faults(limit, "Container", *own)
        elif limit.get("type") == "Pod":
            yield from _faults(limit, "Pod", _whole(spec, "requests"), _whole(spec, "limits"))


def _whole(spec: Object, field: str) -> Amounts:
    """What the pod asks for as a whole; what it says itself of CPU and memory counts before its containers' sum."""
    own = amounts((spec.get("resources") or {}).get(field))
    return {**aggregated(spec, field), **{name: own[name] for name in ("cpu", "memory") if name in own}}


def claim_faults(claim: Object, limits: list[Object]) -> Iterator[str]:
    requests = amounts((claim["spec"].get("resources") or {}).get("requests"))
    for limit in limits:
        if limit.get("type") != "PersistentVolumeClaim":
            continue
        for name, bound in sorted((limit.get("min") or {}).items()):
            yield from _below("PersistentVolumeClaim", name, parse(str(bound)), requests, {})
        for name, bound in sorted((limit.get("max") or {}).items()):
            head = f"maximum {name} usage per PersistentVolumeClaim is {parse(str(bound))}"
            if name not in requests:
                yield f"{head}.  No request is specified"
            elif requests[name] > parse(str(bound)):
                yield f"{head}, but request is {requests[name]}"


def _faults(limit: Object, kind: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in sorted((limit.get("min") or {}).items()):
        yield from _below(kind, name, parse(str(bound)), requests, limits)
    for name, bound in sorted((limit.get("max") or {}).items()):
        yield from _above(kind, name, parse(str(bound)), requests, limits)
    for name, bound in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        yield from _ratio(kind, name, parse(str(bound)), requests, limits)


def _below(kind: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> Iterator[str]:
    head = f"minimum {name} usage per {kind} is {bound}"
    if name not in requests:
        yield f"{head}.  No request is specified"
    elif requests[name] < bound:
        yield f"{head}, but request is {requests[name]}"
    elif name in limits and limits[name] < bound:
        yield f"{head}, but limit is {limits[name]}"


def _above(kind: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> Iterator[str]:
    head = f"maximum {name} usage per {kind} is {bound}"
    if name not in limits:
        yield f"{head}.  No limit is specified"
    elif limits[name] > bound:
        yield f"{head}, but limit is {limits[name]}"
    elif name in requests and requests[name] > bound:
        yield f"{head}, but request is {requests[name]}"


def _ratio(kind: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> Iterator[str]:
    head = f"{name} max limit to request ratio per {kind} is {bound}"
    if not requests.get(name):
        yield f"{head}, but no request is specified or request is 0"
    elif not limits.get(name):
        yield f"{head}, but no limit is specified or limit is 0"
    else:
        ratio = _precise(limits[name], requests[name])
        if ratio > bound.as_float():
            yield f"{head}, but provided ratio is {ratio:f}"


def _precise(limit: Quantity, request: Quantity) -> float:
    """In thousandths where they do not overflow."""
    if limit.value() <= MAX_MILLI and request.value() <= MAX_MILLI:
        return limit.milli() / request.milli()
    return limit.value() / request.value()


ADMISSION = Admission(
    name="LimitRanger",
    order=5,
    phases=(Phase.MUTATE, Phase.VALIDATE),
    looks_at=("/core/limitranges/",),
    run=run,
    concerns=concerns,
    operations=("CREATE", "UPDATE"),
    resources=("pods", "persistentvolumeclaims"),
)
