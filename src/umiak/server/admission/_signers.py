"""Whether somebody may act for a certificate signer: by its full name, or by its domain with `/*`."""

from umiak.objects.types import Object
from umiak.server.contract import Admitted, Attributes, Surroundings

GROUP = "certificates.k8s.io"


async def may(around: Surroundings, request: Admitted, verb: str, signer: str) -> bool:
    names = (signer, f"{signer.partition('/')[0]}/*")
    for name in names:
        asked = Attributes(request.attributes.user, verb, GROUP, "*", "signers", name=name)
        if (await around.authorizer.authorize(asked)).allowed:
            return True
    return False


def only_references_changed(new: Object, old: Object) -> bool:
    """Whether an update touches no more than what garbage collection must."""

    def rest(obj: Object) -> Object:
        about = {k: v for k, v in obj["metadata"].items() if k not in BOOKKEEPING}
        return {**obj, "metadata": about}

    return rest(new) == rest(old)


BOOKKEEPING = frozenset({"ownerReferences", "finalizers", "selfLink", "managedFields"})
