"""`umiak.testing.Cluster`: a real cluster for tests, in this process, in milliseconds."""

import contextlib
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from umiak.kit import garbage
from umiak.objects.types import Object
from umiak.testing.clock import NOON, VirtualClock
from umiak.testing.embedded import state
from umiak.testing.embedded.background import Background
from umiak.testing.embedded.client import Client
from umiak.testing.embedded.faults import Fault
from umiak.testing.embedded.requests import Filter, Requests
from umiak.testing.embedded.serving import Serving, Wishes, serving
from umiak.testing.embedded.state import Snapshot
from umiak.testing.embedded.waiting import judge_of, wait

T = TypeVar("T")


class Cluster:
    """An API server as Kubernetes 1.37 has it, with controllers, scheduler and simulated nodes.

    >>> with Cluster() as c:
    ...     c.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    ...     subprocess.run(["kubectl", "--kubeconfig", c.kubeconfig, "get", "configmaps"])

    `controllers=False` leaves the API server alone, as for `envtest`. With `virtual_time` the cluster's clock stands
    still until `advance` turns it. Nothing is kept; the only files are in a temporary folder that goes at the end.
    """

    _first: ClassVar[bool] = True
    """Whether none was started in this process; the first start loads most of the modules."""

    def __init__(
        self,
        *,
        nodes: int = 1,
        controllers: bool = True,
        port: int = 0,
        virtual_time: bool = False,
        start_time: datetime = NOON,
    ) -> None:
        """`port` 0 takes a free one. `start_time` counts with `virtual_time` only."""
        clock = {"clock": VirtualClock(start_time)} if virtual_time else {}
        self._wishes = Wishes(nodes=nodes, controllers=controllers, port=port, **clock)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._background: Background | None = None
        self._manager: AbstractAsyncContextManager[Serving] | None = None
        self._serving: Serving | None = None

    # Its life

    def start(self) -> "Cluster":
        """Returns when requests are answered. Raises OSError when the port is taken."""
        if self._serving is not None:
            raise RuntimeError("the cluster runs already")
        first, Cluster._first = Cluster._first, False
        with garbage.left_alone(stays=first):
            return self._start()

    def _start(self) -> "Cluster":
        self._background = Background.enter()
        self._folder = tempfile.TemporaryDirectory(prefix="umiak-")
        try:
            self._manager = serving(self._wishes, Path(self._folder.name))
            self._serving = self._run(self._manager.__aenter__())
        except BaseException:
            self._let_go()
            raise
        return self

    def close(self) -> None:
        """Stops it, and leaves nothing behind. Does nothing the second time."""
        if self._serving is None or self._manager is None:
            return
        manager, self._serving, self._manager = self._manager, None, None
        try:
            self._run(manager.__aexit__(None, None, None))
        finally:
            self._let_go()

    def _let_go(self) -> None:
        folder, background, self._folder, self._background = self._folder, self._background, None, None
        if folder is not None:
            folder.cleanup()
        if background is not None:
            background.leave()

    def __enter__(self) -> "Cluster":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "Cluster":
        import asyncio

        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        await asyncio.to_thread(self.close)

    # How to reach it

    @property
    def url(self) -> str:
        return self._running.config.server

    @property
    def token(self) -> str:
        """Of somebody who may do everything."""
        return self._running.config.token

    @property
    def ca(self) -> str:
        """The file with the authority that the server's certificate is checked against (PEM)."""
        return str(self._running.files.authority)

    @property
    def kubeconfig(self) -> str:
        """The file that any client reads."""
        return str(self._running.files.kubeconfig)

    @property
    def client(self) -> Client:
        """A small blocking client, which needs no HTTP."""
        found = self._running
        return Client(found.client, found.app.kinds, self._run)

    # What tests do with it

    def wait_for(
        self,
        kind: str,
        name: str,
        until: str | Callable[[Object], bool] = "create",
        *,
        namespace: str = "default",
        timeout: float = 30.0,
    ) -> Object:
        """The object once `until` holds: a function of it, or "condition=Ready", "create", "delete" as `kubectl wait`
        has them. Virtual time is turned meanwhile. Raises NotInTime with the object and its events."""
        running, found = self._running, self.client.kind(kind)
        where = namespace if found.namespaced else ""
        waiting = wait(running.client, running.clock, found, name, where, judge_of(until), timeout)
        return self._run(waiting) or {}

    def settle(self, timeout: float = 30.0) -> None:
        """Returns when all nodes take pods; pods created earlier just wait. Raises TimeoutError."""
        self._run(self._running.settle(), timeout)

    def now(self) -> datetime:
        """By the cluster's clock."""
        return self._running.clock.now()

    def advance(self, seconds: float | timedelta) -> None:
        """Lets virtual time pass. On return all that is due has happened inside the cluster."""
        clock = self._running.clock
        if not isinstance(clock, VirtualClock):
            raise RuntimeError("time is real here: make the cluster with virtual_time=True")
        self._run(clock.advance(seconds))

    def snapshot(self) -> Snapshot:
        """All objects as they are now."""
        return self._run(state.snapshot(self._running.store))

    def restore(self, wanted: Snapshot) -> None:
        """Brings all objects back, with new resourceVersions where they had changed. Watches go on, and see it."""
        self._run(state.restore(self._running.store, wanted))

    @contextlib.contextmanager
    def isolated(self) -> Iterator["Cluster"]:
        """What happens inside leaves no trace: objects, faults and requests are as before."""
        before = self.snapshot()
        try:
            yield self
        finally:
            self._running.gateway.faults.clear()
            self.requests.clear()
            self.restore(before)

    @property
    def requests(self) -> Requests:
        """What clients have asked over HTTP."""
        return self._running.gateway.requests

    @contextlib.contextmanager
    def fault(
        self,
        status: int = 0,
        *,
        delay: float = 0.0,
        breaks: bool = False,
        times: int | None = None,
        **which: str,
    ) -> Iterator[Fault]:
        """Meanwhile requests over HTTP of that verb, resource, subresource, namespace, name or user_agent fare badly:
        they are answered `status` (409, 429, 500 ...), or after `delay` seconds, or break off. `times` limits it."""
        made = Fault(Filter(**which), status, delay, breaks, times)
        faults = self._running.gateway.faults
        faults.add(made)
        try:
            yield made
        finally:
            faults.remove(made)

    def drop_watches(self) -> int:
        """Breaks the connections of all watches, of the cluster's own parts too; returns how many there were."""
        return self._run(_drop_watches(self._running))

    @property
    def _running(self) -> Serving:
        if self._serving is None:
            raise RuntimeError("the cluster does not run")
        return self._serving

    def _run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        if self._background is None:
            work.close()
            raise RuntimeError("the cluster does not run")
        return self._background.run(work, timeout)


async def _drop_watches(cluster: Serving) -> int:
    watchers = list(cluster.app.watchers)
    for watcher in watchers:
        watcher.stream.abort()
    return len(watchers)
