"""Nodes that are promised to pods: others had to leave, and whoever matters less must not take their place."""

import msgspec

from umiak.scheduler.pods import PodView


class Nominations(msgspec.Struct):
    """`by_node` holds the pods that each node is promised to, by uid."""

    by_node: dict[str, dict[str, PodView]] = msgspec.field(default_factory=dict)
    _where: dict[str, str] = msgspec.field(default_factory=dict)

    def add(self, pod: PodView, node: str) -> None:
        self.remove(pod.uid)
        self._where[pod.uid] = node
        self.by_node.setdefault(node, {})[pod.uid] = pod

    def remove(self, uid: str) -> None:
        node = self._where.pop(uid, None)
        if node is not None:
            del self.by_node[node][uid]
            if not self.by_node[node]:
                del self.by_node[node]
