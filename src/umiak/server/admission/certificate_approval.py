"""Approving a certificate request takes the right to approve for its signer."""

from umiak.server.admission._common import is_resource, refuse
from umiak.server.admission._signers import GROUP, may
from umiak.server.contract import Admission, Admitted, Phase, Surroundings


def concerns(request: Admitted) -> bool:
    return is_resource(request, GROUP, "certificatesigningrequests", "UPDATE", subresource="approval")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    signer = (request.old or {}).get("spec", {}).get("signerName", "")
    if not await may(around, request, "approve", signer):
        raise refuse(request, f'user not permitted to approve requests with signerName "{signer}"')


ADMISSION = Admission(
    name="CertificateApproval",
    order=24,
    phases=(Phase.VALIDATE,),
    run=run,
    concerns=concerns,
    resources=("certificatesigningrequests",),
)
