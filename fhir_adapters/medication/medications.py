"""Medication resources to courses: which drug, whether taken, since when, how much, by which route.

Only a status that the profile names counts as taking, and a status that it does not name is ``unknown``,
which is never read as "not taking". A draft or a proposal, our own too, is no drug that is taken.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from operator import attrgetter

import msgspec

from fhir_adapters import dates, facts
from fhir_adapters.canonical import MedicationCourse, Original, Refusal, Taking
from fhir_adapters.facts import Reading, last_day, source
from fhir_adapters.medication import courses, dosage, reasons
from fhir_adapters.medication.courses import Entry
from fhir_adapters.medication.drugs import Drug, resolve
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

# http://hl7.org/fhir/R4/valueset-medicationrequest-intent.html and -status.html: what no profile can count as taken.
_NOT_ORDERED = {"proposal": "draft-proposal", "option": "intent-option"}
_REQUEST_REFUSED = {"draft": "draft-proposal", "cancelled": "cancelled", "entered-in-error": "entered-in-error"}
# An order itself; an instance or a filler of it is no second order.
_ORDERS = frozenset({"order", "original-order"})
# http://hl7.org/fhir/R4/valueset-medication-statement-status.html
_STATEMENT_REFUSED = {"entered-in-error": "entered-in-error"}
_NOT_TAKEN = "not-taken"
# http://hl7.org/fhir/R4/valueset-medicationdispense-status.html and -medication-admin-status.html
_DISPENSE_REFUSED = {"cancelled": "cancelled", "entered-in-error": "entered-in-error", "declined": "declined"}
_GIVEN_REFUSED = {"not-done": "not-done", "entered-in-error": "entered-in-error"}
_GIVEN: dict[str, Taking] = {"in-progress": "taking", "completed": "stopped", "stopped": "stopped"}
_SUPPLY_DAYS = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7}
_NO_PERIOD = wire.Period()
_UNUSED_DOSE = frozenset({"", "as-needed"})  # nothing was said, or the course itself says it

Read = tuple[Entry | None, tuple[Refusal, ...]]


class _When(msgspec.Struct, frozen=True, gc=False):
    """When a drug was begun, and the last days that it may have been taken."""

    start: dates.PartialDate | None
    ends: Sequence[date | None]


def read(reading: Reading) -> tuple[tuple[MedicationCourse, ...], tuple[Refusal, ...]]:
    """Return the courses, newest start first, and the resources and dosages that are none."""
    chart = reading.chart
    found = [
        *(_request(reading, one) for one in chart.medication_requests),
        *(_statement(reading, one) for one in chart.medication_statements),
        *(_dispense(reading, one) for one in chart.dispenses),
        *(_administration(reading, one) for one in chart.administrations),
    ]
    entries = [entry for entry, _ in found if entry is not None]
    return courses.joined(entries), tuple(one for _, refusals in found for one in refusals)


def proposed(reading: Reading, request: wire.MedicationRequest) -> MedicationCourse | None:
    """Return the drug of an order that is being written, whatever its status; None where it says that there is none."""
    entry, _ = _requested(reading, request, "ordered")
    return entry.course if entry else None


def _request(reading: Reading, request: wire.MedicationRequest) -> Read:
    taking, why = _request_taking(reading, request)
    return _refused(reference_of(request), "status", why) if taking is None else _requested(reading, request, taking)


def _requested(reading: Reading, request: wire.MedicationRequest, taking: Taking) -> Read:
    reference = reference_of(request)
    validity = request.dispenseRequest.validityPeriod if request.dispenseRequest else None
    bounds = _bounds(request.dosageInstruction)
    start = dates.parse(request.authoredOn) or bounds.start
    ends = [*bounds.ends, _after(start, dosage.longest(request.dosageInstruction))]
    if validity and taking == "stopped":
        ends.append(last_day(validity.end))
    drug = resolve(reading, reference, request.medicationCodeableConcept, request.medicationReference)
    order = request.intent in _ORDERS and taking == "taking"
    ended = [request.statusReason] if request.statusReason else []
    when, why = _When(start, ends), reasons.of(reading, request.reasonCode, request.reasonReference)
    return _course(reading, reference, drug, taking, when, request.dosageInstruction, order=order, ended=ended, why=why)


def _request_taking(reading: Reading, request: wire.MedicationRequest) -> tuple[Taking | None, str]:
    """Return whether the drug is taken by this request; None and why for a request that does not say."""
    status, intent = request.status or "", request.intent or ""
    if request.doNotPerform:
        return None, "do-not-perform"
    if status in _REQUEST_REFUSED or intent in _NOT_ORDERED:
        return None, _REQUEST_REFUSED.get(status) or _NOT_ORDERED[intent]
    taking = reading.profile.taking_of("MedicationRequest", status, intent) or "unknown"
    reported = request.reportedBoolean or request.reportedReference is not None
    return ("reported" if reported and taking in ("taking", "unknown") and status == "active" else taking), ""


def _statement(reading: Reading, statement: wire.MedicationStatement) -> Read:
    reference, status = reference_of(statement), statement.status or ""
    if status == _NOT_TAKEN:
        return None, _not_taken(reading, statement)
    if status in _STATEMENT_REFUSED:
        return _refused(reference, "status", _STATEMENT_REFUSED[status])
    period = statement.effectivePeriod or _NO_PERIOD
    bounds = _bounds(statement.dosage)
    start = dates.parse(statement.effectiveDateTime) or dates.parse(period.start) or bounds.start
    taking = reading.profile.taking_of("MedicationStatement", status) or "unknown"
    drug = resolve(reading, reference, statement.medicationCodeableConcept, statement.medicationReference)
    when = _When(start, [last_day(period.end), *bounds.ends])
    why = reasons.of(reading, statement.reasonCode, statement.reasonReference)
    return _course(reading, reference, drug, taking, when, statement.dosage, ended=statement.statusReason, why=why)


def _not_taken(reading: Reading, statement: wire.MedicationStatement) -> tuple[Refusal, ...]:
    """Return that a drug is not taken, under ``taken.<ingredient>``, of the last day that the statement knows."""
    reference, period = reference_of(statement), statement.effectivePeriod or _NO_PERIOD
    drug = resolve(reading, reference, statement.medicationCodeableConcept, statement.medicationReference)
    told = (statement.dateAsserted, period.end, statement.effectiveDateTime, period.start)
    day = next((found for text in told if (found := last_day(text))), None)
    keys = [f"taken.{name}" for name in drug.ingredients] or [None]
    return tuple(Refusal(reference, "status", _NOT_TAKEN, key, day) for key in keys)


def _dispense(reading: Reading, dispense: wire.MedicationDispense) -> Read:
    """Return a drug that was handed over: it can have been taken until the supply is at its end, and no longer."""
    reference, status = reference_of(dispense), dispense.status or ""
    if status in _DISPENSE_REFUSED:
        return _refused(reference, "status", _DISPENSE_REFUSED[status])
    start = dates.parse(dispense.whenHandedOver)
    end = _after(start, _supply(dispense.daysSupply)) if status == "completed" else None
    taking: Taking = "stopped" if end else "unknown"
    drug = resolve(reading, reference, dispense.medicationCodeableConcept, dispense.medicationReference)
    return _course(reading, reference, drug, taking, _When(start, [end]), dispense.dosageInstruction)


def _administration(reading: Reading, given: wire.MedicationAdministration) -> Read:
    """Return a drug that was given: that it is given again, only an order says."""
    reference, status = reference_of(given), given.status or ""
    if status in _GIVEN_REFUSED:
        return _refused(reference, "status", _GIVEN_REFUSED[status])
    period = given.effectivePeriod or _NO_PERIOD
    start = dates.parse(given.effectiveDateTime) or dates.parse(period.start)
    ends = [last_day(period.end), last_day(given.effectiveDateTime)]
    drug = resolve(reading, reference, given.medicationCodeableConcept, given.medicationReference)
    return _course(reading, reference, drug, _GIVEN.get(status, "unknown"), _When(start, ends), ())


def _supply(quantity: wire.Quantity | None) -> int | None:
    """Return the days of a supply; None where they cannot be read."""
    if quantity is None or not quantity.value or quantity.value <= 0 or quantity.comparator:
        return None
    days = _SUPPLY_DAYS.get((quantity.code or quantity.unit or "d").strip().lower())
    return None if days is None else int(quantity.value * days)


def _after(start: dates.PartialDate | None, days: int | None) -> date | None:
    """Return the last day that a time of so many days can reach; None where that is not known."""
    try:
        return start.last + timedelta(days=days) if start and days else None
    except OverflowError:
        return None


def _bounds(dosages: Sequence[wire.Dosage]) -> _When:
    """Return the first start and the last end of the dosages; no end unless every one of them has one."""
    starts: list[dates.PartialDate] = []
    ends: list[date | None] = []
    for one in dosages:
        repeat = one.timing.repeat if one.timing else None
        period = repeat.boundsPeriod if repeat else None
        if period and (start := dates.parse(period.start)):
            starts.append(start)
        ends.append(last_day(period.end) if period else None)
    return _When(min(starts, key=_FIRST) if starts else None, () if None in ends else ends)


_FIRST = attrgetter("first")


def _route(reading: Reading, dosages: Iterable[wire.Dosage]) -> str | None:
    """Return the one route that all codes and texts of all dosages give; None where they differ or tell none."""
    found = set[str]()
    for one in dosages:
        if one.route is not None:
            found |= _routes(reading, one.route)
    return found.pop() if len(found) == 1 else None


def _routes(reading: Reading, concept: wire.CodeableConcept) -> set[str]:
    """Return the routes that the codes of a concept give, those of its words where no code gives one."""
    tables = reading.terms.drugs
    coded = {tables.routes[code] for code in facts.codes(reading, concept.coding) if code in tables.routes}
    if coded:
        return coded
    words = [text.strip().lower() for text in (concept.text, *[one.display for one in concept.coding]) if text]
    return {tables.route_words[word] for word in words if word in tables.route_words}


def _told(reasons: Sequence[wire.CodeableConcept]) -> str | None:
    """Return reasons as the chart words them: the text, else the display of a coding, else its code."""
    said = [one.text or next((c.display or c.code for c in one.coding if c.display or c.code), None) for one in reasons]
    return "; ".join(dict.fromkeys(text.strip() for text in said if text and text.strip())) or None


def _refused(reference: str, path: str, why: str) -> Read:
    return None, (Refusal(reference, path, why),)


def _course(
    reading: Reading,
    reference: str,
    drug: Drug,
    taking: Taking,
    when: _When,
    dosages: Sequence[wire.Dosage],
    *,
    order: bool = False,
    ended: Sequence[wire.CodeableConcept] = (),
    why: reasons.Reasons = reasons.NONE,
) -> Read:
    if drug.none_known is not None:
        return _refused(reference, drug.path, "not-asked") if drug.none_known == "not-asked" else (None, ())
    dose = dosage.read(dosages, drug.strength, several=len(drug.ingredients) > 1)
    repairs = drug.repairs if when.start is None or when.start.exact else (*drug.repairs, "start-not-exact")
    origin = Original(drug.text, None, drug.code)
    course = MedicationCourse(
        text=drug.text,
        ingredients=drug.ingredients,
        classes=drug.classes,
        taking=taking,
        start=when.start.first if when.start else None,
        # The latest day on which the drug can have been taken: a wash-out is counted from it.
        stop=max([day for day in when.ends if day], default=None),
        dose_mg_per_day=dose.mg_per_day,
        source=source(reading, reference, drug.path, "medications.drug", origin, repairs),
        rxnorm=drug.rxnorm,
        unresolved=drug.unresolved,
        route=_route(reading, dosages),
        as_needed=dose.as_needed,
        stopped_because=_told(ended) if taking == "stopped" else None,
        taken_for=why[0],
        reasons=why[1],
    )
    element = "dosage" if reference.startswith("MedicationStatement") else "dosageInstruction"
    unread = () if dose.why in _UNUSED_DOSE else (Refusal(reference, element, f"dose-{dose.why}"),)
    return Entry(course, order), unread
