"""Which volumes a pod's claims would get on a node: those they are bound to, free ones, or new ones. Pure.

Source: `plugins/volumebinding/binder.go`, component-helpers `storage/volume/pv_helpers.go` (FindMatchingVolume).
"""

from collections.abc import Iterable, Sequence

import msgspec

from umiak.objects import meta, quantity
from umiak.objects.selectors import from_label_selector
from umiak.objects.types import Object
from umiak.scheduler.node_affinity import terms_match
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.volumes import class_name

WRONG_NODE = "node(s) didn't match PersistentVolume's node affinity"
NOTHING_TO_BIND = "node(s) didn't find available persistent volumes to bind"
NO_SPACE = "node(s) did not have enough free storage"
LOST = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


class Waiting(msgspec.Struct):
    """A claim that waits for its first consumer, its storage class, and the volumes that serve it where they can be
    reached, smallest first."""

    claim: Object
    storage_class: Object
    volumes: list[Object]
    rooms: list[Object] | None = None
    """CSIStorageCapacity objects with room for it; None when its driver does not tell."""


class Needs(msgspec.Struct):
    """A pod's claims, sorted by what must be done about them."""

    bound: list[Object | None] = msgspec.field(default_factory=list)
    """PersistentVolumes of claims that are bound; None for one that does not exist."""
    waiting: list[Waiting] = msgspec.field(default_factory=list)
    plans: "dict[str, Plan]" = msgspec.field(default_factory=dict)
    """By node, what was found last."""


class Plan(msgspec.Struct):
    """Claims with the volumes to bind them to; claims that volumes are to be made for, with the room for them on the
    node where that is known; and what is wrong about the node."""

    bindings: list[tuple[Object, Object]] = msgspec.field(default_factory=list)
    provisions: list[tuple[Object, Object | None]] = msgspec.field(default_factory=list)
    reasons: list[str] = msgspec.field(default_factory=list)


def plan(needs: Needs, node: NodeView) -> Plan:
    found = Plan()
    problem = _bound_elsewhere(needs.bound, node)
    if problem == WRONG_NODE:
        found.reasons.append(problem)
    _plan_waiting(needs.waiting, node, found)
    if problem == LOST:
        found.reasons.append(problem)
    return found


def _bound_elsewhere(volumes: Iterable[Object | None], node: NodeView) -> str:
    """What is wrong with the first volume that is."""
    for volume in volumes:
        if volume is None:
            return LOST
        if not reaches(volume, node):
            return WRONG_NODE
    return ""


def _plan_waiting(waiting: Sequence[Waiting], node: NodeView, found: Plan) -> None:
    chosen = [(each, meta.annotations(each.claim).get(SELECTED_NODE)) for each in waiting]
    if any(selected is not None and selected != node.name for _, selected in chosen):
        found.reasons.append(NOTHING_TO_BIND)
        return
    to_make = [each for each, selected in chosen if selected is not None]
    taken: set[str] = set()
    for each in sorted((each for each, selected in chosen if selected is None), key=lambda each: asked(each.claim)):
        volume = best_volume(each, node, taken)
        if volume is None:
            to_make.append(each)
        else:
            taken.add(meta.name(volume))
            found.bindings.append((each.claim, volume))
    for each in to_make:
        problem = _plan_new(each, node, found)
        if problem:
            found.reasons.append(problem)
            return


def _plan_new(each: Waiting, node: NodeView, found: Plan) -> str:
    """Why no volume can be made for a claim, if so."""
    if not can_provision(each.storage_class, node):
        return NOTHING_TO_BIND
    room = next((r for r in each.rooms or () if has_access(r, node)), None)
    if each.rooms is not None and room is None:
        return NO_SPACE
    found.provisions.append((each.claim, room))
    return ""


def can_provision(storage_class: Object, node: NodeView) -> bool:
    if storage_class.get("provisioner") in (None, "", NO_PROVISIONER):
        return False
    topologies = storage_class.get("allowedTopologies")
    return not topologies or any(_in_topology(term, node) for term in topologies)


def _in_topology(term: Object, node: NodeView) -> bool:
    """A term without expressions is no place (MatchTopologySelectorTerms)."""
    expressions = term.get("matchLabelExpressions") or ()
    return bool(expressions) and all(node.labels.get(e["key"]) in (e.get("values") or ()) for e in expressions)


def reaches(volume: Object, node: NodeView) -> bool:
    """Whether a volume's node affinity allows the node."""
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return required is None or terms_match(required.get("nodeSelectorTerms") or (), node.labels, "")


def amount(text: object) -> int:
    return quantity.parse(text).value() if text is not None else 0


def capacity(volume: Object) -> int:
    """In bytes."""
    return amount(((volume.get("spec") or {}).get("capacity") or {}).get("storage"))


def asked(claim: Object) -> int:
    """In bytes."""
    return amount((((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage"))


def best_volume(waiting: Waiting, node: NodeView, taken: set[str]) -> Object | None:
    """The smallest that the node reaches, unless one is meant for the claim; that one then or none."""
    smallest = None
    for volume in waiting.volumes:
        if meta.name(volume) in taken:
            continue
        if is_meant_for(volume, waiting.claim):
            return volume if reaches(volume, node) else None
        if smallest is None and reaches(volume, node):
            smallest = volume
    return smallest


def is_meant_for(volume: Object, claim: Object) -> bool:
    reference = (volume.get("spec") or {}).get("claimRef")
    if not reference or (reference.get("namespace"), reference.get("name")) != tuple(meta.key(claim)):
        return False
    return reference.get("uid") in (None, "", meta.uid(claim))


def serves(volume: Object, claim: Object) -> bool:
    """Whether a volume is one for the claim, wherever it is: meant for it and large enough, or free and as wanted."""
    spec, wanted = volume.get("spec") or {}, claim.get("spec") or {}
    meant = is_meant_for(volume, claim)
    if (spec.get("claimRef") and not meant) or class_name(volume) != class_name(claim):
        return False
    same = (spec.get("volumeMode") or "Filesystem") == (wanted.get("volumeMode") or "Filesystem")
    same = same and (spec.get("volumeAttributesClassName") or "") == (wanted.get("volumeAttributesClassName") or "")
    if not same or capacity(volume) < asked(claim) or meta.is_being_deleted(volume):
        return False
    return meant or _is_free_for(volume, claim)


def _is_free_for(volume: Object, claim: Object) -> bool:
    spec, wanted = volume.get("spec") or {}, claim.get("spec") or {}
    selector = wanted.get("selector")
    return (
        (volume.get("status") or {}).get("phase") == "Available"
        and set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ())
        and (selector is None or from_label_selector(selector).matches(meta.labels(volume)))
    )


def has_room(room: Object, claim: Object, name: str) -> bool:
    """Whether a CSIStorageCapacity of the storage class `name` has room for a claim."""
    limit = room.get("maximumVolumeSize", room.get("capacity"))
    return room.get("storageClassName") == name and limit is not None and amount(limit) >= asked(claim)


def has_access(room: Object, node: NodeView) -> bool:
    topology = room.get("nodeTopology")
    return topology is not None and from_label_selector(topology).matches(node.labels)
