"""PHQ-9 and GAD-7 over time, with the treatment periods behind them and the lines of remission and response."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from service.cds.words import day
from service.model_report.axes import Scale, band, dot, line, path, text
from service.web.pictures import time_line
from service.web.pictures.courses import Course
from service.web.pictures.time_line import LEFT, RIGHT, WIDTH, TimeLine

REMISSION = 5  # below it, by the scale's own bands (knowledge G-PHQ2)
_HIGHEST = 27  # the most that PHQ-9 can be
_TOP, _BASE, _HEIGHT = 24, 170, 192
_NAMES = {"phq9": "PHQ-9", "gad7": "GAD-7"}
_NEAR = 14  # days after a start within which a score still tells how it was before


@dataclass(frozen=True, slots=True)
class Score:
    """One total of a scale on a day."""

    value: float
    day: date


@dataclass(frozen=True, slots=True)
class Scores:
    """The totals of one scale (``phq9``, ``gad7``), the oldest first."""

    scale: str
    found: tuple[Score, ...]

    @property
    def name(self) -> str:
        """The scale as people write it."""
        return _NAMES[self.scale]


def baseline(scores: Scores, courses: Sequence[Course]) -> Score | None:
    """Return the PHQ-9 at which the present treatment began; None where no score is near its start."""
    starts = [one.start for one in courses if one.treats and one.present and one.start]
    if scores.scale != "phq9" or not starts:
        return None
    before = [one for one in scores.found if (one.day - max(starts)).days <= _NEAR]
    return before[-1] if before and len(scores.found) > 1 else None


def picture(scales: Sequence[Scores], courses: Sequence[Course], time: TimeLine) -> Markup:
    """Return the picture; an empty one where no score is dated."""
    shown = [one for one in scales if one.found]
    if not shown:
        return Markup("")
    y = Scale(0, _HIGHEST, _BASE, _TOP)
    begun = next((found for one in shown if (found := baseline(one, courses))), None)
    parts = [*_periods(courses, time), *_grid(y), *_lines(y, shown, begun), *time_line.bottom(time, _BASE)]
    for one in shown:
        places = [(time.at(score.day), y.at(score.value)) for score in one.found]
        parts.append(path(places, f"line {one.scale}"))
        parts += [dot(*place, one.scale) for place in places]
        parts += [_value(score, place, one) for score, place in zip(one.found, places, strict=True)]
    return time_line.drawing(_HEIGHT, parts, told(shown, courses, begun))


def told(shown: Sequence[Scores], courses: Sequence[Course], begun: Score | None) -> str:
    """Return what the picture shows, in words."""
    said = [f"{one.name}: {', '.join(f'{s.value:g} on {day(s.day)}' for s in one.found)}." for one in shown]
    if any(one.scale == "phq9" for one in shown):
        said.append(f"PHQ-9 below {REMISSION} is remission.")
    if begun:
        said.append(f"Response is {begun.value / 2:g} or less, half of {begun.value:g} on {day(begun.day)}.")
    periods = [one.words for one in courses if one.treats and one.start]
    return " ".join([*said, *([f"Treatment: {'; '.join(periods)}."] if periods else [])])


def _periods(courses: Sequence[Course], time: TimeLine) -> list[Markup]:
    parts: list[Markup] = []
    treated = [one for one in courses if one.treats and one.start and (one.stop or time.last) > time.first]
    for number, one in enumerate(sorted(treated, key=lambda one: one.start or time.first)):
        start, end = time.at(one.start or time.first), time.at(one.stop or time.last)
        parts.append(band(start, _TOP, end, _BASE, "period"))
        parts.append(
            text(min(start, WIDTH - RIGHT - 70) + 3, 9 + 9 * (number % 2), one.drug, anchor="start", kind="name")
        )
    return parts


def _grid(y: Scale) -> list[Markup]:
    parts: list[Markup] = []
    for tick in (0, 10, 20, _HIGHEST):
        parts.append(line(LEFT, y.at(tick), WIDTH - RIGHT, y.at(tick), "grid"))
        parts.append(text(LEFT - 5, y.at(tick) + 4, f"{tick}", anchor="end"))
    return parts


def _lines(y: Scale, shown: Sequence[Scores], begun: Score | None) -> list[Markup]:
    if all(one.scale != "phq9" for one in shown):
        return []
    parts = [_named(y, REMISSION, f"remission: PHQ-9 below {REMISSION}", "remission")]
    if begun and abs(begun.value / 2 - REMISSION) >= 2:
        parts.append(_named(y, begun.value / 2, f"response: half of {begun.value:g}", "response"))
    return parts


def _named(y: Scale, value: float, name: str, kind: str) -> Markup:
    place = y.at(value)
    return line(LEFT, place, WIDTH - RIGHT, place, kind) + text(LEFT + 4, place - 3, name, anchor="start", kind="name")


def _value(score: Score, place: tuple[float, float], scores: Scores) -> Markup:
    """Return the value beside its dot: PHQ-9 above it and GAD-7 below, the last one with its name on the right."""
    x, y = place
    if score == scores.found[-1]:
        return text(x + 7, y + 4, f"{scores.name} {score.value:g}", anchor="start", kind="value")
    return text(x, y + (15 if scores.scale == "gad7" else -7), f"{score.value:g}", kind="value")
