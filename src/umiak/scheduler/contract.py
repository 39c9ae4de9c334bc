"""What a scheduling rule is, and what it is given. Rules decide and are pure; `loop` alone acts.

Terms are those of the scheduling framework (KEP-624). A verdict is a value, not an exception.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import force_setattr

from umiak.objects.types import Object
from umiak.reconcile.contract import Cache, Context
from umiak.scheduler.census import Census

if TYPE_CHECKING:
    from umiak.scheduler.nodes import NodeView
    from umiak.scheduler.pods import PodView

MAX_SCORE = 100


class Event(Enum):
    """What may have happened in the cluster that lets a rejected pod fit now: the framework's ClusterEvents, by the
    labels that its metrics give them."""

    POD_ADDED = "AssignedPodAdd"
    """A pod was bound to a node."""
    POD_REMOVED = "AssignedPodDelete"
    """A pod on a node ended or went; also one whose binding failed."""
    POD_LABELS = "AssignedPodUpdatePodLabel"
    POD_SHRANK = "AssignedPodUpdatePodScaleDown"
    """A pod on a node requests less than before."""
    OWN_LABELS = "TargetPodUpdatePodLabel"
    """These are changes of the waiting pod itself."""
    OWN_SHRANK = "TargetPodUpdatePodScaleDown"
    OWN_GATES = "TargetPodUpdatePodSchedulingGatesEliminated"
    """It lost its last scheduling gate."""
    OWN_TOLERATIONS = "TargetPodUpdatePodToleration"
    OWN_CLAIMS = "TargetPodUpdatePodGeneratedResourceClaim"
    """Its status names the ResourceClaims that were made for it."""
    OWN_CHANGED = "TargetPodUpdate"
    """Anything else about what it asks for."""
    NODE_ADDED = "NodeAdd"
    NODE_REMOVED = "NodeDelete"
    NODE_ROOM = "NodeUpdateNodeAllocatable"
    """Allocatable resources of a node changed."""
    NODE_LABELS = "NodeUpdateNodeLabel"
    NODE_TAINTS = "NodeUpdateNodeTaint"
    """Taints, or whether the node may be scheduled on."""
    NODE_FEATURES = "NodeUpdateNodeDeclaredFeature"
    """What a node declares that it can do changed."""
    VOLUME_ADDED = "PersistentVolumeAdd"
    VOLUME_CHANGED = "PersistentVolumeUpdate"
    CLAIM_ADDED = "PersistentVolumeClaimAdd"
    CLAIM_CHANGED = "PersistentVolumeClaimUpdate"
    CLASS_ADDED = "StorageClassAdd"
    CLASS_CHANGED = "StorageClassUpdate"
    CSINODE_ADDED = "CSINodeAdd"
    CSINODE_CHANGED = "CSINodeUpdate"
    RESOURCE_CLAIM_ADDED = "ResourceClaimAdd"
    RESOURCE_CLAIM_CHANGED = "ResourceClaimUpdate"
    RESOURCE_CLAIM_REMOVED = "ResourceClaimDelete"
    DEVICE_CLASS_ADDED = "DeviceClassAdd"
    DEVICE_CLASS_CHANGED = "DeviceClassUpdate"
    SLICE_ADDED = "ResourceSliceAdd"
    SLICE_CHANGED = "ResourceSliceUpdate"
    """Also when a rule taints devices, or no longer."""
    CSIDRIVER_CHANGED = "CSIDriverUpdate"
    STORAGE_ROOM_ADDED = "CSIStorageCapacityAdd"
    """A CSIStorageCapacity appeared."""
    STORAGE_ROOM_CHANGED = "CSIStorageCapacityUpdate"
    ATTACHMENT_REMOVED = "VolumeAttachmentDelete"
    """A VolumeAttachment went."""


class Reject(msgspec.Struct, frozen=True):
    """A node does not fit. `hopeless`: removing pods from it would not help, so preemption need not try."""

    reasons: tuple[str, ...]
    hopeless: bool = False


class Refusals(msgspec.Struct, frozen=True):
    """A node is rejected when there is anything that counts against the value of its `label`: by value, in the order
    in which it is spoken of."""

    label: str
    counts: Sequence[tuple[Mapping[Any, int], Reject]]


class RejectAll(msgspec.Struct, frozen=True):
    """No node can fit, whatever it holds; `message` stands in place of reasons per node."""

    message: str
    hopeless: bool = True


class OnlyNodes(msgspec.Struct, frozen=True):
    """The pod can only go to these nodes; others need not be looked at."""

    names: frozenset[str]


class CannotDecide(Exception):
    """Something is wrong that no other node would mend; the pod is tried again later. The text says what."""


class BindingFailed(Exception):
    """What the pod needs on its node could not be had; the pod is tried again."""


class Relief(msgspec.Struct, frozen=True):
    """What a plugin does for a pod that fits nowhere: `message` ends the pod's condition. `ends`: nobody else is
    asked."""

    message: str
    act: Callable[[Context], Awaitable[None]] | None = None
    ends: bool = False


class Word(Enum):
    SKIP = auto()


FITS = None
"""The verdict of a filter that has nothing against a node."""
SKIP = Word.SKIP
"""The answer of `prefilter` or `prescore` when the plugin has nothing to say about this pod."""

Verdict = Reject | None
Before = RejectAll | OnlyNodes | Word | None


class Cycle(msgspec.Struct):
    """One attempt to place one pod. `notes` holds what a plugin computed once for all nodes, by plugin name."""

    pod: "PodView"
    nodes: Mapping[str, "NodeView"]
    cache: Cache
    now: datetime
    notes: dict[str, Any] = msgspec.field(default_factory=dict)
    nominated: "Mapping[str, Mapping[str, PodView]]" = msgspec.field(default_factory=dict)
    """By node and uid, the pods that nodes are promised to."""
    pending: dict[str, Object] = msgspec.field(default_factory=dict)
    """By a ResourceClaim's uid, the allocation that was decided for it and is not written yet; of all cycles."""
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """By plugin, what the profile's arguments for it say; a plugin that is not here has its defaults."""
    census: Census = msgspec.field(default_factory=Census)
    """Counts over all placed pods; one that is new counts them when asked."""


Hint = Callable[[Cycle, Any, Any], bool]
"""(cycle, old, new): whether the change can help the cycle's pod, which waits. Old and new are of the kind that the
event is about: a PodView, a NodeView that holds no pods, or an object; old is None when it appeared, new when it
went. No node is chosen: what the cycle's nodes hold does not matter here."""


def always(cycle: Cycle, old: Any, new: Any) -> bool:
    """The hint for events that may help any pod."""
    return True


POINTS = (
    "preFilter",
    "filter",
    "postFilter",
    "reserve",
    "preScore",
    "score",
    "preBind",
    "bind",
    "postBind",
    "permit",
    "preEnqueue",
    "queueSort",
)
"""The framework's extension points, in the order in which it fills them."""
HOOKS = {
    "preEnqueue": ("admit",),
    "postFilter": ("relieve",),
    "reserve": ("reserve", "unreserve"),
    "preFilter": ("prefilter",),
    "filter": ("filter", "moved"),
    "preScore": ("prescore",),
    "score": ("score", "normalize"),
    "preBind": ("prebind",),
}
"""The hooks of a Plugin that act at each point."""


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """One scheduling rule. Every hook may be left out."""

    name: str
    order: int
    """Place in the reference's list of default plugins."""
    weight: int = 0
    """What its scores count; 0 for plugins that do not score."""
    admit: Callable[[Cycle], bool] | None = None
    """Whether the pod may be tried at all; until then it waits for events like one that was rejected."""
    prefilter: Callable[[Cycle], Before] | None = None
    filter: "Callable[[Cycle, NodeView], Verdict] | None" = None
    moved: "Callable[[Cycle, NodeView, PodView, int], None] | None" = None
    """Told by preemption that a pod was tried removed from (-1) or put back on (+1) a node, to mend its notes."""
    prescore: "Callable[[Cycle, Sequence[NodeView]], Word | None] | None" = None
    score: "Callable[[Cycle, NodeView], int] | None" = None
    normalize: Callable[[Cycle, dict[str, int]], None] | None = None
    """Brings raw scores, changed in place, to 0..100. What becomes of one depends on nothing but which scores there
    are, and on the labels that the plugin looks at: of nodes that share score and labels, one may stand for all."""
    relieve: Callable[[Cycle], "Relief | None"] | None = None
    """What can be done for a pod that fits nowhere, before others have to leave for it."""
    reserve: "Callable[[Cycle, NodeView], None] | None" = None
    """Told at once which node was chosen, so that the next decision heeds it."""
    unreserve: "Callable[[Context, Cycle, NodeView], Awaitable[None]] | None" = None
    """Takes back what `reserve` and `prebind` did, when the pod is not bound after all."""
    prebind: "Callable[[Context, Cycle, NodeView], Awaitable[None]] | None" = None
    """Acts before the pod is bound, and may wait; raises to give the attempt up."""
    filter_labels: "Callable[[Cycle], Sequence[str]] | None" = None
    """Keys of the only labels of a node, and the only thing of it, that `filter` looks at; asked after `prefilter`."""
    refusals: Callable[[Cycle], Refusals | None] | None = None
    """What `filter` would say, where it depends on nothing but the value of one label, known before any node is looked
    at; None when it is not so simple. Asked after `prefilter`."""
    score_labels: "Callable[[Cycle], Sequence[str] | None] | None" = None
    """The same for `score`, asked after `prescore`; None when it looks at more."""
    local: bool = False
    """Whether `filter` and `score` look at nothing but the pod's spec and the node, so that their answers hold for all
    alike pods until the node changes (`alike`)."""
    retry_on: "Mapping[Event, Hint]" = msgspec.field(default_factory=dict)
    """Events after which a pod that this plugin rejected may be worth another try, and how to tell whether it is."""
    settings: Callable[[Object], Any] | None = None
    """What a profile's arguments, complete and right, mean to the hooks: they find it in `cycle.settings`."""
    points: frozenset[str] = frozenset()
    """Extension points at which the reference's plugin of this name acts; those of its hooks need not be named."""

    def __post_init__(self) -> None:
        acts = {point for point, hooks in HOOKS.items() if any(getattr(self, hook) is not None for hook in hooks)}
        force_setattr(self, "points", self.points | acts)


def normalize_highest(scores: dict[str, int], *, reverse: bool = False) -> None:
    """Scales so that the highest becomes 100; `reverse`: low raw scores are good."""
    highest = max(scores.values(), default=0)
    for name, score in scores.items():
        scaled = MAX_SCORE * score // highest if highest else 0
        scores[name] = MAX_SCORE - scaled if reverse else scaled
