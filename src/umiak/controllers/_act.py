"""How controllers act: several calls at once but not too many, with the events that users know from Kubernetes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import TypeVar

from umiak.api.core import pod as pods
from umiak.api.kind import Kind
from umiak.client.contract import Preconditions
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.reconcile.contract import Context, Hindered

T = TypeVar("T")
AT_ONCE = 64
"""Most calls of one reconcile in flight."""


async def every(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Awaits all, `AT_ONCE` at a time, then raises the first error if there was any; answers in order."""
    rest = iter(calls)
    results: list[T | BaseException] = []
    while batch := list(islice(rest, AT_ONCE)):
        results += await asyncio.gather(*batch, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]


class Batch(list[T]):
    """What slow starting made, and the error that stopped it, if any."""

    error: Exception | None = None


async def slow_start(count: int, make: Callable[[int], Awaitable[T | None]]) -> Batch[T]:
    """Calls `make` with 0 to `count` - 1 in batches of 1, 2, 4 ...; a batch with a failure is the last one.

    So a quota that refuses one pod is not asked five hundred times. A None is not counted as made.
    """
    made: Batch[T] = Batch()
    done, size = 0, 1
    while done < count and made.error is None:
        size = min(size, count - done, AT_ONCE)
        results = await asyncio.gather(*map(make, range(done, done + size)), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                made.error = made.error or result
            elif isinstance(result, BaseException):
                raise result
            elif result is not None:
                made.append(result)
        done, size = done + size, size * 2
    return made


def has_cause(error: Exception, reason: str) -> bool:
    """Whether an API error's details name that cause."""
    causes = (error.details or {}).get("causes") or () if isinstance(error, StatusError) else ()
    return any(c.get("reason") == reason for c in causes)


def is_code(error: Exception, code: int) -> bool:
    return isinstance(error, StatusError) and error.code == code


async def create_pod(ctx: Context, owner: Object, pod: Object) -> Object | None:
    """Creates and tells of it; None when the namespace is going away. Raises what the server answers."""
    if not meta.labels(pod):
        raise ValueError("unable to create pods, no labels")
    try:
        made = await ctx.client.create(pods.KIND, pod)
    except Exception as error:
        if has_cause(error, "NamespaceTerminating"):
            return None
        ctx.events.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
        raise
    ctx.events.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {meta.name(made)}")
    return made


class FailedDeletion(Hindered):
    """A pod could not be deleted."""


async def delete_pod(ctx: Context, owner: Object, pod: Object) -> bool:
    """Deletes exactly this pod and tells of it; False when it was gone already."""
    try:
        await delete_exactly(ctx, pods.KIND, pod)
    except Exception as error:
        if is_code(error, 404):
            return False
        ctx.events.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
        raise FailedDeletion(f"unable to delete pods: {error}") from error
    ctx.events.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name(pod)}")
    return True


async def delete_exactly(ctx: Context, kind: Kind, obj: Object, propagation: str = "") -> None:
    """Deletes an object if it still is the one that was judged; raises not-found when another has its name."""
    only = Preconditions(uid=meta.uid(obj))
    try:
        await ctx.client.delete(kind, meta.name(obj), meta.namespace(obj), only=only, propagation=propagation)
    except StatusError as error:
        if error.code == 409 and "Precondition failed" in error.message:
            raise StatusError(404, "NotFound", error.message) from error
        raise


async def delete_if_there(ctx: Context, kind: Kind, obj: Object, propagation: str = "") -> None:
    """The same, content when it is gone already."""
    try:
        await delete_exactly(ctx, kind, obj, propagation)
    except StatusError as error:
        if error.code != 404:
            raise


async def write_status(ctx: Context, kind: Kind, obj: Object, status: Object) -> Object:
    """Writes the status, once more against the newest version when someone was faster.

    Answers the object as it is now; content when it is gone. Annotations of `obj` go along.
    """
    wanted = {**obj, "status": status}
    try:
        return await ctx.client.update(kind, wanted, subresource="status")
    except StatusError as error:
        if error.code == 404:
            return obj
        if error.code != 409:
            raise
    fresh = await ctx.client.get(kind, meta.name(obj), meta.namespace(obj))
    if meta.uid(fresh) != meta.uid(obj):
        return fresh
    return await ctx.client.update(kind, {**fresh, "status": status}, subresource="status")
