"""Reject nodes to which no more volumes of a CSI driver can be attached (CSINode's allocatable count)."""

from umiak.api.core import persistentvolume, persistentvolumeclaim
from umiak.api.storage import csinode, storageclass
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.scheduler.contract import FITS, SKIP, Before, Cycle, Event, Plugin, Reject, Verdict, always
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView
from umiak.scheduler.volumes import is_its_claim

NAME = "NodeVolumeLimits"
TOO_MANY = "node(s) exceed max volume count"


def driver_of(cycle: Cycle, namespace: str, claim_name: str) -> str:
    """The CSI driver that serves a claim, or will; empty for other kinds of volumes."""
    claim = cycle.cache.get(persistentvolumeclaim.KIND, Key(namespace, claim_name)) or {}
    spec = claim.get("spec") or {}
    if spec.get("volumeName"):
        volume = cycle.cache.get(persistentvolume.KIND, Key("", spec["volumeName"])) or {}
        return str(((volume.get("spec") or {}).get("csi") or {}).get("driver") or "")
    wanted = spec.get("storageClassName")
    found = cycle.cache.get(storageclass.KIND, Key("", wanted)) if wanted else None
    return str((found or {}).get("provisioner") or "")


def prefilter(cycle: Cycle) -> Before:
    if not cycle.pod.claims or not cycle.cache.keys(csinode.KIND):
        return SKIP
    own = {f"{cycle.pod.namespace}/{c}": driver_of(cycle, cycle.pod.namespace, c) for c in cycle.pod.claims}
    cycle.notes[NAME] = {claim: driver for claim, driver in own.items() if driver}
    return None if cycle.notes[NAME] else SKIP


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    found = cycle.cache.get(csinode.KIND, Key("", node.name))
    drivers = ((found or {}).get("spec") or {}).get("drivers") or ()
    limits = {d["name"]: (d.get("allocatable") or {}).get("count") for d in drivers}
    wanted: dict[str, str] = cycle.notes[NAME]
    for driver in set(wanted.values()):
        limit = limits.get(driver)
        if limit is not None and _attached(cycle, node, driver, wanted) > limit:
            return Reject((TOO_MANY,))
    return FITS


def _attached(cycle: Cycle, node: NodeView, driver: str, wanted: dict[str, str]) -> int:
    """Volumes of the driver on the node once the pod is there; a shared one counts once."""
    here = {c for c in node.claims if driver_of(cycle, *c.split("/", 1)) == driver}
    return len(here | {claim for claim, its in wanted.items() if its == driver})


def limits_of(found: Object) -> dict[str, int]:
    drivers = (found.get("spec") or {}).get("drivers") or ()
    return {d["name"]: (d.get("allocatable") or {}).get("count") or 0 for d in drivers}


def holds_more(cycle: Cycle, old: Object, new: Object) -> bool:
    before = limits_of(old)
    return any(limit > before.get(name, 0) for name, limit in limits_of(new).items())


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
    },
)
