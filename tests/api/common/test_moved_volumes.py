"""What volumes of types that moved into CSI drivers are called there (csi-translation-lib)."""

import pytest

from umiak.api.common.moved_volumes import MOVED, Untranslatable, handle_of_volume, inline_spec, moved_of

ZONE = "topology.kubernetes.io/zone"
DISK = {"gcePersistentDisk": {"pdName": "d"}}
FILE = {"azureFile": {"secretName": "azure-storage-account-acme-secret", "shareName": "s"}}


def volume(source, **about):
    return {"metadata": {"name": "pv", **about}, "spec": source}


@pytest.mark.parametrize(
    ("given", "handle"),
    [
        pytest.param(volume({"awsElasticBlockStore": {"volumeID": "vol-12"}}), "vol-12", id="ebs, bare"),
        pytest.param(
            volume({"awsElasticBlockStore": {"volumeID": "aws://eu-1a/vol-12"}}), "vol-12", id="ebs, with zone"
        ),
        pytest.param(volume({"awsElasticBlockStore": {"volumeID": "aws:///vol-12"}}), "vol-12", id="ebs, empty zone"),
        pytest.param(
            volume(DISK, labels={ZONE: "eu-west1-b"}), "projects/UNSPECIFIED/zones/eu-west1-b/disks/d", id="pd, zone"
        ),
        pytest.param(
            volume(DISK, labels={ZONE: "eu-west1-b__eu-west1-c"}),
            "projects/UNSPECIFIED/regions/eu-west1/disks/d",
            id="pd, region",
        ),
        pytest.param(volume(DISK), "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d", id="pd, no label"),
        pytest.param(volume({"azureDisk": {"diskName": "d", "diskURI": "/sub/d"}}), "/sub/d", id="azure disk"),
        pytest.param(
            volume({**FILE, "claimRef": {"namespace": "shop"}}),
            "#acme#s#pv#shop",
            id="azure file, the claim's namespace",
        ),
        pytest.param(
            volume(
                {"azureFile": {"secretName": "odd", "shareName": "s", "secretNamespace": "vault"}},
                annotations={"kubernetes.io/azure-file-resource-group": "rg"},
            ),
            "rg#odd#s#pv#vault",
            id="azure file, all given",
        ),
        pytest.param(volume({"cinder": {"volumeID": "c"}}), "c", id="cinder"),
        pytest.param(volume({"vsphereVolume": {"volumePath": "[ds] a.vmdk"}}), "[ds] a.vmdk", id="vsphere"),
        pytest.param(volume({"portworxVolume": {"volumeID": "p"}}), "p", id="portworx"),
    ],
)
def test_handles(given, handle):
    moved = moved_of(given["spec"])
    assert moved is not None
    assert handle_of_volume(moved, given) == handle


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(volume({"awsElasticBlockStore": {"volumeID": "aws://eu-1a/disk-12"}}), id="ebs, no volume"),
        pytest.param(volume(DISK, labels={ZONE: "eu-west1-b__us-east1-c"}), id="pd, two regions"),
        pytest.param(volume(DISK, labels={ZONE: "here__there"}), id="pd, strange zones"),
        pytest.param(volume({"azureDisk": {"diskURI": "d", "kind": "Shared"}}), id="azure disk, not managed"),
        pytest.param(volume(FILE), id="azure file, no namespace"),
    ],
)
def test_what_has_no_counterpart(given):
    moved = moved_of(given["spec"])
    assert moved is not None
    with pytest.raises(Untranslatable):
        handle_of_volume(moved, given)


def test_one_written_into_a_pod_stands_as_a_persistent_volume():
    given = {"name": "v", "gcePersistentDisk": {"pdName": "d", "fsType": "ext4", "readOnly": True, "partition": 2}}
    moved = moved_of(given)
    assert moved is not None
    assert inline_spec(moved, given, "shop") == {
        "csi": {
            "driver": "pd.csi.storage.gke.io",
            "volumeHandle": "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d",
            "fsType": "ext4",
            "readOnly": True,
            "volumeAttributes": {"partition": "2"},
        },
        "accessModes": ["ReadOnlyMany"],
        "volumeMode": "Filesystem",
    }


def test_no_type_is_named_twice():
    assert len({m.plugin for m in MOVED} | {m.driver for m in MOVED}) == 2 * len(MOVED)
