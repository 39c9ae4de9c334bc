"""Makes room for pods that fit nowhere, at the cost of less important ones: `umiak.scheduler.preemption` decides."""

import msgspec

from umiak.objects.types import Object
from umiak.scheduler.contract import Plugin

NAME = "DefaultPreemption"


class Settings(msgspec.Struct, frozen=True):
    """Of how many nodes it is worked out who would have to leave, before the best of them is taken."""

    percentage: int = 10
    absolute: int = 100

    def candidates(self, nodes: int) -> int:
        return min(nodes, max(nodes * self.percentage // 100, self.absolute))


DEFAULTS = Settings()


def settings(args: Object) -> Settings:
    return Settings(args["minCandidateNodesPercentage"], args["minCandidateNodesAbsolute"])


PLUGIN = Plugin(name=NAME, order=117, points=frozenset({"postFilter", "preEnqueue"}), settings=settings)
