"""The demo, as its README tells it: every command of kubectl that a user tries first."""

import json
import subprocess
import urllib.request

import pytest
from machines import Machine

from umiak.kit.ports import free_port
from umiak.testing.patience import LONG, until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
NS = ("-n", "guestbook")


def get(url: str, body: bytes | None = None) -> str:
    """What is answered; asked again where a pod has just gone and the proxy is about to hear of it, as anywhere."""

    def answered() -> str:
        with urllib.request.urlopen(url, body, timeout=LONG) as answer:
            return str(answer.read().decode())

    return until(answered)


def objects(machine: Machine, kind: str, *more: str) -> list[dict]:
    return json.loads(machine.kubectl(*NS, "get", kind, "-o", "json", *more))["items"]


def web_pods(machine: Machine) -> list[str]:
    pods = objects(machine, "pods", "-l", "app=web", "--field-selector=status.phase=Running")
    return sorted(p["metadata"]["name"] for p in pods if "deletionTimestamp" not in p["metadata"])


def test_the_node_port_answers_from_all_replicas(guestbook):
    url = f"http://{guestbook.address}:30080/where"
    replicas = set(web_pods(guestbook))
    assert len(replicas) == 3
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.add(get(url).strip())
        return seen >= replicas

    until(all_seen, every=0)


def test_pods_find_redis_by_name_and_keep_what_they_are_told(guestbook):
    url = f"http://{guestbook.address}:30080/"
    assert get(url, b"hello from the test").startswith("entry ")
    assert "hello from the test" in get(url)
    assert get(url).startswith("Welcome aboard\n")


def test_the_job_seeds_and_completes(guestbook):
    guestbook.kubectl(*NS, "wait", "--for=condition=complete", "job/seed", "--timeout=300s")
    assert "first entry" in get(f"http://{guestbook.address}:30080/")


def test_the_cron_job_runs(guestbook):
    until(lambda: [j for j in objects(guestbook, "jobs") if j["metadata"]["name"].startswith("hello-")], every=1)


def test_the_daemon_set_is_on_every_node(guestbook):
    (daemons,) = objects(guestbook, "daemonsets")
    assert daemons["status"]["numberReady"] == daemons["status"]["desiredNumberScheduled"] == 1


def test_the_volume_is_bound_by_the_built_in_provisioner(guestbook):
    (claim,) = objects(guestbook, "pvc")
    assert (claim["status"]["phase"], claim["spec"]["storageClassName"]) == ("Bound", "local-path")


def test_tables(guestbook):
    wide = guestbook.kubectl(*NS, "get", "pods", "-o", "wide")
    assert wide.splitlines()[0].split() == (
        ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]
    )
    assert "e2e" in wide
    everything = guestbook.kubectl(*NS, "get", "all")
    for line in ("service/redis", "deployment.apps/web", "statefulset.apps/redis", "cronjob.batch/hello"):
        assert line in everything


def test_describe_shows_events(guestbook):
    text = guestbook.kubectl(*NS, "describe", "pod", "redis-0")
    assert "Successfully assigned guestbook/redis-0 to e2e" in text
    assert "Started" in text
    assert "QoS Class:" in guestbook.kubectl(*NS, "describe", "pod", web_pods(guestbook)[0])


def test_logs(guestbook):
    assert "guestbook listens on 8080" in guestbook.kubectl(*NS, "logs", "deployment/web")
    follower = guestbook.start_kubectl(*NS, "logs", "-f", "--tail=1", "daemonset/greeter")
    try:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "greetings from e2e\n"
        assert follower.stdout.readline() == "greetings from e2e\n"  # the next one, ten seconds later
    finally:
        follower.kill()
        follower.communicate()


def test_exec(guestbook):
    assert guestbook.kubectl(*NS, "exec", "redis-0", "--", "echo", "hello").strip() == "hello"
    assert guestbook.kubectl(*NS, "exec", "-i", "redis-0", "--", "cat", text="piped\n") == "piped\n"
    with pytest.raises(AssertionError, match="exited with 3"):
        guestbook.kubectl(*NS, "exec", "redis-0", "--", "sh", "-c", "exit 3")


def test_exec_with_a_terminal(guestbook):
    """`exec -it`, as a person at a terminal has it: script(1) lends one."""
    from machines import kubectl_path

    command = f"{kubectl_path()} --kubeconfig={guestbook.kubeconfig} -n guestbook exec -it redis-0 -- sh"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], input="tty; exit\n", capture_output=True, text=True, timeout=LONG
    )
    assert "/dev/pts/" in done.stdout


def test_cp(guestbook, tmp_path):
    (tmp_path / "note").write_text("a note\n" * 1000)
    pod = web_pods(guestbook)[0]
    guestbook.kubectl(*NS, "cp", str(tmp_path / "note"), f"guestbook/{pod}:/tmp/note")
    guestbook.kubectl(*NS, "cp", f"guestbook/{pod}:/tmp/note", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == (tmp_path / "note").read_text()


def test_port_forward(guestbook):
    port = free_port()
    forwarder = guestbook.start_kubectl(*NS, "port-forward", "service/web", f"{port}:80")
    try:
        assert "Welcome aboard" in get(f"http://127.0.0.1:{port}/")
    finally:
        forwarder.kill()
        forwarder.communicate()


def test_get_watch(guestbook):
    watcher = guestbook.start_kubectl(*NS, "get", "configmaps", "-w", "-o", "name")
    try:
        guestbook.kubectl(*NS, "create", "configmap", "seen", "--from-literal=a=b")
        assert watcher.stdout is not None
        assert "configmap/seen\n" in [watcher.stdout.readline() for _ in range(3)]
    finally:
        watcher.kill()
        watcher.communicate()
        guestbook.kubectl(*NS, "delete", "configmap", "seen")


def test_scale(guestbook):
    guestbook.kubectl(*NS, "scale", "deployment/web", "--replicas=5")
    guestbook.kubectl(*NS, "rollout", "status", "deployment/web", "--timeout=300s")
    assert len(web_pods(guestbook)) == 5
    guestbook.kubectl(*NS, "scale", "deployment/web", "--replicas=3")
    until(lambda: len(web_pods(guestbook)) == 3)


def test_restart_without_a_failed_answer(guestbook):
    before = set(web_pods(guestbook))
    guestbook.kubectl(*NS, "rollout", "restart", "deployment/web")
    guestbook.kubectl(*NS, "rollout", "status", "deployment/web", "--timeout=300s")
    until(lambda: len(web_pods(guestbook)) == 3 and not before & set(web_pods(guestbook)))
    assert "Welcome aboard" in get(f"http://{guestbook.address}:30080/")


def test_a_bad_image_is_told_and_undone(guestbook):
    guestbook.kubectl(*NS, "set", "image", "deployment/web", "web=guestbook.example/web:missing")

    def waiting() -> bool:
        reasons = [
            c["state"]["waiting"]["reason"]
            for p in objects(guestbook, "pods", "-l", "app=web")
            for c in p["status"].get("containerStatuses", ())
            if "waiting" in c["state"]
        ]
        return bool({"ErrImagePull", "ImagePullBackOff"} & set(reasons))

    until(waiting)
    assert "Welcome aboard" in get(f"http://{guestbook.address}:30080/")
    guestbook.kubectl(*NS, "rollout", "undo", "deployment/web")
    guestbook.kubectl(*NS, "rollout", "status", "deployment/web", "--timeout=300s")
    assert "guestbook.example/web:1" in guestbook.kubectl(*NS, "get", "deployment", "web", "-o", "wide")


def test_a_killed_container_comes_back_and_backs_off(guestbook):
    pod = web_pods(guestbook)[0]

    def restarts() -> int:
        found = json.loads(guestbook.kubectl(*NS, "get", "pod", pod, "-o", "json"))
        return found["status"]["containerStatuses"][0]["restartCount"]

    before = restarts()
    for _ in range(2):
        count = restarts()

        def killed(count: int = count) -> bool:
            """Killed again and again: a first process that has not set up its signals yet is not told of any."""
            if restarts() == count:
                guestbook.kubectl(*NS, "exec", pod, "--", "kill", "1")
            return restarts() > count

        until(killed, every=1)
    events = guestbook.kubectl(*NS, "get", "events", f"--field-selector=involvedObject.name={pod}")
    assert restarts() >= before + 2 and "BackOff" in events
    guestbook.kubectl(*NS, "wait", "--for=condition=ready", f"pod/{pod}", "--timeout=300s")


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        ("kind: [", "error"),
        ("apiVersion: v1\nkind: Pot\nmetadata: {name: x}", 'no matches for kind "Pot"'),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: c, imagee: i}]}",
            'unknown field "spec.containers[0].imagee"',
        ),
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: many}",
            "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: UP}\nspec: {containers: []}", "spec.containers: Required value"),
    ],
)
def test_a_bad_manifest_gets_one_clear_message(guestbook, manifest, complaint):
    with pytest.raises(AssertionError) as caught:
        guestbook.kubectl("apply", "--validate=strict", "-f", "-", text=manifest)
    assert complaint in str(caught.value)
