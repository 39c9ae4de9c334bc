"""What the scheduler knows of the cluster, kept up to date from the informers: nodes with their pods, and assumptions.

A pod is assumed onto its node the moment it is decided, before it is bound, so that the next decision counts it. What
each change may mean for waiting pods is told as `News`.
"""

from collections.abc import Callable

from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.scheduler import news
from umiak.scheduler.census import Census
from umiak.scheduler.contract import Event
from umiak.scheduler.news import News
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView

Tell = Callable[[News], None]


class ClusterState:
    """`nodes` holds only nodes that exist, in the order they appeared."""

    def __init__(self, tell: Tell) -> None:
        self.nodes: dict[str, NodeView] = {}
        self.census = Census()
        self._ghosts: dict[str, NodeView] = {}
        """Nodes that pods name but that do not exist (any more)."""
        self._where: dict[str, str] = {}
        self._assumed: set[str] = set()
        """Uids of pods that the server does not yet say are on a node."""
        self._tell = tell

    def node_changed(self, old: Object | None, new: Object | None, name: str) -> None:
        if new is None:
            gone = self.nodes.pop(name, None)
            self.census.forget()
            if gone is not None and gone.pods:
                gone.exists, gone.census = False, None
                self._ghosts[name] = gone
            if gone is not None:
                self._tell(News(Event.NODE_REMOVED, gone.look(), None))
            return
        known = self.nodes.get(name)
        if known is None:
            known = self._ghosts.pop(name, None) or NodeView(name)
            self.nodes[name] = known
            known.describe(new)
            known.census = self.census
            self.census.forget()
            self._tell(News(Event.NODE_ADDED, None, known.look()))
            return
        before = known.look()
        known.describe(new)
        for each in news.of_node(before, known.look()):
            self._tell(each)

    def _place(self, name: str) -> NodeView:
        return self.nodes.get(name) or self._ghosts.setdefault(name, NodeView(name))

    def assume(self, pod: PodView, node: str) -> None:
        """Counts `pod` on `node` from now on."""
        self._put(pod, node)
        self._assumed.add(pod.uid)

    def _put(self, pod: PodView, node: str) -> None:
        known = self._known(pod.uid) if self._where.get(pod.uid) == node else None
        if known is not None and known.counts_like(pod):
            self._assumed.discard(pod.uid)
            self._place(node).renew(pod)
            return
        self.forget(pod.uid)
        self._place(node).add(pod)
        self._where[pod.uid] = node

    def forget(self, uid: str) -> PodView | None:
        """Takes a pod off its node, wherever that is."""
        name = self._where.pop(uid, None)
        self._assumed.discard(uid)
        if name is None:
            return None
        pod = self._place(name).remove(uid)
        ghost = self._ghosts.get(name)
        if ghost is not None and not ghost.pods:
            del self._ghosts[name]
        return pod

    def pod_changed(self, pod: PodView | None, uid: str) -> None:
        """A pod that is on a node: appeared, changed, or ended."""
        if pod is None or pod.finished or not pod.node:
            gone = self.forget(uid)
            if gone is not None:
                self._tell(News(Event.POD_REMOVED, gone, None))
            return
        before = None if uid in self._assumed else self._known(uid)
        self._put(pod, pod.node)
        for each in news.of_placed(before, pod) if before is not None else [News(Event.POD_ADDED, None, pod)]:
            self._tell(each)
        pod.settle()

    def _known(self, uid: str) -> PodView | None:
        node = self._where.get(uid)
        return self._place(node).pods.get(uid) if node is not None else None

    def sizes(self) -> dict[str, int]:
        """How much is kept."""
        return {"nodes": len(self.nodes), "pods": len(self._where), "assumed_pods": len(self._assumed)}

    def is_placed(self, uid: str) -> bool:
        return uid in self._where

    def victims_left(self, node: str, keys: set[Key]) -> bool:
        """Whether none of `keys` is on the node any more."""
        found = self.nodes.get(node)
        return found is None or not any(pod.key in keys for pod in found.pods.values())
