"""The original's controllers and ours, each with a kube-apiserver of its own, leave the same objects, statuses, events.

Every scene of `scenes` is played with both; names of generated objects, times and the number of writes are made equal
(`stage.py`), everything else has to be.
"""

import json
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from umiak.kit import pki
from umiak.testing import reference

from .beside import call, original, running
from .scenes import ALONE, SCENES
from .stage import STRATEGIC, Activity, Stage

pytestmark = [pytest.mark.cluster, pytest.mark.shared, pytest.mark.slow]

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:{port}", insecure-skip-tls-verify: true}}}}]
users: [{{name: u, user: {{token: admintoken}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
"""
NODES = {"n1": "za", "n2": "zb"}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
MANY, FEW = len(SCENES), 4
"""Scenes at a time: all of them, and as many as a busy machine can play, too."""
SETTLE = 5
"""Seconds until the controllers have seen the nodes."""


def ours(kubeconfig, folder):
    files = {"root-ca": "ca.crt", "service-account-key": "sa.key", "signing-ca": "ca.crt", "signing-key": "ca.key"}
    words = [f"--{flag}={folder / name}" for flag, name in files.items()]
    return [sys.executable, "-m", "umiak.cli.main", "controllers", f"--kubeconfig={kubeconfig}", *words]


def theirs(kubeconfig, folder):
    return reference.controllers(kubeconfig, folder, "10.244.0.0/16", "application/json")


def play_all(command, folder, scenes=SCENES, at_once=MANY):
    """What each scene leaves behind, by its name. Those that change what the others see come first, one by one."""
    folder.mkdir()
    with ExitStack() as stack:
        port, _ = original(stack, folder, "--disable-admission-plugins=ServiceAccount")
        authority = pki.new_authority("ca", 10, datetime.now(UTC))
        (folder / "ca.crt").write_text(authority.certificate_pem)
        (folder / "ca.key").write_text(authority.key_pem)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG.format(port=port))
        stack.enter_context(running(command(kubeconfig, folder), folder / "controllers.out"))
        stack.callback(heartbeats(port))
        time.sleep(SETTLE)
        activity = Activity(port)
        left = {scene.__name__: play(scene, port, activity) for scene in scenes if scene in ALONE}
        with ThreadPoolExecutor(at_once) as pool:
            together = [scene for scene in scenes if scene not in ALONE]
            found = pool.map(lambda scene: play(scene, port, activity), together)
            return left | {scene.__name__: end for scene, end in zip(together, found, strict=True)}


def play(scene, port, activity):
    try:
        stage = Stage(port, f"scene-{scene.__name__.replace('_', '-')}", activity)
        scene(stage)
        return stage.scene()
    except Exception:  # one scene that fails must not take the others away
        return {"failed": traceback.format_exc()}


def heartbeats(port):
    """Makes the nodes and lets them live; answers what stops that."""
    for name, zone in NODES.items():
        labels = {"kubernetes.io/os": "linux", "topology.kubernetes.io/zone": zone}
        call(port, "POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}}, {})
        room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        ready |= {"lastHeartbeatTime": moment, "lastTransitionTime": moment}
        change = {"status": {"conditions": [ready], "allocatable": room, "capacity": room}}
        call(port, "PATCH", f"/api/v1/nodes/{name}/status", change, {"Content-Type": STRATEGIC})
        call(port, "POST", LEASES, {"metadata": {"name": name}, "spec": {"holderIdentity": name}}, {})
    stop = threading.Event()

    def beat():
        while not stop.wait(10):
            now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
            for name in NODES:
                change = {"spec": {"renewTime": now}}
                call(port, "PATCH", f"{LEASES}/{name}", change, {"Content-Type": "application/merge-patch+json"})

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()

    def end():
        stop.set()
        thread.join()

    return end


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What the original's controllers left, and what ours did. Scenes that end differently are played once more, a few
    at a time: on a busy machine controllers are quiet for a while before they are done."""
    try:
        for name in ("kube-apiserver", "etcd", "kube-controller-manager"):
            reference.program(name)
    except reference.Missing as error:
        pytest.skip(str(error))
    top = tmp_path_factory.mktemp("controllers")
    left = [play_all(theirs, top / "theirs"), play_all(ours, top / "ours")]
    unlike = [scene for scene in SCENES if shown(left[0], scene.__name__) != shown(left[1], scene.__name__)]
    if unlike:
        left[0] |= play_all(theirs, top / "theirs-again", unlike, FEW)
        left[1] |= play_all(ours, top / "ours-again", unlike, FEW)
    return left


def shown(side, scene):
    return json.dumps(side[scene], indent=1, sort_keys=True).splitlines()


@pytest.mark.parametrize("scene", [scene.__name__ for scene in SCENES])
def test_the_same_is_left(both, scene):
    left = [shown(side, scene) for side in both]
    assert "failed" not in both[0][scene], both[0][scene]["failed"]
    assert left[1] == left[0]


def test_nothing_went_wrong_on_our_side(both, tmp_path_factory):
    said = Path(tmp_path_factory.getbasetemp()).glob("controllers*/ours*/controllers.out")
    assert "Traceback" not in "".join(path.read_text() for path in said)
