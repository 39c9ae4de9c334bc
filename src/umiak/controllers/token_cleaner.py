"""Deletes bootstrap tokens when their time is over."""

from umiak.api.core import secret as secrets
from umiak.controllers import _bootstrap_tokens as tokens
from umiak.controllers._act import delete_if_there, is_code
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Outcome, RetryAfter


def concerns(old: Object | None, new: Object | None) -> bool:
    return new is not None and tokens.is_token(new)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    secret = ctx.cache.get(secrets.KIND, key)
    end = None if secret is None or not tokens.is_token(secret) else tokens.expires(secret)
    if secret is None or end is None:
        return DONE
    left = end - ctx.clock.now()
    if left.total_seconds() > 0:
        return RetryAfter(left)
    try:
        await delete_if_there(ctx, secrets.KIND, secret)
    except StatusError as error:
        if not is_code(error, 409):  # it was made anew meanwhile
            raise
    return DONE


CONTROLLER = Controller(
    name="token-cleaner-controller", watches=secrets.KIND, reconcile=reconcile, should_wake=concerns
)
