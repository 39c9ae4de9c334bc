"""Where a DaemonSet's pods should be and which of them to replace; all pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from umiak.controllers import _nodes
from umiak.controllers._pods import created, is_available, is_ready, is_terminal, node_name, phase, pod_from_template
from umiak.controllers._revisions import LABEL
from umiak.controllers._scaled import scaled
from umiak.objects import meta
from umiak.objects.types import Object

GENERATION = "deprecated.daemonset.template.generation"
GENERATION_LABEL = "pod-template-generation"
ON_NODE = "requiredDuringSchedulingIgnoredDuringExecution"
PodsByNode = dict[str, list[Object]]
_ADDED = (
    (_nodes.NOT_READY, "NoExecute"),
    (_nodes.UNREACHABLE, "NoExecute"),
    (_nodes.DISK_PRESSURE, "NoSchedule"),
    (_nodes.MEMORY_PRESSURE, "NoSchedule"),
    (_nodes.PID_PRESSURE, "NoSchedule"),
    (_nodes.UNSCHEDULABLE, "NoSchedule"),
)


class Moves(msgspec.Struct):
    """Nodes to make pods for, pods to delete, and failed pods, which are deleted with growing delays."""

    create: list[str] = msgspec.field(default_factory=list)
    delete: list[Object] = msgspec.field(default_factory=list)
    failed: list[tuple[str, Object]] = msgspec.field(default_factory=list)
    """Node and pod."""
    succeeded: list[tuple[str, Object]] = msgspec.field(default_factory=list)


# The pod for a node


def tolerations(pod_spec: Object) -> list[Object]:
    """Those of the template and those that keep daemons running on a node in trouble."""
    wanted = list(_ADDED)
    if pod_spec.get("hostNetwork"):
        wanted.append((_nodes.NETWORK_UNAVAILABLE, "NoSchedule"))
    added = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in wanted]
    known = list(pod_spec.get("tolerations") or ())
    return known + [t for t in added if t not in known]


def affinity_to(affinity: Object | None, node: str) -> Object:
    """The template's affinity with its required node terms replaced by this one node."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = affinity or {}
    node_affinity = {**(affinity.get("nodeAffinity") or {}), ON_NODE: {"nodeSelectorTerms": [term]}}
    return {**affinity, "nodeAffinity": node_affinity}


def template_generation(ds: Object) -> str:
    text = meta.annotations(ds).get(GENERATION, "")
    return text if text.removeprefix("-").isdecimal() else ""


def new_pod(ds: Object, node: str, revision_hash: str) -> Object:
    """The scheduler places it, on the one node that its affinity names."""
    pod = pod_from_template(ds["spec"]["template"], ds)
    labels = pod["metadata"].setdefault("labels", {})
    if template_generation(ds):
        labels[GENERATION_LABEL] = template_generation(ds)
    labels[LABEL] = revision_hash
    pod["spec"]["tolerations"] = tolerations(pod["spec"])
    pod["spec"]["affinity"] = affinity_to(pod["spec"].get("affinity"), node)
    return pod


# Which node has which pods


def target_node(pod: Object) -> str:
    """The node on which the pod is, or for which it was made; empty when neither can be told."""
    if node_name(pod):
        return node_name(pod)
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    for term in (affinity.get(ON_NODE) or {}).get("nodeSelectorTerms") or ():
        for wanted in term.get("matchFields") or ():
            if wanted["key"] == "metadata.name" and wanted["operator"] == "In":
                values = wanted.get("values") or []
                return values[0] if len(values) == 1 else ""
    return ""


def by_node(pods: Iterable[Object]) -> PodsByNode:
    """Finished pods that are being deleted hold no place any more."""
    found: PodsByNode = {}
    for pod in pods:
        node = target_node(pod)
        if node and not (is_terminal(pod) and meta.is_being_deleted(pod)):
            found.setdefault(node, []).append(pod)
    return found


def oldest_first(pod: Object) -> tuple[bool, str, str]:
    """Sort key: pods on a node before pods that wait for it, then by age."""
    return node_name(pod) == "", created(pod), meta.name(pod)


def fits(ds: Object, node: Object) -> tuple[bool, bool]:
    """(should run there, may stay there)."""
    spec = ds["spec"]["template"]["spec"]
    if spec.get("nodeName") not in (None, "", meta.name(node)) or not _nodes.fits_affinity(spec, node):
        return False, False
    tolerated = tolerations(spec)
    runs = _nodes.tolerates_all(tolerated, node, ("NoExecute", "NoSchedule"))
    return runs, runs or _nodes.tolerates_all(tolerated, node, ("NoExecute",))


# The update strategy


def _rolling(ds: Object) -> Object | None:
    strategy = ds["spec"].get("updateStrategy") or {}
    return strategy.get("rollingUpdate") or {} if strategy.get("type") == "RollingUpdate" else None


def is_rolling(ds: Object) -> bool:
    return _rolling(ds) is not None


def allows_surge(ds: Object) -> bool:
    return scaled((_rolling(ds) or {}).get("maxSurge"), 1, round_up=True) > 0


def limits(ds: Object, desired: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; where both come to zero, one may be unavailable."""
    rolling = _rolling(ds) or {}
    surge = scaled(rolling.get("maxSurge"), desired, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable"), desired, round_up=True)
    return surge, 1 if desired > 0 and surge == 0 and unavailable == 0 else unavailable


def is_updated(pod: Object, revision_hash: str, generation: str) -> bool:
    labels = meta.labels(pod)
    hash_matches = bool(revision_hash) and labels.get(LABEL) == revision_hash
    return hash_matches or (generation != "" and labels.get(GENERATION_LABEL) == generation)


def min_ready(ds: Object) -> int:
    return ds["spec"].get("minReadySeconds") or 0


class Snapshot:
    """One look at a DaemonSet, its nodes and pods."""

    def __init__(self, ds: Object, nodes: Sequence[Object], pods: Iterable[Object], hash: str, now: datetime) -> None:
        self.ds = ds
        self.hash = hash
        self.now = now
        self.pods = by_node(pods)
        self.fits = {meta.name(n): fits(ds, n) for n in nodes}
        self.desired = sum(runs for runs, _ in self.fits.values())

    def available(self, pod: Object) -> bool:
        return is_available(pod, min_ready(self.ds), self.now)

    # placing

    def place(self) -> Moves:
        """What is missing and what is too much, apart from updates."""
        moves = Moves()
        for node, (should_run, may_stay) in self.fits.items():
            pods = self.pods.get(node)
            if should_run and pods is None:
                moves.create.append(node)
            elif may_stay:
                self._tidy(node, should_run, pods or [], moves)
            elif pods is not None:
                moves.delete += [p for p in pods if not meta.is_being_deleted(p)]
        for node, pods in self.pods.items():
            if node not in self.fits:
                moves.delete += [p for p in pods if node_name(p) == ""]
        return moves

    def _tidy(self, node: str, should_run: bool, pods: Sequence[Object], moves: Moves) -> None:
        running = []
        for pod in sorted((p for p in pods if not meta.is_being_deleted(p)), key=oldest_first):
            if phase(pod) == "Failed":
                moves.failed.append((node, pod))
            elif phase(pod) == "Succeeded":
                moves.succeeded.append((node, pod))
            else:
                running.append(pod)
        if not allows_surge(self.ds):
            moves.delete += running[1:]
        elif not running and should_run:
            moves.create.append(node)
        else:
            moves.delete += self._surplus(running)

    def _surplus(self, running: Sequence[Object]) -> list[Object]:
        """With surge one new and one old pod may be on a node, until the new one is available."""
        if len(running) <= 1:
            return []
        new = [p for p in running if meta.labels(p).get(LABEL) == self.hash]
        old = [p for p in running if meta.labels(p).get(LABEL) != self.hash]
        surplus = new[1:] + old[1:]
        if new and old and (not is_ready(old[0]) or self.available(new[0])):
            surplus.append(old[0])
        return surplus

    # updating

    def _pair(self, pods: Iterable[Object]) -> tuple[Object | None, Object | None] | None:
        """The (new, old) pod of a node; None when there are too many to tell."""
        alive = [p for p in pods if not meta.is_being_deleted(p)]
        generation = template_generation(self.ds)
        new = [p for p in alive if is_updated(p, self.hash, generation)]
        old = [p for p in alive if not is_updated(p, self.hash, generation)]
        if len(new) > 1 or len(old) > 1:
            return None
        return (new[0] if new else None), (old[0] if old else None)

    def _occupied(self) -> dict[str, list[Object]]:
        """By node, including those where a pod is still to come."""
        empty = {node: list[Object]() for node, (runs, _) in self.fits.items() if runs and node not in self.pods}
        return {**self.pods, **empty}

    def update(self) -> Moves:
        """One step of a rolling update."""
        surge, unavailable = limits(self.ds, self.desired)
        return self._update_surging(surge) if surge else self._update_in_place(unavailable)

    def _update_in_place(self, max_unavailable: int) -> Moves:
        """Old pods that are not available go at once, others as far as `max_unavailable` lets them."""
        unavailable = 0
        broken, healthy = [], []
        for pods in self._occupied().values():
            new, old = self._pair(pods) or (None, None)
            if (new is None) == (old is None):
                unavailable += 1
            elif new is not None:
                unavailable += not self.available(new)
            elif old is not None and self.available(old):
                healthy.append(old)
            elif old is not None:
                broken.append(old)
                unavailable += 1
        return Moves(delete=broken + healthy[: max(0, max_unavailable - unavailable)])

    def _update_surging(self, max_surge: int) -> Moves:
        """New pods come beside old ones; an old one goes when the new one is available."""
        moves = Moves()
        surging = available = 0
        candidates: list[str] = []
        misplaced: list[Object] = []
        for node, pods in self._occupied().items():
            pair = self._pair(pods)
            if pair is None:
                surging += 1
                continue
            new, old = pair
            shown = old or new
            available += shown is not None and self.available(shown)
            if old is None:
                continue
            if new is not None:
                if self.available(new):
                    moves.delete.append(old)
                else:
                    surging += 1
            elif not self.fits.get(node, (False, False))[0]:
                (misplaced if self.available(old) else moves.delete).append(old)
            elif self.available(old):
                candidates.append(node)
            else:
                moves.create.append(node)
        moves.delete += misplaced[: max(0, available - self.desired)]
        moves.create += candidates[: max(0, max_surge - surging)]
        return moves

    # telling

    def counts(self) -> dict[str, int]:
        """The numbers of the status."""
        generation = template_generation(self.ds)
        found = dict.fromkeys(("current", "misscheduled", "ready", "updated", "available"), 0)
        for node, (should_run, _) in self.fits.items():
            pods = self.pods.get(node)
            if not pods:
                continue
            if not should_run:
                found["misscheduled"] += 1
                continue
            pod = min(pods, key=oldest_first)
            found["current"] += 1
            found["ready"] += is_ready(pod)
            found["available"] += self.available(pod)
            found["updated"] += is_updated(pod, self.hash, generation)
        return found
