"""Reject nodes in another zone or region than the labels of a bound volume say (volumes older than node affinity)."""

from umiak.api.core import persistentvolume, persistentvolumeclaim
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.scheduler.contract import FITS, SKIP, Before, Cycle, Event, Plugin, Reject, Verdict, always
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.volumes import is_its_claim

NAME = "VolumeZone"
ELSEWHERE = "node(s) had no available volume zone"
KEYS = (
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
)


def prefilter(cycle: Cycle) -> Before:
    wanted: list[tuple[str, set[str]]] = []
    for name in cycle.pod.claims:
        claim = cycle.cache.get(persistentvolumeclaim.KIND, Key(cycle.pod.namespace, name)) or {}
        volume_name = (claim.get("spec") or {}).get("volumeName")
        volume = cycle.cache.get(persistentvolume.KIND, Key("", volume_name)) if volume_name else None
        labels = meta.labels(volume or {})
        wanted += [(key, set(labels[key].split("__"))) for key in KEYS if key in labels]
    if not wanted:
        return SKIP
    cycle.notes[NAME] = wanted
    return None


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    if not any(key in node.labels for key in KEYS):
        return FITS
    fits = all(node.labels.get(key) in values for key, values in cycle.notes[NAME])
    return FITS if fits else Reject((ELSEWHERE,), hopeless=True)


def waits_for_consumers(cycle: Cycle, old: None, new: Object) -> bool:
    return new.get("volumeBindingMode") == "WaitForFirstConsumer"


def moved_zone(cycle: Cycle, old: Object, new: Object) -> bool:
    was, is_ = meta.labels(old), meta.labels(new)
    return any(was.get(key) != is_.get(key) for key in KEYS)


PLUGIN = Plugin(
    name=NAME,
    order=95,
    prefilter=prefilter,
    filter=filter_node,
    retry_on={
        Event.CLASS_ADDED: waits_for_consumers,
        Event.NODE_ADDED: always,
        Event.NODE_LABELS: always,
        Event.CLAIM_ADDED: is_its_claim,
        Event.CLAIM_CHANGED: is_its_claim,
        Event.VOLUME_ADDED: always,
        Event.VOLUME_CHANGED: moved_zone,
    },
)
