"""Volumes of CSI drivers are attached to nodes and detached, with the API and a driver turned by hand."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.storage.csidriver import KIND as DRIVER
from umiak.api.storage.volumeattachment import KIND as ATTACHMENT
from umiak.controllers._attachable import (
    attaches,
    attachment_name,
    csi_name,
    is_exclusive,
    of_inline,
    split_csi_name,
)
from umiak.controllers._pods import has_ended
from umiak.controllers.attach_detach import CONTROLLER, MANAGED
from umiak.objects.types import Object
from umiak.reconcile.measures import text
from umiak.testing.workbench import Workbench

NAME = csi_name("d.example.com", "vol-1")
TO_ONE, TO_TWO = (attachment_name("d.example.com", "vol-1", node) for node in ("one", "two"))


@pytest.fixture
async def cluster() -> AsyncIterator[Workbench]:
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        for name in ("one", "two"):
            about = {"name": name, "annotations": {MANAGED: "true"}}
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            await cluster.create(NODE, {"metadata": about}, status=ready)
        yield cluster


async def volume(cluster: Workbench, modes: tuple[str, ...] = ("ReadWriteOnce",)) -> None:
    """A claim `data` bound to a volume `pv`."""
    wish = {"accessModes": list(modes), "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "pv"}
    about = {"name": "data", "namespace": "default"}
    claim = await cluster.create(
        CLAIM, {"metadata": about, "spec": {**wish, "storageClassName": ""}}, status={"phase": "Bound"}
    )
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": list(modes),
        "csi": {"driver": "d.example.com", "volumeHandle": "vol-1"},
        "claimRef": {"namespace": "default", "name": "data", "uid": claim["metadata"]["uid"]},
    }
    await cluster.create(VOLUME, {"metadata": {"name": "pv"}, "spec": spec})


async def pod(cluster: Workbench, name: str, node: str) -> None:
    source = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "c"}], "volumes": [source]}
    await cluster.create(POD, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})


async def attach(cluster: Workbench, name: str, **status: Any) -> None:
    """What an external attacher says."""
    await cluster.patch(ATTACHMENT, name, "", {"status": status or {"attached": True}}, subresource="status")


async def reported(cluster: Workbench, node: str) -> list[str]:
    found = await cluster.client.get(NODE, node)
    return [v["name"] for v in found["status"].get("volumesAttached") or ()]


async def use(cluster: Workbench, node: str, *names: str) -> None:
    """What a kubelet says it has mounted."""
    await cluster.patch(NODE, node, "", {"status": {"volumesInUse": list(names)}}, subresource="status")


async def end(cluster: Workbench, name: str) -> None:
    await cluster.client.delete(POD, name, "default", grace_seconds=0)
    await cluster.clock.advance(1)


async def test_from_pod_to_node_and_back(cluster: Workbench) -> None:
    await pod(cluster, "web", "one")
    assert await cluster.names(ATTACHMENT) == []
    await volume(cluster)
    made = await cluster.client.get(ATTACHMENT, TO_ONE)
    assert made["spec"] == {
        "attacher": "d.example.com",
        "nodeName": "one",
        "source": {"persistentVolumeName": "pv"},
    }
    assert await reported(cluster, "one") == []
    await attach(cluster, TO_ONE)
    assert await reported(cluster, "one") == [NAME]
    await use(cluster, "one", NAME)
    await end(cluster, "web")
    assert await reported(cluster, "one") == [NAME]
    assert await cluster.names(ATTACHMENT) == [TO_ONE]
    await use(cluster, "one")
    assert await reported(cluster, "one") == []
    assert await cluster.names(ATTACHMENT) == []
    await cluster.clock.advance(2)
    told = ("SuccessfulAttachVolume", "web", 'AttachVolume.Attach succeeded for volume "pv" ')
    assert told in await cluster.events("default")


async def test_what_is_counted(cluster: Workbench) -> None:
    await volume(cluster)
    await pod(cluster, "web", "one")
    await attach(cluster, TO_ONE)
    await pod(cluster, "other", "two")
    assert cluster.runtime is not None
    told = text(cluster.runtime.metrics, cluster.runtime.tables, [CONTROLLER]).decode()
    plugin = '="kubernetes.io/csi:d.example.com"'
    assert [line for line in told.splitlines() if not line.startswith("#")] == [
        f'attachdetach_controller_total_volumes{{plugin_name{plugin},state="actual_state_of_world"}} 1',
        f'attachdetach_controller_total_volumes{{plugin_name{plugin},state="desired_state_of_world"}} 2',
        f'storage_count_attachable_volumes_in_use{{node="one",volume_plugin{plugin}}} 1',
        f'storage_count_attachable_volumes_in_use{{node="two",volume_plugin{plugin}}} 1',
    ]


async def test_one_node_after_the_other(cluster: Workbench) -> None:
    await volume(cluster)
    await pod(cluster, "web", "one")
    await attach(cluster, TO_ONE)
    await pod(cluster, "other", "two")
    await cluster.clock.advance(2)
    assert await cluster.names(ATTACHMENT) == [TO_ONE]
    text = 'Waiting for detach for volume "pv" Volume is already used by pod(s) web'
    assert ("FailedAttachVolume", "other", text) in await cluster.events("default")
    await end(cluster, "web")
    assert await cluster.names(ATTACHMENT) == [TO_TWO]


async def test_shared_volumes_go_to_both(cluster: Workbench) -> None:
    await volume(cluster, ("ReadWriteMany",))
    await pod(cluster, "web", "one")
    await pod(cluster, "other", "two")
    assert await cluster.names(ATTACHMENT) == sorted([TO_ONE, TO_TWO])


async def test_volumes_written_into_pods_are_told_apart(cluster: Workbench) -> None:
    for name, disk, node in (("a", "c-1", "one"), ("b", "c-2", "two"), ("c", "c-1", "two")):
        volumes = [{"name": "v", "cinder": {"volumeID": disk}}]
        spec = {"nodeName": node, "containers": [{"name": "c", "image": "c"}], "volumes": volumes}
        await cluster.create(POD, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})
    made = {a["spec"]["nodeName"]: a["spec"]["source"] for a in await cluster.list(ATTACHMENT)}
    handles = {node: source["inlineVolumeSpec"]["csi"]["volumeHandle"] for node, source in made.items()}
    assert handles == {"one": "c-1", "two": "c-2"}


async def test_failures_are_told_less_and_less_often(cluster: Workbench) -> None:
    await volume(cluster)
    await pod(cluster, "web", "one")
    await attach(cluster, TO_ONE, attached=False, attachError={"message": "no such disk"})
    await cluster.clock.advance(10)
    found = [e for e in await cluster.events("default") if e[0] == "FailedAttachVolume"]
    assert found == [("FailedAttachVolume", "web", 'AttachVolume.Attach failed for volume "pv" : no such disk')]
    await attach(cluster, TO_ONE)
    assert await reported(cluster, "one") == [NAME]


async def test_an_unwell_node_is_given_six_minutes(cluster: Workbench) -> None:
    await volume(cluster)
    await pod(cluster, "web", "one")
    await attach(cluster, TO_ONE)
    await use(cluster, "one", NAME)
    unwell = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    await cluster.patch(NODE, "one", "", unwell, subresource="status")
    await end(cluster, "web")
    await cluster.clock.advance(358)
    assert await cluster.names(ATTACHMENT) == [TO_ONE]
    await cluster.clock.advance(5)
    assert await cluster.names(ATTACHMENT) == []


async def test_out_of_service_needs_no_waiting(cluster: Workbench) -> None:
    await volume(cluster)
    await pod(cluster, "web", "one")
    await attach(cluster, TO_ONE)
    await use(cluster, "one", NAME)
    taint = {"key": "node.kubernetes.io/out-of-service", "value": "shutdown", "effect": "NoExecute"}
    await cluster.patch(NODE, "one", "", {"spec": {"taints": [taint]}})
    await end(cluster, "web")
    assert await cluster.names(ATTACHMENT) == []


async def test_a_node_that_went_away(cluster: Workbench) -> None:
    await volume(cluster)
    await pod(cluster, "web", "one")
    await attach(cluster, TO_ONE)
    await cluster.delete(NODE, "one")
    await end(cluster, "web")
    assert await cluster.names(ATTACHMENT) == []


async def test_drivers_that_do_not_attach(cluster: Workbench) -> None:
    await cluster.create(DRIVER, {"metadata": {"name": "d.example.com"}, "spec": {"attachRequired": False}})
    await volume(cluster)
    await pod(cluster, "web", "one")
    await cluster.clock.advance(1)
    assert await cluster.names(ATTACHMENT) == []


async def test_attachments_of_others_are_left_alone(cluster: Workbench) -> None:
    """As the conformance test of VolumeAttachments makes them."""
    spec = {"attacher": "a.example.com", "nodeName": "one", "source": {"persistentVolumeName": "none"}}
    await cluster.create(ATTACHMENT, {"metadata": {"name": "va"}, "spec": spec})
    await cluster.clock.advance(400)
    assert await cluster.names(ATTACHMENT) == ["va"]


@pytest.mark.parametrize(
    ("modes", "exclusive"),
    [
        ((), False),
        (("ReadWriteOnce",), True),
        (("ReadWriteOncePod",), True),
        (("ReadWriteOnce", "ReadOnlyMany"), False),
    ],
)
def test_access_modes(modes: tuple[str, ...], exclusive: bool) -> None:
    assert is_exclusive(modes) is exclusive


@pytest.mark.parametrize(
    ("driver", "does"),
    [
        (None, True),
        ({"spec": {}}, True),
        ({"spec": {"attachRequired": True}}, True),
        ({"spec": {"attachRequired": False}}, False),
    ],
)
def test_which_drivers_attach(driver: Object | None, does: bool) -> None:
    assert attaches(driver) is does


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"iscsi": {"targetPortal": "1.2.3.4", "iqn": "iqn.x", "lun": 2}}, "kubernetes.io/iscsi/1.2.3.4:iqn.x:2"),
        ({"fc": {"targetWWNs": ["a", "b"], "lun": 1}}, "kubernetes.io/fc/[a b]:1"),
        ({"fc": {"wwids": ["w"]}}, "kubernetes.io/fc/[w]"),
        ({"cinder": {"volumeID": "c"}}, "kubernetes.io/csi/cinder.csi.openstack.org^c"),
    ],
)
def test_names_of_inline_volumes(source: Object, name: str) -> None:
    found = of_inline({"name": "v", **source}, "default")
    assert found is not None
    assert found.name == name


def test_volumes_that_need_no_attaching() -> None:
    assert of_inline({"name": "v", "emptyDir": {}}, "default") is None
    assert of_inline({"name": "v", "csi": {"driver": "d"}}, "default") is None


def test_names_can_be_read_back() -> None:
    assert split_csi_name(NAME) == ("d.example.com", "vol-1")
    assert split_csi_name("kubernetes.io/iscsi/a:b:0") is None


@pytest.mark.parametrize(
    ("status", "going", "over"),
    [
        ({"phase": "Succeeded"}, False, True),
        ({"phase": "Running"}, False, False),
        ({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, True, False),
        ({"phase": "Running", "containerStatuses": [{"state": {"terminated": {}}}]}, True, True),
        ({"phase": "Pending"}, True, True),
        ({"phase": "Running", "containerStatuses": [{"state": {"terminated": {}}}]}, False, False),
    ],
)
def test_when_a_pod_has_ended(status: Object, going: bool, over: bool) -> None:
    about = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if going else {}
    assert has_ended({"metadata": about, "spec": {}, "status": status}) is over
