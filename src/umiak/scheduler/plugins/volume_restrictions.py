"""Reject a pod that wants a claim for itself alone (ReadWriteOncePod, KEP-2485) while another pod has it, and nodes on
which another pod uses a disk that it could not share.

Source: `plugins/volumerestrictions/volume_restrictions.go`.
"""

import msgspec

from umiak.objects.types import Object
from umiak.scheduler.contract import FITS, SKIP, Before, Cycle, Event, Plugin, Reject, RejectAll, Verdict, always
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView
from umiak.scheduler.volumes import claim_not_found, claim_of, is_its_claim, named_claims

NAME = "VolumeRestrictions"
IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)
NO_DISK = "node(s) had no available disk"


class Uses(msgspec.Struct):
    """Claims that the pod wants for itself alone, and how often others use them."""

    alone: set[str]
    count: int


def prefilter(cycle: Cycle) -> Before:
    alone = set()
    for name in named_claims(cycle):
        claim = claim_of(cycle, name)
        if claim is None:
            return RejectAll(claim_not_found(name))
        if "ReadWriteOncePod" in ((claim.get("spec") or {}).get("accessModes") or ()):
            alone.add(name)
    used = {f"{cycle.pod.namespace}/{name}" for name in alone}
    count = sum(any(name in node.claims for node in cycle.nodes.values()) for name in used)
    if not count and not cycle.pod.disks:
        return SKIP
    cycle.notes[NAME] = Uses(alone, count)
    return None


def moved(cycle: Cycle, node: NodeView, pod: PodView, sign: int) -> None:
    """The reference does not look at the other pod's namespace here."""
    uses: Uses = cycle.notes[NAME]
    uses.count += sign * sum(name in uses.alone for name in pod.claims if name not in pod.ephemeral_claims)


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    wanted = cycle.pod.disks
    if wanted and any(clash(mine, other) for pod in node.pods.values() for other in pod.disks for mine in wanted):
        return Reject((NO_DISK,))
    return Reject((IN_USE,)) if cycle.notes[NAME].count > 0 else FITS


def clash(a: Object, b: Object) -> bool:
    """Whether two volumes are one disk that may not be mounted twice on a node. All but Amazon's may be when every pod
    only reads."""
    if "awsElasticBlockStore" in a and "awsElasticBlockStore" in b:
        return bool(a["awsElasticBlockStore"]["volumeID"] == b["awsElasticBlockStore"]["volumeID"])
    kind = next((k for k in ("gcePersistentDisk", "iscsi", "rbd") if k in a and k in b), None)
    if kind is None:
        return False
    mine, other = a[kind], b[kind]
    only_read = mine.get("readOnly") and other.get("readOnly")
    return not only_read and _is_same(kind, mine, other)


def _is_same(kind: str, a: Object, b: Object) -> bool:
    if kind == "gcePersistentDisk":
        return bool(a["pdName"] == b["pdName"])
    if kind == "iscsi":
        return bool(a["iqn"] == b["iqn"])
    shares_monitor = not set(a.get("monitors") or ()).isdisjoint(b.get("monitors") or ())
    return shares_monitor and (a.get("pool"), a.get("image")) == (b.get("pool"), b.get("image"))


def freed_a_volume(cycle: Cycle, old: PodView, new: None) -> bool:
    """Whether the pod that went had a claim or a disk in the way."""
    if old.namespace != cycle.pod.namespace:
        return False
    freed = not set(old.claims).isdisjoint(cycle.pod.claims)
    return freed or any(clash(mine, other) for mine in cycle.pod.disks for other in old.disks)


PLUGIN = Plugin(
    name=NAME,
    order=70,
    prefilter=prefilter,
    filter=filter_node,
    moved=moved,
    retry_on={Event.POD_REMOVED: freed_a_volume, Event.NODE_ADDED: always, Event.CLAIM_ADDED: is_its_claim},
)
