"""Claims that want to grow are told whom they wait for (situations of the reference's expand_controller_test.go)."""

from typing import Any

import pytest

from umiak.api.common.moved_volumes import moved_of
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.controllers._volumes import BEFORE_RESIZE
from umiak.controllers.volume_expand import CONTROLLER, RESIZER, WAITING, grows, message_of, wants_more
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.workbench import Workbench

CSI = {"csi": {"driver": "d.example.com", "volumeHandle": "h"}}
EBS = {"awsElasticBlockStore": {"volumeID": "vol-1"}}


def claim(asks: str, has: str) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": asks}}, "volumeName": "pv"}
    about = {"name": "data", "namespace": "default"}
    return {"metadata": about, "spec": spec, "status": {"phase": "Bound", "capacity": {"storage": has}}}


@pytest.mark.parametrize(
    ("asks", "has", "annotations", "wants"),
    [
        ("2Gi", "1Gi", {}, True),
        ("1Gi", "1Gi", {}, False),
        ("1Gi", "2Gi", {}, False),
        ("1Gi", "1Gi", {BEFORE_RESIZE: "1Gi"}, True),
    ],
)
def test_who_wants_more(asks: str, has: str, annotations: dict[str, str], wants: bool) -> None:
    assert wants_more(claim(asks, has), {"metadata": {"annotations": annotations}}) is wants


@pytest.mark.parametrize(
    ("old", "new", "wakes"),
    [
        (None, claim("1Gi", "1Gi"), True),
        (claim("1Gi", "1Gi"), claim("2Gi", "1Gi"), True),
        (claim("2Gi", "1Gi"), claim("2Gi", "2Gi"), True),
        (claim("2Gi", "1Gi"), claim("2Gi", "1Gi"), False),
        (claim("2Gi", "1Gi"), claim("1Gi", "1Gi"), False),
        (claim("2Gi", "1Gi"), None, False),
    ],
)
def test_what_wakes(old: Object | None, new: Object | None, wakes: bool) -> None:
    assert grows(old, new) is wakes


@pytest.mark.parametrize(
    ("source", "text", "annotation"),
    [
        pytest.param(CSI, WAITING, None, id="a driver's own"),
        pytest.param(
            EBS,
            "CSI migration enabled for kubernetes.io/aws-ebs; waiting for external resizer to expand the pvc",
            "ebs.csi.aws.com",
            id="moved into a driver",
        ),
    ],
)
async def test_it_says_who_will_do_it(source: Object, text: str, annotation: str | None) -> None:
    assert message_of(moved_of(source)) == text
    async with Workbench.real() as cluster:
        wanted = claim("2Gi", "1Gi")
        status: dict[str, Any] = wanted.pop("status")
        made = await cluster.create(CLAIM, wanted, status=status)
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": {"namespace": "default", "name": "data", "uid": meta.uid(made)},
            **source,
        }
        await cluster.create(VOLUME, {"metadata": {"name": "pv"}, "spec": spec})
        async with cluster.running(CONTROLLER):
            await cluster.clock.advance(2)
            assert await cluster.events("default") == [("ExternalExpanding", "data", text)]
            fresh = await cluster.client.get(CLAIM, "data", "default")
            assert meta.annotations(fresh).get(RESIZER) == annotation
