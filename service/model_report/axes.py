"""Axes of a plot as SVG: scale, ticks, labels, target lines. Sizes are user units of a 360-wide drawing.

Narrow, because a drawing that is made for a telephone is still legible beside others on a wide screen, and not
the reverse. Colours are classes of the style sheet, so that light, dark and print each have their own.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 360
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 40
LINE = 21  # height of one category
_CHARACTER = 6.0  # mean width


@dataclass(frozen=True, slots=True)
class Scale:
    """From a figure to a place: ``low`` … ``high`` become ``start`` … ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the place of a value, held within the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def covering(values: Sequence[float], start: float, end: float, *, zero: bool = False) -> Scale:
    """Return a scale over values, ending at round numbers; ``zero`` makes it include 0."""
    known = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low <= 1e-6 * max(abs(low), abs(high), 1e-6):  # one value: room on both sides
        room = 0.1 * max(abs(low), abs(high)) or 0.1
        low, high = low - room, high + room
    step = round_step(high - low)
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, start, end)


def round_step(span: float) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that gives three to six ticks."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(unit * power for unit in (1, 2, 5, 10) if span / (unit * power) <= 5)


def ticks(scale: Scale) -> list[float]:
    """Return the round numbers on a scale."""
    step = round_step(scale.high - scale.low)
    first = math.ceil(scale.low / step - 1e-9)
    return [i * step for i in range(first, math.floor(scale.high / step + 1e-9) + 1)]


def text(x: float, y: float, words: str, *, anchor: str = "middle", kind: str = "tick") -> Markup:
    """Return a line of text; ``anchor`` is start, middle or end."""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, anchor, kind, escape(words)
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Return a straight line."""
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(x1, y1, x2, y2, kind)


def dot(x: float, y: float, kind: str, radius: float = 3.5) -> Markup:
    """Return a dot."""
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" class="{}"/>').format(x, y, radius, kind)


def band(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Return a filled rectangle between two corners."""
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}"/>').format(
        min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1), kind
    )


def path(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """Return a broken line through points."""
    return Markup('<polyline points="{}" class="{}"/>').format(" ".join(f"{x:.1f},{y:.1f}" for x, y in points), kind)


def bottom(scale: Scale, y: float, shown: Callable[[float], str], label: str) -> list[Markup]:
    """Return the horizontal axis below the drawing, with its label; ticks whose words have no room stay bare."""
    marks = ticks(scale)
    words = _CHARACTER * max(len(shown(mark)) for mark in marks) + 8
    stride = math.ceil(words * len(marks) / (scale.end - scale.start))
    named = {i for i, mark in enumerate(marks) if round(mark / (marks[1] - marks[0])) % stride == 0}
    parts = [line(scale.start, y, scale.end, y, "axis"), text(_centred(scale, label), y + 33, label, kind="label")]
    for i, mark in enumerate(marks):
        parts.append(line(scale.at(mark), y, scale.at(mark), y + 4, "axis"))
        if i in named:
            parts.append(text(scale.at(mark), y + 16, shown(mark)))
    return parts


def _centred(scale: Scale, label: str) -> float:
    """Return where the middle of a label goes: under its axis, as far as the drawing has room."""
    half = _CHARACTER * len(label) / 2
    return min(max((scale.start + scale.end) / 2, half), WIDTH - half)


def side(scale: Scale, x: float, right: float, shown: Callable[[float], str]) -> list[Markup]:
    """Return the vertical axis with light lines across the drawing."""
    return [
        part
        for tick in ticks(scale)
        for part in (
            line(x, scale.at(tick), right, scale.at(tick), "grid"),
            text(x - 5, scale.at(tick) + 4, shown(tick), anchor="end"),
        )
    ]


def drawing(height: float, parts: Sequence[Markup], told: str) -> Markup:
    """Return the SVG; ``told`` is what it shows, for whoever hears the page."""
    return Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, escape(told), Markup("").join(parts)
    )
