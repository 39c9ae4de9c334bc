"""Deletes service account tokens that were made by themselves and that nobody has used for a year (KEP-2799).

First such a secret is labelled invalid, which its user notices and can take back; after the same time again it goes.
Since when use is noted at all, a ConfigMap of the API server tells. Looks once a day.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta

from umiak.api.common.pod_secrets import secret_names
from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.pod import KIND as POD
from umiak.api.core.secret import KIND as SECRET
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.client.contract import Preconditions, Unreachable
from umiak.controllers.serviceaccount_token import NAME, UID, is_token
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import Cache, Context, Loop

EVERY = timedelta(hours=24)
TRACKING = Key("kube-system", "kube-apiserver-legacy-service-account-token-tracking")
LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"
log = logging.getLogger(__name__)


def day(text: str | None) -> date | None:
    """A date as labels have it, such as 2022-12-27; None for anything else."""
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.isoformat() == text else None  # Python reads other ISO notations, too


def tracked_from(config_map: Object) -> datetime | None:
    """From when on every use was noted: the midnight after the day on which that began."""
    since = day((config_map.get("data") or {}).get("since"))
    return None if since is None else datetime.combine(since + timedelta(days=1), time(), UTC)


def is_idle(secret: Object, before: datetime) -> bool:
    """Whether it was made, and last used, before that moment; one whose last use cannot be read counts as used."""
    if not is_token(secret) or meta.is_being_deleted(secret):
        return False
    if meta.parse_time(meta.metadata(secret)["creationTimestamp"]) >= before:
        return False
    used = meta.labels(secret).get(LAST_USED)
    if used is None:
        return True
    last = day(used)
    return last is not None and last < before.date()


def is_generated(secret: Object, account: Object | None) -> bool:
    """Whether its account lists it: only then was it made without anybody asking for it."""
    if account is None or meta.annotations(secret).get(UID) not in (None, "", meta.uid(account)):
        return False
    return any(entry.get("name") == meta.name(secret) for entry in account.get("secrets") or ())


def is_over(secret: Object, before: datetime) -> bool | None:
    """Whether it was invalid for long enough, too; None when it is not labelled invalid yet."""
    since = day(meta.labels(secret).get(INVALID_SINCE))
    return None if since is None else since < before.date()


def candidates(cache: Cache, before: datetime) -> Iterable[Object]:
    """The idle, generated secrets that no pod mentions."""
    mounted: dict[str, set[str]] = {}
    for secret in cache.list(SECRET):
        namespace = meta.namespace(secret)
        if not is_idle(secret, before):
            continue
        account = cache.get(SERVICE_ACCOUNT, Key(namespace, meta.annotations(secret)[NAME]))
        if not is_generated(secret, account):
            continue
        if namespace not in mounted:
            mounted[namespace] = {name for pod in cache.list(POD, namespace) for name in secret_names(pod["spec"])}
        if meta.name(secret) not in mounted[namespace]:
            yield secret


async def look(ctx: Context) -> None:
    """One round over all secrets. Raises what the server answers when asked since when use is noted."""
    now, period = ctx.clock.now(), ctx.options.legacy_token_clean_up
    tracked = tracked_from(await ctx.client.get(CONFIG_MAP, TRACKING.name, TRACKING.namespace))
    if tracked is None or now < tracked + period:
        return
    before = now - period
    for secret in list(candidates(ctx.cache, before)):
        over = is_over(secret, before)
        if over is None:
            await _tolerant(_label, ctx, secret, now)
        elif over:
            await _tolerant(_delete, ctx, secret, now)


async def _tolerant(act: Callable[..., object], ctx: Context, secret: Object, now: datetime) -> None:
    """One secret that cannot be written must not keep the others."""
    try:
        await act(ctx, secret, now)  # type: ignore[misc]
    except (StatusError, Unreachable) as error:
        if not (isinstance(error, StatusError) and error.code in (404, 409)):
            log.warning("legacy token %s: %s", meta.key(secret), error)


async def _label(ctx: Context, secret: Object, now: datetime) -> None:
    labels = {INVALID_SINCE: now.date().isoformat()}
    change = {"metadata": {"uid": meta.uid(secret), "labels": labels}}
    await ctx.client.patch(SECRET, meta.name(secret), meta.namespace(secret), change)


async def _delete(ctx: Context, secret: Object, now: datetime) -> None:
    """Bound to the version that was judged: a use meanwhile saves it."""
    only = Preconditions(resource_version=meta.resource_version(secret))
    await ctx.client.delete(SECRET, meta.name(secret), meta.namespace(secret), only=only)


async def run(ctx: Context) -> None:
    while True:
        try:
            await look(ctx)
        except (StatusError, Unreachable) as error:
            log.warning("cannot tell since when the use of legacy tokens is noted: %s", error)
        await ctx.clock.sleep(EVERY.total_seconds())


CONTROLLER = Loop(name="legacy-serviceaccount-token-cleaner", run=run, reads=(SECRET, SERVICE_ACCOUNT, POD))
