"""Puts the default objects in place: those that are missing are made, all at once; others are brought up to date."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from itertools import groupby

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.endpoints import KIND as ENDPOINTS
from umiak.api.core.service import KIND as SERVICE
from umiak.api.discovery.endpointslice import KIND as ENDPOINT_SLICE
from umiak.api.kind import Kind
from umiak.kit.clock import Clock
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key, format_micro_time, format_time, key
from umiak.objects.types import Object
from umiak.server.bootstrap import flow_control, objects, roles
from umiak.server.bootstrap.objects import Server
from umiak.server.contract import Objects
from umiak.store.contract import Unwritable

log = logging.getLogger(__name__)

FLOW_CONTROL_PERIOD = 60.0
"""Seconds between looks at the default levels and flow schemas."""
RENEW = 600.0
"""Seconds between renewals of the server's lease, which holds for an hour."""

FindKind = Callable[[str, str], Kind]
"""(apiVersion, kind) to the kind."""
Merge = Callable[[Object, Object], Object | None]
"""(wanted, stored) to what the stored object should become, None to leave it."""


async def bootstrap(
    stored: Objects, find: FindKind, server: Server, group_versions: Iterable[tuple[str, str]], clock: Clock
) -> None:
    """Makes sure of all default objects. Safe to repeat, and for several servers at once."""
    now = clock.now()
    work: list[Awaitable[None]] = [
        *_ensure(stored, find, objects.fixed(server, group_versions, now), _leave),
        *_ensure(stored, find, flow_control.objects(format_time(now)), flow_control.revised),
        *_ensure(stored, find, roles.objects(), roles.reconciled),
        *_own(stored, server, now),
    ]
    await asyncio.gather(*work)


def _leave(wanted: Object, stored: Object) -> None:
    """What is there stays as it is."""


def _ensure(stored: Objects, find: FindKind, wanted: Iterable[Object], merge: Merge) -> list[Awaitable[None]]:
    """One piece of work per kind, since each lists what there is."""

    def place(obj: Object) -> tuple[str, str]:
        return obj["apiVersion"], obj["kind"]

    return [
        _ensure_kind(stored, find(*which), list(group), merge)
        for which, group in groupby(sorted(wanted, key=place), place)
    ]


async def _ensure_kind(stored: Objects, kind: Kind, wanted: list[Object], merge: Merge) -> None:
    present = {key(obj): obj for obj in await stored.list(kind)}
    work: list[Awaitable[object]] = []
    for obj in wanted:
        found = present.get(key(obj))
        if found is None:
            work.append(_create(stored, kind, obj))
        elif merge(obj, found) is not None:
            work.append(stored.modify(kind, *key(obj), _change(merge, obj)))
    await asyncio.gather(*work)


def _change(merge: Merge, wanted: Object) -> Callable[[Object], Object | None]:
    return lambda latest: merge(wanted, latest)


async def _create(stored: Objects, kind: Kind, obj: Object) -> None:
    try:
        await stored.create(kind, obj)
    except StatusError as error:
        if error.reason != "AlreadyExists":  # another server was faster
            raise


def _own(stored: Objects, server: Server, now: datetime) -> list[Awaitable[None]]:
    """The objects that speak of this very server, and follow it."""
    work: list[Awaitable[None]] = [
        _put_service(stored, objects.service(server)),
        _put(stored, ENDPOINTS, objects.endpoints(server), "subsets"),
        _put(stored, ENDPOINT_SLICE, objects.endpoint_slice(server), "endpoints", "ports"),
        _put(stored, LEASE, objects.lease(server, now), "spec"),
    ]
    if data := objects.authentication_data(server):
        name = "extension-apiserver-authentication"
        work.append(_put(stored, CONFIG_MAP, objects.config_map(name, data), "data"))
    return work


async def _put(stored: Objects, kind: Kind, wanted: Object, *fields: str) -> None:
    """Creates the object, or makes `fields` of the existing one equal to the wanted one's."""
    if await stored.find(kind, *key(wanted)) is None:
        await _create(stored, kind, wanted)
        return

    def change(latest: Object) -> Object | None:
        if all(latest.get(field) == wanted[field] for field in fields):
            return None
        return {**latest, **{field: wanted[field] for field in fields}}

    await stored.modify(kind, *key(wanted), change)


async def _put_service(stored: Objects, wanted: Object) -> None:
    """The Service `kubernetes`: its address stays, its port follows the server's."""
    if await stored.find(SERVICE, *key(wanted)) is None:
        await _create(stored, SERVICE, wanted)
        return

    def change(latest: Object) -> Object | None:
        if latest["spec"].get("ports") == wanted["spec"]["ports"]:
            return None
        return {**latest, "spec": {**latest["spec"], "ports": wanted["spec"]["ports"]}}

    await stored.modify(SERVICE, *key(wanted), change)


async def keep_alive(stored: Objects, server: Server, clock: Clock) -> None:
    """Renews the server's lease until cancelled."""
    where = Key("kube-system", server.identity)
    while True:
        await clock.sleep(RENEW)

        def renew(latest: Object) -> Object:
            latest["spec"]["renewTime"] = format_micro_time(clock.now())
            return latest

        await stored.modify(LEASE, *where, renew)


async def keep_flow_control(stored: Objects, find: FindKind, clock: Clock) -> None:
    """Puts the default levels and schemas right once a minute, until cancelled; removes those of other releases."""
    while True:
        await clock.sleep(FLOW_CONTROL_PERIOD)
        try:
            await put_flow_control_right(stored, find, clock.now())
        except Unwritable as error:
            log.warning("levels and flow schemas could not be put right: %s", error)


async def put_flow_control_right(stored: Objects, find: FindKind, now: datetime) -> None:
    await asyncio.gather(*_ensure(stored, find, flow_control.objects(format_time(now)), flow_control.revised))
    for name in ("FlowSchema", "PriorityLevelConfiguration"):
        kind = find(flow_control.VERSION, name)
        for obj in await stored.list(kind):
            if flow_control.is_unwanted(obj):
                await stored.remove(kind, "", key(obj).name)
