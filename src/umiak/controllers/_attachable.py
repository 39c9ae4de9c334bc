"""Which volumes have to be attached to a node before they can be mounted, and what they are called. Pure.

Those of CSI drivers (and of types that moved into one) are attached by the driver, asked by a VolumeAttachment;
iscsi and fc have nothing to attach, but nodes wait for seeing them in their status all the same.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256

import msgspec

from umiak.api.common import moved_volumes as migration
from umiak.controllers._volumes import claim_names
from umiak.objects import meta
from umiak.objects.types import Object

CSI = "kubernetes.io/csi/"
BETWEEN = "^"
SHARED_MODES = {"ReadWriteMany", "ReadOnlyMany"}
INLINE_FIELDS = migration.FIELDS | {"iscsi", "fc"}


class Volume(msgspec.Struct, frozen=True):
    """One volume as nodes, drivers and people call it."""

    name: str
    """Its unique name in the status of nodes: the plugin, then what the plugin calls it."""
    title: str
    """Its name in events."""
    driver: str = ""
    """The CSI driver that attaches it; empty when nobody has to."""
    handle: str = ""
    exclusive: bool = False
    """Attached to one node at a time."""
    source: Object | None = None
    """How a VolumeAttachment refers to it."""

    @property
    def plugin(self) -> str:
        return plugin_of(self.name)

    def attachment(self, node: str) -> str:
        """The name of its VolumeAttachment to that node."""
        return attachment_name(self.driver, self.handle, node)


def attachment_name(driver: str, handle: str, node: str) -> str:
    return f"csi-{sha256(f'{handle}{driver}{node}'.encode()).hexdigest()}"


def csi_name(driver: str, handle: str) -> str:
    return f"{CSI}{driver}{BETWEEN}{handle}"


def split_csi_name(name: str) -> tuple[str, str] | None:
    """Driver and handle of a volume in a node's status, None when it is not a CSI driver's."""
    driver, found, handle = name.removeprefix(CSI).partition(BETWEEN)
    return (driver, handle) if name.startswith(CSI) and found and BETWEEN not in handle else None


def plugin_of(name: str) -> str:
    """The plugin of a volume in a node's status, with the driver for a CSI driver's: as metrics name it."""
    parts = split_csi_name(name)
    return f"{CSI.rstrip('/')}:{parts[0]}" if parts is not None else "/".join(name.split("/")[:2])


def is_exclusive(modes: Iterable[str]) -> bool:
    """Without access modes nobody knows: then the driver is left to refuse."""
    found = set(modes)
    return bool(found) and not found & SHARED_MODES


def _plain(source: Object, title: str, exclusive: bool) -> Volume | None:
    """iscsi and fc."""
    if source.get("iscsi"):
        found = source["iscsi"]
        name = f"kubernetes.io/iscsi/{found['targetPortal']}:{found['iqn']}:{found.get('lun', 0)}"
        return Volume(name, title, exclusive=exclusive)
    if source.get("fc"):
        found = source["fc"]
        ids, rest = found.get("wwids") or (), ""
        if found.get("targetWWNs") and found.get("lun") is not None:
            ids, rest = found["targetWWNs"], f":{found['lun']}"
        return Volume(f"kubernetes.io/fc/[{' '.join(ids)}]{rest}", title, exclusive=exclusive) if ids else None
    return None


def of_volume(volume: Object) -> Volume | None:
    """A PersistentVolume; None when it needs no attaching. Raises Untranslatable."""
    spec, title = volume["spec"], meta.name(volume)
    exclusive = is_exclusive(spec.get("accessModes") or ())
    moved = migration.moved_of(spec)
    if moved is not None:
        driver, handle = moved.driver, migration.handle_of_volume(moved, volume)
    elif spec.get("csi"):
        driver, handle = spec["csi"]["driver"], spec["csi"]["volumeHandle"]
    else:
        return _plain(spec, title, exclusive)
    source = {"persistentVolumeName": title}
    return Volume(csi_name(driver, handle), title, driver, handle, exclusive, source)


def of_inline(volume: Object, namespace: str) -> Volume | None:
    """A volume written into a pod; a CSI driver's own kind of those is never attached. Raises Untranslatable."""
    moved = migration.moved_of(volume)
    if moved is None:
        return _plain(volume, volume["name"], exclusive=False)
    spec = migration.inline_spec(moved, volume, namespace)
    handle = spec["csi"]["volumeHandle"]
    title = handle if moved.field.startswith("azure") else f"{moved.driver}-{handle.rpartition('/')[2]}"
    exclusive = is_exclusive(spec["accessModes"])
    return Volume(csi_name(moved.driver, handle), title, moved.driver, handle, exclusive, {"inlineVolumeSpec": spec})


def of_attachment(attachment: Object, volume: Object | None) -> Volume | None:
    """What a VolumeAttachment attaches; None when its persistent volume is gone. Raises Untranslatable."""
    inline = attachment["spec"]["source"].get("inlineVolumeSpec")
    if inline is not None:
        csi = inline.get("csi") or {}
        driver, handle = csi.get("driver", ""), csi.get("volumeHandle", "")
        return Volume(csi_name(driver, handle), handle, driver, handle, is_exclusive(inline.get("accessModes") or ()))
    return None if volume is None else of_volume(volume)


def attaches(driver: Object | None) -> bool:
    """Whether a driver attaches at all; one that nobody registered does."""
    return driver is None or (driver.get("spec") or {}).get("attachRequired") is not False


def may_need_attaching(pod: Object) -> bool:
    volumes = pod["spec"].get("volumes") or ()
    return any(v.get("persistentVolumeClaim") or v.get("ephemeral") or INLINE_FIELDS & v.keys() for v in volumes)


def volumes_of(
    pod: Object, claim_of: Callable[[str], Object | None], volume_of: Callable[[str], Object | None]
) -> list[Volume]:
    """What has to be attached for the pod. Claims that are not bound, or not to it, and strange volumes count for
    nothing: they are looked at again when they change.
    """
    sources: list[Volume | None] = []
    for name, own in claim_names(pod):
        claim = claim_of(name)
        if claim is None or (own and (meta.controller_of(claim) or {}).get("uid") != meta.uid(pod)):
            continue
        found = _behind(claim, volume_of)
        sources.append(_or_none(of_volume, found) if found is not None else None)
    for inline in pod["spec"].get("volumes") or ():
        if INLINE_FIELDS & inline.keys():
            sources.append(_or_none(of_inline, inline, meta.namespace(pod)))
    return [s for s in sources if s is not None]


def _behind(claim: Object, volume_of: Callable[[str], Object | None]) -> Object | None:
    """The volume that the claim is bound to, and that is bound to it."""
    name = claim["spec"].get("volumeName")
    if not name or (claim.get("status") or {}).get("phase") != "Bound":
        return None
    volume = volume_of(name)
    ref = (volume or {}).get("spec", {}).get("claimRef") or {}
    return volume if ref.get("uid") == meta.uid(claim) else None


def _or_none(make: Callable[..., Volume | None], *given: object) -> Volume | None:
    try:
        return make(*given)
    except migration.Untranslatable:
        return None
