"""Claims that pods use: situations of `volume/pvcprotection/pvc_protection_controller_test.go`."""

from typing import Any

import pytest

from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.controllers.pvc_protection import CONTROLLER, FINALIZER, PODS, has_ended, holds, uses
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.workbench import Workbench

DATA = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
SCRATCH = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}
RUNNING, WAITING = {"running": {}}, {"waiting": {"reason": "x"}}


def a_pod(name: str = "web", node: str = "one", phase: str = "Running", **about: Any) -> Object:
    metadata = {"name": name, "namespace": "shop", "uid": name, **about}
    return {"metadata": metadata, "spec": {"nodeName": node, "volumes": [DATA, SCRATCH]}, "status": {"phase": phase}}


def going(grace: int = 30, state: Object | None = None, **more: Any) -> Object:
    pod = a_pod(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=grace, **more)
    pod["status"]["containerStatuses"] = [{"name": "c", "state": state}] if state else []
    return pod


def a_claim(name: str = "data", owner: str = "") -> Object:
    owners = [{"kind": "Pod", "name": owner, "uid": owner, "controller": True}] if owner else []
    return {"metadata": {"name": name, "namespace": "shop", "ownerReferences": owners}}


OWN, ANOTHERS = a_claim("web-scratch", "web"), a_claim("web-scratch", "other")


@pytest.mark.parametrize(
    ("pod", "claim", "held", "used"),
    [
        pytest.param(a_pod(), a_claim(), True, True, id="running"),
        pytest.param(a_pod(node=""), a_claim(), False, True, id="not scheduled"),
        pytest.param(a_pod(phase="Succeeded"), a_claim(), True, False, id="finished"),
        pytest.param(a_pod(), a_claim("another"), False, False, id="another claim"),
        pytest.param(a_pod(), OWN, True, True, id="its ephemeral claim"),
        pytest.param(a_pod(), ANOTHERS, False, False, id="a claim of the same name, of another pod"),
        pytest.param(going(0), OWN, False, False, id="shut down"),
        pytest.param(going(0, RUNNING), a_claim(), True, True, id="deleted by force"),
        pytest.param(going(30, RUNNING), a_claim(), True, True, id="ending"),
        pytest.param(going(30, WAITING), a_claim(), True, False, id="ended"),
    ],
)
def test_what_holds_and_what_uses(pod: Object, claim: Object, held: bool, used: bool) -> None:
    assert (holds(pod, claim), uses(pod, claim)) == (held, used)


def test_a_pod_that_is_not_deleted_ends_by_its_phase_alone() -> None:
    pod = a_pod()
    pod["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": {}}}]
    assert not has_ended(pod)


async def unused(cluster: Workbench) -> tuple[str, str, str] | None:
    """Status, reason and time of the condition."""
    found = await cluster.find(CLAIM, "data", "shop") or {}
    conditions = [c for c in (found.get("status") or {}).get("conditions") or () if c["type"] == "Unused"]
    return next(((c["status"], c["reason"], c["lastTransitionTime"]) for c in conditions), None)


async def test_since_when_a_claim_is_unused(cluster: Workbench) -> None:
    """KEP-5541: told of bound claims only, and the time stays while nothing changes."""
    await cluster.create(CLAIM, a_claim())
    assert await unused(cluster) is None
    await cluster.patch(CLAIM, "data", "shop", {"status": {"phase": "Bound"}}, subresource="status")
    assert await unused(cluster) == ("True", "NoPodsUsingPVC", "2026-03-01T12:00:00Z")
    await cluster.clock.advance(60)
    pod = await cluster.create(POD, a_pod(node=""))
    assert await unused(cluster) == ("False", "PodUsingPVC", "2026-03-01T12:01:00Z")
    await cluster.clock.advance(60)
    await cluster.patch(CLAIM, "data", "shop", {"metadata": {"labels": {"a": "b"}}})
    assert (await unused(cluster) or ("",) * 3)[2] == "2026-03-01T12:01:00Z"
    await cluster.patch(POD, meta.name(pod), "shop", {"status": {"phase": "Succeeded"}}, subresource="status")
    assert await unused(cluster) == ("True", "NoPodsUsingPVC", "2026-03-01T12:02:00Z")


async def test_a_claim_stays_while_a_pod_has_it(cluster: Workbench) -> None:
    await cluster.create(CLAIM, a_claim())
    await cluster.create(POD, a_pod())
    assert meta.metadata(await cluster.find(CLAIM, "data", "shop") or {})["finalizers"] == [FINALIZER]
    await cluster.client.delete(CLAIM, "data", "shop")
    await cluster.clock.advance(1)
    assert await cluster.names(CLAIM) == ["data"]
    await cluster.client.delete(POD, "web", "shop", grace_seconds=0)
    await cluster.clock.advance(1)
    assert await cluster.names(CLAIM) == []
    assert cluster.runtime is not None
    assert PODS.places(cluster.runtime.tables) == []


@pytest.fixture
async def cluster() -> Any:
    cluster = Workbench.fake()
    async with cluster.running(CONTROLLER):
        yield cluster
