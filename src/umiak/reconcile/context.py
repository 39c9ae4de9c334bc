"""Puts together what controllers are given: a cache, a client whose writes the cache shows at once, events, options."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from umiak.api.kind import Kind
from umiak.client.contract import NO_CONDITIONS, Client, Preconditions, Unreachable
from umiak.kit.clock import Clock, RealClock
from umiak.kit.metrics import Registry
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.cache import Tables
from umiak.reconcile.contract import Context, Options
from umiak.reconcile.doubts import Doubts, is_doubtful
from umiak.reconcile.events import EventWriter
from umiak.reconcile.informer import Informers


def is_missing(error: StatusError, kind: Kind, key: Key) -> bool:
    """Whether it says that there is no such object, and not, say, no such namespace or kind."""
    about = error.details or {}
    return error.code == 404 and (about.get("kind"), about.get("name")) == (kind.plural, key.name)


class ShowingClient:
    """A client that shows the answers to its writes in `tables` before the watch reports them.

    Writes without a clear answer are noted in `doubts`. What the server did not find when it was to be changed is gone.
    """

    def __init__(self, client: Client, tables: Tables, doubts: Doubts) -> None:
        self._client = client
        self._tables = tables
        self._doubts = doubts
        self.get = client.get
        self.list = client.list
        self.watch = client.watch
        self.raw_list = client.raw_list
        self.raw_watch = client.raw_watch
        self.raw = client.raw
        self.delete_collection = client.delete_collection

    @contextmanager
    def _noting(self, kind: Kind, key: Key, labels: dict[str, str] | None = None) -> Iterator[None]:
        try:
            yield
        except (StatusError, Unreachable) as error:
            if is_doubtful(error):
                self._doubts.note(kind, key, labels)
            raise

    @contextmanager
    def _changing(self, kind: Kind, key: Key) -> Iterator[None]:
        table = self._tables.find(kind)
        known = None if table is None else table.row(key)
        with self._noting(kind, key):
            try:
                yield
            except StatusError as error:
                if table is not None and known is not None and is_missing(error, kind, key):
                    table.deleted(key, known.uid)
                raise

    async def create(
        self, kind: Kind, obj: Object, *, namespace: str = "", subresource: str = "", name: str = ""
    ) -> Object:
        about = Key(namespace or meta.namespace(obj), name or meta.name(obj))
        with self._noting(kind, about, meta.labels(obj)):
            answer = await self._client.create(kind, obj, namespace=namespace, subresource=subresource, name=name)
        if not subresource:
            self._tables.wrote(kind, answer)
        return answer

    async def update(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        with self._changing(kind, meta.key(obj)):
            answer = await self._client.update(kind, obj, subresource=subresource)
        self._tables.wrote(kind, answer)
        return answer

    async def patch(
        self,
        kind: Kind,
        name: str,
        namespace: str,
        patch: Any,
        *,
        type: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        options = {"type": type, "subresource": subresource, "field_manager": field_manager}
        with self._changing(kind, Key(namespace, name)):
            answer = await self._client.patch(kind, name, namespace, patch, **options, force=force)
        self._tables.wrote(kind, answer)
        return answer

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str = "",
        *,
        only: Preconditions = NO_CONDITIONS,
        grace_seconds: int | None = None,
        propagation: str = "",
    ) -> Object:
        with self._noting(kind, Key(namespace, name)):
            answer = await self._client.delete(
                kind, name, namespace, only=only, grace_seconds=grace_seconds, propagation=propagation
            )
        self._tables.deleted(kind, Key(namespace, name), answer)
        return answer


class Runtime(msgspec.Struct, frozen=True):
    """What all controllers of a process share. `context` makes each its own view."""

    client: Client
    tables: Tables
    doubts: Doubts
    informers: Informers
    recorder: EventWriter
    clock: Clock
    random: random.Random
    options: Options
    metrics: Registry

    def context(self, component: str) -> Context:
        """`component` is the source that its events name."""
        return Context(
            client=self.client,
            cache=self.tables,
            inquiry=self.doubts,
            clock=self.clock,
            random=self.random,
            events=self.recorder.source(component),
            options=self.options,
            metrics=self.metrics,
        )


def build(
    client: Client,
    *,
    clock: Clock | None = None,
    chance: random.Random | None = None,
    options: Options | None = None,
) -> Runtime:
    """Nothing is started yet: `umiak.reconcile.loop.run` does that."""
    clock, chance = clock or RealClock(), chance or random.Random()
    tables = Tables()
    doubts = Doubts(client, tables)
    return Runtime(
        client=ShowingClient(client, tables, doubts),
        tables=tables,
        doubts=doubts,
        informers=Informers(tables, client, clock, chance),
        recorder=EventWriter(client, clock),
        clock=clock,
        random=chance,
        options=options or Options(),
        metrics=Registry(),
    )
