"""The life of a pod, with a runtime and an API in memory; time is turned by hand."""

import asyncio
import random

import pytest

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.pod import KIND as POD
from umiak.node.cgroups import Cgroups
from umiak.node.configs import Machine
from umiak.node.fetch import Fetcher
from umiak.node.names import Paths
from umiak.node.podcertificates import PodCertificates
from umiak.node.probes.manager import Prober
from umiak.node.pull import Puller
from umiak.node.runtime import ExecResult, RuntimeFailure, State
from umiak.node.tokens import Tokens
from umiak.node.tools import Tools
from umiak.node.worker import Worker
from umiak.objects.errors import StatusError
from umiak.testing.clock import VirtualClock
from umiak.testing.fake_runtime import FakeRuntime
from umiak.testing.fakeapi import FakeApi


class Events:
    def __init__(self):
        self.seen = []

    def event(self, about, type, reason, message):
        self.seen.append((reason, message))

    @property
    def reasons(self):
        return [reason for reason, _ in self.seen]


class House:
    """One worker with all that it needs."""

    def __init__(self, tmp_path):
        self.clock, self.events = VirtualClock(), Events()
        self.api, self.runtime = FakeApi(self.clock), FakeRuntime(self.clock)
        (tmp_path / "cgroup").mkdir()
        self.tools = Tools(
            runtime=self.runtime,
            client=self.api,
            clock=self.clock,
            events=self.events,
            machine=Machine(paths=Paths(tmp_path / "root", tmp_path / "logs"), memory=8 << 30),
            cgroups=Cgroups(mount=tmp_path / "cgroup"),
            fetch=Fetcher(self.api, self.clock),
            puller=Puller(self.runtime, self.clock),
            prober=Prober(self.runtime, self.clock, self.events, random.Random(1), "fake"),
            tokens=Tokens(self.api, self.clock),
            certificates=PodCertificates(self.api, self.clock, random.Random(1), self.events, "n"),
            runtime_name="fake",
            host_ips=("192.0.2.1",),
        )
        self.worker = None
        self.task = None

    async def create(self, **spec):
        main = {"name": "main", "image": "busybox:1", "command": ["sleep", "1000"]}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "d"},
            "spec": {"nodeName": "n", "restartPolicy": "Always", "containers": [main], **spec},
        }
        created = await self.api.create(POD, pod)
        self.start(created)
        await self.settled()

    def start(self, pod):
        self.worker = Worker(self.tools, pod, self.found)
        self.task = asyncio.create_task(self.worker.run())

    def found(self):
        return next((p for p in self.api._table(POD).values() if p["metadata"]["name"] == "p"), None)

    async def settled(self, seconds=0.0):
        """Lets time pass, and what follows happen."""
        await self.clock.advance(seconds)
        for _ in range(12):
            await self.clock.advance(0)

    async def tell(self):
        """Tells the worker the API's newest state, as the agent does."""
        self.worker.update(self.found())
        await self.settled()

    @property
    def status(self):
        return self.found()["status"]

    @property
    def main(self):
        return self.status["containerStatuses"][0]


@pytest.fixture
async def house(tmp_path, no_threads):
    found = House(tmp_path)
    yield found
    if found.task:
        found.task.cancel()
        await asyncio.gather(found.task, return_exceptions=True)
        found.worker.report.stop()
        found.tools.prober.stop(found.worker.uid)


async def test_runs(house):
    await house.create()
    assert house.status["phase"] == "Running" and house.main["ready"]
    assert house.events.reasons == ["Pulled", "Created", "Started"]
    assert house.main["containerID"].startswith("fake://")


async def test_restarts_with_growing_waits(house):
    """10 s, then 20 s; the first restart is at once."""
    await house.create()
    for wait in (0, 10, 20):
        house.runtime.exit(house.runtime.running("main"), 1)
        house.worker.wake()
        await house.settled()
        if wait:
            assert house.main["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            assert house.main["state"]["waiting"]["message"].startswith(f"back-off {wait}s restarting failed")
            await house.settled(wait - 1)
            with pytest.raises(LookupError):
                house.runtime.running("main")
            await house.settled(1.2)
        assert house.runtime.running("main")
    assert house.main["restartCount"] == 3
    assert "BackOff" in house.events.reasons


async def test_deleted_pod_ends_and_leaves_nothing(house, tmp_path):
    await house.create(terminationGracePeriodSeconds=7)
    await house.api.delete(POD, "p", "d")
    await house.tell()
    assert house.found() is None
    assert ("Killing", "Stopping container main") in house.events.seen
    house.worker.gone()
    await house.settled()
    assert house.task.done()
    assert await house.runtime.sandboxes() == [] and await house.runtime.containers() == []
    assert list((tmp_path / "root/pods").iterdir()) == []


async def test_finished_pod_keeps_its_containers_for_their_logs(house):
    main = {"name": "main", "image": "busybox:1", "command": ["true"]}
    await house.create(restartPolicy="Never", containers=[main])
    house.worker.wake()
    await house.settled()
    assert house.status["phase"] == "Succeeded"
    await house.tell()
    assert house.worker.finished and not house.task.done()
    assert [s.ready for s in await house.runtime.sandboxes()] == [False]
    assert len(await house.runtime.containers()) == 1


async def test_a_new_agent_disturbs_nothing(house):
    await house.create()
    before = house.runtime.running("main")
    house.task.cancel()
    await asyncio.gather(house.task, return_exceptions=True)
    house.runtime.calls.clear()
    house.start(house.found())
    await house.settled()
    assert house.runtime.running("main") == before
    changing = {"run_sandbox", "create_container", "stop_container", "start_container"}
    assert not changing & {method for method, _ in house.runtime.calls}


async def test_starts_again_after_a_reboot(house):
    await house.create()
    house.runtime.reboot()
    house.worker.wake()
    await house.settled()
    assert "SandboxChanged" in house.events.reasons
    assert house.runtime.running("main") and house.main["restartCount"] == 1
    assert [s.attempt for s in await house.runtime.sandboxes() if s.ready] == [1]


async def test_init_containers_in_order(house):
    inits = [{"name": n, "image": "busybox:1", "command": ["true"]} for n in ("one", "two")]
    await house.create(initContainers=inits)
    for _ in range(3):
        house.worker.wake()
        await house.settled()
    created = [name for method, name in house.runtime.calls if method == "create_container"]
    assert created == ["one", "two", "main"]
    assert house.status["phase"] == "Running"
    assert [s["state"]["terminated"]["reason"] for s in house.status["initContainerStatuses"]] == ["Completed"] * 2


async def test_missing_image(house):
    containers = [{"name": "main", "image": "nowhere:1"}]
    await house.create(containers=containers)
    assert house.main["state"]["waiting"]["reason"] == "ErrImagePull"
    assert house.status["phase"] == "Pending"
    await house.settled(5)
    house.worker.wake()
    await house.settled()
    assert house.main["state"]["waiting"]["reason"] == "ImagePullBackOff"
    house.runtime.pullable["nowhere:1"] = house.runtime.make_image("nowhere:1")
    await house.settled(60)
    assert house.status["phase"] == "Running"


async def test_policy_never(house):
    await house.create(containers=[{"name": "main", "image": "nowhere:1", "imagePullPolicy": "Never"}])
    waiting = house.main["state"]["waiting"]
    assert waiting["reason"] == "ErrImageNeverPull"
    assert waiting["message"] == 'Container image "nowhere:1" is not present with pull policy of Never'


async def test_missing_config_map_is_waited_for(house):
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}}]
    main = {"name": "main", "image": "busybox:1", "env": env}
    await house.create(containers=[main])
    assert house.main["state"]["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "cm" not found',
    }
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "d"}, "data": {"k": "v"}}
    await house.api.create(CONFIG_MAP, body)
    await house.settled(11)
    assert ("X", "v") in house.runtime.configs[house.runtime.running("main")].environment


async def test_sandbox_failure_is_told_and_tried_again(house):
    house.runtime.fail("run_sandbox", RuntimeFailure("no network today"))
    await house.create()
    told = dict(house.events.seen)["FailedCreatePodSandBox"]
    assert told == "Failed to create pod sandbox: rpc error: code = Unknown desc = no network today"
    await house.settled(2)
    assert house.status["phase"] == "Running"


async def test_active_deadline(house):
    await house.create(activeDeadlineSeconds=30)
    assert house.status["phase"] == "Running"
    await house.settled(31)
    assert (house.status["phase"], house.status["reason"]) == ("Failed", "DeadlineExceeded")
    with pytest.raises(LookupError):
        house.runtime.running("main")


async def test_liveness_probe_restarts(house):
    house.runtime.on_exec = lambda id, command: ExecResult(b"", b"sick", 1)
    probe = {"exec": {"command": ["check"]}, "periodSeconds": 5, "failureThreshold": 2}
    main = {"name": "main", "image": "busybox:1", "livenessProbe": probe}
    await house.create(containers=[main])
    first = house.runtime.running("main")
    await house.settled(6)
    assert ("Unhealthy", "Liveness probe failed: sick") in house.events.seen
    assert ("Killing", "Container main failed liveness probe, will be restarted") in house.events.seen
    await house.settled()
    assert house.runtime.running("main") != first


async def test_readiness_probe(house):
    health = {"code": 1}
    house.runtime.on_exec = lambda id, command: ExecResult(b"", b"", health["code"])
    probe = {"exec": {"command": ["check"]}, "periodSeconds": 5, "failureThreshold": 1}
    await house.create(containers=[{"name": "main", "image": "busybox:1", "readinessProbe": probe}])
    assert not house.main["ready"]
    health["code"] = 0
    await house.settled(5)
    assert house.main["ready"]


async def test_post_start_hook_that_fails(house):
    house.runtime.on_exec = lambda id, command: ExecResult(b"", b"no", 3)
    main = {"name": "main", "image": "busybox:1", "lifecycle": {"postStart": {"exec": {"command": ["x"]}}}}
    await house.create(containers=[main])
    assert "FailedPostStartHook" in house.events.reasons
    statuses = [c.state for c in await house.runtime.containers()]
    assert State.EXITED in statuses


async def test_status_is_for_this_very_pod_only(house):
    """A pod of the same name that came after is not told this one's status."""
    await house.create()

    async def refuse(*args, **kwargs):
        raise StatusError(409, "Conflict", "uid differs")

    house.api.patch = refuse
    house.runtime.exit(house.runtime.running("main"), 1)
    house.worker.wake()
    await house.settled()
    assert not house.task.done()
