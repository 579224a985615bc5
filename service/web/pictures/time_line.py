"""The time axis that the score picture and the drug picture share, so that one can be read under the other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup, escape

from service.cds.words import day
from service.model_report.axes import line, text

WIDTH, LEFT, RIGHT = 400, 28, 68  # on the right the names of the last values
_INSET = 14  # so that the first value does not stand on the axis
_LEAST_DAYS, _MOST_DAYS = 56, 3 * 365
_MONTHS = (1, 2, 3, 6, 12)
_MOST_TICKS = 5


@dataclass(frozen=True, slots=True)
class TimeLine:
    """From a day to a place; ``first`` to ``last`` fill the drawing between its margins."""

    first: date
    last: date

    def at(self, when: date) -> float:
        """Return the place of a day, held within the drawing."""
        share = (when - self.first).days / max(1, (self.last - self.first).days)
        return LEFT + _INSET + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - _INSET - RIGHT)


def covering(days: Iterable[date], last: date) -> TimeLine:
    """Return the time line from the first of some days to ``last``: eight weeks at least, three years at most."""
    first = min((one for one in days if one <= last), default=last)
    held = max(first, last - timedelta(days=_MOST_DAYS))
    return TimeLine(min(held, last - timedelta(days=_LEAST_DAYS)), last)


def months(time: TimeLine) -> list[date]:
    """Return first days of months to name, at most five of them."""
    found: list[date] = []
    year, month = time.first.year, time.first.month
    while (start := date(year, month, 1)) <= time.last:
        found += [start] if start >= time.first else []
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    step = next((n for n in _MONTHS if len(found) / n <= _MOST_TICKS), _MONTHS[-1])
    return [one for one in found if (one.month - 1) % step == 0]


def bottom(time: TimeLine, y: float) -> list[Markup]:
    """Return the axis with the names of its months."""
    parts = [line(LEFT, y, WIDTH - RIGHT, y, "axis")]
    for one in months(time):
        place = time.at(one)
        parts.append(line(place, y, place, y + 4, "axis"))
        if place < WIDTH - RIGHT + 10:
            parts.append(text(place, y + 15, day(one).split(" ", 1)[1], anchor="start" if place < 60 else "middle"))
    return parts


def drawing(height: float, parts: Sequence[Markup], told: str) -> Markup:
    """Return the SVG; ``told`` is what it shows, for whoever hears the page."""
    return Markup('<svg class="picture" viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, escape(told), Markup("").join(parts)
    )
