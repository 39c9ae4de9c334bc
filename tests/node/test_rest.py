"""Small pure parts: garbage, admission, manifests, the node's own object, certificates, changes of lists."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from umiak.kit import pki
from umiak.node import admit, garbage, localpaths, manifests, register, relist
from umiak.node.names import container_hash
from umiak.node.resize import Allocation, different
from umiak.node.runtime import Condition, Container, ContainerStatus, Health, Image, Sandbox, State
from umiak.node.security import dotted
from umiak.node.snapshot import Snapshot
from umiak.node.subject import Malformed, names
from umiak.node.volumes.persistentvolumeclaim import is_below

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
UID = "io.kubernetes.pod.uid"
NAME = "io.kubernetes.container.name"


def a_container(id, at, name="c", state=State.EXITED, pod="u"):
    return Container(
        id=id,
        sandbox_id="s",
        name=name,
        attempt=0,
        state=state,
        created_at=at,
        labels={UID: pod, NAME: name},
        annotations={},
    )


def test_newest_and_one_more_stay():
    listed = [
        a_container("old", 1),
        a_container("last", 2),
        a_container("now", 3, state=State.RUNNING),
        a_container("x", 1, "d"),
    ]
    assert garbage.surplus(listed) == ["old"]


def test_sandboxes_that_can_go():
    box = Sandbox(
        id="a", name="p", namespace="d", uid="u", attempt=0, ready=False, created_at=1, labels={}, annotations={}
    )
    boxes = [box, replace(box, id="s", created_at=2), replace(box, id="c", created_at=3)]
    assert garbage.old_sandboxes(boxes, [a_container("x", 1)]) == ["a"]


def test_images_go_longest_unused_first():
    images = [Image(id=i, size=10) for i in ("a", "b", "c", "used")] + [Image(id="pinned", size=10, pinned=True)]
    since = {"a": 50.0, "b": 10.0, "c": 990.0, "pinned": 0.0}
    full = garbage.Disk(total=100, free=5)
    chosen = garbage.images_to_remove(images, ["used"], since, full, now=1000)
    assert [i.id for i in chosen] == ["b", "a"]
    assert garbage.images_to_remove(images, ["used"], since, garbage.Disk(100, 50), now=1000) == []


def test_long_logs_are_put_aside(tmp_path):
    path = tmp_path / "0.log"
    for number in range(7):
        path.write_text(f"{number}\n")
        garbage.rotate(path, f"2026010{number}-000000")
    found = sorted(p.name for p in tmp_path.iterdir())
    assert len(found) == garbage.LOG_FILES - 1 and not path.exists()
    assert found[-1] == "0.log.20260106-000000" and all(n.endswith(".gz") for n in found[:-1])


def a_pod(cpu="1", **spec):
    resources = {"requests": {"cpu": cpu}}
    return {
        "metadata": {"name": "p", "uid": cpu},
        "spec": {"containers": [{"name": "c", "resources": resources}], **spec},
    }


def test_admission():
    room = {"cpu": "2", "pods": "110"}
    assert admit.refusal(a_pod(), [a_pod()], room, {}) is None
    reason, message = admit.refusal(a_pod("1500m"), [a_pod()], room, {})
    assert reason == "OutOfcpu"
    assert message == "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000"
    node = {"metadata": {"labels": {"disk": "slow"}}}
    assert admit.refusal(a_pod(nodeSelector={"disk": "fast"}), [], room, node)[0] == "NodeAffinity"
    begun = {**a_pod("9"), "status": {"startTime": "2026-01-01T00:00:00Z"}}
    assert admit.refusal(begun, [], room, {}) is None


def test_room_for_a_resize():
    assert admit.room(a_pod("3"), [], {"cpu": "2"})[0] == "Infeasible"
    assert admit.room(a_pod("2"), [a_pod("1")], {"cpu": "2"})[0] == "Deferred"
    assert admit.room(a_pod("1"), [a_pod("1")], {"cpu": "2"}) is None


def test_static_pod(tmp_path):
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: i}]}\n"
    (tmp_path / "web.yaml").write_text(text)
    (tmp_path / "broken.yaml").write_text("{")
    (tmp_path / ".hidden.yaml").write_text(text)
    found = list(manifests.read_folder(tmp_path, "N1").values())
    assert [p["metadata"]["name"] for p in found] == ["web-n1"]
    pod = found[0]
    assert pod["spec"]["nodeName"] == "N1" and pod["spec"]["restartPolicy"] == "Always"
    mirror = manifests.mirror_of(pod, {"metadata": {"name": "N1", "uid": "x"}})
    assert manifests.shows(mirror, pod) and mirror["metadata"]["ownerReferences"][0]["uid"] == "x"
    (tmp_path / "web.yaml").write_text(text.replace("image: i", "image: j"))
    other = next(iter(manifests.read_folder(tmp_path, "N1").values()))
    assert other["metadata"]["uid"] != pod["metadata"]["uid"] and not manifests.shows(mirror, other)


def test_node_conditions_keep_their_times():
    well = Health((Condition("RuntimeReady", True), Condition("NetworkReady", True)))
    first = register.conditions([], well, register.Pressure(), NOON)
    assert first[-1]["reason"] == "KubeletReady" and first[-1]["message"] == "kubelet is posting ready status"
    later = register.conditions(first, well, register.Pressure(disk=True), NOON.replace(hour=13))
    assert later[-1]["lastTransitionTime"] == first[-1]["lastTransitionTime"]
    assert later[1]["reason"] == "KubeletHasDiskPressure" and later[1]["lastTransitionTime"].endswith("13:00:00Z")


def test_why_the_node_is_not_ready():
    no_cni = Condition("NetworkReady", False, "NetworkPluginNotReady", "no network config")
    problem = register.ready_problem(Health((Condition("RuntimeReady", True), no_cni)))
    assert problem == (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:no network config"
    )
    assert register.ready_problem(None) == "container runtime is down"


def test_heartbeat_alone_is_no_change():
    who = register.Identity(name="n", addresses=["192.0.2.1"], capacity={"cpu": "2"})
    before = register.wanted_status(who, {}, None, register.Pressure(), [], NOON)
    after = register.wanted_status(who, before, None, register.Pressure(), [], NOON.replace(hour=13))
    assert not register.differs(before, after)
    assert register.differs({**before, "capacity": {"cpu": "4"}}, after)


def test_whose_containers_changed():
    before = {"a": ("u1", "Running"), "b": ("u2", "Running"), "c": ("u3", "Running")}
    after = {"a": ("u1", "Running"), "b": ("u2", "Exited"), "d": ("u4", "Running")}
    assert relist.affected(before, after) == {"u2", "u3", "u4"}


def test_who_a_certificate_speaks_for():
    authority = pki.new_authority("ca", 1, NOON)
    pair = pki.issue(authority, "alice", ("dev", "ops"), client=True, days=1, now=NOON)
    import ssl

    der = ssl.PEM_cert_to_DER_cert(pair.certificate_pem)
    assert names(der) == ("alice", ["dev", "ops"])
    for cut in (b"", b"\x30", der[:40], b"\x30\x82\xff\xff"):
        with pytest.raises(Malformed):
            names(cut)


def test_hash_is_kubelets():
    """The value was computed with the reference's own hash (spew and FNV-1a)."""
    assert container_hash({"name": "c", "image": "busybox:1"}) == "1aaabc84"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
        ("net/ipv4/conf/eth0.1/x", "net.ipv4.conf.eth0/1.x"),
        ("kernel", "kernel"),
    ],
)
def test_sysctl_names(name, found):
    assert dotted(name) == found


def a_volume(path, on="n", finalizers=(localpaths.FINALIZER,), deleted=True):
    about = {"name": "v", "annotations": {localpaths.DELETE_ON: on}, "finalizers": list(finalizers)}
    if deleted:
        about["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": about, "spec": {"hostPath": {"path": str(path)}}}


def test_whose_folder_it_is():
    assert localpaths.is_ours_to_delete(a_volume("/x"), "n")
    for other in (a_volume("/x", on="m"), a_volume("/x", finalizers=()), a_volume("/x", deleted=False)):
        assert not localpaths.is_ours_to_delete(other, "n")


def test_only_what_lies_inside_the_root_is_ever_removed(tmp_path):
    root = tmp_path / "volumes"
    (root / "a").mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    (root / "link").symlink_to(tmp_path / "precious")
    assert is_below(root / "a", str(root))
    for path in (root, tmp_path / "precious", root / "link", root / "a/../../precious", Path("/")):
        assert not is_below(path, str(root))
    assert not is_below(root / "a", "")


def test_resize_is_granted_when_there_is_room():
    pod = a_pod("1")
    allocation = Allocation()
    assert allocation.take(pod, lambda p: None) == pod
    allocation.started(pod["spec"]["containers"][0])
    running = ContainerStatus(id="i", name="c", attempt=0, state=State.RUNNING, created_at=1)
    seen = Snapshot((), (running,), {"i": "s"})
    allocation.note(seen)
    assert allocation.to_change(seen) == {}
    refused = allocation.take(a_pod("2"), lambda p: ("Infeasible", "too much"))
    assert refused["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "1"}}
    assert allocation.conditions()[0]["reason"] == "Infeasible"
    allocation.take(a_pod("2"), lambda p: None)
    assert allocation.to_change(seen) == {"i": "c"} and allocation.conditions() == []


def test_different_resources():
    one, other = {"limits": {"cpu": "1", "memory": "1Gi"}}, {"limits": {"cpu": "1000m", "memory": "2Gi"}}
    assert different(one, other) == {"memory"}
