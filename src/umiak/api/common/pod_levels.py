"""Requests and limits of a whole pod (KEP 2837), and the quality of service that follows from all of them."""

from umiak.api.common.resources import added, amount, is_huge_page, largest
from umiak.objects.quantity import Quantity
from umiak.objects.types import Object


def _is_pod_level(name: str) -> bool:
    return name in ("cpu", "memory") or is_huge_page(name)


def aggregated(spec: Object, field: str) -> dict[str, Quantity]:
    """What all containers need together: the larger of what runs at once at the end and at any moment before.

    `field` is requests or limits. Restartable init containers keep running beside what starts after them.
    """
    total = added((c.get("resources") or {}).get(field) for c in spec.get("containers") or ())
    lasting: dict[str, Quantity] = {}
    highest: dict[str, Quantity] = {}
    for container in spec.get("initContainers") or ():
        own = added([(container.get("resources") or {}).get(field)])
        both = {
            name: own[name] + lasting[name] if name in own and name in lasting else (own | lasting)[name]
            for name in own | lasting
        }
        if container.get("restartPolicy") == "Always":
            lasting = both
        highest = largest(highest, both)
    for name, quantity in lasting.items():
        total[name] = total[name] + quantity if name in total else quantity
    return largest(total, highest)


def default_pod_resources(spec: Object) -> None:
    """Completes a pod's own requests and limits from those of its containers."""
    resources = spec["resources"]
    if not resources.get("requests") and not resources.get("limits"):
        return
    limits, requests = dict(resources.get("limits") or {}), dict(resources.get("requests") or {})
    container_limits = aggregated(spec, "limits")
    for name, quantity in container_limits.items():
        if is_huge_page(name) and name not in requests:
            limits.setdefault(name, str(quantity))
    for name, quantity in aggregated(spec, "requests").items():
        if name in ("cpu", "memory"):
            requests.setdefault(name, str(quantity))
    for name, text in limits.items():
        if _is_pod_level(name):
            requests.setdefault(name, text)
    _default_limits(spec, requests, limits)
    for field, amounts in (("limits", limits), ("requests", requests)):
        if amounts:
            resources[field] = amounts


def _default_limits(spec: Object, requests: dict[str, str], limits: dict[str, str]) -> None:
    """A resource that every container limits is limited for the pod, but never below its request."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    total = aggregated(spec, "limits")
    for name in requests:
        everywhere = all(name in ((c.get("resources") or {}).get("limits") or {}) for c in containers)
        if _is_pod_level(name) and name not in limits and everywhere and name in total:
            limits[name] = str(max(total[name], amount(requests, name)))


def quality_of_service(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    own = spec.get("resources")
    if own and (own.get("requests") or own.get("limits")):
        return _quality(own)
    found = ""
    for name in ("initContainers", "containers"):
        for container in spec.get(name) or ():
            quality = _quality(container.get("resources") or {})
            if quality == "Burstable" or (found and found != quality):
                return "Burstable"
            found = quality
    return found or "BestEffort"


def _quality(resources: Object) -> str:
    requests, limits = resources.get("requests"), resources.get("limits")
    if not requests and not limits:
        return "BestEffort"
    found = ""
    for name in ("cpu", "memory"):
        request, limit = amount(requests, name), amount(limits, name)
        if request != limit:
            return "Burstable"
        quality = "Guaranteed" if request else "BestEffort"
        if found and found != quality:
            return "Burstable"
        found = quality
    return found
