"""The node agent: puts the parts together and gives every pod of this node a worker.

Nothing is kept on disk for the agent's own sake: after a restart the API tells which pods there are, and the runtime
which of their containers run. Those are left alone.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.pod import KIND as POD
from umiak.api.core.service import KIND as SERVICE
from umiak.client.contract import Client
from umiak.kit import memory
from umiak.kit.clock import Clock
from umiak.kit.inotify import Watch
from umiak.node import admit, facts, localpaths, manifests, pods
from umiak.node.cgroups import MOUNT, Cgroups
from umiak.node.configs import Machine
from umiak.node.fetch import Fetcher
from umiak.node.garbage import Garbage
from umiak.node.hosts import Resolver, host_resolver
from umiak.node.names import Paths
from umiak.node.podcertificates import PodCertificates
from umiak.node.probes.manager import Prober
from umiak.node.pull import Puller
from umiak.node.register import Identity, Pressure, Registration
from umiak.node.relist import Relister
from umiak.node.runtime import Health, Image, Runtime, RuntimeFailure, Version
from umiak.node.selected import Selected
from umiak.node.tokens import Tokens
from umiak.node.tools import Tools
from umiak.node.worker import Worker
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.cache import Change, Table, Tables, decode
from umiak.reconcile.events import EventWriter
from umiak.reconcile.informer import Informer, Informers

log = logging.getLogger(__name__)
HEALTH_EVERY, HEALTH_UNTIL_READY = 5.0, 0.25
CLEAN_EVERY, IMAGES_EVERY = 60.0, 300.0
MANIFESTS_EVERY = 20.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the agent is to work. Empty folders and addresses mean: none."""

    name: str
    root: Path
    logs: Path = Path("/var/log/pods")
    addresses: tuple[str, ...] = ()
    port: int = 10250
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    resolv_conf: str = "/etc/resolv.conf"
    manifests: Path | None = None
    local_path_root: str = ""
    cgroup_driver: str = "cgroupfs"
    cgroup_mount: Path = MOUNT
    max_pods: int = facts.MAX_PODS
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    taints: tuple[Object, ...] = ()
    register: bool = True


class Agent:
    """`services` may be the informers of another part of the process, to follow Services but once.

    `run` returns only when cancelled.
    """

    def __init__(
        self,
        settings: Settings,
        client: Client,
        runtime: Runtime,
        clock: Clock,
        chance: random.Random,
        services: Informers | None = None,
    ) -> None:
        self.settings = settings
        self._client, self._runtime, self._clock, self._random = client, runtime, clock, chance
        self._services_by = services
        self._tables = Tables()
        self.pods = Table(POD)
        """Pods that the API binds to this node."""
        self.nodes = Table(NODE)
        """Just our own."""
        self.assembled = asyncio.Event()
        self.workers: dict[str, Worker] = {}
        self._static: dict[str, Object] = {}
        self._health: Health | None = None
        self._images: Sequence[Image] = ()
        self._pressure = Pressure()
        self._events = EventWriter(client, clock)
        self._recorder = self._events.source("kubelet", settings.name)
        self._volumes: asyncio.Queue[Key] = asyncio.Queue()
        self._services_known = False
        self._mirrors = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self.tools: Tools
        self.registration: Registration

    # Assembly

    async def run(self, *more: Callable[[asyncio.TaskGroup], None]) -> None:
        """Works until cancelled. `more` are called with the group of tasks once the agent is assembled."""
        version = await self._reach_runtime()
        identity = self._identity(f"{version.name}://{version.version}")
        self.tools = self._make_tools(version.name, identity)
        self.registration = Registration(self._client, self._clock, self._recorder, identity, self._look)
        relister = Relister(self._runtime, self._clock, self.wake)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._events.run(), name="events")
            tasks.create_task(self._watch_health(), name="runtime health")
            if self.settings.register:
                tasks.create_task(self._present(tasks), name="registration")
            own = Informers(self._tables, self._client, self._clock, self._random)
            self._services_by = self._services_by or own
            self._services_by.start([SERVICE], tasks)
            tasks.create_task(self._know_services(self._services_by), name="services")
            tasks.create_task(relister.run(), name="runtime")
            tasks.create_task(self._run_pods(tasks), name="pods")
            if self.settings.local_path_root:
                tasks.create_task(self._delete_local_paths(own, tasks), name="local paths")
            self.assembled.set()
            for start in more:
                start(tasks)

    async def _reach_runtime(self) -> Version:
        while True:
            try:
                version = await self._runtime.version()
                self._health = await self._runtime.health()
                return version
            except RuntimeFailure as error:
                log.warning("waiting for the container runtime: %s", error)
                await self._clock.sleep(HEALTH_UNTIL_READY)

    def _identity(self, runtime: str) -> Identity:
        settings, root = self.settings, str(self.settings.root)
        return Identity(
            name=settings.name,
            addresses=settings.addresses,
            port=settings.port,
            labels=settings.labels,
            taints=settings.taints,
            capacity=facts.capacity(root, settings.max_pods),
            allocatable=facts.allocatable(root, settings.max_pods),
            info=facts.node_info(runtime),
        )

    def _make_tools(self, runtime_name: str, identity: Identity) -> Tools:
        settings, client, clock, runtime = self.settings, self._client, self._clock, self._runtime
        host = host_resolver(settings.resolv_conf)
        machine = Machine(
            paths=Paths(settings.root, settings.logs),
            resolver=Resolver(settings.cluster_dns, settings.cluster_domain, host),
            memory=facts.memory(),
            page_sizes=tuple(f"{size.removesuffix('i')}B" for size in facts.page_sizes()),
            seccomp_root=settings.root / "seccomp",
        )
        return Tools(
            runtime=runtime,
            client=client,
            clock=clock,
            events=self._recorder,
            machine=machine,
            cgroups=Cgroups(settings.cgroup_driver, settings.cgroup_mount),
            fetch=Fetcher(client, clock),
            puller=Puller(runtime, clock),
            prober=Prober(runtime, clock, self._recorder, self._random, runtime_name),
            tokens=Tokens(client, clock),
            certificates=PodCertificates(client, clock, self._random, self._recorder, settings.name),
            runtime_name=runtime_name,
            node_name=settings.name,
            host_ips=settings.addresses,
            allocatable=identity.allocatable,
            services=self._services,
            network_problem=lambda: self._health.problem("NetworkReady") if self._health else "runtime is down",
            local_path_root=settings.local_path_root,
        )

    # Registration and health

    async def _present(self, tasks: asyncio.TaskGroup) -> None:
        await self.registration.register()
        selected = Selected(self._client, fields=f"metadata.name={self.settings.name}")
        self.nodes.listen(self._node_changed)
        follow = Informer(NODE, self.nodes, selected, self._clock, self._random)
        tasks.create_task(follow.run(), name="informer node")
        self._recorder.event(self._about_node(), "Normal", "Starting", "Starting kubelet.")
        tasks.create_task(self.registration.hold_lease(), name="lease")
        await self.registration.report()

    def _node_changed(self, change: Change) -> None:
        if change.new is not None:
            self.registration.saw(change.new)

    async def pod_cidrs(self) -> list[str]:
        """The ranges that this node's pods have their addresses from, once they are known."""
        changed = asyncio.Event()
        self.nodes.listen(lambda change: changed.set())
        while True:
            changed.clear()
            spec = self._node().get("spec") or {}
            if found := spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []):
                return list(found)
            await changed.wait()

    def _about_node(self) -> Object:
        return {"kind": "Node", "name": self.settings.name, "uid": self.settings.name, "apiVersion": "v1"}

    def _look(self) -> tuple[Health | None, Pressure, Sequence[Image]]:
        return self._health, self._pressure, self._images

    async def _watch_health(self) -> None:
        """Asks the runtime how it is, more often while it is not well."""
        while True:
            before = (self._health, self._pressure)
            try:
                self._health = await self._runtime.health()
            except RuntimeFailure:
                self._health = None
            self._pressure = self._measure()
            if (self._health, self._pressure) != before:
                self.registration.changed()
                for worker in list(self.workers.values()):
                    worker.wake()
            well = self._health is not None and not self._health.problem("NetworkReady")
            await self._clock.sleep(HEALTH_EVERY if well else HEALTH_UNTIL_READY)

    def _measure(self) -> Pressure:
        available = facts.meminfo(facts.read("/proc/meminfo")).get("MemAvailable", 1 << 60)
        total, free, _ = facts.disk(str(self.settings.root))
        return Pressure(memory=available < facts.EVICTION_MEMORY, disk=free < total * facts.EVICTION_DISK)

    # Pods

    async def _run_pods(self, tasks: asyncio.TaskGroup) -> None:
        """Follows the API's pods and the manifests; cleans up once the first list is in."""
        selected = Selected(self._client, fields=f"spec.nodeName={self.settings.name}")
        informer = Informer(POD, self.pods, selected, self._clock, self._random)
        self.pods.listen(self._pod_changed)
        tasks.create_task(informer.run(), name="informer pods")
        if self.settings.manifests:
            self._take_manifests(manifests.read_folder(self.settings.manifests, self.settings.name))
            tasks.create_task(self._watch_manifests(self.settings.manifests), name="manifests")
            tasks.create_task(self._keep_mirrors(informer), name="mirror pods")
        await informer.synced.wait()
        await self._clean_for_ever()

    def _pod_changed(self, change: Change) -> None:
        old, new = change.old_row, change.new_row
        if old is not None and (new is None or new.uid != old.uid):
            self._gone(old.uid)
        if new is not None and change.new is not None:
            self._seen(decode(POD, new))

    def _seen(self, pod: Object) -> None:
        if pods.is_mirror(pod):
            self._mirror_changed(pod)
            return
        worker = self.workers.get(meta.uid(pod))
        if worker is not None:
            worker.update(pod)
            return
        key = meta.key(pod)
        self._start_worker(pod, lambda: self._find(key, meta.uid(pod)))

    def _find(self, key: Key, uid: str) -> Object | None:
        row = self.pods.row(key)
        return decode(POD, row) if row is not None and row.uid == uid else None

    def _gone(self, uid: str) -> None:
        worker = self.workers.get(uid)
        if worker is not None:
            worker.gone()
        if self._static:
            self._mirrors.set()

    def _start_worker(self, pod: Object, target: Callable[[], Object | None]) -> None:
        assert self._tasks is not None
        worker = Worker(self.tools, pod, target, self._room)
        refused = admit.refusal(pod, self._admitted(), self.tools.allocatable, self._node())
        self.workers[worker.uid] = worker
        if refused is not None:
            self.tools.event(pod, "Warning", *refused)
            worker.fail(*refused)
        if meta.is_being_deleted(pod) or pods.phase(pod) in pods.TERMINAL:
            worker.update(pod)
        self._tasks.create_task(self._live(worker), name=f"pod {meta.namespace(pod)}/{meta.name(pod)}")

    def _admitted(self) -> list[Object]:
        return [w.pod for w in self.workers.values() if not w.finished and pods.phase(w.pod) not in pods.TERMINAL]

    def _room(self, pod: Object) -> admit.Refusal | None:
        """Whether a pod that is here already may have other resources."""
        others = [p for p in self._admitted() if meta.uid(p) != meta.uid(pod)]
        return admit.room(pod, others, self.tools.allocatable)

    def _node(self) -> Object:
        return self.registration.node

    async def _live(self, worker: Worker) -> None:
        try:
            await worker.run()
        except Exception:  # one pod's misfortune must not end the others'
            log.exception("worker of %s failed", pods.described(worker.pod))
            await self._clock.sleep(HEALTH_EVERY)
            self._revive(worker)
            return
        self.workers.pop(worker.uid, None)
        self.tools.prober.stop(worker.uid)
        self.tools.fetch.keep_only(meta.namespace(w.pod) for w in self.workers.values())

    def _revive(self, worker: Worker) -> None:
        """A new worker for the same pod, which finds everything as the old one left it."""
        self.workers.pop(worker.uid, None)
        pod = self._static.get(worker.uid) or self._find(meta.key(worker.pod), worker.uid)
        if pod is not None:
            self._start_worker(pod, worker.report.target)

    def wake(self, uid: str) -> None:
        worker = self.workers.get(uid)
        if worker is not None:
            worker.wake()

    # Static pods

    async def _watch_manifests(self, folder: Path) -> None:
        changed = asyncio.Event()
        folder.mkdir(parents=True, exist_ok=True)
        watch = Watch(str(folder), changed.set)
        try:
            while True:
                changed.clear()
                self._take_manifests(manifests.read_folder(folder, self.settings.name))
                try:
                    async with asyncio.timeout(MANIFESTS_EVERY):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            watch.close()

    def _take_manifests(self, found: dict[str, Object]) -> None:
        for uid in [u for u in self._static if u not in found]:
            del self._static[uid]
            if uid in self.workers:
                self.workers[uid].gone()
        for uid, pod in found.items():
            if uid not in self._static:
                self._static[uid] = pod
                self._start_worker(pod, lambda pod=pod: self._mirror(pod))  # type: ignore[misc]
        self._mirrors.set()

    def _mirror(self, pod: Object) -> Object | None:
        row = self.pods.row(meta.key(pod))
        found = decode(POD, row) if row is not None else None
        return found if found is not None and manifests.shows(found, pod) else None

    def _mirror_changed(self, mirror: Object) -> None:
        """A new mirror is told the status; one that shows nothing goes."""
        for pod in self._static.values():
            if meta.key(pod) == meta.key(mirror) and manifests.shows(mirror, pod):
                worker = self.workers.get(meta.uid(pod))
                if worker is not None and not pods.status(mirror).get("startTime"):
                    worker.report.again()
                return
        self._mirrors.set()

    async def _keep_mirrors(self, informer: Informer) -> None:
        await informer.synced.wait()
        while True:
            self._mirrors.clear()
            known = [decode(POD, row) for _, row in self.pods.rows()]
            await manifests.reconcile_mirrors(self._client, self._static.values(), known, self._node())
            try:
                async with asyncio.timeout(CLEAN_EVERY):
                    await self._mirrors.wait()
            except TimeoutError:
                continue

    # Services

    def _services(self) -> Iterable[Object] | None:
        if not self._services_known or self._services_by is None:
            return None
        return self._services_by.tables.list(SERVICE)

    async def _know_services(self, informers: Informers) -> None:
        await informers.synced([SERVICE])
        self._services_known = True
        for worker in list(self.workers.values()):
            worker.wake()

    # Cleaning

    async def _clean_for_ever(self) -> None:
        garbage = Garbage(self.tools)
        images_at = 0.0
        while True:
            now = self._clock.monotonic()
            try:
                await garbage.strays(lambda: {*self.workers, *self._static})
                await garbage.containers()
                await garbage.logs()
                self._images = await self._runtime.images()
                if now >= images_at:
                    images_at = now + IMAGES_EVERY
                    await garbage.images()
            except (RuntimeFailure, OSError) as error:
                log.warning("cleaning: %s", error)
            memory.give_back()  # pods that come and go leave it in pieces
            await self._clock.sleep(CLEAN_EVERY)

    async def _delete_local_paths(self, informers: Informers, tasks: asyncio.TaskGroup) -> None:
        table = self._tables.ensure(VOLUME)
        table.listen(self._volume_changed)
        informers.start([VOLUME], tasks)
        while True:
            key = await self._volumes.get()
            row = table.row(key)
            volume = decode(VOLUME, row) if row is not None else None
            if volume is None or not localpaths.is_ours_to_delete(volume, self.settings.name):
                continue
            if not await localpaths.delete_folder(self._client, volume, self.settings.local_path_root):
                tasks.create_task(self._again(key), name="local path again")

    def _volume_changed(self, change: Change) -> None:
        if change.new is not None and localpaths.is_ours_to_delete(change.new, self.settings.name):
            self._volumes.put_nowait(change.key)

    async def _again(self, key: Key) -> None:
        await self._clock.sleep(HEALTH_EVERY)
        self._volumes.put_nowait(key)
