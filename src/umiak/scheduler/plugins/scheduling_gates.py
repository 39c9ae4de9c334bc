"""Leave a pod alone while it has scheduling gates (KEP-3521). The queue asks this before anything else."""

from umiak.scheduler.contract import Before, Cycle, Event, Plugin, RejectAll
from umiak.scheduler.pods import PodView

GATED = "Scheduling is blocked due to non-empty scheduling gates"


def is_gated(pod: PodView) -> bool:
    return bool(pod.spec.get("schedulingGates"))


def prefilter(cycle: Cycle) -> Before:
    return RejectAll(GATED) if is_gated(cycle.pod) else None


PLUGIN = Plugin(name="SchedulingGates", order=1, prefilter=prefilter, retry_on=frozenset({Event.GATES}))
