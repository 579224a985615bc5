"""Chances as bars: the interval as a band, the estimate as a mark, on one scale for all options of a page."""

from collections.abc import Iterable

from markupsafe import Markup, escape

from recommender.assessment import Prediction
from service.model_report.axes import band, line

_WIDTH, _HEIGHT = 120, 12


def scale(found: Iterable[Prediction]) -> int:
    """Return how many of 100 people the bars of a page reach: the highest interval, up to the next ten."""
    highest = max((one.high for one in found), default=0.0)
    return min(100, max(10, -int(-highest * 100 // 10) * 10))


def bar(found: Prediction | None, most: int) -> Markup:
    """Return one bar from 0 to ``most`` of 100; without an estimate nothing at all, never a bar at zero."""
    if found is None:
        return Markup("")

    def at(chance: float) -> float:
        return _WIDTH * min(max(chance * 100 / most, 0.0), 1.0)

    parts = [
        line(0, _HEIGHT / 2, _WIDTH, _HEIGHT / 2, "track"),
        band(at(found.low), 2, max(at(found.high), at(found.low) + 1), _HEIGHT - 2, "interval"),
        line(at(found.p), 0, at(found.p), _HEIGHT, "mark"),
    ]
    told = f"{found.p:.0%}, 80 % interval {found.low:.0%} to {found.high:.0%}"
    return Markup('<svg class="bar" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, escape(told), Markup("").join(parts)
    )
