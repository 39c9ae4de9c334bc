"""Rules about volumes. Sources: the tests of `volumebinding`, `volumezone`, `volumerestrictions`, `nodevolumelimits` in
the reference's `pkg/scheduler/framework/plugins`."""

import json

import pytest

from umiak.api.core import persistentvolume, persistentvolumeclaim
from umiak.api.storage import csidriver, csinode, csistoragecapacity, storageclass, volumeattachment
from umiak.scheduler.decide import Placement
from umiak.scheduler.plugins.volume_restrictions import clash
from umiak.scheduler.volume_plan import Needs, Waiting, plan

ZONE = "topology.kubernetes.io/zone"
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
KINDS = {
    "PersistentVolume": persistentvolume.KIND,
    "PersistentVolumeClaim": persistentvolumeclaim.KIND,
    "StorageClass": storageclass.KIND,
    "CSIDriver": csidriver.KIND,
    "CSINode": csinode.KIND,
    "CSIStorageCapacity": csistoragecapacity.KIND,
    "VolumeAttachment": volumeattachment.KIND,
}


def thing(kind: str, name: str, *, namespace="", labels=None, annotations=None, **fields) -> dict:
    about = {"name": name, "uid": f"uid-{name}", "labels": labels or {}, "annotations": annotations or {}}
    if namespace:
        about["namespace"] = namespace
    return {"kind": kind, "metadata": about, **fields}


def volume(name: str, size="1Gi", *, labels=None, zone="", phase="Available", claim=None, driver="d", **spec) -> dict:
    wanted = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "waits", **spec}
    if driver:
        wanted["csi"] = {"driver": driver, "volumeHandle": name}
    if zone:
        expression = {"key": ZONE, "operator": "In", "values": [zone]}
        wanted["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    if claim:
        wanted["claimRef"] = {"namespace": "default", "name": claim}
    return thing("PersistentVolume", name, labels=labels, spec=wanted, status={"phase": phase})


def claim(name="c", size="1Gi", *, bound="", node="", mode="ReadWriteOnce", storage_class="waits", **spec) -> dict:
    wanted = {"accessModes": [mode], "resources": {"requests": {"storage": size}}, "storageClassName": storage_class}
    notes = {"volume.kubernetes.io/selected-node": node} if node else {}
    if bound:
        notes["pv.kubernetes.io/bind-completed"] = "yes"
        wanted["volumeName"] = bound
    return thing("PersistentVolumeClaim", name, namespace="default", annotations=notes, spec={**wanted, **spec})


def class_of(provisioner="d", **more) -> dict:
    return thing("StorageClass", "waits", provisioner=provisioner, volumeBindingMode="WaitForFirstConsumer", **more)


def using(*names: str) -> dict:
    return {"volumes": [{"name": f"v-{n}", "persistentVolumeClaim": {"claimName": n}} for n in names]}


@pytest.fixture
def stored(world):
    """Two nodes in zones a and b; adds objects about storage to what the scheduler knows."""

    def add(*objects: dict) -> None:
        for each in objects:
            world.tables.table(KINDS[each["kind"]]).saw(json.dumps(each).encode())

    return add


@pytest.fixture
def zones(world, node_of):
    world.add_nodes(node_of("a", labels={ZONE: "a"}), node_of("b", labels={ZONE: "b"}), node_of("nowhere"))


@pytest.mark.parametrize(
    ("labels", "want"),
    [
        pytest.param({ZONE: "a"}, ["a", "nowhere"], id="a node without zones is in all"),
        pytest.param({OLD_ZONE: "b"}, ["b", "nowhere"], id="an old label means the new one"),
        pytest.param({ZONE: "a__b"}, ["a", "b", "nowhere"], id="several zones"),
        pytest.param({ZONE: "a__"}, ["a", "b", "nowhere"], id="not to be read, so ignored"),
        pytest.param({"topology.kubernetes.io/region": "r"}, ["nowhere"], id="zones, but no region"),
    ],
)
def test_volume_zone(world, zones, stored, pod_of, labels, want):
    stored(claim(bound="v"), volume("v", labels=labels))
    assert world.feasible(pod_of("p", **using("c"))) == want


@pytest.mark.parametrize(
    ("objects", "want"),
    [
        pytest.param([], 'persistentvolumeclaim "c" not found', id="no claim"),
        pytest.param([claim(bound="v")], 'persistentvolume "v" not found', id="no volume"),
        pytest.param([claim()], "pod has unbound immediate PersistentVolumeClaims", id="no such class"),
        pytest.param(
            [claim(volumeName="v"), class_of()], "pod has unbound immediate PersistentVolumeClaims", id="meant"
        ),
    ],
)
def test_why_no_node_fits(world, zones, stored, pod_of, objects, want):
    """VolumeRestrictions speaks first of a missing claim, VolumeBinding before VolumeZone."""
    stored(*objects)
    assert world.why_not(pod_of("p", **using("c"))) == f"0/3 nodes are available: {want}."


@pytest.mark.parametrize(
    ("owner", "want"),
    [
        ("uid-p", ""),
        ("another", "PVC default/p-v was not created for pod default/p (pod is not owner)"),
    ],
)
def test_a_claim_of_an_ephemeral_volume_must_be_its_own(world, zones, stored, pod_of, owner, want):
    made = claim("p-v")
    made["metadata"]["ownerReferences"] = [{"kind": "Pod", "name": "p", "uid": owner, "controller": True}]
    stored(made, class_of())
    found = world.why_not(pod_of("p", volumes=[{"name": "v", "ephemeral": {}}]))
    assert found == (f"0/3 nodes are available: {want}." if want else "")


DISK, BUCKET = {"pdName": "d"}, {"monitors": ["m", "n"], "pool": "p", "image": "i"}


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        pytest.param({"gcePersistentDisk": DISK}, {"gcePersistentDisk": DISK}, True, id="one disk twice"),
        pytest.param(
            {"gcePersistentDisk": {**DISK, "readOnly": True}},
            {"gcePersistentDisk": {**DISK, "readOnly": True}},
            False,
            id="both only read",
        ),
        pytest.param(
            {"awsElasticBlockStore": {"volumeID": "v", "readOnly": True}},
            {"awsElasticBlockStore": {"volumeID": "v", "readOnly": True}},
            True,
            id="Amazon's never",
        ),
        pytest.param({"iscsi": {"iqn": "i"}}, {"iscsi": {"iqn": "j"}}, False, id="other target"),
        pytest.param({"rbd": BUCKET}, {"rbd": {**BUCKET, "monitors": ["n"]}}, True, id="one shared monitor"),
        pytest.param({"rbd": BUCKET}, {"rbd": {**BUCKET, "monitors": ["o"]}}, False, id="no shared monitor"),
        pytest.param({"rbd": BUCKET}, {"iscsi": {"iqn": "i"}}, False, id="other kinds"),
    ],
)
def test_disks_clash(a, b, want):
    assert clash(a, b) is want


def test_a_disk_in_use_keeps_a_pod_off_its_node(world, zones, pod_of):
    volumes = [{"name": "v", "gcePersistentDisk": DISK}]
    world.add_pods(pod_of("x", node="a", volumes=volumes))
    assert world.feasible(pod_of("p", volumes=volumes)) == ["b", "nowhere"]


def test_a_claim_for_one_pod_alone(world, zones, stored, pod_of):
    stored(claim(bound="v", mode="ReadWriteOncePod"), volume("v"))
    assert world.feasible(pod_of("p", **using("c"))) == ["a", "b", "nowhere"]
    world.add_pods(pod_of("x", node="a", **using("c")))
    assert "ReadWriteOncePod access mode already in-use" in world.why_not(pod_of("p", **using("c")))


def csi_node(name: str, count: int | None, driver="d") -> dict:
    allocatable = {} if count is None else {"allocatable": {"count": count}}
    return thing("CSINode", name, spec={"drivers": [{"name": driver, **allocatable}]})


@pytest.mark.parametrize(
    ("count", "others", "attached", "want"),
    [
        pytest.param(1, [], [], True, id="room"),
        pytest.param(1, ["w"], [], False, id="another pod's volume"),
        pytest.param(1, ["c"], [], True, id="the same volume counts once"),
        pytest.param(1, [], ["v-w"], False, id="attached, though no pod uses it"),
        pytest.param(2, ["w"], ["v-w"], True, id="attached for that pod"),
        pytest.param(None, ["w"], [], True, id="no limit told"),
    ],
)
def test_volume_limits(world, zones, stored, pod_of, count, others, attached, want):
    stored(csi_node("a", count), claim("c", bound="v-c"), claim("w", bound="v-w"), volume("v-c"), volume("v-w"))
    for name in attached:
        spec = {"attacher": "d", "nodeName": "a", "source": {"persistentVolumeName": name}}
        stored(thing("VolumeAttachment", f"at-{name}", spec=spec))
    if others:
        world.add_pods(pod_of("x", node="a", **using(*others)))
    assert ("a" in world.feasible(pod_of("p", **using("c")))) is want


DISK_DRIVER = "pd.csi.storage.gke.io"


@pytest.mark.parametrize(
    ("wanted", "there", "want"),
    [
        pytest.param({"gcePersistentDisk": {"pdName": "x", "readOnly": True}}, [], True, id="room"),
        pytest.param(
            {"gcePersistentDisk": {"pdName": "x"}}, [{"gcePersistentDisk": {"pdName": "y"}}], False, id="another disk"
        ),
        pytest.param(
            {"gcePersistentDisk": {"pdName": "x", "readOnly": True}},
            [{"gcePersistentDisk": {"pdName": "x", "readOnly": True}}],
            True,
            id="the same disk",
        ),
        pytest.param(
            {"azureFile": {"secretName": "s", "shareName": "x"}},
            [{"gcePersistentDisk": {"pdName": "y"}}],
            True,
            id="nothing that is attached",
        ),
    ],
)
def test_limits_of_volumes_that_moved_into_drivers(world, zones, stored, pod_of, wanted, there, want):
    """Written into pods: they count as their driver's (checkAttachableInlineVolume)."""
    stored(csi_node("a", 1, DISK_DRIVER))
    world.add_pods(pod_of("x", node="a", volumes=[{"name": f"v{n}", **each} for n, each in enumerate(there)]))
    assert ("a" in world.feasible(pod_of("p", volumes=[{"name": "v", **wanted}]))) is want


def test_limits_of_claims_whose_class_moved_into_a_driver(world, zones, stored, pod_of):
    """getCSIDriverInfoFromSC."""
    stored(csi_node("a", 1, DISK_DRIVER), claim("c"), claim("d"), class_of("kubernetes.io/gce-pd"))
    assert "a" in world.feasible(pod_of("p", **using("c")))
    assert "a" not in world.feasible(pod_of("p", **using("c", "d")))


@pytest.mark.parametrize(("insists", "want"), [(True, ["a"]), (False, ["a", "b", "nowhere"])])
def test_a_driver_may_insist_on_being_installed(world, zones, stored, pod_of, insists, want):
    """VolumeLimitScaling: CSIDriver's preventPodSchedulingIfMissing."""
    driver = thing("CSIDriver", "d", spec={"preventPodSchedulingIfMissing": insists})
    stored(driver, csi_node("a", None), claim(bound="v"), volume("v"))
    assert world.feasible(pod_of("p", **using("c"))) == want


@pytest.mark.parametrize(
    ("objects", "want"),
    [
        pytest.param([class_of()], ["a", "b", "nowhere"], id="made anywhere"),
        pytest.param([class_of("kubernetes.io/no-provisioner")], [], id="not made, none there"),
        pytest.param([class_of("kubernetes.io/no-provisioner"), volume("v", zone="b")], ["b"], id="free in one zone"),
        pytest.param([class_of("kubernetes.io/no-provisioner"), volume("v", "1Mi")], [], id="too small"),
        pytest.param([class_of("kubernetes.io/no-provisioner"), volume("v", phase="Released")], [], id="not yet free"),
        pytest.param(
            [
                class_of(
                    allowedTopologies=[{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}],
                )
            ],
            ["a"],
            id="made in one zone",
        ),
        pytest.param(
            [class_of("kubernetes.io/no-provisioner"), volume("v"), volume("w", "9Gi", zone="b", claim="c")],
            ["b"],
            id="the one that is meant for it, or none",
        ),
    ],
)
def test_volume_binding(world, zones, stored, pod_of, objects, want):
    stored(claim(), *objects)
    assert world.feasible(pod_of("p", **using("c"))) == want


def test_a_selected_node_is_kept(world, zones, stored, pod_of):
    stored(claim(node="b"), class_of())
    assert world.feasible(pod_of("p", **using("c"))) == ["b"]


def room(zone: str, size: str, **more) -> dict:
    topology = {"matchLabels": {ZONE: zone}}
    return thing(
        "CSIStorageCapacity",
        f"room-{zone}",
        namespace="default",
        storageClassName="waits",
        nodeTopology=topology,
        capacity=size,
        **more,
    )


def test_storage_capacity(world, zones, stored, pod_of):
    """CSIDriver's storageCapacity: only where there is room; the fuller the storage, the worse (KEP-4049)."""
    stored(thing("CSIDriver", "d", spec={"storageCapacity": True}), claim(size="2Gi"), class_of())
    assert "3 node(s) did not have enough free storage" in world.why_not(pod_of("p", **using("c")))
    stored(room("a", "4Gi"), room("b", "8Gi"))
    found = world.decide(pod_of("p", **using("c")))
    assert isinstance(found, Placement)
    assert found.scores["b"] - found.scores["a"] == 75 - 50
    stored(room("b", "8Gi", maximumVolumeSize="1Gi"))
    assert world.feasible(pod_of("p", **using("c"))) == ["a"]


def test_volumes_to_bind_are_rated_by_how_well_they_fit(world, zones, stored, pod_of):
    stored(claim(), class_of("kubernetes.io/no-provisioner"), volume("v", "2Gi", zone="a"), volume("w", zone="b"))
    scores = world.decide(pod_of("p", **using("c"))).scores
    assert scores["a"] - scores["b"] == 50


def test_all_reasons_are_told(world, zones):
    """FindPodVolumes: a node may be wrong in several ways."""
    waiting = Waiting(claim(), class_of(), [], rooms=[])
    found = plan(Needs([volume("v", zone="b"), None], [waiting]), world.nodes["a"])
    assert found.reasons == [
        "node(s) didn't match PersistentVolume's node affinity",
        "node(s) did not have enough free storage",
    ]
