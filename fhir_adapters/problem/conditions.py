"""Conditions to diagnoses: keys by SNOMED CT, the ICDs and known phrases; active or not, certain or doubted.

A Condition that no table knows stays as a diagnosis without keys: it was seen, and no rule reads it. One that is
written in words or in a code system that the tables do not speak for is named besides: what it says is not known.
"""

from datetime import date, timedelta

from fhir_adapters import dates
from fhir_adapters.canonical import Diagnosis, Refusal
from fhir_adapters.facts import Reading, newest_first, source, status_code, words_at
from fhir_adapters.problem.problem_codes import Problem, problem_of
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

# http://hl7.org/fhir/R4/valueset-condition-clinical.html and valueset-condition-ver-status.html
_ACTIVE = frozenset({"active", "recurrence", "relapse"})
_INACTIVE = frozenset({"inactive", "remission", "resolved"})
_WRONG = frozenset({"refuted", "entered-in-error"})
_DOUBTED = frozenset({"unconfirmed", "provisional", "differential"})
_CONFIRMED = frozenset({"confirmed"})
_VERIFICATIONS = _WRONG | _DOUBTED | _CONFIRMED
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
# http://hl7.org/fhir/R4/valueset-age-units.html, in days; years are counted by the calendar.
_YEAR = 365.25
_AGE_UNITS = {"a": _YEAR, "year": _YEAR, "years": _YEAR, "mo": 30.4375, "wk": 7.0, "d": 1.0}
_OLDEST = 150 * _YEAR
_NO_CODE = wire.CodeableConcept()


def read(reading: Reading) -> tuple[tuple[Diagnosis, ...], tuple[Refusal, ...]]:
    """Return the diagnoses, newest onset first, and the Conditions that are none or are not understood."""
    diagnoses: list[Diagnosis] = []
    refusals: list[Refusal] = []
    none_known: list[Refusal] = []
    for condition in reading.chart.conditions:
        reference = reference_of(condition)
        problem = problem_of(reading.profile, condition.code or _NO_CODE)
        verification = status_code(condition.verificationStatus, _VERIFICATIONS)
        why = _refused(reading, reference, problem, verification)
        if why is None:
            diagnoses.append(_diagnosis(reading, reference, condition, problem, verification))
            if problem.meaning.unread:
                path = "code.coding" if problem.codes else words_at("code", condition.code or _NO_CODE)
                refusals.append(Refusal(reference, path, "problem-not-understood"))
        else:
            (none_known if why.reason == "none-known" else refusals).append(why)
    if any(one.active for one in diagnoses):
        refusals.extend(Refusal(one.reference, one.path, "none-known-beside-listed") for one in none_known)
    ordered = newest_first(diagnoses, lambda one: (one.onset, None), lambda one: (one.source.reference,))
    return ordered, tuple(refusals)


def _refused(reading: Reading, reference: str, problem: Problem, verification: str | None) -> Refusal | None:
    """Return why a Condition is no diagnosis, None for one that is."""
    if verification in _WRONG:
        return Refusal(reference, "verificationStatus", verification)
    if problem.sureness == "A":
        return Refusal(reference, "code.coding", "refuted")
    known = reading.terms.none_known
    meanings = {known[code] for code in problem.codes if code in known}
    if meanings:
        return Refusal(reference, "code", "not-asked" if "not-asked" in meanings else "none-known")
    said = any(system != _ABSENT for system, _ in problem.codes) or (problem.text and not problem.codes)
    return None if said else Refusal(reference, "code", "no-code")


def _diagnosis(
    reading: Reading, reference: str, condition: wire.Condition, problem: Problem, verification: str | None
) -> Diagnosis:
    meaning = problem.meaning
    called_active = status_code(condition.clinicalStatus, _ACTIVE) is not None
    active, repairs = (True, ()) if called_active else _activity(condition)
    doubts = _doubts(condition, problem, verification, active=active, called_active=called_active)
    over = _over(problem, called_active=called_active)
    onset, inexact = _onset(reading, condition)
    by_code = problem.codes and not meaning.from_text
    path = "code.coding" if by_code else words_at("code", condition.code or _NO_CODE)
    code = next(iter(meaning.telling), next(iter(problem.codes), None))
    made = (*problem.repairs, *repairs, *doubts, *over, *inexact)
    return Diagnosis(
        keys=tuple(sorted(meaning.keys)),
        active=active and not over,
        onset=onset,
        text=problem.text,
        code="|".join(code) if code else None,
        source=source(reading, reference, path, "conditions.code", problem.original, made),
        certain=not doubts,
    )


def _activity(condition: wire.Condition) -> tuple[bool, tuple[str, ...]]:
    """Return whether a problem is active that is not called so; without a readable status it is, unless it ended."""
    if status_code(condition.clinicalStatus, _INACTIVE):
        return False, ()
    if _has_end(condition):
        return False, ("clinical-status-from-abatement",)
    return True, ("clinical-status-unknown" if condition.clinicalStatus else "clinical-status-missing",)


def _has_end(condition: wire.Condition) -> bool:
    ends = (condition.abatementPeriod, condition.abatementAge)
    written_ends = (condition.abatementDateTime, condition.abatementString, condition.abatementBoolean)
    return any(one is not None for one in ends) or any(written_ends)


def _doubts(
    condition: wire.Condition, problem: Problem, verification: str | None, *, active: bool, called_active: bool
) -> tuple[str, ...]:
    """Return why the record itself leaves this problem in doubt."""
    doubts = list(problem.doubts)
    if condition.verificationStatus is not None and verification != "confirmed":
        doubts.append(verification or "verification-status-unknown")
    if active and condition.clinicalStatus is not None and _has_end(condition):
        doubts.append("abated-yet-active")
    if problem.past == "remission" and called_active:
        doubts.append("remission-beside-active")
    return tuple(doubts)


def _over(problem: Problem, *, called_active: bool) -> tuple[str, ...]:
    """Return why the codes put the problem into the past, whatever its status says; empty when they do not."""
    if problem.sureness == "Z":
        return ("state-after",)
    if problem.past == "history":
        return ("text-says-past" if problem.meaning.past else "code-says-history",)
    if problem.past == "remission" and not called_active:
        return ("code-says-remission",)
    return ()


def _onset(reading: Reading, condition: wire.Condition) -> tuple[date | None, tuple[str, ...]]:
    """Return the first day that the onset can mean; by an age, from the birth date."""
    period = condition.onsetPeriod
    found = dates.parse(condition.onsetDateTime or (period and period.start) or condition.onsetString)
    if found is not None:
        return found.first, () if found.exact else ("onset-not-exact",)
    born = dates.parse(reading.chart.patient.birthDate) if reading.chart.patient else None
    if born is None or not born.exact:
        return None, ()
    day = _aged(born.first, condition.onsetAge)
    return day, ("onset-not-exact", "onset-from-age") if day else ()


def _aged(born: date, age: wire.Quantity | None) -> date | None:
    """Return the first day of an age; no age is below zero or above 150 years."""
    if age is None or age.value is None or age.comparator:
        return None
    unit = _AGE_UNITS.get(age.code or "") or _AGE_UNITS.get((age.unit or "").strip().lower())
    if unit is None or not 0 <= age.value * unit <= _OLDEST:
        return None
    if unit != _YEAR:
        return born + timedelta(days=int(age.value * unit))
    year = born.year + int(age.value)
    return born.replace(year=year) if (born.month, born.day) != (2, 29) else date(year, 3, 1)
