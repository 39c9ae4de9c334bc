"""The watches that are open, and how many look at what: a change costs more, the more are told of it."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from umiak.server.flow.estimate import Wide, seen_by
from umiak.server.route import Route

_OF_ONE_NODE = re.compile(r"(?:^|,)\s*spec\.nodeName\s*==?\s*[^,=\s]")
"""Pods are told to the watches of their node alone, so that those of one node count for no other."""


class Watchers:
    def __init__(self) -> None:
        self._open: dict[Any, Wide | None] = {}
        self._looking: Counter[Wide] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._open))

    def add(self, watcher: Any) -> None:
        what = self._open[watcher] = _looks_at(watcher)
        if what is not None:
            self._looking[what] += 1

    def discard(self, watcher: Any) -> None:
        what = self._open.pop(watcher, None)
        if what is not None:
            self._looking[what] -= 1
            if not self._looking[what]:
                del self._looking[what]

    def interested(self, route: Route) -> int:
        """How many are told of a change that `route` makes."""
        looking = self._looking
        return sum(looking.get(what, 0) for what in seen_by(route)) if looking else 0


def _looks_at(watcher: Any) -> Wide | None:
    route = watcher.call.route
    if route.resource == "pods" and _OF_ONE_NODE.search(watcher.call.request.option("fieldSelector")):
        return None
    return route.group, route.resource, route.namespace, route.name
