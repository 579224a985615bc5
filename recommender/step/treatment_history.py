"""Treatment history: each drug for the condition, taken now or before, as an adequate, inadequate or unknown trial.

Adequate means at least the usual minimum dose (of the condition, where it has its own) for at least the weeks of a
row of adequate_trials.csv. A dose or a date that is not on record is unknown, never short and never enough.
One that a statement says is not taken is unknown too.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from fhir_adapters.canonical import CanonicalPatient, FeatureVector, MedicationCourse
from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.safety import other_use
from recommender.safety.chart import is_active
from recommender.step.focus import DEPRESSION
from recommender.step.step_rows import AdequateTrial

Adequacy = Literal["adequate", "inadequate", "unknown"]
_INEXACT = frozenset({"start-not-exact"})


@dataclass(frozen=True, slots=True)
class Trial:
    """One drug, by formulary name, over all its courses; ``present`` while one is active.

    ``days`` is the longest unbroken time on it, None where no course has both dates; ``dose`` the highest daily dose
    on record; ``denied`` where a statement says that it is not taken; ``reason`` says in a sentence why the trial is
    judged as it is.
    """

    drug: str
    adequacy: Adequacy
    present: bool
    days: int | None
    dose: float | None
    low_dose: bool
    reason: Reason
    denied: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """All trials for a condition, the present ones first."""

    trials: tuple[Trial, ...] = ()

    def drugs(self, adequacy: Adequacy) -> frozenset[str]:
        """Return the drugs whose trial is judged so."""
        return frozenset(one.drug for one in self.trials if one.adequacy == adequacy)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What makes a trial of one drug adequate: dose in mg a day (None: no usual minimum on record) and days.

    ``denied``: the statements that say that the drug is not taken.
    """

    drug: str
    least_mg: float | None
    row: AdequateTrial | None
    gap_days: float
    day: date
    denied: tuple[str, ...] = ()

    @property
    def days(self) -> float:
        return self.row.weeks * 7 if self.row else 0.0


def history(
    patient: CanonicalPatient,
    day: date,
    knowledge: Knowledge,
    *,
    drugs: Collection[str],
    condition: str,
    indication: str | None,
) -> History:
    """Return the trials of ``drugs`` (formulary names) judged by the rows of ``condition``."""
    taken: dict[str, list[MedicationCourse]] = {}
    for course in patient.medications:
        if len(course.ingredients) == 1 and not course.as_needed:
            drug = knowledge.drug(course.ingredients[0])
            if drug is not None and drug.ingredient in drugs:
                taken.setdefault(drug.ingredient, []).append(course)
    row, gap_days = knowledge.steps.trials.get(condition), knowledge.policies["trial_gap_days"]
    judged = (
        _judged(
            _Asked(name, least_mg(name, indication, knowledge), row, gap_days, day, _denied(patient, courses)), courses
        )
        for name, courses in sorted(taken.items())
    )
    return History(tuple(sorted(judged, key=lambda one: not one.present)))


def _denied(patient: CanonicalPatient, courses: Sequence[MedicationCourse]) -> tuple[str, ...]:
    """Return the statements that one of these courses is not taken, made on its first day or later."""
    keys = {f"taken.{name}" for one in courses for name in one.ingredients}
    begun = min((one.start for one in courses if one.start is not None), default=date.min)
    said = (one for one in patient.refusals if one.reason == "not-taken" and one.key in keys)
    return tuple(dict.fromkeys(one.reference for one in said if one.effective is None or one.effective >= begun))


def least_mg(name: str, indication: str | None, knowledge: Knowledge) -> float | None:
    """Return the usual minimum dose of a drug in mg a day, that of the indication where it has its own."""
    own = knowledge.doses.indications.get((name, indication)) if indication else None
    usual = own.usual_min_mg if own else None
    return usual if usual is not None else knowledge.drugs[name].usual_min_mg


def _judged(asked: _Asked, courses: Sequence[MedicationCourse]) -> Trial:
    days, dose = _longest(courses, asked), max((c.dose_mg_per_day for c in courses if c.dose_mg_per_day), default=None)
    enough = [one for one in courses if _dose_is(one, asked, enough=True)]
    may_be = [one for one in courses if _dose_is(one, asked, enough=False)]
    if asked.row is None or asked.denied:
        adequacy: Adequacy = "unknown"
    elif (_longest(enough, asked) or 0) >= asked.days:
        adequacy = "adequate"
    elif any(_undated(one, asked.day) for one in may_be) or (_longest(may_be, asked) or 0) >= asked.days:
        adequacy = "unknown"
    else:
        adequacy = "inadequate"
    present = any(is_active(one, asked.day) for one in courses)
    low = dose is not None and asked.least_mg is not None and dose < asked.least_mg
    reason = _reason(asked, adequacy, days, dose, low, courses)
    return Trial(asked.drug, adequacy, present, days, dose, low, reason, denied=bool(asked.denied))


def _dose_is(course: MedicationCourse, asked: _Asked, *, enough: bool) -> bool:
    """Say whether the dose is known to be enough; with ``enough`` false, whether it may have been."""
    if course.dose_mg_per_day is None or asked.least_mg is None:
        return not enough
    return course.dose_mg_per_day >= asked.least_mg


def _undated(course: MedicationCourse, day: date) -> bool:
    inexact = not _INEXACT.isdisjoint(course.source.repairs)
    return course.start is None or inexact or (not is_active(course, day) and course.stop is None)


def _longest(courses: Iterable[MedicationCourse], asked: _Asked) -> int | None:
    """Return the days of the longest unbroken time, None without a dated course; renewals join over short gaps."""
    spans = sorted(
        (one.start, min(one.stop or asked.day, asked.day))
        for one in courses
        if one.start is not None and not _undated(one, asked.day)
    )
    longest: int | None = None
    begun, ended = date.min, date.min
    for start, stop in spans:
        if start > ended + timedelta(days=asked.gap_days):
            begun, ended = start, stop
        ended = max(ended, stop)
        longest = max(longest or 0, (ended - begun).days)
    return longest


def _reason(
    asked: _Asked,
    adequacy: Adequacy,
    days: int | None,
    dose: float | None,
    low: bool,
    courses: Sequence[MedicationCourse],
) -> Reason:
    missing = _missing(asked, days, dose) if adequacy == "unknown" else None
    basis = asked.row.basis if asked.row else None
    return Reason(
        rule=f"TRIAL-{adequacy.upper()}",
        severity="none",
        message=_sentence(asked, adequacy, days, dose, low, missing),
        source=basis.source if basis else "POLICY",
        verified=basis.verified if basis else False,
        unknown=missing is not None,
        missing=missing,
        facts=tuple(sorted({*(one.source.reference for one in courses), *asked.denied})),
    )


def _missing(asked: _Asked, days: int | None, dose: float | None) -> str:
    spoken = asked.drug.replace("_", " ")
    if asked.denied:
        return f"whether {spoken} is taken"
    if asked.row is None:
        return f"how long a trial of {spoken} takes"
    return f"daily dose of {spoken}" if dose is None and days is not None else f"time on {spoken}"


def _sentence(
    asked: _Asked, adequacy: Adequacy, days: int | None, dose: float | None, low: bool, missing: str | None
) -> str:
    spoken = asked.drug.replace("_", " ").capitalize()
    taken = (
        f"{spoken}{f' {dose:g} mg a day' if dose is not None else ''}{f' for {days} days' if days is not None else ''}"
    )
    if asked.denied:
        return f"{taken} is ordered, and a statement says that it is not taken: ask first; no trial can be judged."
    if asked.row is None:
        return f"{taken}: no source at hand says how long a trial takes here: whether it was adequate is open."
    if missing is not None:
        return f"{taken}: {missing} is not known, so whether the trial was adequate cannot be said."
    needed = f"{asked.days:g} days at {asked.least_mg:g} mg or more" if asked.least_mg else f"{asked.days:g} days"
    if adequacy == "adequate":
        return f"{taken}: an adequate trial ({needed})."
    why = "its dose was low" if low else "it was too short"
    return f"{taken}: no adequate trial, {why} ({needed})."


def unidentified(course: MedicationCourse) -> Reason:
    """Return why a present course cannot be judged: only its class is known, or it holds more than one drug."""
    what = " with ".join(course.ingredients) or course.text
    return Reason(
        rule="TRIAL-UNKNOWN",
        severity="none",
        message=f"The present {what} is no single drug that is known: whether its trial was adequate cannot be said.",
        source="POLICY",
        verified=False,
        unknown=True,
        missing=f"which drug {what} is",
        facts=(course.source.reference,),
    )


def antidepressants(
    patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge
) -> tuple[MedicationCourse, ...]:
    """Return the active courses that hold an antidepressant and are not taken for something else."""
    return tuple(one for one in _holding(patient, features, knowledge) if other_use.of(one, knowledge) is None)


def elsewhere(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> tuple[Reason, ...]:
    """Return what is said of antidepressants that are, or may be, taken for something else."""
    found = ((one, other_use.of(one, knowledge)) for one in _holding(patient, features, knowledge))
    return tuple(other_use.said(one, use) for one, use in found if use is not None)


def _holding(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> tuple[MedicationCourse, ...]:
    members = knowledge.classes["antidepressant"]
    named = {one for one in knowledge.classes if knowledge.classes[one] and knowledge.classes[one] <= members}
    return tuple(
        course
        for course in patient.medications
        if is_active(course, features.as_of)
        and (not members.isdisjoint(course.ingredients) or not named.isdisjoint(course.classes))
    )


def for_depression(patient: CanonicalPatient, day: date, knowledge: Knowledge) -> History:
    """Return the trials of antidepressants, judged as treatment of adult depression.

    What is or was taken for something else is no trial; a past low dose is one, and inadequate.
    """
    drugs = tuple(name for name in knowledge.drugs if knowledge.in_class(name, "antidepressant"))
    treated = without_elsewhere(patient, day, knowledge)
    return history(treated, day, knowledge, drugs=drugs, condition=DEPRESSION, indication="mdd")


def without_elsewhere(patient: CanonicalPatient, day: date, knowledge: Knowledge) -> CanonicalPatient:
    """Return the patient without the antidepressants that are taken for something else, as trials are counted."""
    own = tuple(one for one in patient.medications if not _is_elsewhere(one, day, knowledge))
    return replace(patient, medications=own)


def _is_elsewhere(course: MedicationCourse, day: date, knowledge: Knowledge) -> bool:
    if knowledge.classes["antidepressant"].isdisjoint(course.ingredients):
        return False
    use = other_use.of(course, knowledge)
    return use is not None and (use.told or is_active(course, day))


def trials(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> int | None:
    """Return how many antidepressant trials there were, the present one counted once it is long enough.

    None when the earlier ones are not known; a present one without a start is not counted, nor one whose dose is low
    or that is said not to be taken.
    """
    earlier, days = features.number("antidepressant_trials"), features.number("antidepressant_days")
    if earlier is None:
        return None
    judged = [one for one in for_depression(patient, features.as_of, knowledge).trials if one.present]
    counts = not judged or any(one.adequacy != "inadequate" and not one.denied for one in judged)
    present = bool(antidepressants(patient, features, knowledge)) and counts
    enough = days is not None and days >= knowledge.policies["adequate_trial_days"]
    return int(earlier) + (1 if present and enough else 0)
