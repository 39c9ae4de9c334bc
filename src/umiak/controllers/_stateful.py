"""A StatefulSet's pods and claims: their names, their numbers, and what to do with each of them next; all pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

import msgspec

from umiak.controllers._pods import is_available, is_ready, is_terminal, phase, pod_from_template
from umiak.controllers._revisions import LABEL as REVISION_LABEL
from umiak.controllers._revisions import apply_template
from umiak.controllers._scaled import scaled
from umiak.controllers._status import compact
from umiak.objects import meta
from umiak.objects.types import Object

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"
FindClaim = Callable[[str], Object | None]
_MEMBER = re.compile(r"(.*)-([0-9]+)$", re.DOTALL)


# Names and numbers


def parent_and_ordinal(pod: Object) -> tuple[str, int]:
    """The two parts of a pod's name; ordinal -1 when it has none."""
    found = _MEMBER.match(meta.name(pod))
    if found is None:
        return "", -1
    number = int(found[2])
    return found[1], number if number < 2**31 else -1


def ordinal(pod: Object) -> int:
    return parent_and_ordinal(pod)[1]


def is_member(sts: Object, pod: Object) -> bool:
    return parent_and_ordinal(pod)[0] == meta.name(sts)


def replicas(sts: Object) -> int:
    count = sts["spec"].get("replicas")
    return 1 if count is None else int(count)


def ordinals(sts: Object) -> range:
    start = (sts["spec"].get("ordinals") or {}).get("start") or 0
    return range(start, start + replicas(sts))


def min_ready(sts: Object) -> int:
    return sts["spec"].get("minReadySeconds") or 0


def is_ordered(sts: Object) -> bool:
    return sts["spec"].get("podManagementPolicy") != "Parallel"


def strategy(sts: Object) -> str:
    return (sts["spec"].get("updateStrategy") or {}).get("type") or "RollingUpdate"


def rolling(sts: Object) -> Object | None:
    return (sts["spec"].get("updateStrategy") or {}).get("rollingUpdate")


def partition(sts: Object) -> int:
    return (rolling(sts) or {}).get("partition") or 0


def max_unavailable(sts: Object) -> int:
    value = (rolling(sts) or {}).get("maxUnavailable")
    return max(1, scaled(1 if value is None else value, replicas(sts), round_up=False))


def revision_of(pod: Object) -> str:
    return meta.labels(pod).get(REVISION_LABEL, "")


# Claims


def templates(sts: Object) -> list[Object]:
    return sts["spec"].get("volumeClaimTemplates") or []


def claim_names(sts: Object, number: int) -> dict[str, str]:
    """The claim's name for each volume."""
    return {meta.name(t): f"{meta.name(t)}-{meta.name(sts)}-{number}" for t in templates(sts)}


def claims_for(sts: Object, pod: Object) -> list[Object]:
    """The claims that the pod needs, as they are to be created."""
    names = claim_names(sts, ordinal(pod))
    matched = (sts["spec"].get("selector") or {}).get("matchLabels") or {}
    made = []
    for template in templates(sts):
        about = {k: v for k, v in meta.metadata(template).items() if v is not None}
        about["labels"] = {**(about.get("labels") or {}), **matched}
        about |= {"name": names[meta.name(template)], "namespace": meta.namespace(sts)}
        body = {k: v for k, v in template.items() if k != "status"}
        made.append({**body, "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about})
    return made


def with_storage(sts: Object, pod: Object) -> Object:
    """The pod with its claims as volumes, in place of what the template has under these names."""
    names = claim_names(sts, ordinal(pod))
    if not names:
        return pod
    claimed = [{"name": v, "persistentVolumeClaim": {"claimName": c}} for v, c in names.items()]
    others = [v for v in pod["spec"].get("volumes") or () if v["name"] not in names]
    return {**pod, "spec": {**pod["spec"], "volumes": claimed + others}}


def storage_matches(sts: Object, pod: Object) -> bool:
    volumes = {v["name"]: v.get("persistentVolumeClaim") or {} for v in pod["spec"].get("volumes") or ()}
    names = claim_names(sts, ordinal(pod))
    return all(volumes.get(v, {}).get("claimName") == c for v, c in names.items())


# Who owns a claim: KEP-1847


def _refers(reference: Object, obj: Object) -> bool:
    known = (reference["apiVersion"], reference["kind"], reference["name"])
    return known == (obj["apiVersion"], obj["kind"], meta.name(obj))


def _policy(sts: Object) -> tuple[bool, bool]:
    """Whether claims go (when the set is scaled down, when it is deleted)."""
    policy = sts["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return policy.get("whenScaled") == "Delete", policy.get("whenDeleted") == "Delete"


def _has_owner(claim: Object, owner: Object) -> bool:
    return any(r["uid"] == meta.uid(owner) for r in meta.owners(claim))


def has_stale_owner(claim: Object, obj: Object) -> bool:
    """Whether an earlier object of the same name owns the claim, which will go with it."""
    first = next((r for r in meta.owners(claim) if _refers(r, obj)), None)
    return first is not None and first["uid"] != meta.uid(obj)


def has_unexpected_controller(claim: Object, sts: Object, pod: Object) -> bool:
    if not any(_policy(sts)):
        return False
    for reference in meta.owners(claim):
        ours = next((o for o in (sts, pod) if _refers(reference, o)), None)
        if ours is not None:
            if reference["uid"] != meta.uid(ours):
                return True
        elif reference.get("controller"):
            return True
    return False


def _due_owners(sts: Object, pod: Object) -> tuple[bool, bool]:
    """Whether by policy the claim should be owned by (the set, the pod)."""
    when_scaled, when_deleted = _policy(sts)
    scaled_down = ordinal(pod) not in ordinals(sts)
    return when_deleted and not (when_scaled and scaled_down), when_scaled and scaled_down


def owners_are_right(claim: Object, sts: Object, pod: Object) -> bool:
    if has_stale_owner(claim, sts) or has_stale_owner(claim, pod):
        return True  # it is on its way out: leave it alone
    owned = (_has_owner(claim, sts), _has_owner(claim, pod))
    if has_unexpected_controller(claim, sts, pod):
        return not any(owned)
    ours = [r for r in meta.owners(claim) if r["uid"] in (meta.uid(sts), meta.uid(pod))]
    return all(r.get("controller") for r in ours) and owned == _due_owners(sts, pod)


def with_due_owners(claim: Object, sts: Object, pod: Object) -> Object:
    kept = [r for r in meta.owners(claim) if not _refers(r, sts) and not _refers(r, pod)]
    if not has_unexpected_controller(claim, sts, pod):
        by_set, by_pod = _due_owners(sts, pod)
        kept += [meta.owner_reference(o) for o, due in ((sts, by_set), (pod, by_pod)) if due]
    return {**claim, "metadata": {**claim["metadata"], "ownerReferences": kept}}


def claims_are_right(sts: Object, pod: Object, find: FindClaim) -> bool:
    """Whether each of the pod's claims that exists has the owners that the retention policy wants."""
    claims = map(find, claim_names(sts, ordinal(pod)).values())
    return all(c is None or owners_are_right(c, sts, pod) for c in claims)


def claims_are_stale(sts: Object, pod: Object, find: FindClaim) -> bool:
    """Whether a claim still goes with the pod's predecessor, so that the pod has to wait."""
    if not _policy(sts)[0]:
        return False
    claims = map(find, claim_names(sts, ordinal(pod)).values())
    return any(c is not None and has_stale_owner(c, pod) for c in claims)


# Pods


def with_identity(sts: Object, pod: Object) -> Object:
    number = ordinal(pod)
    name = f"{meta.name(sts)}-{number}"
    labels = {**meta.labels(pod), POD_NAME_LABEL: name, INDEX_LABEL: str(number)}
    about = {**pod["metadata"], "name": name, "namespace": meta.namespace(sts), "labels": labels}
    return {**pod, "metadata": about}


def identity_matches(sts: Object, pod: Object) -> bool:
    name = meta.name(pod)
    right = name == f"{meta.name(sts)}-{ordinal(pod)}" and ordinal(pod) >= 0
    return right and meta.labels(pod).get(POD_NAME_LABEL) == name


def new_pod(sts: Object, number: int, revision: str) -> Object:
    pod = pod_from_template(sts["spec"]["template"], sts)
    pod["metadata"]["name"] = f"{meta.name(sts)}-{number}"
    pod = with_storage(sts, with_identity(sts, pod))
    pod["metadata"]["labels"][REVISION_LABEL] = revision
    names = {"hostname": meta.name(pod), "subdomain": sts["spec"].get("serviceName")}
    pod["spec"] = {**pod["spec"], **{k: v for k, v in names.items() if v}}
    return pod


def stays_old(sts: Object, number: int) -> bool:
    """Whether a missing pod is to come back with the current rather than the updated template."""
    start = ordinals(sts).start
    if rolling(sts) is not None:
        return number < start + partition(sts)
    current = (sts.get("status") or {}).get("currentReplicas") or 0
    return strategy(sts) == "RollingUpdate" and number < start + current


def is_created(pod: Object) -> bool:
    return phase(pod) != "" or meta.uid(pod) != ""


# What to do next


class Step(msgspec.Struct, frozen=True):
    """One thing to do with a pod: create, delete, update, claim (make its claims) or own (set their owners)."""

    verb: str
    pod: Object


class Decision(msgspec.Struct):
    """Phases of work, each a list of steps per pod; in an ordered set one pod comes after the other."""

    phases: list[list[list[Step]]]
    status: Object
    deletes_for_update: list[Object] = msgspec.field(default_factory=list)


class Decider:
    """One look at a StatefulSet. `current` and `update` are its revisions, which may be the same."""

    def __init__(
        self, sts: Object, pods: Iterable[Object], current: Object, update: Object, find: FindClaim, now: datetime
    ) -> None:
        self.sts, self.find, self.now = sts, find, now
        self.current, self.update = meta.name(current), meta.name(update)
        self.update_set = apply_template(sts, update)
        current_set = apply_template(sts, current)
        members = {ordinal(p): p for p in pods if ordinal(p) >= 0}
        self.replicas = [members.get(n) or self._missing(current_set, n) for n in ordinals(sts)]
        self.condemned = [members[n] for n in sorted(members, reverse=True) if n not in ordinals(sts)]
        self.ordered = is_ordered(sts)

    def _missing(self, current_set: Object, number: int) -> Object:
        if stays_old(self.sts, number):
            return new_pod(current_set, number, self.current)
        return new_pod(self.update_set, number, self.update)

    def available(self, pod: Object) -> bool:
        return is_available(pod, min_ready(self.sts), self.now)

    def unavailable(self, pod: Object) -> bool:
        return not self.available(pod) or meta.is_being_deleted(pod)

    def counts(self) -> dict[str, int]:
        created = [p for p in (*self.replicas, *self.condemned) if is_created(p)]
        ready = [p for p in created if phase(p) == "Running" and is_ready(p)]
        staying = [revision_of(p) for p in created if not meta.is_being_deleted(p)]
        return {
            "replicas": len(created),
            "readyReplicas": len(ready),
            "availableReplicas": sum(map(self.available, ready)),
            "currentReplicas": staying.count(self.current),
            "updatedReplicas": staying.count(self.update),
        }

    def decide(self, collisions: int) -> Decision:
        counts = self.counts()
        status: Object = {**counts, "collisionCount": collisions}
        status |= {"currentRevision": self.current, "updateRevision": self.update}
        decision = Decision([], status)
        if not meta.is_being_deleted(self.sts):
            self._plan(decision)
        status["currentReplicas"] -= len(decision.deletes_for_update)
        self._complete(status)
        decision.status = self._finish(status)
        return decision

    def _complete(self, status: Object) -> None:
        """When all pods are updated and ready, the update becomes the current revision."""
        if all(status[f] == replicas(self.sts) for f in ("updatedReplicas", "readyReplicas", "replicas")):
            status["currentReplicas"] = status["updatedReplicas"]
            status["currentRevision"] = status["updateRevision"]

    def _finish(self, status: Object) -> Object:
        was = self.sts.get("status") or {}
        status |= {"observedGeneration": meta.generation(self.sts), "conditions": was.get("conditions")}
        return compact(status, keep=("replicas", "availableReplicas", "collisionCount"))

    def _plan(self, decision: Decision) -> None:
        work, blocked = self._run([partial(self._replica, p) for p in self.replicas])
        decision.phases.append(work)
        if blocked:
            return
        owns = [[Step("own", p)] for p in self.condemned if not claims_are_right(self.update_set, p, self.find)]
        decision.phases.append(owns)
        unhealthy = next((p for p in (*self.replicas, *reversed(self.condemned)) if self.unavailable(p)), None)
        work, blocked = self._run([partial(self._condemn, p, unhealthy) for p in self.condemned])
        decision.phases.append(work)
        if not blocked and strategy(self.sts) == "RollingUpdate":
            decision.deletes_for_update = self._outdated()

    def _run(self, judges: Sequence[Callable[[], tuple[list[Step], bool]]]) -> tuple[list[list[Step]], bool]:
        """Judges pods in order; where order matters, the first that is not done keeps the rest waiting."""
        work = []
        for judge in judges:
            steps, blocks = judge()
            if steps:
                work.append(steps)
            if blocks and self.ordered:
                return work, True
        return work, False

    def _replica(self, pod: Object) -> tuple[list[Step], bool]:
        """What a pod that should be needs, and whether its successors must wait for it."""
        if is_terminal(pod):
            return ([] if meta.is_being_deleted(pod) else [Step("delete", pod)]), True
        if not is_created(pod):
            stale = claims_are_stale(self.sts, pod, self.find)
            return ([] if stale else [Step("create", pod)]), True
        steps = [Step("claim", pod)] if phase(pod) == "Pending" and templates(self.sts) else []
        healthy = phase(pod) == "Running" and is_ready(pod) and self.available(pod)
        if self.ordered and (meta.is_being_deleted(pod) or not healthy):
            return steps, True
        if not self._is_right(pod):
            steps.append(Step("update", pod))
        return steps, False

    def _is_right(self, pod: Object) -> bool:
        formed = identity_matches(self.sts, pod) and storage_matches(self.sts, pod)
        return formed and claims_are_right(self.update_set, pod, self.find)

    def _condemn(self, pod: Object, unhealthy: Object | None) -> tuple[list[Step], bool]:
        """A pod beyond the wanted number goes, unless an unhealthy one has to recover first."""
        if meta.is_being_deleted(pod):
            return [], True
        healthy = phase(pod) == "Running" and is_ready(pod) and self.available(pod)
        if self.ordered and not healthy and pod is not unhealthy:
            return [], True
        return [Step("delete", pod)], True

    def _outdated(self) -> list[Object]:
        """Pods to delete so that they come back updated, highest ordinal first, within maxUnavailable."""
        limit = max_unavailable(self.sts) if rolling(self.sts) is not None else 1
        budget = limit - sum(map(self.unavailable, self.replicas))
        old = [p for p in reversed(self.replicas) if revision_of(p) != self.update and not meta.is_being_deleted(p)]
        broken = [p for p in old if not self.available(p)]
        if budget <= 0 and (self.ordered or not broken):
            return []
        beyond = self.replicas[partition(self.sts) :]
        due = [p for p in old if any(p is b for b in beyond)]
        if self.ordered:
            return due[:budget]
        healthy = [p for p in due if self.available(p)]
        return [p for p in due if not self.available(p)] + healthy[: max(0, budget)]
