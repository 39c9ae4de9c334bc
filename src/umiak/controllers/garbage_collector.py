"""Deletes objects whose owners are gone; serves foreground deletion and orphaning.

Watches the metadata of every kind the server has, also of kinds that appear later (looked for every 30 seconds).
The graph (`_graph`) only says what is worth a look; whether an owner exists is asked of the server each time.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta

from umiak.api.kind import Kind
from umiak.client.contract import Preconditions, Unreachable
from umiak.client.discovery import discover
from umiak.controllers._act import every, is_code
from umiak.controllers._graph import FOREGROUND, ORPHAN, Graph, Node, Owner, Work, read_head
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.reconcile.cache import Change, Row, Tables, identity, parse_version
from umiak.reconcile.contract import DONE, Context, Hindered, Loop, Outcome
from umiak.reconcile.informer import Informer
from umiak.reconcile.queue import Queue
from umiak.reconcile.worker import ErrorLog, serve

NAME = "garbage-collector"
REDISCOVER = timedelta(seconds=30)
SYNC_LIMIT = timedelta(seconds=30)
WORKERS = 20
IGNORED = {("", "events"), ("events.k8s.io", "events")}
VERBS = ("delete", "list", "watch")
CONFLICT_TRIES = 5


class UnknownKind(Hindered):
    """An owner reference names a kind that the server does not serve, at least not yet."""


class Monitor:
    """Feeds one kind's changes into the collector (`umiak.reconcile.informer.Sink`)."""

    def __init__(self, kind: Kind, collector: "Collector") -> None:
        self.kind = kind
        self.position = 0
        self._collector = collector

    def replace(self, bodies: list[bytes], version: int) -> None:
        before = self._collector.graph.uids(self.kind)
        for body in bodies:
            before.discard(read_head(body).metadata.uid)
            self.saw(body)
        for uid in before:
            self._collector.take(self._collector.graph.vanish(uid))
        self.position = version

    def saw(self, body: bytes) -> None:
        about = read_head(body).metadata
        self._at(about.resourceVersion)
        self._collector.take(self._collector.graph.observe(self.kind, about))

    def saw_deleted(self, body: bytes) -> None:
        about = read_head(body).metadata
        self._at(about.resourceVersion)
        self._collector.take(self._collector.graph.vanish(about.uid))

    def saw_bookmark(self, body: bytes) -> None:
        self._at(read_head(body).metadata.resourceVersion)

    def changed(self, change: Change) -> None:
        """Hears of a kind that other controllers have in the cache anyway."""
        old, new = change.old_row, change.new_row
        if new is not None and old is not None and _goes_on(old, new):
            self.position = max(self.position, new.version)
        elif new is not None:
            self.saw(new.body)
        elif change.old_row is not None:
            self._collector.take(self._collector.graph.vanish(change.old_row.uid))

    def _at(self, version: str) -> None:
        self.position = max(self.position, parse_version(version))


def _goes_on(old: Row, new: Row) -> bool:
    """Whether the object has the owners that it had, and nobody has asked to delete it."""
    return old.uid == new.uid and old.references is new.references and not (old.is_ending or new.is_ending)


class Collector:
    def __init__(self, ctx: Context) -> None:
        self.graph = Graph()
        self.doomed: Queue[str] = Queue(ctx.clock)
        """Uids of nodes to judge."""
        self.orphaned: Queue[str] = Queue(ctx.clock)
        """Uids of owners whose dependents are to be let go."""
        self._ctx = ctx
        self._errors = ErrorLog()
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._monitors: dict[tuple[str, str, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._sync(tasks)
                for node in self.graph.completed():
                    self.doomed.add(node.uid)
                tasks.create_task(serve(self.doomed, WORKERS, self._judge, self._failed))
                tasks.create_task(serve(self.orphaned, WORKERS, self._orphan, self._failed))
                tasks.create_task(self._keep_in_sync(tasks))
        finally:
            for monitor in self._monitors.values():
                monitor.cancel()

    def take(self, work: Work) -> None:
        for node in work.judge:
            self.doomed.add(node.uid)
        for node in work.orphan:
            self.orphaned.add(node.uid)
        for node, owner in work.misplaced:
            self._ctx.events.event(reference(node), "Warning", "OwnerRefInvalidNamespace", misplaced_text(node, owner))

    def _failed(self, uid: str, error: Exception) -> None:
        node = self.graph.node(uid)
        self._errors.failed(NAME, f"{node.kind.kind} {node.namespace}/{node.name}" if node else uid, error)

    # following all kinds

    async def _keep_in_sync(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            await self._ctx.clock.sleep(REDISCOVER.total_seconds())
            try:
                await self._sync(tasks)
            except (StatusError, Unreachable) as error:
                self._errors.failed(NAME, "discovery", error)

    async def _sync(self, tasks: asyncio.TaskGroup) -> None:
        """Starts following new kinds and stops following vanished ones; returns when the new ones are listed."""
        failures: dict[str, str] = {}
        kinds = await discover(self._ctx.client, failures)
        self._kinds.update({(k.group, k.kind): k for k in kinds})
        wanted = {identity(k): k for k in kinds if set(VERBS) <= set(k.verbs) and (k.group, k.plural) not in IGNORED}
        fresh = [self._follow(kind, tasks) for i, kind in wanted.items() if i not in self._monitors]
        if not failures:
            for gone in self._monitors.keys() - wanted.keys():
                self._monitors.pop(gone).cancel()
                self._kinds = {k: v for k, v in self._kinds.items() if identity(v) != gone}
        await self._listed(fresh)

    async def _listed(self, fresh: list[asyncio.Event]) -> None:
        """Waits for the first lists, but not for ever: a kind whose server is away must not hold up all others.

        What is missing then is asked of the server, one owner at a time.
        """
        waits = [asyncio.ensure_future(event.wait()) for event in fresh]
        limit = asyncio.ensure_future(self._ctx.clock.sleep(SYNC_LIMIT.total_seconds()))
        try:
            while pending := [w for w in waits if not w.done()]:
                await asyncio.wait([*pending, limit], return_when=asyncio.FIRST_COMPLETED)
                if limit.done():
                    return
        finally:
            for wait in (*waits, limit):
                wait.cancel()

    def _follow(self, kind: Kind, tasks: asyncio.TaskGroup) -> asyncio.Event:
        """An event that is set once the kind is listed."""
        monitor = Monitor(kind, self)
        cache = self._ctx.cache
        table = cache.find(kind) if isinstance(cache, Tables) else None
        if table is not None:
            task = tasks.create_task(_listen(table.listen(monitor.changed)))
            listed = table.listed
        else:
            ctx = self._ctx
            informer = Informer(kind, monitor, ctx.client, ctx.clock, ctx.random, metadata_only=True)
            task = tasks.create_task(informer.run(), name=f"garbage collector {kind.plural}")
            listed = informer.synced
        self._monitors[identity(kind)] = task
        return listed

    # judging

    async def _judge(self, uid: str) -> Outcome:
        node = self.graph.node(uid)
        if node is None or (node.deleting and not node.waits):
            return DONE
        latest = await self._read(node)
        if latest is None:
            self.take(self.graph.vanish(uid))
        elif node.waits:
            await self._finish_foreground(node)
        elif meta.owners(latest):
            await self._judge_owners(node, latest)
        return DONE

    async def _finish_foreground(self, node: Node) -> None:
        blocking = [d for d in self.graph.dependents(node.uid) if d.blocks(node.uid)]
        if not blocking:
            await self._remove_finalizer(node, FOREGROUND)
        for dependent in blocking:
            if not dependent.waits:
                self.doomed.add(dependent.uid)

    async def _judge_owners(self, node: Node, latest: Object) -> None:
        """Deletes the object when none of its owners stays; else lets go of those that do not."""
        owners = [_owner(o) for o in meta.owners(latest)]
        states = await every(self._state(node, owner) for owner in owners)
        leaving = [o.uid for o, state in zip(owners, states, strict=True) if state != "solid"]
        if "solid" in states:
            if leaving:
                await self._drop_references(node, leaving)
            return
        dependents = self.graph.dependents(node.uid)
        if "waiting" in states and dependents:
            if any(d.waits for d in dependents):  # a circle would wait for itself for ever
                await self._unblock(node)
            await self._delete(node, latest, "Foreground")
            return
        finalizers = meta.metadata(latest).get("finalizers") or ()
        policy = "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else "Background"
        await self._delete(node, latest, policy)

    async def _state(self, node: Node, owner: Owner) -> str:
        """Of an owner: dangling (there is none such), waiting (for its dependents to go) or solid."""
        if self.graph.is_known_absent(owner.uid, node.namespace):
            return "dangling"
        kind = self._kind(owner)
        namespace = node.namespace if kind.namespaced else ""
        if kind.namespaced and not namespace:
            return "solid"  # nonsense that no waiting mends: a cluster-scoped object owned by a namespaced one
        found = await self._get(kind, owner.name, namespace)
        if found is None or meta.uid(found) != owner.uid:
            self.graph.note_absent(owner.uid, namespace)
            return "dangling"
        waits = meta.is_being_deleted(found) and FOREGROUND in (meta.metadata(found).get("finalizers") or ())
        return "waiting" if waits else "solid"

    def _kind(self, owner: Owner) -> Kind:
        kind = self._kinds.get((owner.group, owner.kind))
        if kind is None:
            raise UnknownKind(f"unable to get REST mapping for {owner.api_version}/{owner.kind}.")
        return kind

    async def _orphan(self, uid: str) -> Outcome:
        owner = self.graph.node(uid)
        if owner is not None and owner.orphans:
            await every(self._let_go(dependent, uid) for dependent in self.graph.dependents(uid))
            await self._remove_finalizer(owner, ORPHAN)
        return DONE

    async def _let_go(self, dependent: Node, owner_uid: str) -> None:
        try:
            await self._drop_references(dependent, [owner_uid])
        except StatusError as error:
            if error.code != 404:
                raise

    # talking to the server

    async def _get(self, kind: Kind, name: str, namespace: str) -> Object | None:
        try:
            return await self._ctx.client.get(kind, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    async def _read(self, node: Node) -> Object | None:
        """The object as it is now; None when it is gone, be it that another one has its name."""
        found = await self._get(node.kind, node.name, node.namespace)
        return found if found is not None and meta.uid(found) == node.uid else None

    async def _delete(self, node: Node, latest: Object, policy: str) -> None:
        """Deletes what was judged. A change that left the owners alone does not save it."""
        only = Preconditions(uid=node.uid, resource_version=meta.resource_version(latest))
        try:
            await self._delete_only(node, only, policy)
        except StatusError as error:
            if error.code != 409:
                raise
            now = await self._read(node)
            if now is None:
                self.take(self.graph.vanish(node.uid))
            elif meta.owners(now) == meta.owners(latest):
                await self._delete_only(node, Preconditions(uid=node.uid), policy)
            else:
                raise

    async def _delete_only(self, node: Node, only: Preconditions, policy: str) -> None:
        try:
            await self._ctx.client.delete(node.kind, node.name, node.namespace, only=only, propagation=policy)
        except StatusError as error:
            if error.code != 404:
                raise
            self.take(self.graph.vanish(node.uid))

    async def _patch_owners(self, node: Node, strategic: list[Object], plain: list[Object], version: str) -> None:
        """Patches the owner references; custom resources know no strategic merge, they get the whole list."""
        client, about = self._ctx.client, {"uid": node.uid, "ownerReferences": strategic}
        try:
            await client.patch(node.kind, node.name, node.namespace, {"metadata": about}, type="strategic")
        except StatusError as error:
            if error.code != 415:
                raise
            whole = {"metadata": {"resourceVersion": version, "ownerReferences": plain or None}}
            await client.patch(node.kind, node.name, node.namespace, whole)

    async def _drop_references(self, node: Node, owners: Iterable[str]) -> None:
        latest = await self._read(node)
        if latest is None:
            return
        gone = set(owners)
        marks: list[Object] = [{"$patch": "delete", "uid": uid} for uid in gone]
        rest = [o for o in meta.owners(latest) if o["uid"] not in gone]
        await self._patch_owners(node, marks, rest, meta.resource_version(latest))

    async def _unblock(self, node: Node) -> None:
        latest = await self._read(node)
        if latest is None:
            return
        blocking = [{**o, "blockOwnerDeletion": False} for o in meta.owners(latest) if o.get("blockOwnerDeletion")]
        rest = [{**o, "blockOwnerDeletion": False} for o in meta.owners(latest)]
        await self._patch_owners(node, blocking, rest, meta.resource_version(latest))

    async def _remove_finalizer(self, node: Node, finalizer: str) -> None:
        for attempt in range(CONFLICT_TRIES):
            latest = await self._read(node)
            finalizers = meta.metadata(latest or {}).get("finalizers") or []
            if latest is None or finalizer not in finalizers:
                return
            rest = [f for f in finalizers if f != finalizer]
            about = {"resourceVersion": meta.resource_version(latest), "finalizers": rest}
            try:
                await self._ctx.client.patch(node.kind, node.name, node.namespace, {"metadata": about})
                return
            except StatusError as error:
                if is_code(error, 404):
                    return
                if error.code != 409 or attempt == CONFLICT_TRIES - 1:
                    raise


async def _listen(stop: Callable[[], None]) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        stop()


def _owner(ref: Object) -> Owner:
    return Owner(ref["uid"], ref["apiVersion"], ref["kind"], ref["name"], bool(ref.get("blockOwnerDeletion")))


def reference(node: Node) -> Object:
    """The node as events point to it."""
    kind = node.kind
    found = {"kind": kind.kind, "apiVersion": kind.api_version, "namespace": node.namespace}
    return {**{k: v for k, v in found.items() if v}, "name": node.name, "uid": node.uid}


def misplaced_text(node: Node, owner: Owner) -> str:
    where = f"namespace: {node.namespace}, name: {owner.name}, uid: {owner.uid}"
    text = f"[{owner.api_version}/{owner.kind}, {where}]"
    return f'ownerRef {text} does not exist in namespace "{node.namespace}"'


async def run(ctx: Context) -> None:
    await Collector(ctx).run()


CONTROLLER = Loop(name=NAME, run=run)
