"""Deletes certificate requests that are over: settled for an hour, unanswered for a day, or expired."""

import base64
from datetime import datetime, timedelta

from umiak.api.certificates.certificatesigningrequest import KIND as CSR
from umiak.controllers._act import delete_if_there
from umiak.controllers.csr_signing import is_issued
from umiak.kit import pki
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Outcome, RetryAfter

SETTLED = timedelta(hours=1)
PENDING = timedelta(hours=24)


def certificate_end(csr: Object) -> datetime | None:
    if not is_issued(csr):
        return None
    try:
        return pki.expires(base64.b64decode(csr["status"]["certificate"]).decode())
    except ValueError:
        return None


def over_at(csr: Object) -> datetime | None:
    """When the request has outlived its use; None when something else must happen first."""
    conditions = (csr.get("status") or {}).get("conditions") or ()
    ends = []
    for condition in conditions:
        stamp = condition.get("lastUpdateTime")
        if condition["type"] in ("Denied", "Failed") and stamp:
            ends.append(meta.parse_time(stamp) + SETTLED)
        elif condition["type"] == "Approved":
            if stamp:
                ends.append(meta.parse_time(stamp) + (SETTLED if is_issued(csr) else PENDING))
            end = certificate_end(csr)
            ends += [end] if end else []
    if not conditions:
        ends.append(meta.parse_time(meta.metadata(csr)["creationTimestamp"]) + PENDING)
    return min(ends, default=None)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    csr = ctx.cache.get(CSR, key)
    end = None if csr is None else over_at(csr)
    if csr is None or end is None:
        return DONE
    left = end - ctx.clock.now()
    if left >= timedelta(0):
        return RetryAfter(left + timedelta(seconds=1))
    await delete_if_there(ctx, CSR, csr)
    return DONE


CONTROLLER = Controller(name="certificatesigningrequest-cleaner", watches=CSR, reconcile=reconcile, workers=1)
