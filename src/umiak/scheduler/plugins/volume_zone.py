"""Reject nodes in another zone or region than the labels of a bound volume say (volumes older than node affinity).

Source: `plugins/volumezone/volume_zone.go`.
"""

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.scheduler.contract import FITS, SKIP, Before, Cycle, Event, Plugin, Reject, RejectAll, Verdict, always
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.volumes import (
    claim_not_found,
    claim_of,
    class_name,
    class_named,
    is_its_claim,
    named_claims,
    volume_name,
    volume_named,
)

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
    for name in named_claims(cycle):
        claim = claim_of(cycle, name)
        if claim is None:
            return RejectAll(claim_not_found(name))
        problem = _without_volume(cycle, claim) if not volume_name(claim) else ""
        if problem:
            return RejectAll(problem)
        volume = volume_named(cycle, volume_name(claim))
        if volume is None and volume_name(claim):
            return RejectAll(f'persistentvolume "{volume_name(claim)}" not found')
        wanted += zones_of(meta.labels(volume or {}))
    if not wanted:
        return SKIP
    cycle.notes[NAME] = wanted
    return None


def _without_volume(cycle: Cycle, claim: Object) -> str:
    """Empty for a claim that waits for its first consumer, or why the pod must wait for a volume."""
    name = class_name(claim)
    if not name:
        return "PersistentVolumeClaim had no pv name and storageClass name"
    found = class_named(cycle, name)
    if found is None:
        return f'storageclass.storage.k8s.io "{name}" not found'
    return "" if waits_for_consumers(cycle, None, found) else "PersistentVolume had no name"


def zones_of(labels: dict[str, str]) -> list[tuple[str, set[str]]]:
    """Label keys of a volume with the values that a node may have. One with an empty value in it is ignored."""
    listed = [(key, {value.strip() for value in labels[key].split("__")}) for key in KEYS if key in labels]
    return [(key, values) for key, values in listed if "" not in values]


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    """A node that says nothing of zones is in all of them."""
    if not any(key in node.labels for key in KEYS):
        return FITS
    fits = all(_value(node, key) in values for key, values in cycle.notes[NAME])
    return FITS if fits else Reject((ELSEWHERE,), hopeless=True)


def _value(node: NodeView, key: str) -> str | None:
    """Of a node's label; when it lacks an old one, of the one that took its place."""
    return node.labels.get(key, node.labels.get(key.replace("failure-domain.beta", "topology")))


def waits_for_consumers(cycle: Cycle, old: Object | None, new: Object) -> bool:
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
