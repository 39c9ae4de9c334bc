"""Counts over all placed pods, kept up to date as pods come and go, so that no decision has to look at each of them.

Rules put a `Question`: how many pods with such labels there are, by the values of a node label. The first time all
pods are counted; from then on each pod that is put on a node or taken off it changes the counts. Whatever happens to
nodes themselves is rare, and makes the census forget everything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from umiak.objects.selectors import Selector
from umiak.scheduler.columns import Columns, Pick, picker

if TYPE_CHECKING:
    from umiak.scheduler.nodes import NodeView
    from umiak.scheduler.pods import AffinityTerm, PodView

EACH_NODE = ""
"""In place of a topology key: nodes are told apart by name."""
MOST = 128
"""So many questions are kept up to date, and four times as many terms."""
Counts = dict[str, int]
REQUIRED, PREFERRED, AVOIDED = 0, 1, -1
Leaning = tuple["AffinityTerm", int]
"""A term of placed pods that draws newcomers near (REQUIRED, PREFERRED) or keeps them off (AVOIDED)."""


class Image(msgspec.Struct):
    """`size` in bytes, and how many nodes have it."""

    size: int
    nodes: int = 0


class Question(msgspec.Struct, frozen=True):
    """Pods that match every one of `who` (namespaces and labels), by the values of node label `key`."""

    key: str
    who: tuple[tuple[frozenset[str] | None, Selector], ...]
    """None stands for all namespaces."""
    leaving: bool = True
    """Whether pods that are being deleted count."""
    having: tuple[str, ...] = ()
    """Only nodes with all of these labels count."""

    def means(self, pod: "PodView") -> bool:
        if pod.being_deleted and not self.leaving:
            return False
        for namespaces, labels in self.who:
            if (namespaces is not None and pod.namespace not in namespaces) or not labels.matches(pod.labels):
                return False
        return True

    def value(self, node: "NodeView") -> str | None:
        """None for a node that does not count."""
        if not all(key in node.labels for key in self.having):
            return None
        return node.name if self.key == EACH_NODE else node.labels.get(self.key)


class Window(msgspec.Struct, frozen=True, eq=False):
    """Nodes that stand side by side. Not to be changed."""

    places: list[int]
    nodes: "list[NodeView]"
    pick: Pick
    """Reads what is said of them."""


class Census:
    """Of one set of nodes, each of which tells it of pods that come and go (`NodeView.census`). One that nobody tells
    is right for as long as nothing changes."""

    def __init__(self) -> None:
        self._counts: dict[Question, Counts] = {}
        self._refusals: dict[AffinityTerm, Counts] | None = None
        self._leanings: dict[Leaning, Counts] | None = None
        self._images: dict[str, Image] | None = None
        self._everyone: list[NodeView] | None = None
        self._order: list[int] = []
        self._windows: dict[tuple[int, int], Window] = {}
        self._latest: Window | None = None
        self._labels: dict[tuple[str, ...], list[object]] = {}
        self.columns = Columns()

    def forget(self) -> None:
        """Nodes came, went or were changed."""
        self._counts.clear()
        self._refusals = self._leanings = self._images = self._everyone = None
        self._labels.clear()
        self._windows.clear()
        self._latest = None
        self.columns.forget()

    def everyone(self, nodes: Mapping[str, "NodeView"]) -> list["NodeView"]:
        """All nodes in their order, each of which knows its place. Not to be changed."""
        if self._everyone is None:
            self._everyone = list(nodes.values())
            for place, node in enumerate(self._everyone):
                node.place = place
            self._order = 2 * list(range(len(self._everyone)))
        return self._everyone

    def places(self, start: int, nodes: Mapping[str, "NodeView"]) -> list[int]:
        """The places of all nodes, once round from `start`."""
        count = len(self.everyone(nodes))
        return self._order[start : start + count]

    def window(self, start: int, count: int, nodes: Mapping[str, "NodeView"]) -> "Window":
        """`count` nodes from `start` on, around the end. Which they are repeats itself while all of them are taken."""
        everyone = self.everyone(nodes)
        found = self._windows.get((start, count))
        if found is None:
            if len(self._windows) >= MOST:
                self._windows.clear()
            places = self._order[start : start + count]
            pick = picker(places)
            found = self._windows[start, count] = Window(places, list(pick(everyone)), pick)
        self._latest = found
        return found

    def picker(self, chosen: Sequence["NodeView"]) -> Pick:
        """Reads what is said of the `chosen` nodes."""
        latest = self._latest
        if latest is not None and latest.nodes is chosen:
            return latest.pick
        return picker([node.place for node in chosen])

    def labels(self, keys: Sequence[str], nodes: Mapping[str, "NodeView"]) -> list[object]:
        """By place, something that is the same for nodes with the same values of labels `keys`. Not to be changed."""
        asked = tuple(keys)
        found = self._labels.get(asked)
        if found is None:
            if len(self._labels) >= MOST:
                self._labels.clear()
            read = [node.labels.get for node in self.everyone(nodes)]
            only = asked[0] if len(asked) == 1 else None
            found = [get(only) for get in read] if only is not None else [tuple(map(get, asked)) for get in read]
            self._labels[asked] = found
        return found

    def count(self, question: Question, nodes: Mapping[str, "NodeView"]) -> Counts:
        """By value, those of nodes without such pods included. Kept up to date: not to be changed."""
        found = self._counts.get(question)
        if found is None:
            if len(self._counts) >= MOST:
                del self._counts[next(iter(self._counts))]
            found = self._counts[question] = _counted(question, nodes.values())
        return found

    def refusals(self, nodes: Mapping[str, "NodeView"]) -> dict["AffinityTerm", Counts]:
        """How many placed pods have a required anti-affinity term, by the values of its topology key that there are.
        Kept up to date, too."""
        if self._refusals is None or len(self._refusals) > 4 * MOST:
            self._refusals = {}
            for node in nodes.values():
                for pod in node.with_anti_affinity.values():
                    _refuse(self._refusals, node, pod, 1)
        return self._refusals

    def leanings(self, nodes: Mapping[str, "NodeView"]) -> dict[Leaning, Counts]:
        """The same of terms that only weigh when nodes are scored."""
        if self._leanings is None or len(self._leanings) > 4 * MOST:
            self._leanings = {}
            for node in nodes.values():
                for pod in node.with_affinity.values():
                    _lean(self._leanings, node, pod, 1)
        return self._leanings

    def images(self, nodes: Mapping[str, "NodeView"]) -> "dict[str, Image]":
        """By its names, how large an image is and how many nodes have it. Should nodes differ about its size, what the
        first says goes for all (addNodeImageStates in kube-scheduler's `backend/cache/cache.go`)."""
        if self._images is None:
            self._images = {}
            for node in nodes.values():
                for name, size in node.images.items():
                    found = self._images.setdefault(name, Image(size))
                    found.nodes += 1
        return self._images

    def moved(self, node: "NodeView", pod: "PodView", sign: int) -> None:
        """A pod was put on a node (+1) or taken off it (-1)."""
        self.columns.changed(node.place)
        for question, counts in self._counts.items():
            if question.means(pod):
                value = question.value(node)
                if value is not None:
                    counts[value] = counts.get(value, 0) + sign
        if self._refusals is not None and pod.anti_affinity:
            _refuse(self._refusals, node, pod, sign)
        if self._leanings is not None and pod.has_terms:
            _lean(self._leanings, node, pod, sign)


def _counted(question: Question, nodes: Iterable["NodeView"]) -> Counts:
    counts: Counts = {}
    for node in nodes:
        value = question.value(node)
        if value is not None:
            counts[value] = counts.get(value, 0) + sum(map(question.means, node.pods.values()))
    return counts


def _tally(counts: Counts, value: str | None, sign: int) -> None:
    """Keeps no zeros: whether anything is left is asked often."""
    if value is None:
        return
    count = counts.get(value, 0) + sign
    if count:
        counts[value] = count
    else:
        counts.pop(value, None)


def _refuse(refusals: dict["AffinityTerm", Counts], node: "NodeView", pod: "PodView", sign: int) -> None:
    for term in pod.anti_affinity:
        _tally(refusals.setdefault(term, {}), node.labels.get(term.topology_key), sign)


def _lean(leanings: dict[Leaning, Counts], node: "NodeView", pod: "PodView", sign: int) -> None:
    terms = [(term, REQUIRED) for term in pod.affinity]
    terms += [(term, PREFERRED) for term in pod.preferred_affinity]
    terms += [(term, AVOIDED) for term in pod.preferred_anti_affinity]
    for leaning in terms:
        _tally(leanings.setdefault(leaning, {}), node.labels.get(leaning[0].topology_key), sign)
