"""What a cluster survives, and that it leaves nothing behind."""

import json
import os
import signal

import pytest
from machines import Machine, has_ended

from umiak.testing.patience import LONG, until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def containers(machine: Machine) -> dict[str, str]:
    """Container ids by pod name, of pods that stay."""
    found = json.loads(machine.kubectl("-n", "guestbook", "get", "pods", "-o", "json"))["items"]
    kept = [p for p in found if p["metadata"]["labels"].get("app") in ("web", "redis", "greeter")]
    return {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["containerID"] for p in kept}


@pytest.mark.parametrize("program", ["server", "controllers", "node", "containerd"])
def test_a_killed_program_comes_back_and_disturbs_no_container(guestbook, program):
    before, pid = containers(guestbook), guestbook.pid(program)
    os.kill(pid, signal.SIGKILL)
    until(lambda: guestbook.pid(program) != pid)
    wanted = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"after-{program}"}})
    until(lambda: guestbook.kubectl("-n", "guestbook", "apply", "-f", "-", text=wanted))
    guestbook.kubectl("wait", "--for=condition=Ready", "node/e2e", "--timeout=300s")
    assert containers(guestbook) == before
    answer = ["-n", "guestbook", "exec", "redis-0", "--", "echo", "still here"]
    assert until(lambda: guestbook.kubectl(*answer)) == "still here\n"


def test_a_killed_supervisor_is_replaced_by_up(guestbook):
    before, pids = containers(guestbook), {p: guestbook.pid(p) for p in ("server", "controllers", "node")}
    supervisor = guestbook.pid("supervisor")
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: has_ended(supervisor))
    guestbook.umiak("up")
    assert {p: guestbook.pid(p) for p in pids} == pids
    assert containers(guestbook) == before


def test_a_reboot_heals(guestbook):
    """All processes gone at once, containers and mounts too; the data folder stays."""
    written = "written before the reboot"
    machine = guestbook
    machine.kubectl("-n", "guestbook", "create", "configmap", "reboot", f"--from-literal=text={written}")
    kept = int(redis(machine, "rpush entries afloat"))
    for program in ("supervisor", "server", "controllers", "node", "containerd"):
        os.kill(guestbook.pid(program), signal.SIGKILL)
    guestbook.umiak("down")
    guestbook.umiak("up")
    # Until the agent is back the API shows what was: only an answer shows that Redis runs and kept its data.
    # It answers in words while it reads its data.
    assert until(lambda: int(redis(machine, "llen entries"))) >= kept
    until(lambda: "True" in ready_replicas(machine))
    assert written in machine.kubectl("-n", "guestbook", "get", "configmap", "reboot", "-o", "yaml")


def redis(machine: Machine, command: str) -> str:
    """One command of Redis, run in its own container."""
    words = f'redis-cli -a "$PASSWORD" --no-auth-warning {command}'
    return machine.kubectl("-n", "guestbook", "exec", "redis-0", "--", "sh", "-c", words)


def ready_replicas(machine: Machine) -> str:
    path = "jsonpath={.status.conditions[?(@.type=='Available')].status}"
    return machine.kubectl("-n", "guestbook", "get", "deployment", "web", "-o", path)


def test_deleting_the_namespace_deletes_all_of_it(guestbook):
    guestbook.kubectl("delete", "namespace", "guestbook", "--timeout=300s", timeout=2 * LONG)
    with pytest.raises(AssertionError, match="not found"):
        guestbook.kubectl("get", "namespace", "guestbook")
    until(lambda: not json.loads(guestbook.kubectl("get", "pv", "-o", "json"))["items"])
    volumes = guestbook.data / "volumes"
    until(lambda: not any(volumes.iterdir()))


def test_down_leaves_nothing_outside_the_data_folder(machine):
    assert machine.traces()["processes"]
    machine.umiak("down")

    def nothing_is_left() -> bool:
        """The kernel takes network namespaces apart, and links with them, when it finds the time."""
        left = {kind: set(found) - set(machine.before[kind]) for kind, found in machine.traces().items()}
        assert {kind: found for kind, found in left.items() if found} == {}
        return True

    until(nothing_is_left)
