"""The page's pictures of a chart, drawn from what the draft's context kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup

from service.web.pictures import courses, genes, scores, time_line
from service.web.pictures.courses import Course
from service.web.pictures.genes import Gene
from service.web.pictures.scores import Score, Scores


@dataclass(frozen=True, slots=True)
class Chart:
    """The pictures; an empty one where there is nothing to draw. ``left`` counts the courses without room."""

    scores: Markup
    courses: Markup
    genes: Markup
    left: int


def chart(context: Mapping[str, Any]) -> Chart | None:
    """Return the pictures of a draft's context; None for a draft that kept nothing to draw."""
    kept: Mapping[str, Any] | None = context.get("chart")
    if not kept or not context.get("as_of"):
        return None
    found = [_scores(scale, rows) for scale, rows in sorted(kept["scores"].items(), reverse=True)]
    taken = [_course(one) for one in kept["courses"]]
    days = [score.day for one in found for score in one.found] + [one.start for one in taken if one.start]
    time = time_line.covering(days, date.fromisoformat(context["as_of"]))
    return Chart(
        scores=scores.picture(found, taken, time),
        courses=courses.picture(taken, time),
        genes=genes.picture([_gene(one) for one in context.get("genes", [])]),
        left=kept.get("courses_left", 0),
    )


def _scores(scale: str, rows: list[Mapping[str, Any]]) -> Scores:
    found = [Score(row["value"], date.fromisoformat(row["date"])) for row in rows]
    return Scores(scale, tuple(sorted(found, key=lambda score: score.day)))


def _course(one: Mapping[str, Any]) -> Course:
    return Course(
        drug=one["drug"],
        treats=one["treats"],
        taking=one["taking"],
        start=_day(one.get("start")),
        stop=_day(one.get("stop")),
        dose_mg_per_day=one.get("dose_mg_per_day"),
        as_needed=one.get("as_needed", False),
        because=one.get("because", ""),
    )


def _gene(one: Mapping[str, Any]) -> Gene:
    return Gene(
        name=one["gene"],
        certainty=one["certainty"],
        phenotypes=tuple(one.get("phenotypes", ())),
        words=one.get("words", ""),
        day=_day(one.get("date")),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
