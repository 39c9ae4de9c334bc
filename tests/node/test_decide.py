"""What to do for a pod, given what the runtime knows."""

import pytest
from msgspec.structs import replace

from umiak.node.decide import Kill, Results, Why, decide
from umiak.node.names import container_annotations
from umiak.node.runtime import ContainerStatus, Sandbox, State
from umiak.node.snapshot import Snapshot

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


def a_pod(*names, init=(), policy="Always", **fields):
    containers = [{"name": n, "image": "i", **fields} for n in names or ("main",)]
    inits = [c if isinstance(c, dict) else {"name": c, "image": "i"} for c in init]
    spec = {"containers": containers, "restartPolicy": policy, **({"initContainers": inits} if inits else {})}
    return {"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec}


def a_container(pod, name, state=State.RUNNING, code=0, at=1, sandbox="box"):
    every = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    spec = next((c for c in every if c["name"] == name), {"name": name})
    status = ContainerStatus(
        id=f"{name}{at}",
        name=name,
        attempt=0,
        state=state,
        created_at=at,
        exit_code=code,
        annotations=container_annotations(pod, spec, 0),
    )
    return status, sandbox


def seen(*containers, sandboxes=(BOX,)):
    found = sorted((c for c, _ in containers), key=lambda c: -c.created_at)
    return Snapshot(sandboxes, found, {c.id: s for c, s in containers})


def test_new_pod_gets_a_sandbox_and_all_containers():
    plan = decide(a_pod("a", "b"), Snapshot(), Results())
    assert (plan.create_sandbox, plan.attempt, plan.containers, plan.init) == (True, 0, [0, 1], [])


def test_init_containers_come_first():
    plan = decide(a_pod(init=["one", "two"]), Snapshot(), Results())
    assert (plan.init, plan.containers) == ([0], [])


def test_running_pod_is_left_alone():
    pod = a_pod()
    plan = decide(pod, seen(a_container(pod, "main")), Results())
    assert not plan.starts and not plan.kill and not plan.kill_pod


@pytest.mark.parametrize(
    ("policy", "code", "restarts"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_restart_policy(policy, code, restarts):
    pod = a_pod(policy=policy)
    plan = decide(pod, seen(a_container(pod, "main", State.EXITED, code)), Results())
    assert plan.containers == ([0] if restarts else [])
    assert plan.kill_pod is not restarts


@pytest.mark.parametrize(
    ("rule", "code", "restarts"),
    [
        ({"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}, 42, True),
        ({"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}, 1, False),
        ({"action": "Restart", "exitCodes": {"operator": "NotIn", "values": [42]}}, 1, True),
    ],
)
def test_restart_rules_of_a_container(rule, code, restarts):
    """KEP-5307."""
    pod = a_pod(policy="Never", restartPolicy="Never", restartPolicyRules=[rule])
    plan = decide(pod, seen(a_container(pod, "main", State.EXITED, code)), Results())
    assert plan.containers == ([0] if restarts else [])


def test_dead_sandbox_is_replaced():
    pod = a_pod()
    plan = decide(
        pod, seen(a_container(pod, "main", State.EXITED, 255), sandboxes=(replace(BOX, ready=False),)), Results()
    )
    assert (plan.kill_pod, plan.create_sandbox, plan.attempt, plan.containers) == (True, True, 1, [0])


def test_pod_that_never_restarts_does_not_get_a_second_sandbox():
    pod = a_pod(policy="Never")
    plan = decide(
        pod, seen(a_container(pod, "main", State.EXITED, 255), sandboxes=(replace(BOX, ready=False),)), Results()
    )
    assert plan.kill_pod and not plan.create_sandbox


def test_succeeded_containers_stay_done_in_a_new_sandbox():
    pod = a_pod("a", "b", policy="OnFailure")
    known = [a_container(pod, "a", State.EXITED, 0), a_container(pod, "b", State.EXITED, 1)]
    plan = decide(pod, seen(*known, sandboxes=(replace(BOX, ready=False),)), Results())
    assert plan.containers == [1]


@pytest.mark.parametrize(
    ("probes", "message", "why"),
    [
        (Results(liveness={"main1": False}), "Container main failed liveness probe, will be restarted", Why.LIVENESS),
        (Results(startup={"main1": False}), "Container main failed startup probe, will be restarted", Why.STARTUP),
    ],
)
def test_failed_probe_kills(probes, message, why):
    pod = a_pod()
    plan = decide(pod, seen(a_container(pod, "main")), probes)
    assert (plan.kill, plan.containers) == ([Kill("main1", "main", message, why)], [0])


def test_changed_image_restarts_even_when_nothing_else_would():
    pod = a_pod(policy="Never")
    known = seen(a_container(pod, "main"))
    pod["spec"]["containers"][0]["image"] = "other"
    plan = decide(pod, known, Results())
    assert plan.kill[0].message == "Container main definition changed, will be restarted"
    assert plan.containers == [0]


@pytest.mark.parametrize(
    ("known", "init", "containers", "kill_pod"),
    [
        pytest.param([("one", State.RUNNING, 0)], [], [], False, id="running"),
        pytest.param([("one", State.EXITED, 0)], [1], [], False, id="next"),
        pytest.param([("one", State.EXITED, 1)], [0], [], False, id="again"),
        pytest.param([("one", State.EXITED, 0), ("two", State.EXITED, 0)], [], [0], False, id="all done"),
        pytest.param([("two", State.EXITED, 0)], [], [0], False, id="the last counts"),
        pytest.param([("one", State.CREATED, 0)], [0], [], False, id="never started"),
    ],
)
def test_init_progress(known, init, containers, kill_pod):
    pod = a_pod(init=["one", "two"])
    plan = decide(pod, seen(*(a_container(pod, n, s, c) for n, s, c in known)), Results())
    assert (plan.init, plan.containers, plan.kill_pod) == (init, containers, kill_pod)


def test_failed_init_container_fails_a_pod_that_never_restarts():
    pod = a_pod(init=["one"], policy="Never")
    plan = decide(pod, seen(a_container(pod, "one", State.EXITED, 1)), Results())
    assert plan.kill_pod and not plan.starts


def sidecar(name="side", **fields):
    return {"name": name, "image": "i", "restartPolicy": "Always", **fields}


def test_sidecar_lets_the_next_start_once_it_runs():
    pod = a_pod(init=[sidecar(), "two"])
    plan = decide(pod, seen(a_container(pod, "side")), Results())
    assert (plan.init, plan.containers) == ([1], [])


def test_sidecar_with_startup_probe_is_waited_for():
    pod = a_pod(init=[sidecar(startupProbe={"exec": {}}), "two"])
    assert not decide(pod, seen(a_container(pod, "side")), Results()).starts
    assert decide(pod, seen(a_container(pod, "side")), Results(startup={"side1": True})).init == [1]


def test_ended_sidecar_comes_back_while_the_pod_runs():
    pod = a_pod(init=[sidecar()])
    plan = decide(pod, seen(a_container(pod, "side", State.EXITED, 0), a_container(pod, "main")), Results())
    assert (plan.init, plan.containers) == ([0], [])


def test_sidecar_does_not_keep_a_finished_pod_alive():
    pod = a_pod(init=[sidecar()], policy="Never")
    plan = decide(pod, seen(a_container(pod, "side"), a_container(pod, "main", State.EXITED, 0)), Results())
    assert plan.kill_pod and plan.init == []


def test_ephemeral_containers_start_once():
    pod = a_pod()
    pod["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "i"}]
    assert decide(pod, seen(a_container(pod, "main")), Results()).ephemeral == [0]
    known = seen(a_container(pod, "main"), a_container(pod, "debug", State.EXITED, 1))
    assert decide(pod, known, Results()).ephemeral == []


def test_nothing_restarts_in_a_deleted_pod():
    pod = a_pod()
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert decide(pod, seen(a_container(pod, "main", State.EXITED, 1)), Results()).containers == []


def test_a_rule_restarts_everything():
    """KEP-5532."""
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
    pod = a_pod("main", "other", restartPolicyRules=[rule], restartPolicy="Never")
    ended = seen(a_container(pod, "main", State.EXITED, 42), a_container(pod, "other"))
    assert decide(pod, ended, Results()).reset
    assert not decide(pod, seen(a_container(pod, "main", State.EXITED, 1), a_container(pod, "other")), Results()).reset
