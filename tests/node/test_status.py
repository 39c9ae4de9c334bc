"""A pod's status, field by field as kubelet computes it."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from umiak.node.runtime import ContainerStatus, Sandbox, State
from umiak.node.snapshot import Snapshot
from umiak.node.status import Facts, Failure, Probed, changes, compute

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECONDS = 1_767_268_800  # noon
BOX = Sandbox(
    id="box",
    name="p",
    namespace="d",
    uid="u",
    attempt=0,
    ready=True,
    created_at=1,
    labels={},
    annotations={},
    ips=("10.0.0.2",),
)


def a_pod(policy="Always", init=(), **status):
    spec = {"containers": [{"name": "main", "image": "i"}], "restartPolicy": policy}
    if init:
        spec["initContainers"] = list(init)
    return {"metadata": {"name": "p", "namespace": "d", "uid": "u", "generation": 3}, "spec": spec, "status": status}


def ran(name="main", state=State.RUNNING, code=0, at=1, restarts="0"):
    return ContainerStatus(
        id=f"{name}{at}",
        name=name,
        attempt=0,
        state=state,
        created_at=at,
        started_at=SECONDS * 10**9,
        finished_at=(SECONDS + 5) * 10**9 if state == State.EXITED else 0,
        exit_code=code,
        reason="" if state != State.EXITED else "Completed" if code == 0 else "Error",
        image="i:1",
        image_ref="sha256:abc",
        annotations={"io.kubernetes.container.restartCount": restarts},
    )


def status_of(pod, *containers, old=None, box=BOX, **more):
    known = Snapshot((box,) if box else (), containers, {c.id: "box" for c in containers})
    return compute(Facts(pod=pod, old=old or pod["status"], seen=known, now=NOON, host_ips=("192.0.2.1",), **more))


def conditions(status):
    return {c["type"]: (c["status"], c.get("reason", "")) for c in status["conditions"]}


def test_pending():
    status = status_of(a_pod(), box=None)
    assert status["phase"] == "Pending"
    assert status["startTime"] == "2026-01-01T12:00:00Z"
    assert status["hostIP"] == "192.0.2.1" and "podIP" not in status
    assert status["containerStatuses"] == [
        {
            "name": "main",
            "state": {"waiting": {"reason": "ContainerCreating"}},
            "lastState": {},
            "ready": False,
            "started": False,
            "restartCount": 0,
            "image": "i",
            "imageID": "",
        }
    ]
    assert conditions(status) == {
        "PodReadyToStartContainers": ("False", "PodSandboxNotReady"),
        "Initialized": ("True", ""),
        "Ready": ("False", "ContainersNotReady"),
        "ContainersReady": ("False", "ContainersNotReady"),
        "PodScheduled": ("True", ""),
    }


def test_running_and_ready():
    status = status_of(a_pod(), ran())
    assert (status["phase"], status["podIP"], status["podIPs"]) == ("Running", "10.0.0.2", [{"ip": "10.0.0.2"}])
    assert status["observedGeneration"] == 3 and status["qosClass"] == "BestEffort"
    main = status["containerStatuses"][0]
    assert main["state"] == {"running": {"startedAt": "2026-01-01T12:00:00Z"}}
    assert (main["ready"], main["started"], main["containerID"]) == (True, True, "containerd://main1")
    assert (main["image"], main["imageID"]) == ("i:1", "sha256:abc")
    assert set(conditions(status).values()) == {("True", "")}


def test_conditions_keep_kubelets_order_and_others_stay():
    pod = a_pod(conditions=[{"type": "mine", "status": "True"}, {"type": "PodScheduled", "status": "True"}])
    types = [c["type"] for c in status_of(pod, ran())["conditions"]]
    assert types == ["mine", "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [
        ("Never", 0, "Succeeded"),
        ("Never", 1, "Failed"),
        ("OnFailure", 0, "Succeeded"),
        ("OnFailure", 1, "Running"),
        ("Always", 0, "Running"),
    ],
)
def test_phase_when_all_has_ended(policy, code, phase):
    status = status_of(a_pod(policy), ran(state=State.EXITED, code=code))
    assert status["phase"] == phase


def test_succeeded_pod_is_completed():
    status = status_of(a_pod("Never"), ran(state=State.EXITED))
    assert conditions(status)["Ready"] == ("False", "PodCompleted")
    assert conditions(status)["Initialized"] == ("True", "PodCompleted")
    assert status["containerStatuses"][0]["state"]["terminated"] == {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": "2026-01-01T12:00:00Z",
        "finishedAt": "2026-01-01T12:00:05Z",
        "containerID": "containerd://main1",
    }


def test_terminal_phase_is_final():
    status = status_of(a_pod(phase="Failed", reason="Evicted", message="too big"), ran())
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", "too big")


def test_crash_loop_shows_waiting_and_how_it_ended():
    failure = Failure("CrashLoopBackOff", "back-off 10s restarting failed container=main pod=p_d(u)")
    status = status_of(a_pod(), ran(state=State.EXITED, code=1, restarts="2"), failures={"main": failure})
    main = status["containerStatuses"][0]
    assert main["state"] == {"waiting": {"reason": failure.reason, "message": failure.message}}
    assert main["lastState"]["terminated"]["exitCode"] == 1
    assert (main["restartCount"], status["phase"]) == (2, "Running")


def test_last_state_is_the_container_before():
    status = status_of(a_pod(), ran(at=2, restarts="1"), ran(state=State.EXITED, code=7, at=1))
    main = status["containerStatuses"][0]
    assert "running" in main["state"] and main["lastState"]["terminated"]["exitCode"] == 7


def test_a_container_that_vanished_counts_as_ended():
    old = {"containerStatuses": [{"name": "main", "state": {"running": {}}, "restartCount": 1}]}
    main = status_of(a_pod(), old=old)["containerStatuses"][0]
    assert main["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert main["restartCount"] == 2


def test_probes_decide_readiness():
    status = status_of(a_pod(), ran(), probed=Probed(ready={"main": False}))
    assert not status["containerStatuses"][0]["ready"]
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [main]"


def test_init_container_phases():
    pod = a_pod(init=[{"name": "one", "image": "i"}])
    waiting = status_of(pod, ran("one"))
    assert waiting["phase"] == "Pending"
    assert waiting["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert conditions(waiting)["Initialized"] == ("False", "ContainersNotInitialized")
    done = status_of(pod, ran(at=2), ran("one", State.EXITED))
    assert done["phase"] == "Running" and done["initContainerStatuses"][0]["ready"]


def test_verdict_of_the_agent():
    status = status_of(a_pod(), ran(), verdict=("DeadlineExceeded", "too late"))
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


def test_readiness_gate():
    pod = a_pod()
    pod["spec"]["readinessGates"] = [{"conditionType": "x/y"}]
    ready = next(c for c in status_of(pod, ran())["conditions"] if c["type"] == "Ready")
    assert (ready["reason"], ready["message"]) == (
        "ReadinessGatesNotReady",
        'corresponding condition of pod readiness gate "x/y" does not exist.',
    )


def test_transition_time_moves_only_with_the_status():
    first = status_of(a_pod(), ran())
    later = NOON.replace(hour=13)
    known = Snapshot((BOX,), (ran(),), {"main1": "box"})
    second = compute(Facts(pod=a_pod(), old=first, seen=known, now=later, host_ips=("192.0.2.1",)))
    assert changes(first, second) == {}


def test_changes_are_a_strategic_patch():
    old = status_of(a_pod(), box=None)
    new = status_of(a_pod(), ran(), old=old)
    patch = changes(old, new)
    assert patch["phase"] == "Running" and "hostIP" not in patch
    types = [c["type"] for c in patch["conditions"]]
    assert types == ["PodReadyToStartContainers", "Ready", "ContainersReady"]
    assert patch["conditions"][0]["reason"] is None
    assert next(o["type"] for o in patch["$setElementOrder/conditions"]) == "PodReadyToStartContainers"


def test_new_addresses_replace_the_old():
    old = status_of(a_pod(), ran())
    new = status_of(a_pod(), ran(), old=old, box=replace(BOX, ips=("10.0.0.9",)))
    assert changes(old, new)["podIPs"] == [{"$patch": "replace"}, {"ip": "10.0.0.9"}]
