"""Extended resources of containers that devices serve, where a DeviceClass says so (KEP-5004). Pure.

For such a pod a ResourceClaim is made when it is bound; which container uses which of its requests, the pod's status
tells. Source: `plugins/dynamicresources/extendeddynamicresources.go`.
"""

from collections.abc import Mapping, Sequence

from umiak.api.common.resource_requirements import is_extended
from umiak.api.resource import deviceclass, resourceclaim
from umiak.objects import meta, quantity
from umiak.objects.types import Object
from umiak.scheduler.contract import Cycle
from umiak.scheduler.pods import PodView

IMPLICIT = "deviceclass.resource.kubernetes.io/"
"""Before a class's name: a resource that it serves without saying so."""
ANNOTATION = "resource.kubernetes.io/extended-resource-claim"
NOTE = "extended resources"
IN_MEMORY = "<extended-resources>"
"""The name of a claim that is not made yet."""


def class_for(cycle: Cycle, resource: str) -> str:
    """The class whose devices serve a resource; empty when there is none."""
    if not (is_extended(resource) or resource.startswith(IMPLICIT)):
        return ""
    known: dict[str, str] | None = cycle.notes.get(NOTE)
    if known is None:
        known = cycle.notes[NOTE] = classes_by_resource(cycle.cache.list(deviceclass.KIND))
    return known.get(resource, "")


def classes_by_resource(classes: Sequence[Object]) -> dict[str, str]:
    """Of several classes for one resource the newest counts, then the first by name."""
    found: dict[str, str] = {}
    stamp = "creationTimestamp"
    by_name = sorted(classes, key=meta.name, reverse=True)
    for each in sorted(by_name, key=lambda c: c["metadata"].get(stamp) or ""):
        found[IMPLICIT + meta.name(each)] = meta.name(each)
        said = (each.get("spec") or {}).get("extendedResourceName")
        if said:
            found[said] = meta.name(each)
    return found


def served(cycle: Cycle) -> dict[str, str]:
    """The resources that the pod asks for and devices could serve, with the class."""
    asked = [name for name, amount in cycle.pod.requests.items() if amount and "/" in name]
    return {name: found for name in asked if (found := class_for(cycle, name))}


def claim_for(cycle: Cycle) -> Object:
    """The pod's claim for such resources: one that an attempt before left behind, or else one that is yet to be made
    and does not say what it asks for, since that depends on the node."""
    pod = cycle.pod
    for claim in cycle.cache.list(resourceclaim.KIND, pod.namespace):
        owner = meta.controller_of(claim) or {}
        if meta.annotations(claim).get(ANNOTATION) == "true" and owner.get("uid") == pod.uid:
            return claim
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid, "controller": True}
    about = {
        "name": IN_MEMORY,
        "namespace": pod.namespace,
        "uid": f"{IN_MEMORY}/{pod.uid}",
        "generateName": f"{pod.name}-extended-resources-",
        "annotations": {ANNOTATION: "true"},
        "ownerReferences": [owner],
    }
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": about, "spec": {}}


def is_made(claim: Object) -> bool:
    return meta.name(claim) != IN_MEMORY


def to_create(claim: Object) -> Object:
    about = {k: v for k, v in claim["metadata"].items() if k not in ("name", "uid")}
    return {**claim, "metadata": about}


def status_patch(pod: PodView, claim: str, mappings: Sequence[Object]) -> Object:
    """Which claim serves the pod, and which of its requests serves which container."""
    told = {"requestMappings": list(mappings), "resourceClaimName": claim}
    return {"metadata": {"uid": pod.uid}, "status": {"extendedResourceClaimStatus": told}}


def requests_and_mappings(pod: PodView, classes: Mapping[str, str]) -> tuple[list[Object], list[Object]]:
    """What a claim asks for to serve these resources, by the class of each; and for each container the request that
    serves it. Init containers use again what others get that run later, and among themselves the most of them."""
    spec = pod.spec
    inits, mains = spec.get("initContainers") or [], spec.get("containers") or []
    short = [i for i, c in enumerate(inits) if c.get("restartPolicy") != "Always"]
    containers = [*inits, *mains]
    requests: list[Object] = []
    mappings: list[Object] = []
    for resource in sorted(classes):
        lasting: list[Object | None] = [None] * len(containers)
        for i in (i for i in range(len(containers)) if i not in short):
            lasting[i], told = _request(i, containers[i], resource, classes[resource], ())
            mappings += told
        most, told = _most_of(short, containers, resource, classes[resource], lasting)
        mappings += told
        requests += [request for request in (most, *lasting) if request is not None]
    return sorted(requests, key=lambda request: request["name"]), mappings


def _most_of(
    short: Sequence[int], containers: Sequence[Object], resource: str, class_: str, lasting: Sequence[Object | None]
) -> tuple[Object | None, list[Object]]:
    """The request of the init container that needs most beside what it can use again; it serves the others, too."""
    most: Object | None = None
    names: set[str] = set()
    mappings: list[Object] = []
    for i in short:
        request, told = _request(i, containers[i], resource, class_, lasting[i:])
        mappings += told
        if request is not None:
            names.add(request["name"])
            if most is None or most["exactly"]["count"] < request["exactly"]["count"]:
                most = request
    for mapping in mappings if most is not None else ():
        if mapping["requestName"] in names:
            mapping["requestName"] = most["name"] if most is not None else ""
    return most, mappings


def _request(
    index: int, container: Object, resource: str, class_: str, reusable: Sequence[Object | None]
) -> tuple[Object | None, list[Object]]:
    asked = (container.get("resources") or {}).get("requests") or {}
    count = quantity.parse(asked[resource]).value() if resource in asked else 0
    if not count:
        return None, []
    name, have = container["name"], 0
    mappings: list[Object] = []
    for other in (each for each in reusable if each is not None):
        have += other["exactly"]["count"]
        mappings.append({"containerName": name, "resourceName": resource, "requestName": other["name"]})
        if have >= count:
            return None, mappings
    own = f"container-{index}-request-{sorted(asked).index(resource)}"
    mappings.append({"containerName": name, "resourceName": resource, "requestName": own})
    exactly = {"deviceClassName": class_, "allocationMode": "ExactCount", "count": count - have}
    return {"name": own, "exactly": exactly}, mappings
