"""Orders that are being written (a hook's ``context.draftOrders``): half-written, and often not valid FHIR yet.

Clients send an object where a list belongs, no Bundle type, no drug until one is picked. What is there is read; what
cannot be read is left out by name. Only the orders' patient is never guessed away: another patient's order raises.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from fhir_adapters import terminology
from fhir_adapters.canonical import Fact, MedicationCourse, Refusal
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.medication import medications
from fhir_adapters.reading import reader, wire
from fhir_adapters.reading.subjects import Subject, patient_id_of
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
_SUBJECTS = ("subject", "patient", "for")  # in which the orders of all kinds say whose they are

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
    not returned; what another resource contains (the orders of a RequestGroup) is read as the rest. InputError
    U-FHIR-TYPE for what is no Bundle, U-PATIENT-MISMATCH for an order of another patient, of whatever kind.
    """
    found: list[Proposed] = []
    bundle = _bundle(raw)
    held, refusals = _resources(bundle)
    _check_patient(held, Subject(patient_id, frozenset(), base=profile.base))
    others = _medications(bundle)
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


def _bundle(raw: bytes) -> Json:
    refusal = InputError("U-FHIR-TYPE", "context.draftOrders must be a Bundle of the orders being written")
    try:
        bundle = msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.ValidationError:
        raise refusal from None
    if bundle.get("resourceType") != "Bundle" or not isinstance(bundle.get("entry", []), list):
        raise refusal
    return bundle


def _resources(bundle: Json) -> tuple[list[Json], list[Refusal]]:
    """Return the resources of a Bundle, those of Bundles in it too, and the entries that hold none."""
    found: list[Json] = []
    refusals: list[Refusal] = []
    entries = bundle.get("entry", [])
    for number, entry in enumerate(cast("list[Any]", entries) if isinstance(entries, list) else []):
        resource = cast("Json", entry).get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and _text(cast("Json", resource), "resourceType"):
            held, refused = _opened(cast("Json", resource))
            found += held
            refusals += refused
        elif entry is not None:
            refusals.append(Refusal("Bundle", f"entry[{number}]", "no-resource"))
    return found, refusals


def _opened(resource: Json) -> tuple[list[Json], list[Refusal]]:
    return _resources(resource) if resource["resourceType"] == "Bundle" else ([resource, *_contained(resource)], [])


def _medications(bundle: Json) -> list[Json]:
    """Return the entries of Medications, with the addresses by which orders of the Bundle may name them."""
    entries = [cast("Json", one) for one in cast("list[Any]", bundle.get("entry", [])) if isinstance(one, dict)]
    held = [one for one in entries if isinstance(one.get("resource"), dict)]
    names = ("fullUrl", "resource")
    return [
        {name: one[name] for name in names if name in one}
        for one in held
        if one["resource"].get("resourceType") == "Medication"
    ]


def _contained(resource: Json) -> list[Json]:
    """Return the orders that a resource contains; an order's own contained resources are read with it."""
    held = resource.get("contained")
    if resource["resourceType"] in _ORDERS or not isinstance(held, list):
        return []
    inner = [cast("Json", one) for one in cast("list[Any]", held) if isinstance(one, dict)]
    return [one for one in inner if _text(one, "resourceType") in _ORDERS]


def _check_patient(held: list[Json], subject: Subject) -> None:
    for one in held:
        for name in _SUBJECTS:
            whose = one.get(name)
            reference = _text(cast("Json", whose), "reference") if isinstance(whose, dict) else ""
            named = patient_id_of(reference)
            if named and (named != subject.id or subject.elsewhere(reference)):
                raise InputError(
                    "U-PATIENT-MISMATCH", "an order in context.draftOrders is another patient's; send one patient's"
                )


def selected(raw: bytes, selections: Sequence[str], found: Sequence[Proposed]) -> frozenset[str]:
    """Return the references of the orders in ``found`` that ``selections`` mean; ``raw`` as for ``read``.

    Where a selection names nothing in the Bundle, or a resource that contains its orders, all are meant: an order
    without an id yet, or one that was named in another way, must not be passed over for it.
    """
    wanted = {"/".join(one.partition("/_history/")[0].split("/")[-2:]) for one in selections}
    held, _ = _resources(_bundle(raw))
    plain = (one for one in held if not _contained(one))
    if wanted <= {f"{one['resourceType']}/{_text(one, 'id')}" for one in plain}:
        return frozenset(wanted)
    return frozenset(one.reference for one in found)


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
        entries += others
        raw = msgspec.json.encode({"resourceType": "Bundle", "type": "collection", "entry": entries})
        chart = reader.read_prefetch(
            {"patient": person, "medications": raw},
            patient_id,
            repairs=profile.repairs,
            checked=True,
            assumed=assumed(profile.fhir_versions),
            base=profile.base,
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
