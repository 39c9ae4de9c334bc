"""Sets of completion indexes, kept and written as intervals: "1,3-5,7"."""

from collections.abc import Iterable, Iterator

import msgspec

Interval = tuple[int, int]
"""First and last, both inside."""


def _joined(intervals: Iterable[Interval]) -> Iterator[Interval]:
    """Merges what overlaps or touches; `intervals` come sorted."""
    current: Interval | None = None
    for first, last in intervals:
        if current is None:
            current = (first, last)
        elif first <= current[1] + 1:
            current = (current[0], max(current[1], last))
        else:
            yield current
            current = (first, last)
    if current is not None:
        yield current


class Indexes(msgspec.Struct, frozen=True):
    """Immutable; intervals are sorted and do not touch."""

    intervals: tuple[Interval, ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Indexes":
        return cls(tuple(_joined((n, n) for n in sorted(numbers))))

    @classmethod
    def parse(cls, text: str, completions: int) -> "Indexes":
        """Reads what `str` writes, skipping what is malformed and cutting off at `completions`."""
        found = []
        for part in text.split(",") if text else ():
            first, _, last = part.partition("-")
            if not first.isdecimal() or not (last or first).isdecimal():
                continue
            if int(first) >= completions:
                break
            found.append((int(first), min(int(last or first), completions - 1)))
        return cls(tuple(_joined(found)))

    def __or__(self, other: "Indexes") -> "Indexes":
        return Indexes(tuple(_joined(sorted(self.intervals + other.intervals))))

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.intervals)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and any(first <= number <= last for first, last in self.intervals)

    def __str__(self) -> str:
        return ",".join(map(_text, self.intervals))

    def overlap(self, other: "Indexes") -> int:
        """How many indexes are in both."""
        mine = self.intervals
        return sum(max(0, min(a[1], b[1]) - max(a[0], b[0]) + 1) for a in mine for b in other.intervals)

    def missing(self, completions: int, count: int) -> list[int]:
        """The first `count` indexes below `completions` that are not in here."""
        found: list[int] = []
        candidate = 0
        for first, last in (*self.intervals, (completions, completions)):
            stop = min(first, completions, candidate + count - len(found))
            found.extend(range(candidate, stop))
            candidate = max(candidate, last + 1)
        return found


def _text(interval: Interval) -> str:
    first, last = interval
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"
