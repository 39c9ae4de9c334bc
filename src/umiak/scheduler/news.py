"""What a change of a pod or node may mean to pods that wait, as events. Pure.

Source: kube-scheduler's `framework/events.go`.
"""

from typing import Any

import msgspec

from umiak.scheduler.contract import Event
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView


class News(msgspec.Struct, frozen=True):
    """Something that happened. Old and new are as `contract.Hint` says."""

    event: Event
    old: Any = None
    new: Any = None


def shrank(old: PodView, new: PodView) -> bool:
    return any(amount > new.requests.get(name, 0) for name, amount in old.requests.items())


def of_placed(old: PodView, new: PodView) -> list[News]:
    """Of a pod on a node that changed."""
    found = []
    if old.labels != new.labels:
        found.append(News(Event.POD_LABELS, old, new))
    if shrank(old, new):
        found.append(News(Event.POD_SHRANK, old, new))
    return found


def of_waiting(old: PodView, new: PodView) -> list[News]:
    """Of a pod without a node that changed itself; empty when what it asks for did not."""
    changes = (
        (Event.OWN_LABELS, old.labels != new.labels),
        (Event.OWN_SHRANK, shrank(old, new)),
        (Event.OWN_GATES, bool(old.spec.get("schedulingGates")) and not new.spec.get("schedulingGates")),
        (Event.OWN_TOLERATIONS, len(old.spec.get("tolerations") or ()) != len(new.spec.get("tolerations") or ())),
        (Event.OWN_CLAIMS, old.resource_claims != new.resource_claims),
    )
    found = [News(event, old, new) for event, happened in changes if happened]
    if not found and old.spec != new.spec:
        found.append(News(Event.OWN_CHANGED, old, new))
    return found


def of_node(old: NodeView, new: NodeView) -> list[News]:
    """Of a node that changed; both are looks."""
    changes = (
        (Event.NODE_TAINTS, (old.taints, old.unschedulable) != (new.taints, new.unschedulable)),
        (Event.NODE_ROOM, old.allocatable != new.allocatable),
        (Event.NODE_LABELS, old.labels != new.labels),
        (Event.NODE_FEATURES, old.features != new.features),
    )
    return [News(event, old, new) for event, happened in changes if happened]
