"""What the scheduler counts, under kube-scheduler's names (its `pkg/scheduler/metrics`)."""

from collections.abc import Callable, Mapping
from typing import Any

from umiak.kit.clock import Clock
from umiak.kit.metrics import Registry

SCHEDULED, UNSCHEDULABLE, ERROR = "scheduled", "unschedulable", "error"
MOST_ATTEMPTS = 15
"""Above, attempts are told as `15+`."""
QUEUES = ("active", "backoff", "unschedulable", "gated", "incomplete", "pending")


def exponential(first: float, factor: float, count: int) -> list[float]:
    return [first * factor**i for i in range(count)]


def attempts_label(attempts: int) -> str:
    return f"{MOST_ATTEMPTS}+" if attempts >= MOST_ATTEMPTS else str(attempts)


class Metrics:
    """Everything is told to it; only what is there at the moment it asks for itself, when the text is made."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.registry = registry = Registry()
        counters, histograms = registry.counters, registry.histograms
        milliseconds = exponential(0.001, 2, 15)
        self._attempts = counters(
            "scheduler_schedule_attempts_total",
            "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, "
            "while 'error' means an internal scheduler problem.",
            "result",
            "profile",
        )
        self._latency = histograms(
            "scheduler_scheduling_attempt_duration_seconds",
            "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
            "result",
            "profile",
            bounds=milliseconds,
        )
        self.algorithm = registry.histogram(
            "scheduler_scheduling_algorithm_duration_seconds", "Scheduling algorithm latency in seconds", milliseconds
        )
        self.points = histograms(
            "scheduler_framework_extension_point_duration_seconds",
            "Latency for running all plugins of a specific extension point.",
            "extension_point",
            "status",
            "profile",
            bounds=exponential(0.0001, 2, 12),
        )
        self._sli = histograms(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might "
            "involve multiple scheduling attempts.",
            "attempts",
            bounds=exponential(0.01, 2, 20),
        )
        self._tries = registry.histogram(
            "scheduler_pod_scheduling_attempts",
            "Number of attempts to successfully schedule a pod.",
            exponential(1, 2, 5),
        )
        self.incoming = counters(
            "scheduler_queue_incoming_pods_total",
            "Number of pods added to scheduling queues by event and queue type.",
            "queue",
            "event",
        )
        self._after_flush = registry.counter(
            "scheduler_pod_scheduled_after_flush_total",
            "Number of pods that were successfully scheduled after being flushed from unschedulableEntities due to "
            "timeout. This metric helps detect potential queueing hint misconfigurations or event handling issues.",
        )
        self._preemptions = registry.counter(
            "scheduler_preemption_attempts_total", "Total preemption attempts in the cluster till now"
        )
        self._victims = registry.histogram(
            "scheduler_preemption_victims",
            "Number of selected preemption victims for preemption initiated by a single pod",
            exponential(1, 2, 7),
        )
        self._rejected = registry.gauges(
            "scheduler_unschedulable_pods",
            "The number of unschedulable pods broken down by plugin name. A pod will increment the gauge for all "
            "plugins that caused it to not schedule and so this metric have meaning only when broken down by plugin.",
            "plugin",
            "profile",
        )

    def look_at(
        self,
        queues: Callable[[], Mapping[str, int]],
        sizes: Callable[[], Mapping[str, int]],
        rejections: Callable[[], Mapping[tuple[str, str], int]],
    ) -> None:
        """Whom to ask how many pods are pending in each queue, how much is cached, and how many pods each plugin
        rejects, by plugin and profile."""
        pending = self.registry.gauges("scheduler_pending_pods", PENDING_HELP, "queue")
        for name in QUEUES:
            pending.at(name).read = _reader(queues, name)
        cached = self.registry.gauges(
            "scheduler_cache_size", "Number of nodes, pods, and assumed (bound) pods in the scheduler cache.", "type"
        )
        for name in ("nodes", "pods", "assumed_pods"):
            cached.at(name).read = _reader(sizes, name)
        self._rejections = rejections

    def attempted(self, result: str, profile: str, began: float) -> None:
        self._attempts.at(result, profile).inc()
        self._latency.at(result, profile).observe(self.clock.monotonic() - began)

    def scheduled(self, attempts: int, since: float, flushed: bool) -> None:
        """A pod that waited `since` then is bound."""
        self._sli.at(attempts_label(attempts)).observe(self.clock.monotonic() - since)
        self._tries.observe(attempts)
        if flushed:
            self._after_flush.inc()

    def preempted(self, victims: int) -> None:
        """Preemption was tried; `victims` 0: to no end."""
        self._preemptions.inc()
        if victims:
            self._victims.observe(victims)

    def text(self) -> bytes:
        for key, count in self._rejections().items():
            self._rejected.at(*key).set(count)
        return self.registry.text()


PENDING_HELP = (
    "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of "
    "pods in backoffQ; 'unschedulable' means number of pods in unschedulableEntities that the scheduler attempted to "
    "schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule "
    "because they are gated; 'incomplete' means number of pods in incompletePodGroupPods; 'pending' means number of "
    "pods in pendingPodGroupPods."
)


def _reader(ask: Callable[[], Mapping[str, Any]], name: str) -> Callable[[], float]:
    return lambda: float(ask().get(name, 0))


class Stopwatch:
    """The watch of one profile."""

    def __init__(self, metrics: Metrics, profile: str) -> None:
        self._metrics, self._profile = metrics, profile
        self.now = metrics.clock.monotonic

    def saw(self, point: str, began: float, ok: bool = True) -> None:
        series = self._metrics.points.at(point, "Success" if ok else "Unschedulable", self._profile)
        series.observe(self.now() - began)
