"""Reject nodes whose kubelet does not say that it can do what the pod needs (KEP-5328).

Sources: `plugins/nodedeclaredfeatures/nodedeclaredfeatures.go`, component-helpers `nodedeclaredfeatures/features`.
"""

from collections.abc import Callable, Iterator

from umiak.objects.types import Object
from umiak.scheduler.contract import FITS, SKIP, Before, Cycle, Event, Plugin, Reject, Verdict
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView

NAME = "NodeDeclaredFeatures"
UNABLE = "node(s) didn't match Pod's required features"


def _containers(spec: Object, *fields: str) -> Iterator[Object]:
    return (container for field in fields for container in spec.get(field) or ())


def restarts_all(spec: Object) -> bool:
    every = _containers(spec, "containers", "initContainers")
    return any(r.get("action") == "RestartAllContainers" for c in every for r in c.get("restartPolicyRules") or ())


def maps_users_on_host_network(spec: Object) -> bool:
    return bool(spec.get("hostNetwork")) and spec.get("hostUsers") is False


def mounts_with_options(spec: Object) -> bool:
    every = _containers(spec, "containers", "initContainers", "ephemeralContainers")
    return any(m.get("bindMountOptions") for c in every for m in c.get("volumeMounts") or ())


FEATURES: dict[str, Callable[[Object], bool]] = {
    "RestartAllContainersOnContainerExits": restarts_all,
    "UserNamespacesHostNetworkSupport": maps_users_on_host_network,
    "VolumeBindMountOptions": mounts_with_options,
}
"""Whether a pod's spec needs a feature, by the name under which nodes declare it."""


def needed(spec: Object) -> frozenset[str]:
    return frozenset(name for name, is_needed in FEATURES.items() if is_needed(spec))


def prefilter(cycle: Cycle) -> Before:
    features = needed(cycle.pod.spec)
    if not features:
        return SKIP
    cycle.notes[NAME] = features
    return None


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    return FITS if cycle.notes[NAME] <= node.features else Reject((UNABLE,), hopeless=True)


def declares_otherwise(cycle: Cycle, old: NodeView | None, new: NodeView) -> bool:
    return old is None or old.features != new.features


def needs_otherwise(cycle: Cycle, old: PodView, new: PodView) -> bool:
    return needed(old.spec) != needed(new.spec)


PLUGIN = Plugin(
    name=NAME,
    order=150,
    prefilter=prefilter,
    filter=filter_node,
    retry_on={
        Event.NODE_ADDED: declares_otherwise,
        Event.NODE_FEATURES: declares_otherwise,
        Event.OWN_CHANGED: needs_otherwise,
    },
)
