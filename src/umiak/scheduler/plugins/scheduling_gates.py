"""Leave a pod alone while it has scheduling gates (KEP-3521). The queue asks this before anything else."""

from umiak.scheduler.contract import Event, Plugin, always
from umiak.scheduler.pods import PodView

NAME = "SchedulingGates"


def is_gated(pod: PodView) -> bool:
    return bool(pod.spec.get("schedulingGates"))


PLUGIN = Plugin(name=NAME, order=1, admit=lambda cycle: not is_gated(cycle.pod), retry_on={Event.OWN_GATES: always})
