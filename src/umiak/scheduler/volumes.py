"""What the rules about volumes share."""

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.scheduler.contract import Cycle


def is_its_claim(cycle: Cycle, old: Object | None, new: Object) -> bool:
    """The hint for claims: whether it is one that the pod uses."""
    return meta.namespace(new) == cycle.pod.namespace and meta.name(new) in cycle.pod.claims
