"""Reject nodes without room for what the pod requests; prefer the emptier ones, or as the profile says."""

import msgspec

from umiak.api.common.resource_requirements import is_extended
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.scheduler.contract import FITS, Cycle, Event, Plugin, Reject, Verdict, always
from umiak.scheduler.extended_resources import IMPLICIT, class_for
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView
from umiak.scheduler.strategies import Strategy, least_allocated, strategy_of

NAME = "NodeResourcesFit"
CORE = ("cpu", "memory", "ephemeral-storage")
NO_ROOM = "Too many pods"


class Settings(msgspec.Struct, frozen=True):
    """How nodes are rated; extended resources that somebody else cares for, by name and by what is before the slash."""

    strategy: Strategy
    ignored: frozenset[str] = frozenset()
    ignored_groups: frozenset[str] = frozenset()

    def ignores(self, name: str) -> bool:
        if not (self.ignored or self.ignored_groups) or not is_extended(name):
            return False
        return name in self.ignored or name.partition("/")[0] in self.ignored_groups


DEFAULTS = Settings(Strategy((("cpu", 1), ("memory", 1)), least_allocated))


def settings(args: Object) -> Settings:
    return Settings(
        strategy_of(args["scoringStrategy"]),
        frozenset(args.get("ignoredResources") or ()),
        frozenset(args.get("ignoredResourceGroups") or ()),
    )


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    return lacks(cycle, node, cycle.settings.get(NAME, DEFAULTS))


def lacks(cycle: Cycle, node: NodeView, told: Settings) -> Verdict:
    """What a node has none of, devices may serve: then it is for DynamicResources to say."""
    pod = cycle.pod
    reasons: list[str] = []
    hopeless = False
    allocatable, requested = node.allocatable, node.requested
    if len(node.pods) + 1 > allocatable.get("pods", 0):
        reasons.append(NO_ROOM)
    for name, amount in pod.requests.items():
        offered = allocatable.get(name, 0)
        if amount > offered - requested.get(name, 0) and amount > 0 and not told.ignores(name):
            if not offered and class_for(cycle, name):
                continue
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or amount > offered
    return Reject(tuple(reasons), hopeless) if reasons else FITS


def use_of(node: NodeView, pod: PodView, name: str) -> tuple[int, int]:
    """What is wanted of a resource with the pod there, and what is offered; nothing when the pod does not ask for a
    resource of its kind. Containers without requests count for a little cpu and memory, so that they spread, too."""
    offered = node.allocatable.get(name, 0)
    if name == "cpu":
        return node.nonzero_cpu + pod.rated_cpu, offered
    if name == "memory":
        return node.nonzero_memory + pod.rated_memory, offered
    asked = pod.requests.get(name, 0)
    if not asked and name not in CORE:
        return 0, 0
    return node.requested.get(name, 0) + asked, offered


def score(cycle: Cycle, node: NodeView) -> int:
    strategy = cycle.settings.get(NAME, DEFAULTS).strategy
    return strategy.score((*use_of(node, cycle.pod, name), weight) for name, weight in strategy.resources)


def gave_something(cycle: Cycle, old: PodView, new: PodView) -> bool:
    """Whether the other pod now needs less of what this one asks for."""
    asked = (name for name, amount in cycle.pod.requests.items() if amount)
    return any(old.requests.get(name, 0) > new.requests.get(name, 0) for name in asked)


def has_room(cycle: Cycle, old: NodeView | None, new: NodeView) -> bool:
    """Whether the pod would fit if it were alone there."""
    return lacks(cycle, new, DEFAULTS) is FITS


def got_room(cycle: Cycle, old: NodeView, new: NodeView) -> bool:
    if not has_room(cycle, old, new):
        return False
    counted = ("pods", *(name for name, amount in cycle.pod.requests.items() if amount))
    if any(new.allocatable.get(name, 0) > old.allocatable.get(name, 0) for name in counted):
        return True
    return any(not new.allocatable.get(name) and class_for(cycle, name) for name in counted)


def serves_it(cycle: Cycle, old: Object | None, new: Object) -> bool:
    """Whether a class of devices now serves a resource that the pod asks for."""
    said = (new.get("spec") or {}).get("extendedResourceName")
    if old is None and IMPLICIT + meta.name(new) in cycle.pod.requests:
        return True
    changed = old is None or (old.get("spec") or {}).get("extendedResourceName") != said
    return changed and said in cycle.pod.requests


PLUGIN = Plugin(
    name=NAME,
    order=60,
    weight=1,
    filter=filter_node,
    score=score,
    settings=settings,
    local=True,
    retry_on={
        Event.POD_REMOVED: always,
        Event.POD_SHRANK: gave_something,
        Event.OWN_SHRANK: always,
        Event.DEVICE_CLASS_ADDED: serves_it,
        Event.DEVICE_CLASS_CHANGED: serves_it,
        Event.NODE_ADDED: has_room,
        Event.NODE_ROOM: got_room,
    },
)
