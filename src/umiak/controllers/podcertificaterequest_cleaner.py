"""Deletes requests for pod certificates after 15 minutes: all that is done with them is faster than that."""

from datetime import timedelta

from umiak.api.certificates.podcertificaterequest import KIND as REQUEST
from umiak.controllers._act import delete_if_there
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.reconcile.contract import DONE, Context, Controller, Outcome, RetryAfter

LIFE = timedelta(minutes=15)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    request = ctx.cache.get(REQUEST, key)
    if request is None or meta.is_being_deleted(request):
        return DONE
    left = meta.parse_time(meta.metadata(request)["creationTimestamp"]) + LIFE - ctx.clock.now()
    if left > timedelta(0):
        return RetryAfter(left)
    await delete_if_there(ctx, REQUEST, request)
    return DONE


CONTROLLER = Controller(name="podcertificaterequest-cleaner", watches=REQUEST, reconcile=reconcile, workers=1)
