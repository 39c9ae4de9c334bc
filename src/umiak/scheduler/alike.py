"""Pods that are alike to every rule that looks only at a pod's spec and one node.

Pods of one workload differ in their names, in the name of a token's volume and the like; what rules can ask for is the
same. What such rules answered for one of them about a node is kept under a mark (`columns`), until the node changes.
"""

from collections import OrderedDict
from typing import Any

import msgspec

from umiak.objects.types import Object

LOOKED_AT = ("image", "resources", "ports", "restartPolicy")
"""What rules can ask of a container."""
PASSIVE = frozenset({"name", "configMap", "downwardAPI", "emptyDir", "projected", "secret"})
"""Volumes of these kinds are the same on every node."""
OWN = frozenset({"containers", "initContainers", "ephemeralContainers", "volumes", "hostname", "subdomain"})
MOST = 1024
"""So many marks are remembered; one that is forgotten is made anew, and what was kept under it is not found."""
_encode = msgspec.json.Encoder().encode


def shape(spec: Object) -> bytes:
    """All of a pod's spec that rules can ask for. Equal for alike pods that one server wrote."""
    told: dict[str, Any] = {name: value for name, value in spec.items() if name not in OWN}
    for field in ("containers", "initContainers"):
        containers = spec.get(field)
        if containers:
            told[field] = [[c.get(name) for name in LOOKED_AT] for c in containers]
    told["volumes"] = [v for v in spec.get("volumes") or () if not v.keys() <= PASSIVE]
    return _encode(told)


class Marks:
    """One mark for all that is equal. A mark is an object of its own, so it is compared by identity."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], object] = OrderedDict()

    def of(self, *about: object) -> object:
        found = self._known.get(about)
        if found is None:
            found = self._known[about] = object()
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return found
