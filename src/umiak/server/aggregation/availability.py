"""Whether a group and version that somebody else serves is available, as its APIService's condition says.

Pure; the checks and their words are those of kube-aggregator's remote and local availability controllers.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from umiak.objects.go_text import quoted
from umiak.objects.meta import format_time
from umiak.objects.types import Object

AVAILABLE = "Available"


class Verdict(NamedTuple):
    status: str
    reason: str
    message: str


PASSED = Verdict("True", "Passed", "all checks passed")
LOCAL = Verdict("True", "Local", "Local APIServices are always available")


def failed(error: str) -> Verdict:
    """Of a server that did not answer as it must."""
    return Verdict("False", "FailedDiscoveryCheck", error)


def judge(reference: Object, service: Object | None, slices: Sequence[Object]) -> Verdict | None:
    """What is wrong with the Service that an APIService refers to, and its EndpointSlices; None when the server behind
    it has to be asked."""
    shown = f"service/{reference['name']} in {quoted(reference['namespace'])}"
    if service is None:
        return Verdict("False", "ServiceNotFound", f"{shown} is not present")
    if service["spec"].get("type", "ClusterIP") != "ClusterIP":
        return None
    number = reference["port"]
    port = next((port for port in service["spec"].get("ports") or () if port["port"] == number), None)
    if port is None:
        return Verdict("False", "ServicePortError", f"{shown} is not listening on port {number}")
    if not slices:
        return Verdict("False", "EndpointsNotFound", f"cannot find endpointslices for {shown}")
    name = port.get("name") or ""
    if not any(_has_ready(found, name) for found in slices):
        text = f"endpointslices for {shown} have no addresses with port name {quoted(name)}"
        return Verdict("False", "MissingEndpoints", text)
    return None


def _has_ready(found: Object, port: str) -> bool:
    if all((known.get("name") or "") != port for known in found.get("ports") or ()):
        return False
    endpoints = found.get("endpoints") or ()
    return any((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in endpoints)


def told(service: Object, verdict: Verdict, now: datetime) -> None:
    """Writes the verdict into an APIService, in place; the time of the last transition moves with the status only."""
    status = service.setdefault("status", {})
    conditions = status.get("conditions") or []
    found = next((c for c in conditions if c["type"] == AVAILABLE), None)
    if found is None:
        found = {"type": AVAILABLE, "status": "", "lastTransitionTime": None}
        conditions = [*conditions, found]
    if found["status"] != verdict.status:
        found |= {"status": verdict.status, "lastTransitionTime": format_time(now)}
    found |= {"reason": verdict.reason, "message": verdict.message}
    status["conditions"] = conditions


def is_available(service: Object) -> bool:
    conditions = (service.get("status") or {}).get("conditions") or ()
    return any(c["type"] == AVAILABLE and c["status"] == "True" for c in conditions)
