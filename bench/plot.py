"""A chart of lines over two logarithmic axes, as SVG text."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor, log10
from xml.sax.saxutils import escape

Line = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 130, 40, 50
COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b")
SPACE = 14
"""Least distance between names beside the lines."""


class Axis:
    """Powers of ten from below the least to above the largest value, on `start` to `end`."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low, self.high = floor(log10(min(values))), ceil(log10(max(values)))
        self.high = max(self.high, self.low + 1)
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        return self._start + (log10(value) - self.low) / (self.high - self.low) * (self._end - self._start)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def chart(title: str, across: str, up: str, lines: Mapping[str, Line]) -> str:
    """`lines` by name; all values above zero."""
    points = [point for line in lines.values() for point in line]
    x = Axis([at for at, _ in points], LEFT, WIDTH - RIGHT)
    y = Axis([value for _, value in points], HEIGHT - BOTTOM, TOP)
    inside = [*_grid(x, y), *_words(title, across, up), *_lines(lines, x, y)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
    paper = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([f'{head} font-size="12">', paper, *inside, "</svg>\n"])


def _grid(x: Axis, y: Axis) -> Iterator[str]:
    for value in x.ticks():
        at = x.place(value)
        yield f'<line x1="{at:.0f}" y1="{TOP}" x2="{at:.0f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>'
        yield _text(at, HEIGHT - BOTTOM + 16, f"{value:,.0f}", "middle")
    for value in y.ticks():
        at = y.place(value)
        yield f'<line x1="{LEFT}" y1="{at:.0f}" x2="{WIDTH - RIGHT}" y2="{at:.0f}" stroke="#ddd"/>'
        yield _text(LEFT - 6, at + 4, f"{value:,g}", "end")


def _words(title: str, across: str, up: str) -> Iterator[str]:
    yield _text(LEFT, 16, title, "start", "bold")
    yield _text(LEFT, 32, up, "start")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across, "middle")


def _lines(lines: Mapping[str, Line], x: Axis, y: Axis) -> Iterator[str]:
    """Each with its name at its end, from the top down so that no name hides another."""
    ordered = sorted(lines.items(), key=lambda named: -named[1][-1][1])
    free = float(TOP)
    for (name, line), color in zip(ordered, COLORS, strict=False):
        places = [(x.place(at), y.place(value)) for at, value in line]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
        yield from (f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{color}"/>' for px, py in places)
        free = max(places[-1][1] + 4, free)
        yield _text(WIDTH - RIGHT + 8, free, name, "start", color=color)
        free += SPACE


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal", color: str = "#222") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}" fill="{color}">'
        f"{escape(text)}</text>"
    )
