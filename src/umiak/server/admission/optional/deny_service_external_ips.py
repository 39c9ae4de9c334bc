"""Services get no new external IPs, with which traffic can be drawn away from others (CVE-2020-8554).

Source: `plugin/pkg/admission/network/denyserviceexternalips`.
"""

from umiak.objects.types import Object
from umiak.server.admission._common import is_resource, refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings


def concerns(request: Admitted) -> bool:
    is_service = is_resource(request, "", "services", "CREATE", "UPDATE")
    return is_service and bool(_external(request.new) - _external(request.old))


def _external(service: Object | None) -> set[str]:
    return set(((service or {}).get("spec") or {}).get("externalIPs") or ())


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    raise refuse(request, "Use of external IPs is denied by admission control")


ADMISSION = Admission(name="DenyServiceExternalIPs", order=29, phases=(Phase.VALIDATE,), run=run, concerns=concerns)
