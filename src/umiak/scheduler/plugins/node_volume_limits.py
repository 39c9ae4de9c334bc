"""Reject nodes to which no more volumes of a CSI driver can be attached (CSINode's allocatable count), or on which a
driver that insists on it is not installed.

Source: `plugins/nodevolumelimits/csi.go`. In-tree volumes that are said to be migrated to a driver are not counted.
"""

from collections import Counter

import msgspec

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
Volume = tuple[str, str]
"""A CSI driver, and what it calls the volume."""


class Attached(msgspec.Struct):
    """CSI volumes, by a handle that is theirs alone: of the pod, and of attachments by node. `known` remembers what
    claims of other pods were found to be, by namespace and name."""

    wanted: dict[Volume, str]
    by_node: dict[str, set[Volume]]
    known: dict[str, Volume | None] = msgspec.field(default_factory=dict)


def volume_of(cycle: Cycle, namespace: str, name: str) -> Volume | None:
    """The CSI driver of a claim's volume and its handle there; for one that is still to be made a handle that no
    volume has. None for other kinds of volumes."""
    claim = claim_of(cycle, name, namespace)
    if claim is None:
        return None
    volume = volume_named(cycle, volume_name(claim))
    if volume is not None:
        return csi_of(volume)
    found = class_named(cycle, class_name(claim))
    driver = str((found or {}).get("provisioner") or "")
    return (driver, f" {namespace}/{name}") if driver else None


def csi_of(volume: Object) -> Volume | None:
    csi = (volume.get("spec") or {}).get("csi")
    return (csi["driver"], csi["volumeHandle"]) if csi else None


def prefilter(cycle: Cycle) -> Before:
    found = [volume_of(cycle, cycle.pod.namespace, name) for name in cycle.pod.claims]
    wanted = {volume: volume[0] for volume in found if volume is not None}
    if not wanted:
        return SKIP
    cycle.notes[NAME] = Attached(wanted, attachments(cycle))
    return None


def attachments(cycle: Cycle) -> dict[str, set[Volume]]:
    """Volumes that are attached, or are to be, by node."""
    found: dict[str, set[Volume]] = {}
    for attachment in cycle.cache.list(volumeattachment.KIND):
        spec = attachment["spec"]
        volume = volume_named(cycle, (spec.get("source") or {}).get("persistentVolumeName") or "")
        csi = csi_of(volume) if volume is not None else None
        if csi is not None and spec.get("attacher"):
            found.setdefault(spec["nodeName"], set()).add((spec["attacher"], csi[1]))
    return found


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    notes: Attached = cycle.notes[NAME]
    found = cycle.cache.get(csinode.KIND, Key("", node.name)) or {}
    drivers = {d["name"] for d in (found.get("spec") or {}).get("drivers") or ()}
    for driver in notes.wanted.values():
        if driver not in drivers and _must_be_there(cycle, driver):
            return Reject((f"{driver} CSI driver is not installed on the node",))
    limits = {name: limit for name, limit in limits_of(found).items() if limit is not None}
    if not limits:
        return FITS
    there = _volumes_on(cycle, notes, node)
    new = Counter(driver for volume, driver in notes.wanted.items() if volume not in there)
    taken = Counter(driver for driver, _ in there | notes.by_node.get(node.name, set()))
    full = any(taken[driver] + count > limits.get(driver, taken[driver] + count) for driver, count in new.items())
    return Reject((TOO_MANY,)) if full else FITS


def _must_be_there(cycle: Cycle, driver: str) -> bool:
    """Whether a driver wants pods to go only where it is installed."""
    found = cycle.cache.get(csidriver.KIND, Key("", driver)) or {}
    return bool((found.get("spec") or {}).get("preventPodSchedulingIfMissing"))


def _volumes_on(cycle: Cycle, notes: Attached, node: NodeView) -> set[Volume]:
    """Of pods on the node; one that is shared counts once."""
    for name in node.claims:
        if name not in notes.known:
            notes.known[name] = volume_of(cycle, *name.split("/", 1))
    return {volume for name in node.claims if (volume := notes.known[name]) is not None}


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
