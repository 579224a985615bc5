"""MedicationRequests and MedicationStatements to courses: which drug, whether taken, since when, how much.

Only a status named below counts as taking, and a status outside R4's lists is ``unknown``, which is never
read as "not taking". A draft or a proposal, our own too, is no drug that is taken.
"""

from datetime import date, timedelta

from msgspec.structs import replace

from fhir_adapters import dates, wire
from fhir_adapters.canonical import MedicationCourse, Original, Refusal, Taking
from fhir_adapters.dosage import mg_per_day
from fhir_adapters.drugs import Drug, resolve
from fhir_adapters.facts import Reading, last_day, newest_first, source
from fhir_adapters.reader import reference_of

# http://hl7.org/fhir/R4/valueset-medicationrequest-intent.html
_ORDERED = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
_NOT_ORDERED = {"proposal": "draft-proposal", "option": "intent-option"}
# http://hl7.org/fhir/R4/valueset-medicationrequest-status.html
_REQUEST_REFUSED = {
    "draft": "draft-proposal",
    "cancelled": "cancelled",
    "entered-in-error": "entered-in-error",
}
_ENDED = frozenset({"completed", "stopped"})
# http://hl7.org/fhir/R4/valueset-medication-statement-status.html
_STATEMENT_REFUSED = {"not-taken": "not-taken", "entered-in-error": "entered-in-error"}
_STATEMENT: dict[str, Taking] = {
    "active": "taking",
    "intended": "ordered",
    "completed": "stopped",
    "stopped": "stopped",
}
_ANOTHER_VERSION = "another-version"


def read(reading: Reading) -> tuple[tuple[MedicationCourse, ...], tuple[Refusal, ...]]:
    """Return the courses, newest start first, and the resources that are none."""
    read_all = [
        *(_request(reading, request) for request in reading.chart.medication_requests),
        *(_statement(reading, statement) for statement in reading.chart.medication_statements),
    ]
    courses = newest_first(
        (one for one in read_all if isinstance(one, MedicationCourse)),
        lambda course: (course.start, None),
        lambda course: (course.source.reference,),
    )
    return merged(courses), tuple(one for one in read_all if isinstance(one, Refusal))


def merged(courses: tuple[MedicationCourse, ...]) -> tuple[MedicationCourse, ...]:
    """Return the courses with repeats of one drug joined: same ingredients, same taking, no day between them.

    A joined course keeps everything of its newest part, its dose too, and the earliest start; its path names
    the other parts. Courses whose drug or dates are not known stay as they are.
    """
    joined: list[MedicationCourse] = []
    for course in courses:
        place = next((at for at, newer in enumerate(joined) if _continues(course, newer)), None)
        if place is None:
            joined.append(course)
        else:
            joined[place] = _join(course, joined[place])
    return newest_first(joined, lambda one: (one.start, None), lambda one: (one.source.reference,))


def _continues(older: MedicationCourse, newer: MedicationCourse) -> bool:
    if not older.ingredients or older.ingredients != newer.ingredients or older.taking != newer.taking:
        return False
    if older.start is None or newer.start is None:
        return False
    if older.stop is None:
        return older.taking != "stopped"
    return newer.start <= older.stop + timedelta(days=1)


def _join(older: MedicationCourse, newer: MedicationCourse) -> MedicationCourse:
    stops = (older.stop, newer.stop)
    path = newer.source.path if " with " in newer.source.path else f"{newer.source.path} with"
    origin = replace(
        newer.source,
        path=f"{path} {older.source.reference}",
        rule="medications.joined",
        repairs=tuple(sorted({*newer.source.repairs, *older.source.repairs})),
    )
    return replace(
        newer,
        start=older.start,
        stop=None if None in stops else max(stop for stop in stops if stop),
        classes=tuple(sorted({*older.classes, *newer.classes})),
        source=origin,
    )


def _request(reading: Reading, request: wire.MedicationRequest) -> MedicationCourse | Refusal | None:
    reference = reference_of(request)
    taking, reason = _request_taking(request)
    if taking is None:
        return Refusal(reference, "status", reason)
    validity = request.dispenseRequest.validityPeriod if request.dispenseRequest else None
    bounds = _bounds(request.dosageInstruction)
    ends = [bounds.end, validity.end if validity and taking == "stopped" else None]
    start = dates.parse(request.authoredOn) or dates.parse(bounds.start)
    drug = resolve(reading, reference, request.medicationCodeableConcept, request.medicationReference)
    return _course(reading, reference, drug, taking, start, ends, request.dosageInstruction)


def _statement(reading: Reading, statement: wire.MedicationStatement) -> MedicationCourse | Refusal | None:
    reference = reference_of(statement)
    status = statement.status or ""
    if statement.taken is not None or statement.medication is not None:
        return Refusal(reference, "status", _ANOTHER_VERSION)
    if status in _STATEMENT_REFUSED:
        return Refusal(reference, "status", _STATEMENT_REFUSED[status])
    period = statement.effectivePeriod or wire.Period()
    bounds = _bounds(statement.dosage)
    start = dates.parse(statement.effectiveDateTime) or dates.parse(period.start) or dates.parse(bounds.start)
    drug = resolve(reading, reference, statement.medicationCodeableConcept, statement.medicationReference)
    taking = _STATEMENT.get(status, "unknown")
    return _course(reading, reference, drug, taking, start, [period.end, bounds.end], statement.dosage)


def _request_taking(request: wire.MedicationRequest) -> tuple[Taking | None, str]:
    """Return whether the drug is taken by this request; None and why for a request that does not say."""
    status, intent = request.status or "", request.intent or ""
    if request.doNotPerform:
        return None, "do-not-perform"
    if request.taken is not None or request.medication is not None:
        return None, _ANOTHER_VERSION
    if status in _REQUEST_REFUSED or intent in _NOT_ORDERED:
        return None, _REQUEST_REFUSED.get(status) or _NOT_ORDERED[intent]
    if status in _ENDED:
        return "stopped", ""
    if status != "active":
        return "unknown", ""
    if request.reportedBoolean or intent == "plan":
        return "reported", ""
    return ("taking" if intent in _ORDERED else "unknown"), ""


def _bounds(dosages: list[wire.Dosage]) -> wire.Period:
    """Return the bounds of the one dosage; of several, which may be steps, none."""
    repeat = dosages[0].timing.repeat if len(dosages) == 1 and dosages[0].timing else None
    return (repeat.boundsPeriod if repeat else None) or wire.Period()


def _course(
    reading: Reading,
    reference: str,
    drug: Drug,
    taking: Taking,
    start: dates.PartialDate | None,
    ends: list[str | None],
    dosages: list[wire.Dosage],
) -> MedicationCourse | Refusal | None:
    if drug.none_known is not None:
        return Refusal(reference, drug.path, "not-asked") if drug.none_known == "not-asked" else None
    repairs = {*drug.repairs, *({"start-not-exact"} if start and not start.exact else ())}
    return MedicationCourse(
        text=drug.text,
        ingredients=drug.ingredients,
        classes=drug.classes,
        taking=taking,
        start=start.first if start else None,
        stop=_latest(ends),
        dose_mg_per_day=mg_per_day(dosages),
        source=source(reading, reference, drug.path, "medications.drug", Original(drug.text, None, drug.code), repairs),
        rxnorm=drug.rxnorm,
        unresolved=drug.unresolved,
    )


def _latest(ends: list[str | None]) -> date | None:
    """Return the latest day on which the drug can have been taken, as a wash-out is counted from it."""
    return max((day for end in ends if (day := last_day(end))), default=None)
