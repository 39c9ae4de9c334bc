"""What the scheduler knows of the cluster, kept up to date from the informers: nodes with their pods, and assumptions.

A pod is assumed onto its node the moment it is decided, before it is bound, so that the next decision counts it. What
each change may mean for waiting pods is told as an `Event`.
"""

from collections.abc import Callable

from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.scheduler.contract import Event
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView, view

Tell = Callable[[Event], None]


class ClusterState:
    """`nodes` holds only nodes that exist, in the order they appeared."""

    def __init__(self, tell: Tell) -> None:
        self.nodes: dict[str, NodeView] = {}
        self._ghosts: dict[str, NodeView] = {}
        """Nodes that pods name but that do not exist (any more)."""
        self._where: dict[str, str] = {}
        self._tell = tell

    def node_changed(self, old: Object | None, new: Object | None, name: str) -> None:
        if new is None:
            gone = self.nodes.pop(name, None)
            if gone is not None and gone.pods:
                gone.exists = False
                self._ghosts[name] = gone
            return
        known = self.nodes.get(name)
        if known is None:
            known = self._ghosts.pop(name, None) or NodeView(name)
            self.nodes[name] = known
            known.describe(new)
            self._tell(Event.NODE_ADDED)
            return
        before = (known.labels, known.taints, known.unschedulable, known.allocatable)
        known.describe(new)
        self._tell_node_changes(before, known)

    def _tell_node_changes(
        self, before: tuple[dict[str, str], tuple[Object, ...], bool, dict[str, int]], node: NodeView
    ) -> None:
        labels, taints, unschedulable, allocatable = before
        if labels != node.labels:
            self._tell(Event.NODE_LABELS)
        if (taints, unschedulable) != (node.taints, node.unschedulable):
            self._tell(Event.NODE_TAINTS)
        if allocatable != node.allocatable:
            self._tell(Event.NODE_ROOM)

    def _place(self, name: str) -> NodeView:
        return self.nodes.get(name) or self._ghosts.setdefault(name, NodeView(name))

    def assume(self, pod: PodView, node: str) -> None:
        """Counts `pod` on `node` from now on."""
        self.forget(pod.uid)
        self._place(node).add(pod)
        self._where[pod.uid] = node

    def forget(self, uid: str) -> PodView | None:
        """Takes a pod off its node, wherever that is."""
        name = self._where.pop(uid, None)
        if name is None:
            return None
        pod = self._place(name).remove(uid)
        ghost = self._ghosts.get(name)
        if ghost is not None and not ghost.pods:
            del self._ghosts[name]
        return pod

    def pod_changed(self, new: Object | None, uid: str) -> None:
        """A pod that is on a node: appeared, changed, or ended."""
        pod = view(new) if new is not None else None
        known = self._where.get(uid)
        if pod is None or pod.finished or not pod.node:
            if self.forget(uid) is not None:
                self._tell(Event.POD_REMOVED)
            return
        before = self._place(known).pods.get(uid) if known else None
        self.assume(pod, pod.node)
        pod.settle()
        if before is None:
            self._tell(Event.POD_ADDED)
        elif before.labels != pod.labels or before.requests != pod.requests:
            self._tell(Event.POD_CHANGED)

    def is_placed(self, uid: str) -> bool:
        return uid in self._where

    def victims_left(self, node: str, keys: set[Key]) -> bool:
        """Whether none of `keys` is on the node any more."""
        found = self.nodes.get(node)
        return found is None or not any(pod.key in keys for pod in found.pods.values())
