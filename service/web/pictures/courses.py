"""The drugs of a chart as bars over time, with doses and ends; what is not known is drawn and said as such."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from service.cds.words import day
from service.model_report.axes import band, line, text
from service.web.pictures import time_line
from service.web.pictures.time_line import LEFT, RIGHT, WIDTH, TimeLine

_ROW, _LINE, _TOP = 34, 15, 4
_BECAUSE = 32  # letters of a reason for stopping that fit after its day; the text alternative has all of it


@dataclass(frozen=True, slots=True)
class Course:
    """One drug over one time; ``taking`` as the chart's reader has it, ``treats``: for the condition planned for.

    ``because`` is why it was stopped in the chart's own words, empty where the chart does not say.
    """

    drug: str
    treats: bool
    taking: str
    start: date | None
    stop: date | None
    dose_mg_per_day: float | None
    as_needed: bool
    because: str = ""

    @property
    def present(self) -> bool:
        """Whether the chart has it as taken now."""
        return self.taking != "stopped" and self.stop is None

    @property
    def dosed(self) -> str:
        """The drug with its daily dose."""
        if self.dose_mg_per_day is None:
            return f"{self.drug}, dose not known"
        upto = "up to " if self.as_needed else ""
        return f"{self.drug} {upto}{self.dose_mg_per_day:g} mg a day"

    @property
    def words(self) -> str:
        """The course in words."""
        since = f"from {day(self.start)}" if self.start else "start not known"
        if self.present:
            return f"{self.dosed}, {since}, {_STATES.get(self.taking, 'not known whether it is taken')}"
        ended = f"stopped {day(self.stop)}" if self.stop else "stopped, day not known"
        return f"{self.dosed}, {since}, {ended}: {self.because or 'no reason in the chart'}"


_STATES = {"taking": "taken now", "ordered": "ordered", "reported": "reported as taken"}


def picture(courses: Sequence[Course], time: TimeLine) -> Markup:
    """Return one row a course; an empty picture where there is none."""
    if not courses:
        return Markup("")
    parts: list[Markup] = []
    top = _TOP
    for one in courses:
        lines = _lines(one)
        parts += _row(one, lines, top, time)
        top += _ROW + _LINE * (len(lines) - 1)
    base = top + 2
    told = f"Drugs over time: {'; '.join(one.words for one in courses)}."
    return time_line.drawing(base + 22, [*parts, *time_line.bottom(time, base)], told)


def _row(one: Course, lines: Sequence[str], top: float, time: TimeLine) -> list[Markup]:
    named = [
        text(LEFT, top + 12 + _LINE * n, words, anchor="start", kind="name" if n else "value")
        for n, words in enumerate(lines)
    ]
    top += _LINE * (len(lines) - 1)
    start = time.at(one.start) if one.start else float(LEFT)
    end = time.at(one.stop) if one.stop else float(WIDTH - RIGHT)
    kind = "course" if one.treats else "course beside"
    parts = [band(start, top + 17, max(end, start + 2), top + 29, kind)]
    if one.start is None:
        parts.append(line(LEFT, top + 14, LEFT, top + 32, "open"))
    if one.stop:
        parts.append(line(end, top + 13, end, top + 32, "stop"))
    return [*parts, *named]


def _lines(one: Course) -> list[str]:
    """Return the drug with its dose and, under it, when and why it was ended."""
    if one.present:
        return [_named(one)]
    ended = f"ended {day(one.stop) if one.stop else '(day not known)'}"
    return [_named(one), f"{ended}: {_short(one.because)}" if one.because else ended]


def _named(one: Course) -> str:
    unknown = [name for name, value in (("dose", one.dose_mg_per_day), ("start", one.start)) if value is None]
    if one.dose_mg_per_day is not None and unknown:
        return f"{one.dosed}, start not known"
    return f"{one.drug}, {' and '.join(unknown)} not known" if unknown else one.dosed


def _short(because: str) -> str:
    return because if len(because) <= _BECAUSE else f"{because[: _BECAUSE - 1].rstrip()}…"
