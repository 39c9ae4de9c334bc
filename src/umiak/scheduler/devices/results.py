"""What is written into a claim once devices are chosen for it: results, configuration, and where it can be used."""

from collections.abc import Iterable, Sequence

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.scheduler.devices.allocator import Chosen, Result
from umiak.scheduler.devices.requests import Request

Names = Sequence[str]


def allocation(claim: Object, result: Result, node: str) -> Object:
    """An AllocationResult."""
    devices: Object = {"results": [_result(one) for one in result.chosen]}
    config = _config(claim, result.selected)
    if config:
        devices["config"] = config
    found: Object = {"devices": devices}
    selector = _selector(result.chosen, node)
    if selector is not None:
        found["nodeSelector"] = selector
    return found


def _result(one: Chosen) -> Object:
    driver, pool, device = one.candidate.id
    found: Object = {"request": one.request.full_name, "driver": driver, "pool": pool, "device": device}
    if one.request.administers:
        found["adminAccess"] = True
    if one.request.spec.get("tolerations"):
        found["tolerations"] = one.request.spec["tolerations"]
    for field in ("bindingConditions", "bindingFailureConditions"):
        if one.candidate.device.get(field):
            found[field] = one.candidate.device[field]
    if one.share:
        found["shareID"] = one.share
    if one.consumed:
        found["consumedCapacity"] = {name: str(amount) for name, amount in one.consumed.items()}
    return found


def _config(claim: Object, selected: Sequence[Request]) -> list[Object]:
    """What classes say, each once for all its requests, then what the claim says for the requests it came to."""
    by_class: dict[str, list[Object]] = {}
    for request in selected:
        known = by_class.get(meta.name(request.device_class))
        if known is None:
            told = (request.device_class.get("spec") or {}).get("config") or ()
            by_class[meta.name(request.device_class)] = [
                {"source": "FromClass", "requests": [request.full_name], **one} for one in told
            ]
        else:
            for one in known:
                one["requests"].append(request.full_name)
    found = [one for each in by_class.values() for one in each]
    for one in (claim["spec"].get("devices") or {}).get("config") or ():
        names = one.get("requests") or []
        if not names or any(_is_among(request, names) for request in selected):
            found.append({"source": "FromClaim", **one})
    return [_simplified(one, selected) for one in found]


def _is_among(request: Request, names: Names) -> bool:
    return request.full_name in names or (request.parent or request.name) in names


def _simplified(config: Object, selected: Sequence[Request]) -> Object:
    """Without its requests when it is for all of them."""
    names = config.get("requests") or []
    if names and not all(_is_among(request, names) for request in selected):
        return config
    return {name: value for name, value in config.items() if name != "requests"}


def _selector(chosen: Iterable[Chosen], node: str) -> Object | None:
    """Where the devices can be used; None: everywhere."""
    fields: list[Object] = []
    expressions: list[Object] = []
    for one in chosen:
        spec, device = one.candidate.slice["spec"], one.candidate.device
        place = device if spec.get("perDeviceNodeSelection") else spec
        if place.get("nodeName") or device.get("bindsToNode"):
            own = {"key": "metadata.name", "operator": "In", "values": [node]}
            return {"nodeSelectorTerms": [{"matchFields": [own]}]}
        for term in (place.get("nodeSelector") or {}).get("nodeSelectorTerms") or ():
            _merge(fields, term.get("matchFields") or ())
            _merge(expressions, term.get("matchExpressions") or ())
    term = {name: found for name, found in (("matchExpressions", expressions), ("matchFields", fields)) if found}
    return {"nodeSelectorTerms": [term]} if term else None


def _merge(known: list[Object], more: Iterable[Object]) -> None:
    for one in more:
        if not any(_same(one, other) for other in known):
            known.append(one)


def _same(one: Object, other: Object) -> bool:
    plain = (one.get("key"), one.get("operator")) == (other.get("key"), other.get("operator"))
    return plain and set(one.get("values") or ()) == set(other.get("values") or ())
