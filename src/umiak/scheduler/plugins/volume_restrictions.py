"""Reject a pod that wants a claim for itself alone (ReadWriteOncePod, KEP-2485) while another pod has it."""

from umiak.api.core import persistentvolumeclaim
from umiak.objects.meta import Key
from umiak.scheduler.contract import FITS, SKIP, Before, Cycle, Event, Plugin, Reject, Verdict, always
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView
from umiak.scheduler.volumes import is_its_claim

NAME = "VolumeRestrictions"
IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)


def prefilter(cycle: Cycle) -> Before:
    alone = set()
    for name in cycle.pod.claims:
        claim = cycle.cache.get(persistentvolumeclaim.KIND, Key(cycle.pod.namespace, name)) or {}
        if "ReadWriteOncePod" in ((claim.get("spec") or {}).get("accessModes") or ()):
            alone.add(f"{cycle.pod.namespace}/{name}")
    if not alone:
        return SKIP
    cycle.notes[NAME] = {c: sum(node.claims.get(c, 0) for node in cycle.nodes.values()) for c in alone}
    return None


def moved(cycle: Cycle, node: NodeView, pod: PodView, sign: int) -> None:
    counts: dict[str, int] = cycle.notes[NAME]
    for claim in pod.claims:
        name = f"{pod.namespace}/{claim}"
        if name in counts:
            counts[name] += sign


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    return Reject((IN_USE,)) if any(count > 0 for count in cycle.notes[NAME].values()) else FITS


def freed_a_claim(cycle: Cycle, old: PodView, new: None) -> bool:
    return old.namespace == cycle.pod.namespace and not set(old.claims).isdisjoint(cycle.pod.claims)


PLUGIN = Plugin(
    name=NAME,
    order=70,
    prefilter=prefilter,
    filter=filter_node,
    moved=moved,
    retry_on={Event.POD_REMOVED: freed_a_claim, Event.NODE_ADDED: always, Event.CLAIM_ADDED: is_its_claim},
)
