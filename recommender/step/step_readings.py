"""What a guideline row reads in a chart: scores, their fall since treatment began, trials, days on treatment."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from fhir_adapters.canonical import CanonicalPatient, FeatureVector, MedicationCourse
from fhir_adapters.vector.schema import BY_NAME
from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import StepRow
from recommender.safety.chart import is_active
from recommender.safety.triggers.measured import COMPARE
from recommender.step.focus import Focus
from recommender.step.step_tables import ANY

_START = "start of the present antidepressant"
_LABELS: Mapping[str, str] = {"antidepressant_days": _START, "phase": "phase of the bipolar disorder"}


@dataclass(frozen=True, slots=True)
class StepChart:
    """What rows are asked of: one patient on one day, planned for ``focus`` at ``step``.

    ``current`` are the active courses of the condition's drugs; ``trials`` counts adequate trials, None where the
    history cannot say.
    """

    patient: CanonicalPatient
    features: FeatureVector
    knowledge: Knowledge
    focus: Focus | None
    names: frozenset[str]
    step: str
    current: tuple[MedicationCourse, ...]
    trials: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One value that a row reads, in the words of a sentence, with its day and the resource behind it."""

    value: float
    words: str
    day: date | None = None
    facts: tuple[str, ...] = ()


def rows(chart: StepChart, *kinds: str) -> tuple[StepRow, ...]:
    """Return the rows of these kinds for the condition and the step, in table order."""
    return tuple(
        row
        for row in chart.knowledge.guideline_steps
        if row.kind in kinds and row.condition in chart.names and row.step in ("any", chart.step)
    )


def holding(chart: StepChart, *kinds: str) -> tuple[tuple[StepRow, Reason], ...]:
    """Return the rows of these kinds that hold, each with its sentence."""
    found = ((row, _held(row, chart)) for row in rows(chart, *kinds))
    return tuple((row, reason(row, readings)) for row, readings in found if readings is not None)


def unread(chart: StepChart, *kinds: str) -> tuple[Reason, ...]:
    """Return what rows of these kinds ask for that is not on record."""
    asked = (row for row in rows(chart, *kinds) if _read(row.reads, chart) is None)
    return tuple(reason(row, (), missing=_label(row.reads)) for row in asked)


def reason(row: StepRow, readings: Iterable[Reading] = (), missing: str | None = None, value: str = "") -> Reason:
    """Return a row as a reason; its message is filled with the first reading."""
    first = next(iter(readings), None)
    return Reason(
        rule=row.id,
        severity="none",
        message=row.message.format(value=first.words if first else value, date=first.day if first else ""),
        source=row.basis.source,
        verified=row.basis.verified,
        unknown=missing is not None,
        missing=missing,
        facts=first.facts if first else (),
    )


def related(current: Iterable[MedicationCourse], knowledge: Knowledge) -> Mapping[str, Reason]:
    """Return of which drugs it is said that after a present one they are no change of drug."""
    taken = {ingredient for course in current for ingredient in course.ingredients}
    told = (row for row in knowledge.guideline_steps if row.kind == "related" and not taken.isdisjoint(row.drugs))
    return {name: reason(row) for row in told for name in row.drugs if name not in taken}


def names(focus: Focus | None, fallback: str) -> frozenset[str]:
    """Return the names under which rows are meant for this focus."""
    return frozenset({*(focus.names if focus else (fallback,)), ANY})


def _held(row: StepRow, chart: StepChart) -> tuple[Reading, ...] | None:
    """Return the readings of a row whose tests all hold, empty for one without tests, None where one fails."""
    if not row.reads:
        return ()
    found: list[Reading] = []
    for reads, operator, value in zip(row.reads.split("&"), row.operator.split("&"), row.value.split("&"), strict=True):
        read = _read(reads, chart)
        if read is None or not _compares(operator, value, read.value):
            return None
        found.append(read)
    return tuple(found)


def _compares(operator: str, value: str, read: float) -> bool:
    if operator == "between":
        low, high = map(float, value.split(";"))
        return low <= read <= high
    return COMPARE[operator](read, float(value))


def _label(reads: str) -> str:
    return _LABELS.get(reads) or (BY_NAME[reads].meaning if reads in BY_NAME else reads)


def _read(reads: str, chart: StepChart) -> Reading | None:
    named = _NAMED.get(reads)
    return named(chart) if named else _feature(reads, chart)


def _feature(name: str, chart: StepChart) -> Reading | None:
    value, feature = chart.features.number(name), chart.features.features[name]
    if value is None:
        return None
    facts = (feature.source.reference,) if feature.source else ()
    return Reading(value, f"{value:g}", feature.effective, facts)


def _trials(chart: StepChart) -> Reading | None:
    return None if chart.trials is None else Reading(chart.trials, f"{chart.trials}")


def _phase(chart: StepChart) -> Reading | None:
    return Reading(1, chart.focus.phase) if chart.focus and chart.focus.phase else None


def _course_days(chart: StepChart) -> Reading | None:
    """Return the days since the present treatment was begun; of several, of the one begun last."""
    starts = [one.start for one in chart.current if "start-not-exact" not in one.source.repairs]
    known = [one for one in starts if one is not None and one <= chart.features.as_of]
    if not known or len(known) < len(chart.current):
        return None
    days = (chart.features.as_of - max(known)).days
    return Reading(days, f"{days} days")


def _clozapine_break(chart: StepChart) -> Reading | None:
    """Return the days since clozapine was stopped, None while it is taken or where no stop is on record."""
    courses = [one for one in chart.patient.medications if "clozapine" in one.ingredients]
    stops = [one.stop for one in courses if one.stop is not None]
    if not stops or any(is_active(one, chart.features.as_of) for one in courses):
        return None
    days = (chart.features.as_of - max(stops)).days
    return Reading(days, f"{days} days", max(stops), tuple(one.source.reference for one in courses))


def _fall(scale: str) -> Callable[[StepChart], Reading | None]:
    """Return a reading of how far a total fell, in per cent of what it was before the present treatment."""

    def read(chart: StepChart) -> Reading | None:
        latest = _feature(f"{scale}_total", chart)
        earlier = _baseline(scale, latest, chart) if latest else None
        if latest is None or earlier is None or not earlier.value:
            return None
        fall = 100 * (earlier.value - latest.value) / earlier.value
        change = f"{abs(fall):.0f} % {'lower' if fall > 0 else 'higher'} than" if fall else "the same as"
        words = f"{latest.words}, {change} {earlier.words} of {earlier.day}"
        return Reading(fall, words, latest.day, (*latest.facts, *earlier.facts))

    return read


def _baseline(scale: str, latest: Reading, chart: StepChart) -> Reading | None:
    """Return the last total before the present treatment was begun; without its start, the one before the latest."""
    totals = {
        one.effective: Reading(one.value, f"{one.value:g}", one.effective, (one.source.reference,))
        for one in reversed(chart.patient.scales)
        if (one.scale, one.part) == (scale, "total") and one.effective and latest.day and one.effective < latest.day
    }
    previous = _feature(f"{scale}_previous", chart) if f"{scale}_previous" in BY_NAME else None
    if previous and previous.day:
        totals.setdefault(previous.day, previous)
    days = _course_days(chart)
    begun = chart.features.as_of.toordinal() - int(days.value) if days else None
    before = [day for day in totals if begun is None or day.toordinal() <= begun]
    chosen = max(before, default=None) or min(totals, default=None)
    return totals[chosen] if chosen else None


_NAMED: Mapping[str, Callable[[StepChart], Reading | None]] = {
    "trials": _trials,
    "phase": _phase,
    "course_days": _course_days,
    "clozapine_break_days": _clozapine_break,
    "phq9_fall": _fall("phq9"),
    "gad7_fall": _fall("gad7"),
}
