"""Publishing the trust anchors of a signer takes the right to attest for it."""

from umiak.server.admission._common import is_resource, refuse
from umiak.server.admission._signers import GROUP, may, only_references_changed
from umiak.server.contract import Admission, Admitted, Phase, Surroundings


def concerns(request: Admitted) -> bool:
    return is_resource(request, GROUP, "clustertrustbundles", "CREATE", "UPDATE")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    new, old = request.new or {}, request.old
    signer = (new.get("spec") or {}).get("signerName") or ""
    if not signer or (old is not None and only_references_changed(new, old)):
        return
    if not await may(around, request, "attest", signer):
        raise refuse(request, f'user not permitted to attest for signerName "{signer}"')


ADMISSION = Admission(
    name="ClusterTrustBundleAttest",
    order=26,
    phases=(Phase.VALIDATE,),
    run=run,
    concerns=concerns,
    resources=("clustertrustbundles",),
)
