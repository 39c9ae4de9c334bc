"""Volume types that moved out of Kubernetes into CSI drivers: what their volumes are called there (KEP-625).

The old sources stay in the API; whoever attaches or resizes such a volume speaks of the driver's. Source:
csi-translation-lib 0.37.1. Only what names and attaches a volume is here: topology and storage classes are not.
"""

import re
from collections.abc import Callable

import msgspec

from umiak.objects import meta
from umiak.objects.types import Object

UNSPECIFIED = "UNSPECIFIED"
EBS_VOLUME = re.compile(r"vol-[^/]*")
AZURE_SECRET = re.compile(r"azure-storage-account-(.+)-secret")
AZURE_RESOURCE_GROUP = "kubernetes.io/azure-file-resource-group"
ZONES = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")
BETWEEN_ZONES = "__"


class Untranslatable(Exception):
    """The volume has no counterpart in the CSI driver's terms; the text says why."""


class Owner(msgspec.Struct, frozen=True):
    """Whose source it is: metadata of the persistent volume, and the namespace of the claim or the pod."""

    metadata: Object
    namespace: str
    is_volume: bool
    """A PersistentVolume's, else one written into a pod (then metadata has its name)."""


def _ebs_handle(source: Object, owner: Owner) -> str:
    given = str(source["volumeID"])
    if not given.startswith("aws://"):
        return given
    found = given.removeprefix("aws://").partition("/")[2].strip("/")
    if not EBS_VOLUME.fullmatch(found):
        raise Untranslatable(f"Invalid format for AWS volume ({given})")
    return found


def _gce_handle(source: Object, owner: Owner) -> str:
    labels, disk = meta.labels({"metadata": owner.metadata}), source["pdName"]
    zones = next((labels[z] for z in ZONES if labels.get(z)), "").split(BETWEEN_ZONES)
    if not owner.is_volume or len(zones) == 1:
        zone = (zones[0] if owner.is_volume else "") or UNSPECIFIED
        return f"projects/{UNSPECIFIED}/zones/{zone}/disks/{disk}"
    regions = {z.rpartition("-")[0] for z in zones}
    if len(regions) != 1 or any(z.count("-") != 2 for z in zones):
        raise Untranslatable(f"multiple or no regions gotten from zones, got: {sorted(regions)}")
    return f"projects/{UNSPECIFIED}/regions/{regions.pop()}/disks/{disk}"


def _azure_disk_handle(source: Object, owner: Owner) -> str:
    if str(source.get("kind") or "managed").lower() != "managed":
        raise Untranslatable(f"kind({source['kind']}) is not supported in csi migration")
    return str(source["diskURI"])


def _azure_file_handle(source: Object, owner: Owner) -> str:
    match = AZURE_SECRET.search(source["secretName"])
    account = match[1] if match else source["secretName"]
    group = meta.annotations({"metadata": owner.metadata}).get(AZURE_RESOURCE_GROUP, "") if owner.is_volume else ""
    namespace = source.get("secretNamespace") or owner.namespace
    if not namespace:
        raise Untranslatable("could not find a secret namespace in PersistentVolumeSource or ClaimRef")
    return f"{group}#{account}#{source['shareName']}#{owner.metadata['name']}#{namespace}"


def _handle_in(field: str) -> Callable[[Object, Owner], str]:
    return lambda source, owner: str(source[field])


class Moved(msgspec.Struct, frozen=True):
    """One volume type: its old plugin, its field in volumes, the driver, and how it calls a volume."""

    plugin: str
    field: str
    driver: str
    handle: Callable[[Object, Owner], str]
    inline_modes: Callable[[Object], list[str]] = lambda source: ["ReadWriteOnce"]
    """Access modes of a volume that is written into a pod."""


def _by_read_only(source: Object) -> list[str]:
    return ["ReadOnlyMany"] if source.get("readOnly") else ["ReadWriteOnce"]


def _shared(source: Object) -> list[str]:
    return ["ReadWriteMany"]


MOVED = (
    Moved("kubernetes.io/aws-ebs", "awsElasticBlockStore", "ebs.csi.aws.com", _ebs_handle),
    Moved("kubernetes.io/gce-pd", "gcePersistentDisk", "pd.csi.storage.gke.io", _gce_handle, _by_read_only),
    Moved("kubernetes.io/azure-disk", "azureDisk", "disk.csi.azure.com", _azure_disk_handle),
    Moved(
        "kubernetes.io/azure-file", "azureFile", "file.csi.azure.com", _azure_file_handle, lambda s: ["ReadWriteMany"]
    ),
    Moved("kubernetes.io/cinder", "cinder", "cinder.csi.openstack.org", _handle_in("volumeID")),
    Moved("kubernetes.io/vsphere-volume", "vsphereVolume", "csi.vsphere.vmware.com", _handle_in("volumePath")),
    Moved("kubernetes.io/portworx-volume", "portworxVolume", "pxd.portworx.com", _handle_in("volumeID"), _by_read_only),
)
FIELDS = frozenset(m.field for m in MOVED)


def moved_of(source: Object) -> Moved | None:
    """What a persistent volume's spec, or a pod's volume, is of, when it is of a type that moved."""
    return next((m for m in MOVED if source.get(m.field)), None)


def driver_of_plugin(plugin: str) -> str:
    """The driver that took over from an old plugin; empty when none did."""
    return next((m.driver for m in MOVED if m.plugin == plugin), "")


def handle_of_volume(moved: Moved, volume: Object) -> str:
    """What the driver calls a PersistentVolume. Raises Untranslatable."""
    spec = volume["spec"]
    namespace = (spec.get("claimRef") or {}).get("namespace") or ""
    return moved.handle(spec[moved.field], Owner(volume["metadata"], namespace, is_volume=True))


def handle_of_inline(moved: Moved, volume: Object, namespace: str) -> str:
    """What the driver calls a volume that is written into a pod. Raises Untranslatable."""
    owner = Owner({"name": volume["name"]}, namespace or "default", is_volume=False)
    return moved.handle(volume[moved.field], owner)


def inline_spec(moved: Moved, volume: Object, namespace: str) -> Object:
    """The spec of a persistent volume that stands for one written into a pod. Raises Untranslatable."""
    source = volume[moved.field]
    csi: Object = {"driver": moved.driver, "volumeHandle": handle_of_inline(moved, volume, namespace)}
    if source.get("readOnly"):
        csi["readOnly"] = True
    if source.get("fsType"):
        csi["fsType"] = source["fsType"]
    csi |= _inline_details(moved, source, namespace)
    return {"csi": csi, "accessModes": moved.inline_modes(source), "volumeMode": "Filesystem"}


def _inline_details(moved: Moved, source: Object, namespace: str) -> Object:
    if moved.field == "awsElasticBlockStore":
        return {"volumeAttributes": {"partition": str(source.get("partition") or 0)}}
    if moved.field == "gcePersistentDisk":
        return {"volumeAttributes": {"partition": str(source.get("partition") or "")}}
    if moved.field == "azureDisk":
        named = {"cachingmode": source.get("cachingMode"), "fstype": source.get("fsType"), "kind": "managed"}
        return {"volumeAttributes": {k: v for k, v in named.items() if v}}
    if moved.field == "azureFile":
        secret = {"name": source["secretName"], "namespace": namespace or "default"}
        return {"volumeAttributes": {"sharename": source["shareName"]}, "nodeStageSecretRef": secret}
    return {}
