"""Claims find volumes, local folders are made for them, and nothing in use is taken away."""

from typing import Any

import pytest

from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.storage.storageclass import KIND as STORAGE_CLASS
from umiak.controllers import _volumes as rules
from umiak.controllers import local_path, persistentvolume, pv_protection, pvc_protection
from umiak.controllers._volumes import SELECTED_NODE, best_match, mismatch
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.contract import Options
from umiak.reconcile.measures import text
from umiak.testing.workbench import Workbench

ROOT = "/var/lib/umiak/local"


def volume(name: str, size: str = "1Gi", **spec: Any) -> Object:
    full = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce"],
        "nfs": {"server": "s", "path": "/"},
        **spec,
    }
    return {"metadata": {"name": name}, "spec": full}


def claim(name: str, size: str = "1Gi", **spec: Any) -> Object:
    full = {
        "resources": {"requests": {"storage": size}},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        **spec,
    }
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": full}


def storage_class(name: str, mode: str = "Immediate", provisioner: str = "example.com/x", **about: Any) -> Object:
    return {"metadata": {"name": name, **about}, "provisioner": provisioner, "volumeBindingMode": mode}


@pytest.fixture
async def cluster() -> Any:
    cluster = Workbench.fake(options=Options(local_path_root=ROOT))
    controllers = [m.CONTROLLER for m in (persistentvolume, local_path, pvc_protection, pv_protection)]
    async with cluster.running(*controllers):
        yield cluster


async def phases(cluster: Workbench) -> dict[str, str]:
    objects = [*await cluster.list(VOLUME), *await cluster.list(CLAIM)]
    return {meta.name(o): o["status"]["phase"] for o in objects}


async def messages(cluster: Workbench) -> list[tuple[str, str]]:
    return [(reason, message) for reason, _, message in await cluster.events("shop")]


async def test_the_smallest_that_suffices_is_bound(cluster: Workbench) -> None:
    for name, size in (("small", "1Gi"), ("medium", "5Gi"), ("large", "50Gi")):
        await cluster.create(VOLUME, volume(name, size))
    made = await cluster.create(CLAIM, claim("data", "2Gi"))
    assert await phases(cluster) == {"small": "Available", "medium": "Bound", "large": "Available", "data": "Bound"}
    bound = await cluster.find(CLAIM, "data", "shop") or {}
    assert bound["spec"]["volumeName"] == "medium"
    told = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}}
    assert {k: v for k, v in bound["status"].items() if k != "conditions"} == told
    annotations = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
    assert meta.annotations(bound) == annotations
    ref = (await cluster.find(VOLUME, "medium") or {})["spec"]["claimRef"]
    assert (ref["namespace"], ref["name"], ref["uid"]) == ("shop", "data", meta.uid(made))


async def test_two_claims_do_not_share(cluster: Workbench) -> None:
    await cluster.create(CLAIM, claim("first"))
    await cluster.create(CLAIM, claim("second"))
    await cluster.create(VOLUME, volume("only"))
    await cluster.clock.advance(20)
    assert sorted((await phases(cluster)).values()) == ["Bound", "Bound", "Pending"]
    nothing = "no persistent volumes available for this claim and no storage class is set"
    assert ("FailedBinding", nothing) in await messages(cluster)
    await cluster.create(VOLUME, volume("another"))
    assert set((await phases(cluster)).values()) == {"Bound"}


async def test_a_released_volume_is_kept_or_failed(cluster: Workbench) -> None:
    for name, policy in (("retain", "Retain"), ("delete", "Delete")):
        await cluster.create(VOLUME, volume(name, persistentVolumeReclaimPolicy=policy))
        await cluster.create(CLAIM, claim(f"for-{name}", volumeName=name))
        await cluster.delete(CLAIM, f"for-{name}", "shop")
    assert await phases(cluster) == {"retain": "Released", "delete": "Failed"}
    failed = await cluster.find(VOLUME, "delete") or {}
    text = 'error getting deleter volume plugin for volume "delete": no deletable volume plugin matched'
    assert failed["status"]["message"] == text


async def test_a_wanted_volume_must_suit(cluster: Workbench) -> None:
    await cluster.create(VOLUME, volume("small"))
    await cluster.create(CLAIM, claim("big", "2Gi", volumeName="small"))
    assert (await phases(cluster))["big"] == "Pending"
    expected = ("VolumeMismatch", 'Cannot bind to requested volume "small": requested PV is too small')
    assert expected in await messages(cluster)


async def test_a_lost_volume_is_told(cluster: Workbench) -> None:
    await cluster.create(VOLUME, volume("v"))
    await cluster.create(CLAIM, claim("data"))
    await cluster.client.patch(VOLUME, "v", "", {"metadata": {"finalizers": None}})
    await cluster.client.delete(VOLUME, "v")
    await cluster.clock.advance(1)
    assert await phases(cluster) == {"data": "Lost"}
    assert ("ClaimLost", persistentvolume.LOST_VOLUME) in await messages(cluster)


async def test_others_provisioners_are_asked(cluster: Workbench) -> None:
    await cluster.create(STORAGE_CLASS, storage_class("fast"))
    await cluster.create(CLAIM, claim("data", storageClassName="fast"))
    found = await cluster.find(CLAIM, "data", "shop") or {}
    assert meta.annotations(found)["volume.kubernetes.io/storage-provisioner"] == "example.com/x"
    ((reason, message),) = await messages(cluster)
    assert reason == "ExternalProvisioning"
    assert message.startswith("Waiting for a volume to be created either by the external provisioner 'example.com/x'")


async def test_provisioners_that_would_be_built_in_are_missed(cluster: Workbench) -> None:
    await cluster.create(STORAGE_CLASS, storage_class("none", provisioner="kubernetes.io/no-provisioner"))
    await cluster.create(CLAIM, claim("data", storageClassName="none"))
    text = "no volume plugin matched name: kubernetes.io/no-provisioner"
    assert await messages(cluster) == [("ProvisioningFailed", text)]


async def test_provisioners_that_moved_are_asked_under_their_new_name(cluster: Workbench) -> None:
    await cluster.create(STORAGE_CLASS, storage_class("old", provisioner="kubernetes.io/cinder"))
    await cluster.create(CLAIM, claim("data", storageClassName="old"))
    found = await cluster.find(CLAIM, "data", "shop") or {}
    assert meta.annotations(found)["volume.kubernetes.io/storage-provisioner"] == "cinder.csi.openstack.org"


async def test_the_default_class_is_given_later_too(cluster: Workbench) -> None:
    wish = claim("data")
    del wish["spec"]["storageClassName"]
    await cluster.create(CLAIM, wish)
    default = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    await cluster.create(STORAGE_CLASS, storage_class("standard", **default))
    assert (await cluster.find(CLAIM, "data", "shop") or {})["spec"]["storageClassName"] == "standard"


async def provisioned(cluster: Workbench) -> Object:
    """A node, a claim of class local-path scheduled to it; answers the volume."""
    await cluster.create(NODE, {"metadata": {"name": "one", "labels": {"kubernetes.io/hostname": "one.example"}}})
    await cluster.create(CLAIM, claim("data", storageClassName="local-path"))
    assert await phases(cluster) == {"data": "Pending"}
    waiting = ("WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    assert waiting in await messages(cluster)
    await cluster.patch(CLAIM, "data", "shop", {"metadata": {"annotations": {SELECTED_NODE: "one"}}})
    (made,) = await cluster.list(VOLUME)
    return made


async def test_local_path(cluster: Workbench) -> None:
    made = await provisioned(cluster)
    classes = {meta.name(c): meta.annotations(c) for c in await cluster.list(STORAGE_CLASS)}
    assert classes == {"local-path": {"storageclass.kubernetes.io/is-default-class": "true"}}
    assert set((await phases(cluster)).values()) == {"Bound"}
    uid = meta.uid(await cluster.find(CLAIM, "data", "shop") or {})
    assert made["spec"]["hostPath"] == {"path": f"{ROOT}/pvc-{uid}_shop_data", "type": "DirectoryOrCreate"}
    (term,) = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == ["one.example"]


async def test_local_path_waits_for_the_node_to_clean_up(cluster: Workbench) -> None:
    made = await provisioned(cluster)
    await cluster.delete(CLAIM, "data", "shop")
    left = await cluster.find(VOLUME, meta.name(made)) or {}
    assert meta.is_being_deleted(left)
    assert meta.annotations(left)[local_path.DELETE_ON] == "one"
    assert left["metadata"]["finalizers"] == [local_path.FINALIZER]
    await cluster.patch(VOLUME, meta.name(made), "", {"metadata": {"finalizers": []}})
    assert await cluster.list(VOLUME) == []


async def test_local_path_of_a_lost_node_is_let_go(cluster: Workbench) -> None:
    await provisioned(cluster)
    await cluster.delete(CLAIM, "data", "shop")
    await cluster.delete(NODE, "one")
    assert await cluster.list(VOLUME) == []


async def test_local_path_says_what_it_cannot(cluster: Workbench) -> None:
    await cluster.create(NODE, {"metadata": {"name": "one"}})
    wish = claim("shared", storageClassName="local-path", accessModes=["ReadWriteMany"])
    wish["metadata"]["annotations"] = {SELECTED_NODE: "one"}
    await cluster.create(CLAIM, wish)
    why = "access modes ReadWriteMany: only ReadWriteOnce and ReadWriteOncePod are supported"
    text = f'failed to provision volume with StorageClass "local-path": {why}'
    assert ("ProvisioningFailed", text) in await messages(cluster)


async def test_a_claim_in_use_stays_until_the_pod_is_gone(cluster: Workbench) -> None:
    await cluster.create(VOLUME, volume("v"))
    await cluster.create(CLAIM, claim("data"))
    spec = {"nodeName": "n", "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}
    await cluster.create(POD, {"metadata": {"name": "user", "namespace": "shop"}, "spec": spec})
    await cluster.delete(VOLUME, "v")
    await cluster.delete(CLAIM, "data", "shop")
    assert await phases(cluster) == {"v": "Bound", "data": "Bound"}
    await cluster.client.delete(POD, "user", "shop", grace_seconds=0)
    await cluster.clock.advance(0)
    assert await phases(cluster) == {}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({}, ""),
        ({"capacity": {"storage": "1Mi"}}, "requested PV is too small"),
        ({"storageClassName": "x"}, "storageClassName does not match"),
        ({"volumeMode": "Block"}, "incompatible volumeMode"),
        ({"accessModes": ["ReadOnlyMany"]}, "incompatible accessMode"),
    ],
)
def test_mismatch(spec: Object, why: str) -> None:
    assert mismatch(volume("v", **spec), claim("c")) == why


def test_fewer_access_modes_are_preferred_to_less_space() -> None:
    plain = volume("plain", "9Gi", phase="x")
    rich = volume("rich", "1Gi", accessModes=["ReadWriteOnce", "ReadWriteMany"])
    for v in (plain, rich):
        v["status"] = {"phase": "Available"}
    found = best_match(claim("c"), [rich, plain], only_promised=False)
    assert found is plain
    assert best_match(claim("c"), [rich, plain], only_promised=True) is None


MOVED = {"pv.kubernetes.io/provisioned-by": "kubernetes.io/cinder"}
TO_CINDER = {"pv.kubernetes.io/migrated-to": "cinder.csi.openstack.org"}
BUILT_IN = {"pv.kubernetes.io/provisioned-by": "kubernetes.io/glusterfs"}


@pytest.mark.parametrize(
    ("annotations", "finalizers", "policy", "want"),
    [
        pytest.param({}, ["x"], "Delete", None, id="made by hand"),
        pytest.param({"pv.kubernetes.io/provisioned-by": "d"}, [], "Delete", None, id="a driver's"),
        pytest.param(MOVED, [], "Delete", (MOVED | TO_CINDER, []), id="moved into a driver"),
        pytest.param(MOVED | TO_CINDER, [], "Delete", None, id="moved, and said so"),
        pytest.param(
            MOVED | TO_CINDER, [rules.BUILT_IN_FINALIZER], "Delete", (MOVED | TO_CINDER, []), id="moved later"
        ),
        pytest.param(BUILT_IN | TO_CINDER, [], "Retain", (BUILT_IN, []), id="moved back"),
        pytest.param(BUILT_IN, [], "Delete", (BUILT_IN, [rules.BUILT_IN_FINALIZER]), id="to be deleted by a plugin"),
        pytest.param(BUILT_IN, [rules.BUILT_IN_FINALIZER], "Retain", (BUILT_IN, []), id="no longer to be deleted"),
        pytest.param(BUILT_IN, [rules.EXTERNAL_FINALIZER], "Retain", (BUILT_IN, []), id="left by a driver"),
    ],
)
def test_migration_of_volumes(
    annotations: dict[str, str], finalizers: list[str], policy: str, want: tuple[dict[str, str], list[str]] | None
) -> None:
    """`updateVolumeMigrationAnnotationsAndFinalizers` of the reference."""
    given = volume("v", persistentVolumeReclaimPolicy=policy)
    given["metadata"] |= {"annotations": annotations, "finalizers": finalizers}
    made = rules.migrated_volume(given)
    assert (None if made is None else (meta.annotations(made), made["metadata"]["finalizers"])) == want


@pytest.mark.parametrize(
    ("annotations", "want"),
    [
        ({}, None),
        ({"volume.kubernetes.io/storage-provisioner": "example.com/x"}, None),
        ({"volume.beta.kubernetes.io/storage-provisioner": "kubernetes.io/cinder"}, "cinder.csi.openstack.org"),
        ({"volume.kubernetes.io/storage-provisioner": "kubernetes.io/gce-pd"}, "pd.csi.storage.gke.io"),
    ],
)
def test_migration_of_claims(annotations: dict[str, str], want: str | None) -> None:
    made = rules.migrated_claim({"metadata": {"annotations": annotations}})
    assert (None if made is None else meta.annotations(made)[rules.MIGRATED_TO]) == want


@pytest.mark.parametrize(
    ("annotations", "source", "fault"),
    [
        ({}, {"csi": {"driver": "d"}}, ""),
        ({"pv.kubernetes.io/provisioned-by": "example.com/x"}, {"nfs": {}}, ""),
        (BUILT_IN, {"glusterfs": {}}, "no volume plugin matched name: kubernetes.io/glusterfs"),
        ({}, {"hostPath": {"path": "/data"}}, "host_path deleter only supports /tmp/.+ but received provided /data"),
        (
            {},
            {"nfs": {"path": "/"}},
            'error getting deleter volume plugin for volume "v": no deletable volume plugin matched',
        ),
        ({}, {"local": {"path": "/"}}, 'error getting deleter volume plugin for volume "v": no volume plugin matched'),
    ],
)
def test_who_deletes_volumes(annotations: dict[str, str], source: Object, fault: str) -> None:
    assert rules.deletion_fault({"metadata": {"name": "v", "annotations": annotations}, "spec": source}) == fault


CAPACITY = {"storage": "5Gi"}


@pytest.mark.parametrize(
    ("before", "annotations", "attributes", "want"),
    [
        pytest.param({"phase": "Pending"}, {}, None, {"capacity": CAPACITY}, id="bound now"),
        pytest.param(
            {"phase": "Pending"},
            {rules.BEFORE_RESIZE: "1Gi"},
            None,
            {"capacity": {"storage": "1Gi"}},
            id="its file system has yet to grow",
        ),
        pytest.param(
            {"phase": "Pending"},
            {},
            "fast",
            {"capacity": CAPACITY, "currentVolumeAttributesClassName": "fast"},
            id="with attributes",
        ),
        pytest.param(
            {"phase": "Bound", "capacity": {"storage": "1Gi"}, "currentVolumeAttributesClassName": "slow"},
            {},
            "fast",
            {"capacity": {"storage": "1Gi"}, "currentVolumeAttributesClassName": "slow"},
            id="bound before: size and attributes are its resizer's",
        ),
    ],
)
def test_what_a_claim_gets(before: Object, annotations: dict[str, str], attributes: str | None, want: Object) -> None:
    """`updateClaimStatus` of the reference."""
    given = volume("v", "5Gi", **({"volumeAttributesClassName": attributes} if attributes else {}))
    given["metadata"]["annotations"] = annotations
    status = rules.claim_status({"status": before}, "Bound", given)
    assert status == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], **want}
    assert rules.claim_status({"status": status}, "Lost", None) == {"phase": "Lost"}


async def test_volumes_and_claims_are_counted(cluster: Workbench) -> None:
    await cluster.create(VOLUME, volume("v"))
    await cluster.create(CLAIM, claim("data"))
    await cluster.create(CLAIM, claim("more"))
    assert cluster.runtime is not None
    told = text(cluster.runtime.metrics, cluster.runtime.tables, [persistentvolume.CONTROLLER]).decode()
    assert [line for line in told.splitlines() if line.startswith("pv_collector")] == [
        'pv_collector_bound_pv_count{storage_class=""} 1',
        'pv_collector_bound_pvc_count{namespace="shop",storage_class="",volume_attributes_class=""} 1',
        'pv_collector_total_pv_count{plugin_name="kubernetes.io/nfs",volume_mode="Filesystem"} 1',
        'pv_collector_unbound_pvc_count{namespace="shop",storage_class="",volume_attributes_class=""} 1',
    ]
