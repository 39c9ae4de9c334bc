"""Waiting until an object is as wanted, and a failure that shows why it is not."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from umiak.api.core.event import KIND as EVENT
from umiak.api.kind import Kind
from umiak.client.client import ApiClient
from umiak.kit.clock import Clock
from umiak.objects import meta
from umiak.objects.encoding import to_yaml
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.testing.clock import VirtualClock

Judge = Callable[[Object | None], bool]
"""Whether an object, None when there is none, is as wanted."""
STEP = 1.0
"""Virtual seconds from one look to the next."""


class NotInTime(AssertionError):
    """What was waited for did not come; the text shows the object and its events."""


def judge_of(wanted: "str | Callable[[Object], bool]") -> Judge:
    """Reads the words of `kubectl wait`: `condition=Ready`, `condition=Ready=False`, `create` or `delete`.

    Raises ValueError for others.
    """
    if callable(wanted):
        chosen = wanted
        return lambda obj: obj is not None and bool(chosen(obj))
    if wanted in ("create", "delete"):
        return lambda obj: (obj is None) is (wanted == "delete")
    word, _, rest = wanted.partition("=")
    if word != "condition" or not rest:
        raise ValueError(f'{wanted!r}: expected "condition=TYPE[=STATUS]", "create", "delete" or a function')
    type_, _, status = rest.partition("=")
    return lambda obj: obj is not None and _has_condition(obj, type_, status or "True")


def _has_condition(obj: Object, type_: str, status: str) -> bool:
    """As kubectl compares: without regard to case."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    found = (c["status"] for c in conditions if c["type"].lower() == type_.lower())
    return next(found, "").lower() == status.lower()


async def wait(
    client: ApiClient, clock: Clock, kind: Kind, name: str, namespace: str, judge: Judge, timeout: float
) -> Object | None:
    """The object once it is as wanted, at the latest after `timeout` seconds of `clock`. Raises NotInTime."""
    task = asyncio.create_task(_wanted(client, kind, name, namespace, judge))
    try:
        if isinstance(clock, VirtualClock):
            await _turn(clock, task, timeout)
        else:
            await asyncio.wait([task], timeout=timeout)
        if task.done():
            return task.result()
    finally:
        task.cancel()
    raise NotInTime(await explain(client, kind, name, namespace, timeout))


async def _turn(clock: VirtualClock, task: "asyncio.Task[Object | None]", timeout: float) -> None:
    until = clock.monotonic() + timeout
    await clock.advance()
    while not task.done() and clock.monotonic() < until:
        await clock.advance(min(STEP, until - clock.monotonic()))


async def _wanted(client: ApiClient, kind: Kind, name: str, namespace: str, judge: Judge) -> Object | None:
    async with aclosing(_states(client, kind, name, namespace)) as states:
        async for obj in states:
            if judge(obj):
                return obj
    raise AssertionError("a watch ended by itself")


async def _states(client: ApiClient, kind: Kind, name: str, namespace: str) -> AsyncGenerator[Object | None, None]:
    """Its state now and after every change."""
    fields = f"metadata.name={name}"
    found = await client.list(kind, namespace, fields=fields)
    yield found.items[0] if found.items else None
    watch = client.watch(kind, namespace, fields=fields, resource_version=found.resource_version)
    async for event in watch:
        yield None if event.type == "DELETED" else event.object


async def explain(client: ApiClient, kind: Kind, name: str, namespace: str, timeout: float) -> str:
    """What there is instead."""
    where = f"{namespace}/{name}" if namespace else name
    head = f"{kind.kind} {where} was not as wanted within {timeout:g} s"
    try:
        obj = await client.get(kind, name, namespace)
    except StatusError as error:
        return f"{head}: {error}"
    return f"{head}. It is:\n{_shown(obj)}\nIts events:\n{await _events(client, obj) or '  none'}"


def _shown(obj: Object) -> str:
    about = {k: v for k, v in meta.metadata(obj).items() if k != "managedFields"}
    return to_yaml({**obj, "metadata": about}).decode()


async def _events(client: ApiClient, obj: Object) -> str:
    fields = f"involvedObject.uid={meta.uid(obj)}"
    found = (await client.list(EVENT, meta.namespace(obj) or "default", fields=fields)).items
    return "\n".join(f"  {e.get('type', '')} {e.get('reason', '')}: {e.get('message', '')}" for e in found)
