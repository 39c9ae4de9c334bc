"""Nobody becomes a member of system:masters by a certificate request."""

from umiak.server.access.certificates import Malformed, request_subject
from umiak.server.admission._common import is_resource, refuse
from umiak.server.admission._signers import GROUP
from umiak.server.contract import MASTERS, Admission, Admitted, Phase, Surroundings

SIGNER = "kubernetes.io/kube-apiserver-client"


def concerns(request: Admitted) -> bool:
    return is_resource(request, GROUP, "certificatesigningrequests", "CREATE")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    spec = (request.new or {}).get("spec") or {}
    if spec.get("signerName") != SIGNER:
        return
    try:
        _, organizations = request_subject(spec.get("request") or "")
    except Malformed as why:
        raise refuse(request, f"failed to parse CSR: {why}") from None
    if MASTERS in organizations:
        raise refuse(request, f"use of {SIGNER} signer with {MASTERS} group is not allowed")


ADMISSION = Admission(
    name="CertificateSubjectRestriction",
    order=27,
    phases=(Phase.VALIDATE,),
    run=run,
    concerns=concerns,
    resources=("certificatesigningrequests",),
)
