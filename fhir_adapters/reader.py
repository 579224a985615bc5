"""Bytes to the resources of one patient's chart: Bundle, resource, list, NDJSON, prefetch values.

One bad entry never costs the others; what could not be read is refused by name, and its list is then
``partial``: an unreadable AllergyIntolerance must never look like no allergy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fhir_adapters import envelope, wire
from fhir_adapters.canonical import ListState, Refusal
from fhir_adapters.envelope import Entry, Opened
from fhir_adapters.errors import InputError
from fhir_adapters.gather import LISTS, Gathered, find_patient
from fhir_adapters.repairs import ALL as REPAIRS
from fhir_adapters.resources import reference_of

__all__ = ["PREFETCH_KEYS", "Chart", "medication_of", "read", "read_prefetch", "reference_of"]

# Prefetch key → the resource types that it may hold by themselves, and the list that it fills; the first
# key of a
# list decides whether the list was supplied.
PREFETCH_KEYS: Mapping[str, tuple[frozenset[str], str | None]] = {
    "patient": (frozenset({"Patient"}), None),
    "conditions": (frozenset({"Condition"}), "conditions"),
    "medications": (frozenset({"MedicationRequest", "MedicationOrder", "Medication"}), "medications"),
    "statements": (frozenset({"MedicationStatement", "Medication"}), "medications"),
    "observations": (frozenset({"Observation"}), "observations"),
    "scores": (frozenset({"Observation"}), "observations"),
    "allergies": (frozenset({"AllergyIntolerance"}), "allergies"),
    "responses": (frozenset({"QuestionnaireResponse"}), "observations"),
    "consents": (frozenset({"Consent"}), "consents"),
}


@dataclass(frozen=True, slots=True)
class Chart:
    """The resources of one patient, and what is known about what is not among them.

    ``medications`` is keyed by ``Medication/id``, the entry's fullUrl, and ``<Type>/<id>#<contained id>``.
    ``lists`` and ``refusals`` as in CanonicalPatient. ``repairs``: ``Type/id`` → what was mended to read it.
    """

    patient: wire.Patient | None
    observations: tuple[wire.Observation, ...]
    conditions: tuple[wire.Condition, ...]
    medication_requests: tuple[wire.MedicationRequest, ...]
    medication_statements: tuple[wire.MedicationStatement, ...]
    dispenses: tuple[wire.MedicationDispense, ...]
    administrations: tuple[wire.MedicationAdministration, ...]
    allergies: tuple[wire.AllergyIntolerance, ...]
    questionnaire_responses: tuple[wire.QuestionnaireResponse, ...]
    consents: tuple[wire.Consent, ...]
    family_histories: tuple[wire.FamilyMemberHistory, ...]
    diagnostic_reports: tuple[wire.DiagnosticReport, ...]
    medications: Mapping[str, wire.Medication]
    refusals: tuple[Refusal, ...]
    lists: Mapping[str, ListState]
    repairs: Mapping[str, tuple[str, ...]]
    fhir_version: str


def medication_of(chart: Chart, owner: str, reference: str) -> wire.Medication | None:
    """Return the Medication that ``reference`` means inside ``owner`` (``Type/id``), None if not held."""
    if reference.startswith("#"):
        return chart.medications.get(owner + reference)
    plain = reference.partition("/_history/")[0]
    return chart.medications.get(plain) or chart.medications.get("/".join(plain.split("/")[-2:]))


def read(raw: bytes, *, repairs: frozenset[str] = REPAIRS) -> Chart:
    """Read a file: a Bundle of any type, one resource, a JSON list or NDJSON of either.

    Raises InputError U-JSON-…, U-FHIR-TYPE (no FHIR resource in it), U-FHIR-NO-PATIENT, U-PATIENT-MISMATCH
    (two Patients), U-FHIR-ENTRIES. Resources of another patient are refused, not read.
    """
    opened = envelope.open_file(raw)
    gathered = _gather(opened.entries, None, repairs)
    states: dict[str, ListState] = {name: "supplied" if name in gathered.present else "not-supplied" for name in LISTS}
    return _chart(gathered, _with_lost(states, gathered, opened.untyped > 0))


def read_prefetch(
    values: Mapping[str, bytes], patient_id: str, *, repairs: frozenset[str] = REPAIRS, checked: bool = False
) -> Chart:
    """Read the prefetch values of a hook call (``PREFETCH_KEYS``; other keys are not read).

    ``checked`` when ``strict_json.check`` has already seen the bytes. Raises InputError as ``read``, and
    U-PATIENT-MISMATCH also for a resource whose subject is not ``patient_id``.
    """
    opened = {key: _value(key, raw, checked) for key, raw in sorted(values.items()) if key in PREFETCH_KEYS}
    entries = [entry for one in opened.values() if one for entry in one.entries]
    if len(entries) > envelope.MAX_ENTRIES:
        raise InputError("U-FHIR-ENTRIES", f"more than {envelope.MAX_ENTRIES} entries; send current data only")
    gathered = _gather(entries, patient_id, repairs)
    states: dict[str, ListState] = {name: _prefetch_state(name, opened, gathered) for name in LISTS}
    return _chart(gathered, _with_lost(states, gathered, any(one.untyped for one in opened.values() if one)))


def _value(key: str, raw: bytes, checked: bool) -> Opened | None:
    opened = envelope.open_value(raw, checked=checked)
    if opened and not opened.places and any(entry.kind not in PREFETCH_KEYS[key][0] for entry in opened.entries):
        wanted = " or ".join(sorted(PREFETCH_KEYS[key][0]))
        raise InputError("U-FHIR-TYPE", f"prefetch {key} must be a searchset Bundle or a resource of type {wanted}")
    return opened


def _prefetch_state(name: str, opened: Mapping[str, Opened | None], gathered: Gathered) -> ListState:
    """The list's own key decides; further keys, where given, can only take from it."""
    others = [one for key, one in opened.items() if PREFETCH_KEYS[key][1] == name and key != name]
    own = opened.get(name)
    if name not in opened or (own and own.outcome and own.failed):
        return "partial" if name in gathered.present else "not-supplied"
    missing = any(one and (one.incomplete or one.outcome) for one in (own, *others))
    return "partial" if missing else "supplied"


def _with_lost(states: Mapping[str, ListState], gathered: Gathered, anything: bool) -> dict[str, ListState]:
    """Lists that lost a resource are partial; an entry of unknown type may have belonged to any."""
    doubtful = {name for name, state in states.items() if anything and state == "supplied"}
    return {**states, **dict.fromkeys(gathered.lost | doubtful, "partial")}


def _gather(entries: Sequence[Entry], patient_id: str | None, repairs: frozenset[str]) -> Gathered:
    gathered = find_patient(entries, patient_id, repairs)
    for entry in entries:
        gathered.add(entry)
    return gathered


def _chart(gathered: Gathered, lists: Mapping[str, ListState]) -> Chart:
    return Chart(
        patient=gathered.patient,
        observations=gathered.of(wire.Observation),
        conditions=gathered.of(wire.Condition),
        medication_requests=gathered.of(wire.MedicationRequest),
        medication_statements=gathered.of(wire.MedicationStatement),
        dispenses=gathered.of(wire.MedicationDispense),
        administrations=gathered.of(wire.MedicationAdministration),
        allergies=gathered.of(wire.AllergyIntolerance),
        questionnaire_responses=gathered.of(wire.QuestionnaireResponse),
        consents=gathered.of(wire.Consent),
        family_histories=gathered.of(wire.FamilyMemberHistory),
        diagnostic_reports=gathered.of(wire.DiagnosticReport),
        medications=gathered.held_medications(),
        refusals=tuple(sorted(set(gathered.refusals), key=lambda one: (one.reference, one.path, one.reason))),
        lists=lists,
        repairs=gathered.repairs,
        fhir_version="+".join(sorted(gathered.versions)) or "R4",
    )
