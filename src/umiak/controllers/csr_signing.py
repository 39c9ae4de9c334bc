"""Signs approved certificate requests of kubelets and API clients with the cluster's authority."""

import base64
from collections.abc import Callable

from umiak.api.certificates.certificatesigningrequest import KIND as CSR
from umiak.controllers import _requests as requests
from umiak.controllers._requests import BadRequest, Wanted
from umiak.controllers._status import find_condition
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Outcome

CHECKS: dict[str, Callable[[Wanted, list[str]], str]] = {
    requests.KUBELET_CLIENT: requests.kubelet_client_fault,
    requests.KUBELET_SERVING: requests.kubelet_serving_fault,
    requests.API_CLIENT: requests.api_client_fault,
}


def has_condition(csr: Object, type: str) -> bool:
    return find_condition(csr.get("status") or {}, type) is not None


def is_issued(csr: Object) -> bool:
    return bool((csr.get("status") or {}).get("certificate"))


def failure(message: str, ctx: Context) -> Object:
    stamp = meta.format_time(ctx.clock.now())
    return {
        "type": "Failed",
        "status": "True",
        "reason": "SignerValidationFailure",
        "message": message,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
    }


async def reconcile(ctx: Context, key: Key) -> Outcome:
    options, csr = ctx.options, ctx.cache.get(CSR, key)
    if csr is None or is_issued(csr) or not options.signing_ca or not options.signing_key:
        return DONE
    if not has_condition(csr, "Approved") or has_condition(csr, "Denied") or has_condition(csr, "Failed"):
        return DONE
    spec = csr["spec"]
    check = CHECKS.get(spec["signerName"])
    if check is None:
        return DONE
    request = requests.load(base64.b64decode(spec["request"]))
    usages = list(spec.get("usages") or ())
    status = dict(csr.get("status") or {})
    fault = check(requests.read(request), usages)
    if fault:
        status["conditions"] = [*(status.get("conditions") or ()), failure(fault, ctx)]
    else:
        valid = requests.lifetime(spec.get("expirationSeconds"), options.signing_duration)
        try:
            certificate = requests.sign(
                request, options.signing_ca, options.signing_key, usages, valid, ctx.clock.now()
            )
        except BadRequest as error:
            raise BadRequest(f"error auto signing csr: {error}") from error
        status["certificate"] = base64.b64encode(certificate).decode()
    await ctx.client.update(CSR, {**csr, "status": status}, subresource="status")
    return DONE


CONTROLLER = Controller(name="certificatesigningrequest-signing", watches=CSR, reconcile=reconcile)
