"""What a Job's pods amount to: which of them count, whether the Job is done, which pods it needs; all pure.

A finished pod is counted exactly once: its uid is noted in the status, then its finalizer goes, then the note turns
into a number (KEP-2307). So counts survive the deletion of pods and restarts of the controller.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from umiak.controllers._indexes import Indexes
from umiak.controllers._pods import (
    condition,
    created,
    is_active,
    is_ready,
    is_terminating,
    is_true,
    least_useful_first,
    phase,
    pod_from_template,
)
from umiak.controllers._status import find_condition
from umiak.objects import meta
from umiak.objects.types import Object

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
CONTROLLER_NAME = "kubernetes.io/job-controller"
INDEX_ENV = "JOB_COMPLETION_INDEX"
MAX_GENERATED = 58
MAX_BATCH = 500
"""Most pods made, deleted or noted in the status in one go."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(minutes=10)


def is_finished(job: Object) -> bool:
    return is_true(job, "Complete") or is_true(job, "Failed")


def is_managed_elsewhere(job: Object) -> bool:
    return job["spec"].get("managedBy") not in (None, CONTROLLER_NAME)


def is_indexed(job: Object) -> bool:
    return job["spec"].get("completionMode") == "Indexed"


def is_suspended(job: Object) -> bool:
    return bool(job["spec"].get("suspend"))


def is_per_index(job: Object) -> bool:
    return job["spec"].get("backoffLimitPerIndex") is not None


def replaces_failed_only(job: Object) -> bool:
    return job["spec"].get("podReplacementPolicy") == "Failed"


def completions(job: Object) -> int | None:
    value = job["spec"].get("completions")
    return None if value is None else int(value)


def backoff_limit(job: Object) -> int:
    value = job["spec"].get("backoffLimit")
    return 6 if value is None else int(value)


def is_tracked(pod: Object) -> bool:
    return FINALIZER in (meta.metadata(pod).get("finalizers") or ())


def index_of(pod: Object) -> int | None:
    text = meta.annotations(pod).get(INDEX, "")
    return int(text) if text.isdecimal() else None


def _count(pod: Object, annotation: str) -> int:
    text = meta.annotations(pod).get(annotation, "")
    return int(text) if text.isdecimal() and int(text) < 2**31 else 0


def is_failed(pod: Object, job: Object) -> bool:
    """A pod that is being deleted counts as failed, unless the Job waits for the end of its pods."""
    if phase(pod) == "Failed":
        return True
    return not replaces_failed_only(job) and meta.is_being_deleted(pod) and phase(pod) != "Succeeded"


def new_condition(type: str, value: str, reason: str, message: str, now: datetime) -> Object:
    moment = meta.format_time(now)
    times = {"lastProbeTime": moment, "lastTransitionTime": moment}
    return {"type": type, "status": value, **times, "reason": reason, "message": message}


# When a pod ended


def finished_at(pod: Object) -> datetime:
    """From its containers, else since when it is not ready, else its deletion, else its creation."""
    return _containers_end(pod) or _unready_since(pod) or _deletion(pod) or meta.parse_time(created(pod))


def _containers_end(pod: Object) -> datetime | None:
    """The last end; None while a container has not ended."""
    status = pod.get("status") or {}
    init = pod["spec"].get("initContainers") or ()
    sidecars = {c["name"] for c in init if c.get("restartPolicy") == "Always"}
    counted = [c for c in status.get("initContainerStatuses") or () if c["name"] in sidecars]
    counted += status.get("containerStatuses") or ()
    ends = [((c.get("state") or {}).get("terminated") or {}).get("finishedAt") for c in counted]
    known = [meta.parse_time(end) for end in ends if end]
    return max(known) if known and len(known) == len(ends) else None


def _unready_since(pod: Object) -> datetime | None:
    ready = condition(pod, "Ready")
    if ready is None or ready.get("status") != "False" or not ready.get("lastTransitionTime"):
        return None
    return meta.parse_time(ready["lastTransitionTime"])


def _deletion(pod: Object) -> datetime | None:
    about = meta.metadata(pod)
    if not about.get("deletionTimestamp"):
        return None
    grace = timedelta(seconds=about.get("deletionGracePeriodSeconds") or 0)
    return meta.parse_time(about["deletionTimestamp"]) - grace


# Backing off


class Failures(msgspec.Struct, frozen=True):
    """Failures since the last success."""

    count: int = 0
    last: datetime | None = None

    def after(self, succeeded: Iterable[Object], failed: Iterable[Object]) -> "Failures":
        """With pods that have just ended."""
        wins, losses = [finished_at(p) for p in succeeded], sorted(map(finished_at, failed))
        if not wins:
            return Failures(self.count + len(losses), losses[-1]) if losses else self
        late = [moment for moment in losses if moment > max(wins)]
        return Failures(len(late), late[-1]) if late else Failures()

    def wait(self, now: datetime) -> timedelta:
        """How long to wait before the next pod is made."""
        if self.count == 0 or self.last is None:
            return timedelta(0)
        whole = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self.count - 1, 10))
        return max(timedelta(0), whole - (now - self.last))


# Policies


class Match(msgspec.Struct, frozen=True):
    """What the pod failure policy says of a pod (KEP-3329)."""

    counts: bool = True
    action: str = ""
    message: str = ""


def match_failure(job: Object, pod: Object) -> Match:
    """The first rule that applies; without one the failure counts."""
    policy = job["spec"].get("podFailurePolicy")
    for index, rule in enumerate((policy or {}).get("rules") or ()):
        reason = _exit_code_match(rule, pod) if rule.get("onExitCodes") else _condition_match(rule, pod)
        action = rule["action"]
        if reason and action == "FailJob":
            return Match(True, action, f"{reason} matching FailJob rule at index {index}")
        if reason:
            return Match(action != "Ignore", action)
    return Match()


def _exit_code_match(rule: Object, pod: Object) -> str:
    wanted, status = rule["onExitCodes"], pod.get("status") or {}
    for container in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        code = ((container.get("state") or {}).get("terminated") or {}).get("exitCode")
        if not code or wanted.get("containerName") not in (None, container["name"]):
            continue
        if (code in wanted["values"]) == (wanted["operator"] == "In"):
            return f"Container {container['name']} for pod {meta.key(pod)} failed with exit code {code}"
    return ""


def _condition_match(rule: Object, pod: Object) -> str:
    patterns = [(p["type"], p["status"]) for p in rule.get("onPodConditions") or ()]
    for found in (pod.get("status") or {}).get("conditions") or ():
        if (found["type"], found["status"]) in patterns:
            return f"Pod {meta.key(pod)} has condition {found['type']}"
    return ""


def match_success(job: Object, succeeded: Indexes) -> str:
    """The message of the first success rule that is met, or nothing (KEP-3998)."""
    policy = job["spec"].get("successPolicy")
    for number, rule in enumerate((policy or {}).get("rules") or () if succeeded else ()):
        count = rule.get("succeededCount")
        if rule.get("succeededIndexes") is not None:
            wanted = Indexes.parse(rule["succeededIndexes"], completions(job) or 0)
            common = wanted.overlap(succeeded)
            met = len(wanted) > 0 and (common == len(wanted) or (count is not None and common >= count))
        else:
            met = count is not None and len(succeeded) >= count
        if met:
            return f"Matched rules at index {number}"
    return ""


class View:
    """One look at a Job that is not finished. `pods` are its own; `failures` what is known of earlier ones."""

    def __init__(self, job: Object, pods: Sequence[Object], failures: Failures, now: datetime) -> None:
        self.job, self.pods, self.now = job, list(pods), now
        self.spec = job["spec"]
        self.status: Object = dict(job.get("status") or {})
        uncounted = self.status.get("uncountedTerminatedPods") or {}
        self.noted_succeeded = set(uncounted.get("succeeded") or ())
        self.noted_failed = set(uncounted.get("failed") or ())
        self.status["uncountedTerminatedPods"] = {k: list(v) for k, v in uncounted.items() if v}
        self.active_pods = [p for p in pods if is_active(p)]
        self.active = len(self.active_pods)
        self.ready = sum(map(is_ready, self.active_pods))
        self.terminating = sum(map(is_terminating, pods))
        self.new_succeeded = self._countable(self.noted_succeeded, lambda p: phase(p) == "Succeeded")
        self.new_failed = self._countable(self.noted_failed, lambda p: is_failed(p, job))
        self.failures = failures.after(self.new_succeeded, self.new_failed)
        counting = sum(match_failure(job, p).counts for p in self.new_failed)
        self.succeeded = (self.status.get("succeeded") or 0) + len(self.new_succeeded) + len(self.noted_succeeded)
        self.failed = (self.status.get("failed") or 0) + counting + len(self.noted_failed)
        self.waits: list[timedelta] = []
        self.finish: Object | None = None
        self.known_succeeded = self.succeeded_indexes = Indexes()
        self.failed_indexes: Indexes | None = None
        self.last_failed: dict[int, Object] = {}
        if self.status.get("startTime") is None and not is_suspended(job):
            self.status["startTime"] = meta.format_time(now)
        self._judge()

    def _is_own_index(self, pod: Object) -> bool:
        index = index_of(pod)
        return index is not None and index < (completions(self.job) or 0)

    def _countable(self, noted: set[str], suits: Callable[[Object], bool]) -> list[Object]:
        """Tracked pods that are not noted yet, with an index of the Job's if it has indexes."""
        tracked = (p for p in self.pods if is_tracked(p) and meta.uid(p) not in noted)
        return [p for p in tracked if (not is_indexed(self.job) or self._is_own_index(p)) and suits(p)]

    # judging

    def _judge(self) -> None:
        """Sets `finish` to the condition that ends the Job, if any."""
        self.finish = self._earlier_end() or self._limit_passed()
        if is_indexed(self.job):
            self._judge_indexes()

    def _end(self, reason: str, message: str) -> Object:
        return new_condition("FailureTarget", "True", reason, message, self.now)

    def _earlier_end(self) -> Object | None:
        """What was decided before, or what the pod failure policy demands."""
        met = find_condition(self.status, "SuccessCriteriaMet")
        if met is not None and met["status"] == "True":
            return met
        target = find_condition(self.status, "FailureTarget")
        if target is not None and target["status"] == "True":
            return self.failed_after(target)
        for pod in self.pods if self.spec.get("podFailurePolicy") else ():
            message = match_failure(self.job, pod).message if is_failed(pod, self.job) else ""
            if message:
                return self._end("PodFailurePolicy", message)
        return None

    def failed_after(self, target: Object) -> Object:
        return new_condition("Failed", "True", target.get("reason") or "", target.get("message") or "", self.now)

    def _limit_passed(self) -> Object | None:
        if self.failed > backoff_limit(self.job) or self._restarted_too_often():
            return self._end("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        deadline = self.spec.get("activeDeadlineSeconds")
        if deadline is None or is_suspended(self.job):
            return None
        left = meta.parse_time(self.status["startTime"]) + timedelta(seconds=deadline) - self.now
        if left <= timedelta(0):
            return self._end("DeadlineExceeded", "Job was active longer than specified deadline")
        self.waits.append(left)
        return None

    def _restarted_too_often(self) -> bool:
        """Where containers restart in place, their restarts are what is limited."""
        if self.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        running = (p.get("status") or {} for p in self.pods if phase(p) in ("Running", "Pending"))
        lists = ("initContainerStatuses", "containerStatuses")
        restarts = sum(c.get("restartCount", 0) for status in running for f in lists for c in status.get(f) or ())
        return restarts >= max(1, backoff_limit(self.job))

    def _judge_indexes(self) -> None:
        total = completions(self.job) or 0
        self.known_succeeded = Indexes.parse(self.status.get("completedIndexes") or "", total)
        won = [p for p in self.pods if phase(p) == "Succeeded" and is_tracked(p) and self._is_own_index(p)]
        self.succeeded_indexes = self.known_succeeded | _indexes(won)
        self.succeeded = len(self.succeeded_indexes)
        if is_per_index(self.job):
            known = Indexes.parse(self.status.get("failedIndexes") or "", total)
            lost = [p for p in self.pods if is_tracked(p) and self._is_own_index(p) and self._fails_index(p)]
            self.failed_indexes = known | _indexes(lost)
            self.finish = self.finish or self._too_many_failed(total)
            self.last_failed = self._last_failed()
        if self.finish is None:
            message = match_success(self.job, self.succeeded_indexes)
            if message:
                self.finish = new_condition("SuccessCriteriaMet", "True", "SuccessPolicy", message, self.now)

    def _fails_index(self, pod: Object) -> bool:
        """Whether the index gets no further try after this pod."""
        if not is_failed(pod, self.job):
            return False
        match = match_failure(self.job, pod)
        if match.action == "FailIndex":
            return True
        return match.counts and _count(pod, FAILURES) >= self.spec["backoffLimitPerIndex"]

    def _too_many_failed(self, total: int) -> Object | None:
        failed, limit = len(self.failed_indexes or ()), self.spec.get("maxFailedIndexes")
        if limit is not None and failed > limit:
            message = "Job has exceeded the specified maximal number of failed indexes"
            return self._end("MaxFailedIndexesExceeded", message)
        if failed > 0 and failed + len(self.succeeded_indexes) >= total:
            return self._end("FailedIndexes", "Job has failed indexes")
        return None

    def _last_failed(self) -> dict[int, Object]:
        """The newest failed pod of each index that will be tried again; it keeps its finalizer till then."""
        running = {index_of(p) for p in self.active_pods}
        found: dict[int, Object] = {}
        for pod in self._countable(set(), lambda p: is_failed(p, self.job)):
            index = index_of(pod)
            if index is None or index in running or index in self.succeeded_indexes:
                continue
            if self.failed_indexes is not None and index in self.failed_indexes:
                continue
            before = found.get(index)
            if before is None or (_tries(before) <= _tries(pod) and finished_at(pod) >= finished_at(before)):
                found[index] = pod
        return found

    def is_complete(self) -> bool:
        total = completions(self.job)
        enough = self.succeeded > 0 if total is None else self.succeeded >= total
        return enough and self.active == 0

    def success(self) -> Object:
        message = "Reached expected number of succeeded pods"
        return new_condition("SuccessCriteriaMet", "True", "CompletionsReached", message, self.now)

    # how many pods

    def wanted_active(self) -> int:
        if is_suspended(self.job):
            return 0
        parallelism = self.spec.get("parallelism")
        parallelism = 1 if parallelism is None else int(parallelism)
        total = completions(self.job)
        if total is None:
            return self.active if self.succeeded > 0 else parallelism
        return max(0, min(total - self.succeeded, parallelism))

    def surplus(self) -> list[Object]:
        """Active pods to delete: twins of an index, then as many as are too many."""
        least = max(0, self.active - self.wanted_active())
        doubles, singles = self._doubles() if is_indexed(self.job) else ([], self.active_pods)
        if len(doubles) < least:
            doubles += least_useful_first(singles)[: least - len(doubles)]
        return doubles if is_suspended(self.job) else doubles[:MAX_BATCH]

    def _doubles(self) -> tuple[list[Object], list[Object]]:
        """(pods without a place, the one pod of each index)."""
        by_index: dict[int, list[Object]] = {}
        misfits = [p for p in self.active_pods if not self._is_own_index(p)]
        for pod in self.active_pods:
            if self._is_own_index(pod):
                by_index.setdefault(index_of(pod) or 0, []).append(pod)
        ordered = [least_useful_first(pods) for _, pods in sorted(by_index.items())]
        return misfits + [p for pods in ordered for p in pods[:-1]], [pods[-1] for pods in ordered]

    def to_create(self) -> list[int | None]:
        """The indexes of the pods to make now (None for pods without one); notes how long others must wait."""
        held = self.terminating if replaces_failed_only(self.job) else 0
        count = min(MAX_BATCH, self.wanted_active() - held - self.active)
        if count <= 0:
            return []
        if not is_per_index(self.job):
            wait = self.failures.wait(self.now)
            if wait > timedelta(0):
                self.waits.append(wait)
                return []
        if not is_indexed(self.job):
            return [None] * count
        return list(self._due_indexes(count))

    def _due_indexes(self, count: int) -> list[int]:
        taken = self.succeeded_indexes | _indexes(self.active_pods)
        if replaces_failed_only(self.job):
            taken |= _indexes(p for p in self.pods if is_terminating(p))
        if self.failed_indexes is not None:
            taken |= self.failed_indexes
        pending = taken.missing(completions(self.job) or 0, count)
        if not is_per_index(self.job):
            return pending
        waits = {index: self._wait_of(index) for index in pending}
        due = [index for index, wait in waits.items() if wait == timedelta(0)]
        if not due and waits:
            self.waits.append(min(waits.values()))
        return due

    def _wait_of(self, index: int) -> timedelta:
        last = self.last_failed.get(index)
        return timedelta(0) if last is None else Failures(_tries(last) + 1, finished_at(last)).wait(self.now)

    def new_pod(self, index: int | None) -> Object:
        pod = pod_from_template(self.spec["template"], self.job)
        about = pod["metadata"]
        about["finalizers"] = list(dict.fromkeys([*(about.get("finalizers") or ()), FINALIZER]))
        if index is None:
            return pod
        name = meta.name(self.job)
        about["labels"] = {**(about.get("labels") or {}), INDEX: str(index)}
        about["annotations"] = {**(about.get("annotations") or {}), INDEX: str(index), **self._tries_notes(index)}
        suffix = f"-{index}-"
        about["generateName"] = name[: MAX_GENERATED - len(suffix)] + suffix
        pod["spec"]["hostname"] = f"{name}-{index}"
        for field in ("initContainers", "containers"):
            if pod["spec"].get(field):
                pod["spec"][field] = [_with_index_env(c) for c in pod["spec"][field]]
        return pod

    def _tries_notes(self, index: int) -> dict[str, str]:
        """How often the index failed before, with and without counting."""
        if not is_per_index(self.job):
            return {}
        last = self.last_failed.get(index)
        if last is None:
            return {FAILURES: "0"}
        counts = match_failure(self.job, last).counts
        failures, ignored = _count(last, FAILURES) + counts, _count(last, IGNORED) + (not counts)
        return {FAILURES: str(failures)} | ({IGNORED: str(ignored)} if ignored else {})

    # counting ended pods

    def may_let_go(self, pod: Object) -> bool:
        """Whether the pod has ended for good, so that it can be counted and lose its finalizer."""
        if meta.is_being_deleted(self.job) or self.finish is not None or phase(pod) == "Succeeded":
            return True
        if not is_failed(pod, self.job):
            return False
        index = index_of(pod)
        kept = self.last_failed.get(index) if index is not None else None
        return not is_per_index(self.job) or kept is None or meta.uid(kept) != meta.uid(pod)


def _tries(pod: Object) -> int:
    return _count(pod, FAILURES) + _count(pod, IGNORED)


def _indexes(pods: Iterable[Object]) -> Indexes:
    return Indexes.of({i for i in map(index_of, pods) if i is not None})


def _with_index_env(container: Object) -> Object:
    env = container.get("env") or []
    if any(e["name"] == INDEX_ENV for e in env):
        return container
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    return {**container, "env": [*env, {"name": INDEX_ENV, "valueFrom": source}]}
