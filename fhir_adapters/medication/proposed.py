"""Orders that are being written (a hook's ``context.draftOrders``): half-written, and often not valid FHIR yet.

Clients send an object where a list belongs, no Bundle type, no drug until one is picked. What is there is read; what
cannot be read is left out by name. Only the orders' patient is never guessed away: another patient's order raises.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from fhir_adapters import terminology
from fhir_adapters.canonical import Fact, MedicationCourse, Refusal
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.medication import medications
from fhir_adapters.reading import reader, wire
from fhir_adapters.reading.told import assumed

_ORDERS = frozenset({"MedicationRequest", "MedicationOrder"})
_LISTS = ("dosageInstruction", "contained", "category", "identifier")
# What an order is read by, in the names of the versions; everything else in a draft may be as unfinished as it likes.
_READ = (
    *("resourceType", "id", "status", "intent", "doNotPerform", "authoredOn", "dateWritten", "subject", "patient"),
    *("medicationCodeableConcept", "medicationReference", "medication", "dosageInstruction", "dispenseRequest"),
    *("contained", "reportedBoolean"),
)
# Left out one after the other until the rest can be read.
_OPTIONAL = ((), ("dispenseRequest",), ("dispenseRequest", "dosageInstruction"))
_NO_LONGER = frozenset({"cancelled", "stopped", "completed", "entered-in-error", "on-hold"})

Json = dict[str, Any]


class Proposed(Fact, frozen=True):
    """One order that is being written: ``reference`` as the Bundle has it (``MedicationRequest/x``) and its drug.

    ``repeats`` is True where it is no first order (it is in force already, and is signed again). ``unread`` are the
    elements that could not be read.
    """

    reference: str
    course: MedicationCourse
    repeats: bool = False
    unread: tuple[str, ...] = ()


def read(raw: bytes, patient_id: str, profile: Profile) -> tuple[tuple[Proposed, ...], tuple[Refusal, ...]]:
    """Return the orders of a Bundle (its type is not asked for), and those that could not be read.

    ``raw`` has passed strict JSON. Orders without a drug yet, other kinds of orders, and orders that stop a drug are
    not returned. InputError U-FHIR-TYPE for what is no Bundle, U-PATIENT-MISMATCH for an order of another patient.
    """
    found: list[Proposed] = []
    refusals: list[Refusal] = []
    held = list(_resources(raw))
    others = [one for one in held if one.get("resourceType") == "Medication"]
    for number, order in enumerate((one for one in held if _text(one, "resourceType") in _ORDERS), start=1):
        if _text(order, "status") in _NO_LONGER or order.get("doNotPerform") is True:
            continue
        read_, refused = _one(_tidied(order, number, patient_id), others, patient_id, profile)
        found += read_
        refusals += refused
    return tuple(found), tuple(refusals)


def _text(order: Json, name: str) -> str:
    """Return an element that is a text, empty where it is absent or anything else."""
    value = order.get(name)
    return value if isinstance(value, str) else ""


def _resources(raw: bytes) -> Iterator[Json]:
    try:
        bundle = msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.ValidationError:
        raise InputError("U-FHIR-TYPE", "context.draftOrders must be a Bundle of the orders being written") from None
    entries = bundle.get("entry", [])
    if bundle.get("resourceType") != "Bundle" or not isinstance(entries, list):
        raise InputError("U-FHIR-TYPE", "context.draftOrders must be a Bundle of the orders being written")
    for entry in cast("list[Any]", entries):
        resource = cast("Json", entry).get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield cast("Json", resource)


def _tidied(order: Json, number: int, patient_id: str) -> Json:
    """Return what is read of an order, with lists where lists belong; the patient of the hook where it names none."""
    kept = {name: order[name] for name in _READ if order.get(name) not in (None, "", [], {})}
    for name in _LISTS:
        if name in kept and not isinstance(kept[name], list):
            kept[name] = [kept[name]]
    who = "patient" if kept["resourceType"] == "MedicationOrder" else "subject"
    if who not in kept:
        kept[who] = {"reference": f"Patient/{patient_id}"}
    return {"id": f"draft-{number}", **kept}


def _one(
    order: Json, others: list[Json], patient_id: str, profile: Profile
) -> tuple[list[Proposed], tuple[Refusal, ...]]:
    person = msgspec.json.encode({"resourceType": "Patient", "id": patient_id})
    chart = None
    for left in _OPTIONAL:
        entries = [{"resource": {name: value for name, value in order.items() if name not in left}}]
        entries += [{"resource": one} for one in others]
        raw = msgspec.json.encode({"resourceType": "Bundle", "type": "collection", "entry": entries})
        chart = reader.read_prefetch(
            {"patient": person, "medications": raw},
            patient_id,
            repairs=profile.repairs,
            checked=True,
            assumed=assumed(profile.fhir_versions),
        )
        if chart.medication_requests:
            unread = tuple(name for name in left if name in order)
            reading = Reading(chart, profile, terminology.load())
            return _proposed(reading, chart.medication_requests[0], order, unread), ()
    return [], chart.refusals if chart else ()


def _proposed(
    reading: Reading, request: wire.MedicationRequest, order: Mapping[str, Any], unread: tuple[str, ...]
) -> list[Proposed]:
    course = medications.proposed(reading, request)
    if course is None or (course.unresolved == "not-named" and not course.text):
        return []
    reference = f"{order['resourceType']}/{order['id']}"
    return [Proposed(reference, course, order.get("status") == "active", unread)]
