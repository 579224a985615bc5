"""A chart as it was known on an earlier day: what was written later is taken out, what ended later still goes on.

An export tells how a record stands today. What cannot be shown to have been known on the day is not used, and its
list is then ``partial``: what the list does not hold is not absent. What was written on the day itself counts, but
for drugs: the features come before the prescription of that day.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal, TypeVar

import msgspec

from fhir_adapters import dates
from fhir_adapters.canonical import ListState
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import Chart

T = TypeVar("T")
Known = Literal["known", "later", "doubtful"]

_NO_PERIOD = wire.Period()
_PARTIAL: ListState = "partial"
_OVER = frozenset({"completed", "stopped"})
_ENDED = frozenset({"inactive", "remission", "resolved"})
_ACTIVE = wire.CodeableConcept(
    coding=(wire.Coding(system="http://terminology.hl7.org/CodeSystem/condition-clinical", code="active"),)
)


def as_known(chart: Chart, day: date) -> Chart:
    """Return the chart with what its resources show to have been known on ``day``."""
    eve, lists = day - timedelta(days=1), dict(chart.lists)

    def kept(name: str, found: Iterable[T], judge: Callable[[T, date], tuple[Known, T]], on: date) -> tuple[T, ...]:
        judged = [judge(one, on) for one in found]
        if lists.get(name) == "supplied" and any(known == "doubtful" for known, _ in judged):
            lists[name] = _PARTIAL
        return tuple(one for known, one in judged if known == "known")

    return replace(
        chart,
        observations=kept("observations", chart.observations, _observation, day),
        diagnostic_reports=kept("observations", chart.diagnostic_reports, _report, day),
        questionnaire_responses=kept("observations", chart.questionnaire_responses, _response, day),
        conditions=kept("conditions", chart.conditions, _condition, day),
        medication_requests=kept("medications", chart.medication_requests, _request, eve),
        medication_statements=kept("medications", chart.medication_statements, _statement, eve),
        dispenses=kept("medications", chart.dispenses, _dispense, eve),
        administrations=kept("medications", chart.administrations, _administration, eve),
        allergies=kept("allergies", chart.allergies, _allergy, day),
        family_histories=kept("family_history", chart.family_histories, _family, day),
        lists=lists,
    )


def _when(day: date, *texts: str | None) -> Known:
    """Return whether all of these dates that can be read are at most the day."""
    found = [one for one in map(dates.parse, texts) if one is not None]
    if any(one.first > day for one in found):
        return "later"
    return "doubtful" if any(one.last > day for one in found) else "known"


def _first(*texts: str | None) -> str | None:
    """Return the first of these that is a date."""
    return next((text for text in texts if dates.parse(text)), None)


def _observation(one: wire.Observation, day: date) -> tuple[Known, wire.Observation]:
    period = one.effectivePeriod or _NO_PERIOD
    timing = one.effectiveTiming.event if one.effectiveTiming else ()
    told = (one.effectiveDateTime, one.effectiveInstant, period.start, period.end, *timing, one.issued)
    return _when(day, *told), one


def _report(one: wire.DiagnosticReport, day: date) -> tuple[Known, wire.DiagnosticReport]:
    period = one.effectivePeriod or _NO_PERIOD
    return _when(day, one.effectiveDateTime, period.start, period.end, one.issued), one


def _response(one: wire.QuestionnaireResponse, day: date) -> tuple[Known, wire.QuestionnaireResponse]:
    return _when(day, one.authored), one


def _condition(one: wire.Condition, day: date) -> tuple[Known, wire.Condition]:
    onset = _first(one.onsetDateTime, (one.onsetPeriod or _NO_PERIOD).start, one.onsetString)
    recorded, begun = _when(day, one.recordedDate), _when(day, onset)
    if "later" in (recorded, begun):
        return "later", one
    if _first(one.recordedDate) is None:
        # An onset by age is before the day; whether the problem was on the list by then, a date must say.
        recorded = begun if onset is not None else "doubtful"
    status, ended = _ended(one, day)
    return ("doubtful" if "doubtful" in (recorded, status) else "known"), ended


def _ended(one: wire.Condition, day: date) -> tuple[Known, wire.Condition]:
    """Return the problem as it stood on the day; in doubt where it ended and nobody wrote when."""
    end = _first(one.abatementDateTime, (one.abatementPeriod or _NO_PERIOD).start, one.abatementString)
    if end is not None:
        known = _when(day, end)
        if known != "later":
            return known, one
        changes = {"abatementDateTime": None, "abatementPeriod": None, "abatementString": None}
        return "known", msgspec.structs.replace(one, clinicalStatus=_ACTIVE, **changes)
    status = {coding.code for coding in one.clinicalStatus.coding} if one.clinicalStatus else set[str | None]()
    ended = one.abatementAge is not None or one.abatementPeriod is not None or one.abatementBoolean
    return ("doubtful" if ended or not status.isdisjoint(_ENDED) else "known"), one


def _request(one: wire.MedicationRequest, day: date) -> tuple[Known, wire.MedicationRequest]:
    bounds = _bounds(one.dosageInstruction)
    written = _first(one.authoredOn, *(period.start for period in bounds))
    validity = one.dispenseRequest.validityPeriod if one.dispenseRequest else None
    ends = [period.end for period in bounds] + ([validity.end] if validity else [])
    if one.status in _OVER and _when(day, *ends) == "later":
        one = msgspec.structs.replace(one, status="active")
    return ("doubtful" if written is None else _when(day, written)), one


def _bounds(dosages: Sequence[wire.Dosage]) -> list[wire.Period]:
    repeats = [one.timing.repeat for one in dosages if one.timing and one.timing.repeat]
    return [repeat.boundsPeriod for repeat in repeats if repeat.boundsPeriod]


def _statement(one: wire.MedicationStatement, day: date) -> tuple[Known, wire.MedicationStatement]:
    period = one.effectivePeriod or _NO_PERIOD
    begun = _first(one.effectiveDateTime, period.start)
    known = _when(day, one.dateAsserted, begun) if _first(one.dateAsserted, begun) else "doubtful"
    if _when(day, period.end) == "later":
        status = "active" if one.status in _OVER else one.status
        one = msgspec.structs.replace(one, status=status, effectivePeriod=wire.Period(start=period.start))
    return known, one


def _dispense(one: wire.MedicationDispense, day: date) -> tuple[Known, wire.MedicationDispense]:
    return (_when(day, one.whenHandedOver) if _first(one.whenHandedOver) else "doubtful"), one


def _administration(one: wire.MedicationAdministration, day: date) -> tuple[Known, wire.MedicationAdministration]:
    given = _first(one.effectiveDateTime, (one.effectivePeriod or _NO_PERIOD).start)
    return (_when(day, given) if given else "doubtful"), one


def _allergy(one: wire.AllergyIntolerance, day: date) -> tuple[Known, wire.AllergyIntolerance]:
    return _when(day, one.recordedDate), one


def _family(one: wire.FamilyMemberHistory, day: date) -> tuple[Known, wire.FamilyMemberHistory]:
    return _when(day, one.date), one
