"""How fast nodes of a zone may be tainted so that their pods leave: slowly, and not at all while everything is down.

Words and numbers are those of the reference's node lifecycle controller (`handleDisruption`, `setLimiterInZone`).
"""

from collections.abc import Iterable, Mapping

import msgspec

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.contract import Options
from umiak.reconcile.queue import TokenBucket

EXCLUDED = "node.kubernetes.io/exclude-disruption"
"""Label of nodes that say nothing about their zone."""
INITIAL, NORMAL, PARTIAL, FULL = "Initial", "Normal", "PartialDisruption", "FullDisruption"


def zone_of(node: Object) -> str:
    labels = meta.labels(node)
    region = labels.get("topology.kubernetes.io/region") or labels.get("failure-domain.beta.kubernetes.io/region") or ""
    zone = labels.get("topology.kubernetes.io/zone") or labels.get("failure-domain.beta.kubernetes.io/zone") or ""
    return f"{region}:\0:{zone}" if region or zone else ""


def zone_state(ready: Iterable[bool], threshold: float = 0.55) -> str:
    """From which nodes of a zone are ready; `threshold` is the part of them that must be bad, and three at least."""
    states = list(ready)
    bad = states.count(False)
    if bad and bad == len(states):
        return FULL
    if bad > 2 and bad / len(states) >= threshold:
        return PARTIAL
    return NORMAL


def rate(state: str, size: int, options: Options) -> float:
    """Nodes tainted per second in a zone of `size` nodes."""
    if state == PARTIAL:
        return options.secondary_node_eviction_rate if size > options.large_cluster_threshold else 0.0
    return options.node_eviction_rate


class Zone(msgspec.Struct):
    speed: float
    """Nodes a second."""
    state: str = INITIAL
    """INITIAL as well where no node counts."""
    _bucket: TokenBucket | None = msgspec.field(default=None)

    def __post_init__(self) -> None:
        self._bucket = TokenBucket(self.speed, 1) if self.speed > 0 else None

    def may_taint(self, now: float) -> bool:
        """Takes one node's turn if there is one; `now` is monotonic."""
        return self._bucket is not None and self._bucket.try_take(now)

    def set_speed(self, speed: float, now: float) -> None:
        """A zone that was waiting for its next turn waits on: it gains nothing from changing."""
        if speed == self.speed:
            return
        waiting = not self.may_taint(now)
        self.speed, self._bucket = speed, TokenBucket(speed, 1) if speed > 0 else None
        if waiting:
            self.may_taint(now)


class Zones:
    """All zones of the cluster."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._zones: dict[str, Zone] = {}

    def __getitem__(self, name: str) -> Zone:
        return self._zones.setdefault(name, Zone(self._options.node_eviction_rate))

    def all_down(self) -> bool:
        states = [zone.state for zone in self._zones.values() if zone.state != INITIAL]
        return bool(states) and all(state == FULL for state in states)

    def judge(self, members: Mapping[str, list[bool]], now: float) -> bool:
        """Takes in which nodes of each zone are ready; whether all was down before and no longer is."""
        was_down = self.all_down()
        for gone in self._zones.keys() - members.keys():
            self._zones[gone].state = INITIAL  # it keeps its pace, should nodes that do not count be there yet
        for name, ready in members.items():
            zone, state = self[name], zone_state(ready, self._options.unhealthy_zone_threshold)
            if state != zone.state or was_down:
                zone.state = state
                zone.set_speed(rate(state, len(ready), self._options), now)
        return was_down and not self.all_down()
