"""Approves the client certificates of kubelets whose users may have them, as a SubjectAccessReview tells."""

import base64

from umiak.api.authorization.subjectaccessreview import KIND as REVIEW
from umiak.api.certificates.certificatesigningrequest import KIND as CSR
from umiak.controllers import _requests as requests
from umiak.controllers.csr_signing import has_condition, is_issued
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Outcome

SELF = ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.")
OTHER = ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")


class NotAllowed(Exception):
    """The request is a kubelet's, but its sender may not have it approved; that may change with a role binding."""


def recognized(csr: Object) -> list[tuple[str, str]]:
    """The permissions that would let it through, each with what is said then; raises BadRequest."""
    spec = csr["spec"]
    wanted = requests.read(requests.load(base64.b64decode(spec["request"])))
    if spec.get("signerName") != requests.KUBELET_CLIENT:
        return []
    if requests.kubelet_client_fault(wanted, spec.get("usages") or ()):
        return []
    return [SELF, OTHER] if spec.get("username") == wanted.common_name else [OTHER]


def review(csr: Object, subresource: str) -> Object:
    spec = csr["spec"]
    attributes = {
        "group": "certificates.k8s.io",
        "version": "*",
        "resource": "certificatesigningrequests",
        "subresource": subresource,
        "verb": "create",
    }
    who = {
        "user": spec.get("username"),
        "uid": spec.get("uid"),
        "groups": spec.get("groups"),
        "extra": spec.get("extra"),
    }
    asked = {k: v for k, v in who.items() if v} | {"resourceAttributes": attributes}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}


async def reconcile(ctx: Context, key: Key) -> Outcome:
    csr = ctx.cache.get(CSR, key)
    if csr is None or is_issued(csr) or has_condition(csr, "Approved") or has_condition(csr, "Denied"):
        return DONE
    chances = recognized(csr)
    for subresource, message in chances:
        answer = await ctx.client.create(REVIEW, review(csr, subresource))
        if (answer.get("status") or {}).get("allowed"):
            await _approve(ctx, csr, message)
            return DONE
    if chances:
        tried = " ".join(subresource for subresource, _ in chances)
        raise NotAllowed(f'recognized csr "{key.name}" as [{tried}] but subject access review was not approved')
    return DONE


async def _approve(ctx: Context, csr: Object, message: str) -> None:
    stamp = meta.format_time(ctx.clock.now())
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": "AutoApproved",
        "message": message,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
    }
    status = dict(csr.get("status") or {})
    status["conditions"] = [*(status.get("conditions") or ()), condition]
    await ctx.client.update(CSR, {**csr, "status": status}, subresource="approval")


CONTROLLER = Controller(name="certificatesigningrequest-approving", watches=CSR, reconcile=reconcile)
