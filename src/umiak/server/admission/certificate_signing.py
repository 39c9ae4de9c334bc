"""Putting a certificate into a request takes the right to sign for its signer."""

from umiak.objects.types import Object
from umiak.server.admission._common import is_resource, refuse
from umiak.server.admission._signers import GROUP, may
from umiak.server.contract import Admission, Admitted, Phase, Surroundings


def concerns(request: Admitted) -> bool:
    return is_resource(request, GROUP, "certificatesigningrequests", "UPDATE", subresource="status")


def outcome(request: Object | None) -> tuple[object, object]:
    status = (request or {}).get("status") or {}
    return status.get("certificate") or "", status.get("conditions") or []


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    if outcome(request.new) == outcome(request.old):
        return
    signer = (request.old or {}).get("spec", {}).get("signerName", "")
    if not await may(around, request, "sign", signer):
        raise refuse(request, f'user not permitted to sign requests with signerName "{signer}"')


ADMISSION = Admission(
    name="CertificateSigning",
    order=25,
    phases=(Phase.VALIDATE,),
    run=run,
    concerns=concerns,
    resources=("certificatesigningrequests",),
)
