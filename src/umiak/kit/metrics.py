"""Counters, gauges and histograms in Prometheus' text format.

An increment is one dict lookup and one addition; everything else happens when somebody asks for the text.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Prometheus' default bounds, meant for request durations."""
MAX_SERIES = 10_000
"""Label sets kept of one metric; later ones are counted together under "other", so that nobody fills the memory."""


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)
    type = "counter"

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        self.value += amount

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """Suffix of the name, more labels, value."""
        yield "", "", self.value


class Gauge:
    """A number that goes up and down."""

    __slots__ = ("read", "value")
    type = "gauge"

    def __init__(self) -> None:
        self.value = 0.0
        self.read: Callable[[], float] | None = None
        """When set, asked for the value instead."""

    def set(self, value: float) -> None:
        self.value = value

    def inc(self, amount: float = 1) -> None:
        self.value += amount

    def dec(self, amount: float = 1) -> None:
        self.value -= amount

    def samples(self) -> Iterator[tuple[str, str, float]]:
        yield "", "", self.read() if self.read else self.value


class Histogram:
    """How many observations were at most each bound, their sum and number."""

    __slots__ = ("bounds", "counts", "sum")
    type = "histogram"

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def samples(self) -> Iterator[tuple[str, str, float]]:
        total = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            yield "_bucket", f'le="{_number(bound)}"', total
        yield "_sum", "", self.sum
        yield "_count", "", total


M = TypeVar("M", Counter, Gauge, Histogram)


class Family(Generic[M]):
    """One metric for every set of label values: `requests.at("GET", "200").inc()`. Keep what `at` returns."""

    def __init__(self, name: str, help: str, labels: Sequence[str], make: Callable[[], M]) -> None:
        self.name = name
        self._help = help
        self._labels = tuple(labels)
        self._make: Callable[[], M] = make
        self._series: dict[tuple[str, ...], M] = {}

    def at(self, *values: str) -> M:
        """The metric with these label values, in the order of the names."""
        found = self._series.get(values)
        return found if found is not None else self._new(values)

    def _new(self, values: tuple[str, ...]) -> M:
        if len(values) != len(self._labels):
            raise ValueError(f"{self.name} has the labels {self._labels}, got {values}")
        if len(self._series) >= MAX_SERIES:
            values = ("other",) * len(self._labels)
        return self._series.setdefault(values, self._make())

    def keep(self, metric: M, *values: str) -> None:
        """Takes in a metric that somebody else counts in."""
        if values not in self._series and len(values) == len(self._labels) and len(self._series) < MAX_SERIES:
            self._series[values] = metric

    def forget(self, *values: str) -> None:
        """Drops one set of label values, e.g. of an object that is gone."""
        self._series.pop(values, None)

    def clear(self) -> None:
        """Drops all: for those who count anew."""
        self._series.clear()

    def lines(self) -> Iterator[str]:
        """The metric's text, nothing when it has no values yet."""
        if not self._series:
            return
        yield f"# HELP {self.name} {_escaped(self._help)}"
        yield f"# TYPE {self.name} {next(iter(self._series.values())).type}"
        for values, metric in sorted(self._series.items()):
            named = ",".join(f'{n}="{_escaped(v, quotes=True)}"' for n, v in zip(self._labels, values, strict=True))
            for suffix, more, value in metric.samples():
                labels = ",".join(filter(None, (named, more)))
                yield (
                    f"{self.name}{suffix}{{{labels}}} {_number(value)}"
                    if labels
                    else f"{self.name}{suffix} {_number(value)}"
                )


class Registry:
    """The metrics of one process. Names are unique; asking for one again gives the same metric."""

    def __init__(self) -> None:
        self._families: dict[str, Family[Any]] = {}

    def counters(self, name: str, help: str, *labels: str) -> Family[Counter]:
        return self._add(Family(name, help, labels, Counter))

    def counter(self, name: str, help: str) -> Counter:
        return self.counters(name, help).at()

    def gauges(self, name: str, help: str, *labels: str) -> Family[Gauge]:
        return self._add(Family(name, help, labels, Gauge))

    def gauge(self, name: str, help: str, read: Callable[[], float] | None = None) -> Gauge:
        """With `read`, the value is asked for when the text is made."""
        gauge = self.gauges(name, help).at()
        gauge.read = read
        return gauge

    def histograms(self, name: str, help: str, *labels: str, bounds: Sequence[float] = SECONDS) -> Family[Histogram]:
        return self._add(Family(name, help, labels, lambda: Histogram(bounds)))

    def histogram(self, name: str, help: str, bounds: Sequence[float] = SECONDS) -> Histogram:
        return self.histograms(name, help, bounds=bounds).at()

    def _add(self, family: Family[M]) -> Family[M]:
        return self._families.setdefault(family.name, family)

    def text(self) -> bytes:
        """Everything, for a GET of /metrics; its type is CONTENT_TYPE."""
        lines = [line for name in sorted(self._families) for line in self._families[name].lines()]
        return "".join(f"{line}\n" for line in lines).encode()


def merged(texts: Iterable[str], alike: Collection[str] = ()) -> str:
    """What several processes count, as one: the values of the same series are added up. Of the metrics in `alike`
    everybody tells the same, and who is ahead is right."""
    families: dict[str, tuple[list[str], dict[str, float]]] = {}
    for text in texts:
        comments: list[str] = []
        series: dict[str, float] = {}
        name = ""
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                comments, series = families.setdefault(name, ([], {}))
            if line.startswith("#"):
                if line not in comments:
                    comments.append(line)
                continue
            key, _, value = line.rpartition(" ")
            before = series.get(key, 0.0)
            series[key] = max(before, float(value)) if name in alike else before + float(value)
    return "".join(f"{line}\n" for name in sorted(families) for line in _family(*families[name]))


def _family(comments: list[str], series: dict[str, float]) -> Iterator[str]:
    yield from comments
    for key, value in series.items():
        yield f"{key} {_number(value)}"


def _escaped(text: str, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
