"""One episode a patient: the first start of an antidepressant that the model knows, and what became of it.

An episode is what the bedside would have asked about: one drug begun alone, with a PHQ-9 not long before. What
cannot be used is left out by name, never guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fhir_adapters.canonical import CanonicalPatient, MedicationCourse
from fhir_adapters.vector.history import antidepressants
from recommender.training.site.windows import Windows

NO_START = "no-dated-start-of-an-antidepressant"
NO_BASELINE = "no-phq9-before-the-start"
SEVERAL = "several-antidepressants-started-together"
BESIDE = "another-antidepressant-goes-on"
AGAIN = "drug-taken-before"
UNKNOWN_DRUG = "drug-without-evidence-rows"
TOO_RECENT = "outcome-window-not-over"


@dataclass(frozen=True, slots=True)
class Episode:
    """``ingredient`` begun on ``start`` at ``baseline``; ``outcomes`` by name, 0 or 1, only those that are known."""

    start: date
    ingredient: str
    baseline: float
    outcomes: Mapping[str, float]


def episode(patient: CanonicalPatient, drugs: frozenset[str], exported: date, windows: Windows) -> Episode | str:
    """Return the first episode that can be used, or why there is none (a stable short phrase).

    ``drugs`` are those that the model knows; ``exported`` is the last day that the record tells of. The reason is
    that of the last start.
    """
    courses = [one for one in patient.medications if antidepressants() & set(one.ingredients)]
    starts = sorted({one.start for one in courses if one.start is not None and _exact(one)})
    why = NO_START
    for start in starts:
        found = _at(patient, courses, start, drugs, exported, windows)
        if isinstance(found, Episode):
            return found
        why = found
    return why


def _exact(course: MedicationCourse) -> bool:
    return "start-not-exact" not in course.source.repairs


def _at(
    patient: CanonicalPatient,
    courses: Sequence[MedicationCourse],
    start: date,
    drugs: frozenset[str],
    exported: date,
    windows: Windows,
) -> Episode | str:
    begun = {one.ingredients for one in courses if one.start == start}
    if len(begun) > 1 or any(len(names) != 1 for names in begun):
        return SEVERAL
    (ingredient,) = next(iter(begun))
    earlier = [one for one in courses if one.start is None or one.start < start]
    if ingredient not in drugs:
        return UNKNOWN_DRUG
    if any(ingredient in one.ingredients for one in earlier):
        return AGAIN
    if any(_goes_on(one, start, windows) for one in earlier):
        return BESIDE
    baseline = _total(patient, start - timedelta(days=windows.baseline_days), start, start)
    if baseline is None:
        return NO_BASELINE
    if exported < start + timedelta(days=windows.outcome_to):
        return TOO_RECENT
    same = [one for one in courses if one.ingredients == (ingredient,)]
    return Episode(start, ingredient, baseline, _outcomes(patient, same, start, baseline, windows))


def _goes_on(course: MedicationCourse, start: date, windows: Windows) -> bool:
    """Say whether an earlier course is, or may be, taken beside the new drug once a switch would be over."""
    if course.stop is not None:
        return course.stop > start + timedelta(days=windows.stopping_gap)
    return course.taking != "stopped"


def _total(patient: CanonicalPatient, first: date, last: date, aim: date) -> float | None:
    """Return the PHQ-9 total nearest to ``aim`` (of two the later) from ``first`` to ``last``.

    None where there is none, or where that day tells different totals.
    """
    found = [
        (one.effective, one.value)
        for one in patient.scales
        if (one.scale, one.part) == ("phq9", "total") and one.effective is not None and not _inexact(one.source.repairs)
    ]
    inside = [(day, value) for day, value in found if first <= day <= last]
    if not inside:
        return None
    nearest = min({day for day, _ in inside}, key=lambda day: (abs((day - aim).days), -day.toordinal()))
    values = {value for day, value in inside if day == nearest}
    return values.pop() if len(values) == 1 else None


def _inexact(repairs: Sequence[str]) -> bool:
    return not {"year-only", "month-only"}.isdisjoint(repairs)


def _outcomes(
    patient: CanonicalPatient, same: Sequence[MedicationCourse], start: date, baseline: float, windows: Windows
) -> dict[str, float]:
    known: dict[str, float] = {}
    first, last, aim = (
        start + timedelta(days=days) for days in (windows.outcome_from, windows.outcome_to, windows.outcome_aim)
    )
    total = _total(patient, first, last, aim)
    if total is not None:
        known["remission"] = float(total < windows.remission_below)
        known["response"] = float(total <= baseline * (1 - windows.response_share))
    stopped = _stopped(same, start, windows)
    if stopped is not None:
        known["stopping"] = float(stopped)
    return known


def _stopped(same: Sequence[MedicationCourse], start: date, windows: Windows) -> bool | None:
    """Return whether the drug was stopped by the last day of the window; None where the record does not tell.

    Courses that follow each other within the gap are one.
    """
    reached, last = start, start + timedelta(days=windows.stopping_to)
    for course in sorted(same, key=lambda one: (one.start or date.max, one.stop or date.max)):
        if course.start is None or course.start > reached + timedelta(days=windows.stopping_gap):
            continue
        if course.stop is None:
            return None if course.taking in ("stopped", "unknown") else False
        reached = max(reached, course.stop)
    return reached <= last
