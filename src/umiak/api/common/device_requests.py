"""The defaults of device requests, in claims and in their templates."""

from umiak.objects.types import Object


def _default_request(request: Object) -> None:
    if not request.get("allocationMode"):
        request["allocationMode"] = "ExactCount"
    if request["allocationMode"] == "ExactCount" and not request.get("count"):
        request["count"] = 1
    default_tolerations(request)


def default_tolerations(holder: Object) -> None:
    for toleration in holder.get("tolerations") or ():
        if not toleration.get("operator"):
            toleration["operator"] = "Equal"


def default_claim_spec(spec: Object) -> None:
    """Fills the requests of a ResourceClaim's spec."""
    for request in spec.setdefault("devices", {}).get("requests") or ():
        if request.get("exactly") is not None:
            _default_request(request["exactly"])
        for choice in request.get("firstAvailable") or ():
            _default_request(choice)
