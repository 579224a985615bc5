"""The plots of an evaluation: one function a form, each from series of points."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from recommender.training.evaluation import Point
from service.model_report import axes
from service.model_report.axes import BOTTOM, LEFT, LINE, RIGHT, TOP, WIDTH, Scale

_HEIGHT = 244
_ROOM = 26  # above the drawing, for the name of the vertical axis
Shown = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Line:
    """One series with its name and its style (a class of the style sheet: ``a`` to ``d``)."""

    name: str
    points: Sequence[Point]
    kind: str


def percent(value: float) -> str:
    """Return a share as people read it on an axis."""
    return f"{100 * value:g} %"


def points_of_hundred(value: float) -> str:
    """Return a difference of shares, with its sign."""
    return f"{100 * value:+g}" if value else "0"


def plain(value: float) -> str:
    """Return a number as it is."""
    return f"{value:g}"


def lines(
    series: Sequence[Line],
    across: str,
    up: str,
    told: str,
    *,
    shown: Shown = percent,
    at: Shown = plain,
    target: Sequence[Point] = (),
) -> Markup:
    """Return series over a number, with intervals; ``target`` are marks of what was aimed at."""
    points = [point for one in series for point in one.points]
    x = axes.covering([float(p.at) for p in (*points, *target)], LEFT + 10, WIDTH - RIGHT - 10)
    y = axes.covering([v for p in (*points, *target) for v in _extent(p)], _HEIGHT - BOTTOM, _ROOM)
    parts = [_up(up), *axes.side(y, LEFT, WIDTH - RIGHT, shown), *axes.bottom(x, _HEIGHT - BOTTOM, at, across)]
    for point in target:
        place = x.at(float(point.at))
        parts.append(axes.line(place - 12, y.at(point.figure), place + 12, y.at(point.figure), "target"))
    for one in series:
        places = [(x.at(float(p.at)), y.at(p.figure)) for p in one.points]
        parts += [_whisker(p, x.at(float(p.at)), y, one.kind) for p in one.points if p.low is not None]
        parts += [axes.path(places, f"line {one.kind}"), *(axes.dot(*place, one.kind) for place in places)]
    return axes.drawing(_HEIGHT, parts, told)


def _up(label: str) -> Markup:
    return axes.text(4, 12, label, anchor="start", kind="label")


def _extent(point: Point) -> list[float]:
    return [value for value in (point.figure, point.low, point.high) if value is not None]


def _whisker(point: Point, x: float, y: Scale, kind: str) -> Markup:
    return axes.line(x, y.at(point.low or 0), x, y.at(point.high or 0), f"whisker {kind}")


def reliability(series: Sequence[Line], told: str) -> Markup:
    """Return observed share over predicted chance, with the diagonal of perfect calibration."""
    points = [point for one in series for point in one.points]
    values = [v for p in points for v in (float(p.at), p.figure)]
    x = axes.covering(values, LEFT + 4, WIDTH - RIGHT - 4, zero=True)
    y = Scale(x.low, x.high, _HEIGHT - BOTTOM, _ROOM)
    parts = [
        _up("observed share in remission"),
        *axes.side(y, LEFT, WIDTH - RIGHT, percent),
        *axes.bottom(x, _HEIGHT - BOTTOM, percent, "predicted chance of remission"),
    ]
    parts.append(axes.line(x.at(x.low), y.at(x.low), x.at(x.high), y.at(x.high), "target"))
    for one in series:
        parts += [_whisker(p, x.at(float(p.at)), y, one.kind) for p in one.points if p.low is not None]
        parts += [axes.dot(x.at(float(p.at)), y.at(p.figure), one.kind) for p in one.points]
    return axes.drawing(_HEIGHT, parts, told)


def rows(
    points: Sequence[Point],
    across: str,
    told: str,
    *,
    shown: Shown = percent,
    limits: Sequence[float] = (),
    others: Mapping[str, Point] | None = None,
    zero: bool = False,
    most: float = math.inf,
) -> Markup:
    """Return one line a category: figure with interval, dashed limits, and a second mark where ``others`` has one.

    ``most`` is the end of what the figure can be: no axis goes beyond it.
    """
    others = others or {}
    left = 12 + 6.3 * max((len(str(point.at)) for point in points), default=0)
    values = [min(v, most) for p in (*points, *others.values()) for v in _extent(p)]
    x = axes.covering([*values, *limits], min(left, 190), WIDTH - RIGHT - 16, zero=zero)
    base = TOP + LINE * len(points)
    parts = [axes.line(x.at(limit), TOP, x.at(limit), base, "target") for limit in limits]
    for i, point in enumerate(points):
        y = TOP + LINE * (i + 0.5)
        parts.append(axes.text(x.start - 8, y + 4, str(point.at), anchor="end", kind="name"))
        parts.append(axes.line(x.start, y, x.end, y, "grid"))
        if point.low is not None and point.high is not None:
            parts.append(axes.line(x.at(point.low), y, x.at(point.high), y, "whisker a"))
        if (other := others.get(str(point.at))) is not None:
            parts.append(axes.dot(x.at(other.figure), y, "b"))
        parts.append(axes.dot(x.at(point.figure), y, "a"))
    return axes.drawing(base + BOTTOM, [*parts, *axes.bottom(x, base, shown, across)], told)
