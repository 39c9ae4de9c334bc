"""Reject nodes to which no more volumes of a CSI driver can be attached (CSINode's allocatable count), or on which a
driver that insists on it is not installed.

Volumes of types that moved into CSI drivers count as the driver's on nodes that have a CSINode. Source:
`plugins/nodevolumelimits/csi.go`.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec

from umiak.api.common.moved_volumes import (
    MOVED,
    Moved,
    Untranslatable,
    handle_of_inline,
    handle_of_volume,
    moved_of,
)
from umiak.api.storage import csidriver, csinode, volumeattachment
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.scheduler.contract import FITS, SKIP, Before, Cycle, Event, Plugin, Reject, Verdict, always
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView
from umiak.scheduler.volumes import (
    claim_of,
    class_name,
    class_named,
    is_its_claim,
    named_claims,
    volume_name,
    volume_named,
)

NAME = "NodeVolumeLimits"
TOO_MANY = "node(s) exceed max volume count"
COUNTED = frozenset({"awsElasticBlockStore", "gcePersistentDisk", "azureDisk", "cinder", "portworxVolume"})
"""Types that moved and are looked at here (isCSIMigrationOn)."""


class Volume(NamedTuple):
    """A CSI driver, what it calls the volume, and whether it is of a type that moved there."""

    driver: str
    handle: str
    moved: bool = False

    @property
    def key(self) -> Key:
        return Key(self.driver, self.handle)


class Attached(msgspec.Struct):
    """CSI volumes, by their keys: of the pod, and of attachments by node. `known` remembers what claims of other pods
    were found to be, by namespace and name."""

    wanted: dict[Key, Volume]
    by_node: dict[str, set[Key]]
    known: dict[str, Volume | None] = msgspec.field(default_factory=dict)


def volume_of(cycle: Cycle, namespace: str, name: str) -> Volume | None:
    """What a claim's volume is to a CSI driver; one that is still to be made has a handle that no volume has. None
    for other kinds of volumes."""
    claim = claim_of(cycle, name, namespace)
    if claim is None:
        return None
    volume = volume_named(cycle, volume_name(claim))
    if volume is not None:
        moved = _counted(moved_of(volume["spec"]))
        return csi_of(volume) or (_translated(moved, partial(handle_of_volume, volume=volume)) if moved else None)
    provisioner = str((class_named(cycle, class_name(claim)) or {}).get("provisioner") or "")
    old = next((m for m in MOVED if m.plugin == provisioner), None)
    if not provisioner or (old is not None and _counted(old) is None):
        return None
    return Volume(old.driver if old else provisioner, f" {namespace}/{name}", old is not None)


def csi_of(volume: Object) -> Volume | None:
    csi = (volume.get("spec") or {}).get("csi")
    return Volume(csi["driver"], csi["volumeHandle"]) if csi else None


def inline_of(pod: PodView) -> list[Volume]:
    """Disks that a pod names itself."""
    volumes = []
    for disk in pod.disks:
        moved = _counted(moved_of(disk))
        if moved is not None:
            handle = partial(handle_of_inline, volume=disk, namespace=pod.namespace)
            volumes.append(_translated(moved, handle))
    return [volume for volume in volumes if volume is not None]


def _counted(moved: Moved | None) -> Moved | None:
    return moved if moved is not None and moved.field in COUNTED else None


def _translated(moved: Moved, handle: Callable[[Moved], str]) -> Volume | None:
    try:
        return Volume(moved.driver, handle(moved), True)
    except Untranslatable:
        return None


def prefilter(cycle: Cycle) -> Before:
    pod = cycle.pod
    found = [*(volume_of(cycle, pod.namespace, name) for name in pod.claims), *inline_of(pod)]
    wanted = {volume.key: volume for volume in found if volume is not None}
    if not wanted:
        return SKIP
    cycle.notes[NAME] = Attached(wanted, attachments(cycle))
    return None


def attachments(cycle: Cycle) -> dict[str, set[Key]]:
    """Volumes that are attached, or are to be, by node."""
    found: dict[str, set[Key]] = {}
    for attachment in cycle.cache.list(volumeattachment.KIND):
        spec = attachment["spec"]
        volume = volume_named(cycle, (spec.get("source") or {}).get("persistentVolumeName") or "")
        csi = csi_of(volume) if volume is not None else None
        if csi is not None and spec.get("attacher"):
            found.setdefault(spec["nodeName"], set()).add(Key(spec["attacher"], csi.handle))
    return found


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    notes: Attached = cycle.notes[NAME]
    found = cycle.cache.get(csinode.KIND, Key("", node.name))
    wanted = {key: v.driver for key, v in notes.wanted.items() if found is not None or not v.moved}
    limits = limits_of(found or {})
    for driver in wanted.values():
        if driver not in limits and _must_be_there(cycle, driver):
            return Reject((f"{driver} CSI driver is not installed on the node",))
    told = {driver: limit for driver, limit in limits.items() if limit is not None}
    if not told:
        return FITS
    there = _volumes_on(cycle, notes, node)
    new = Counter(driver for key, driver in wanted.items() if key not in there)
    taken = Counter(driver for driver, _ in there | notes.by_node.get(node.name, set()))
    full = any(driver in told and taken[driver] + count > told[driver] for driver, count in new.items())
    return Reject((TOO_MANY,)) if full else FITS


def _must_be_there(cycle: Cycle, driver: str) -> bool:
    """Whether a driver wants pods to go only where it is installed."""
    found = cycle.cache.get(csidriver.KIND, Key("", driver)) or {}
    return bool((found.get("spec") or {}).get("preventPodSchedulingIfMissing"))


def _volumes_on(cycle: Cycle, notes: Attached, node: NodeView) -> set[Key]:
    """Of pods on the node; one that is shared counts once."""
    for name in node.claims:
        if name not in notes.known:
            notes.known[name] = volume_of(cycle, *name.split("/", 1))
    claimed = {volume.key for name in node.claims if (volume := notes.known[name]) is not None}
    return claimed | {volume.key for pod in node.pods.values() if pod.disks for volume in inline_of(pod)}


def limits_of(found: Object) -> dict[str, int | None]:
    """Of a CSINode's drivers, by name; None: as many as one likes."""
    drivers = (found.get("spec") or {}).get("drivers") or ()
    return {d["name"]: (d.get("allocatable") or {}).get("count") for d in drivers}


def holds_more(cycle: Cycle, old: Object, new: Object) -> bool:
    before = limits_of(old)
    return any((limit or 0) > (before.get(name) or 0) for name, limit in limits_of(new).items())


def names_claims(cycle: Cycle, old: Object, new: None) -> bool:
    return bool(named_claims(cycle))


def had_volumes(cycle: Cycle, old: PodView, new: None) -> bool:
    return bool(old.claims)


PLUGIN = Plugin(
    name=NAME,
    order=80,
    prefilter=prefilter,
    filter=filter_node,
    retry_on={
        Event.CSINODE_ADDED: always,
        Event.CSINODE_CHANGED: holds_more,
        Event.POD_REMOVED: had_volumes,
        Event.CLAIM_ADDED: is_its_claim,
        Event.ATTACHMENT_REMOVED: names_claims,
    },
)
