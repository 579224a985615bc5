"""Bytes to the resources of one patient's chart, as R4: Bundle, resource, list, NDJSON, prefetch values.

One bad entry never costs the others; what could not be read is refused by name, and its list is then
``partial``: an unreadable AllergyIntolerance must never look like no allergy.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from fhir_adapters.canonical import ListState, Refusal
from fhir_adapters.errors import InputError
from fhir_adapters.fhir_versions.versions import Version
from fhir_adapters.problem.lists import LISTS
from fhir_adapters.reading import envelope, whose, wire
from fhir_adapters.reading.gather import Gathered
from fhir_adapters.reading.opened import MAX_ENTRIES, Opened, too_many
from fhir_adapters.reading.repairs import ALL as REPAIRS
from fhir_adapters.reading.resources import reference_of
from fhir_adapters.reading.subjects import Subject
from fhir_adapters.reading.told import not_r4, tell

__all__ = [
    "PREFETCH_KEYS",
    "Chart",
    "chart_of",
    "medication_of",
    "medications_in",
    "read",
    "read_prefetch",
    "reference_of",
]

# Prefetch key → the resource types that it may hold by themselves, and the list that it fills; the key with the
# list's own name decides whether the list was supplied.
PREFETCH_KEYS: Mapping[str, tuple[frozenset[str], str | None]] = {
    "patient": (frozenset({"Patient"}), None),
    "conditions": (frozenset({"Condition"}), "conditions"),
    "medications": (frozenset({"MedicationRequest", "MedicationOrder", "Medication"}), "medications"),
    "statements": (frozenset({"MedicationStatement", "Medication"}), "medications"),
    "observations": (frozenset({"Observation"}), "observations"),
    "scores": (frozenset({"Observation"}), "observations"),
    "genes": (frozenset({"Observation"}), "observations"),
    "daily": (frozenset({"Observation"}), "observations"),
    "allergies": (frozenset({"AllergyIntolerance"}), "allergies"),
    "responses": (frozenset({"QuestionnaireResponse"}), "observations"),
    "consents": (frozenset({"Consent"}), "consents"),
    "procedures": (frozenset({"Procedure"}), None),
    "family_history": (frozenset({"FamilyMemberHistory"}), "family_history"),
}


@dataclass(frozen=True, slots=True)
class Chart:
    """The resources of one patient, and what is known about what is not among them.

    ``medications`` is keyed by ``Medication/id``, the entry's fullUrl, and ``<Type>/<id>#<contained id>``; an
    Observation that a report contains has the last form as its id. ``lists`` and ``refusals`` as in
    CanonicalPatient. ``repairs``: ``Type/id`` → what was done to read it, with ``from-stu3`` for what was brought
    to R4. ``fhir_version``: the versions found, joined by "+"; more than one are also refused as
    ``mixed-versions``, under the reference ``Bundle``.
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
    procedures: tuple[wire.Procedure, ...]
    encounters: tuple[wire.Encounter, ...]
    flags: tuple[wire.Flag, ...]
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
    found = chart.medications.get(plain)
    if found is None and (held := chart.medications.get("/".join(plain.split("/")[-2:]))):
        # Another server's Medication may have the same id: what has an address of its own is not meant.
        elsewhere = "://" in plain and any("://" in key and one is held for key, one in chart.medications.items())
        return None if elsewhere else held
    return found


def read(
    raw: bytes,
    *,
    repairs: frozenset[str] = REPAIRS,
    checked: bool = False,
    assumed: Version = "R4",
    notices: frozenset[str] = frozenset(),
) -> Chart:
    """Read a file: a Bundle of any type, Parameters, one resource, a JSON list or NDJSON of these.

    ``checked`` when ``strict_json`` has already seen the bytes; ``assumed`` is the version of resources that
    tell none in an input that tells none (R4B is R4); ``notices`` are codes of warnings that the EHR puts behind
    every answer, which are named and do not make a list partial. Raises InputError U-JSON-…, U-FHIR-TYPE (no FHIR
    resource in it), U-FHIR-NO-PATIENT, U-PATIENT-MISMATCH (two Patients), U-FHIR-ENTRIES. Resources of another
    patient are refused, not read.
    """
    opened = envelope.open_file(raw, checked=checked, quickly=assumed == "R4", notices=notices)
    if opened.batches and not_r4(opened.entries):
        opened = envelope.open_file(raw, checked=True, quickly=False, notices=notices)
    return chart_of([opened], repairs=repairs, assumed=assumed)


def chart_of(
    opened: Sequence[Opened],
    *,
    repairs: frozenset[str] = REPAIRS,
    assumed: Version = "R4",
    shared: Mapping[str, wire.Medication] | None = None,
) -> Chart:
    """Return the chart of the one patient whose resources were opened; InputError as ``read``.

    ``shared``: Medications by address that further orders may mean.
    """
    if sum(one.count() for one in opened) > MAX_ENTRIES:
        raise too_many()
    gathered = _gather(opened, None, repairs, assumed)
    states: dict[str, ListState] = {name: "supplied" if name in gathered.present else "not-supplied" for name in LISTS}
    chart = _chart(gathered, _with_lost(states, gathered, any(one.untyped for one in opened)))
    if not shared:
        return chart
    return replace(chart, medications=ChainMap(dict(chart.medications), cast("dict[str, wire.Medication]", shared)))


def medications_in(
    opened: Sequence[Opened], *, repairs: frozenset[str] = REPAIRS, assumed: Version = "R4"
) -> Mapping[str, wire.Medication]:
    """Return the Medications that were opened by every address that they have."""
    gathered = Gathered(Subject("", frozenset()), wire.Patient(), False, repairs, tell((), assumed))
    for one in opened:
        for batch in one.batches:
            gathered.add_batch(batch)
        for entry in one.entries:
            gathered.add(entry)
    return gathered.held_medications()


def read_prefetch(
    values: Mapping[str, bytes],
    patient_id: str,
    *,
    repairs: frozenset[str] = REPAIRS,
    checked: bool = False,
    assumed: Version = "R4",
    notices: frozenset[str] = frozenset(),
    base: str = "",
) -> Chart:
    """Read the prefetch values of a hook call (``PREFETCH_KEYS``; other keys are not read).

    ``checked``, ``assumed`` and ``notices`` as in ``read``; ``base`` is the EHR's FHIR base, where it is known: what is
    of a patient elsewhere is not read, whatever its id. Raises InputError as ``read``, and U-PATIENT-MISMATCH
    also for a resource whose subject is not ``patient_id``.
    """
    opened = _open_values(values, checked, notices, quickly=assumed == "R4")
    if any(one is not None and one.entries and not_r4(one.entries) for one in opened.values()):
        opened = _open_values(values, True, notices, quickly=False)
    held = [one for one in opened.values() if one]
    if sum(one.count() for one in held) > MAX_ENTRIES:
        raise too_many()
    gathered = _gather(held, patient_id, repairs, assumed, base)
    states = _prefetch_states(opened, gathered)
    return _chart(gathered, _with_lost(states, gathered, any(one.untyped for one in held)))


def _open_values(
    values: Mapping[str, bytes], checked: bool, notices: frozenset[str], *, quickly: bool
) -> dict[str, Opened | None]:
    known = ((key, raw) for key, raw in sorted(values.items()) if key in PREFETCH_KEYS)
    return {key: _value(key, raw, checked, quickly, notices) for key, raw in known}


def _value(key: str, raw: bytes, checked: bool, quickly: bool, notices: frozenset[str]) -> Opened | None:
    opened = envelope.open_value(raw, checked=checked, quickly=quickly, notices=notices)
    if opened and not _holds(key, opened):
        wanted = " or ".join(sorted(PREFETCH_KEYS[key][0]))
        raise InputError("U-FHIR-TYPE", f"prefetch {key} must be a searchset Bundle or a resource of type {wanted}")
    return opened


def _holds(key: str, opened: Opened) -> bool:
    """Say whether a value is what its key is for: the list of another key would pass for none on record."""
    wanted, found = PREFETCH_KEYS[key][0], opened.kinds()
    if not opened.places:
        return found <= wanted
    # Whose a Patient among them is, is told apart later.
    return not found or not found.isdisjoint({*wanted, "Patient"}) or key == "patient"


def _prefetch_states(opened: Mapping[str, Opened | None], gathered: Gathered) -> dict[str, ListState]:
    """The list's own key decides; further keys, where given, can only take from it."""
    cut = {PREFETCH_KEYS[key][1] for key, one in opened.items() if one is not None and (one.incomplete or one.outcome)}
    states: dict[str, ListState] = {}
    for name in LISTS:
        own = opened.get(name)
        if name not in opened or (own is not None and own.outcome and own.failed):
            states[name] = "partial" if name in gathered.present else "not-supplied"
        else:
            states[name] = "partial" if name in cut else "supplied"
    return states


def _with_lost(states: Mapping[str, ListState], gathered: Gathered, anything: bool) -> dict[str, ListState]:
    """Lists that lost a resource are partial; an entry of unknown type may have belonged to any."""
    doubtful = {name for name, state in states.items() if anything and state == "supplied"}
    lost = gathered.lost.intersection(states) | doubtful
    return {**states, **dict.fromkeys(lost, "partial")}


def _gather(
    opened: Sequence[Opened], patient_id: str | None, repairs: frozenset[str], assumed: Version, base: str = ""
) -> Gathered:
    entries = [entry for one in opened for entry in one.entries]
    told = tell(entries, assumed)
    found = whose.find(opened, patient_id, repairs, told.preferred, base)
    gathered = Gathered(found.subject, found.patient, patient_id is not None, repairs, told, repairs=found.repairs)
    for batch in (batch for one in opened for batch in one.batches):
        gathered.add_batch(batch)
    for entry in entries:
        gathered.add(entry)
    noticed = {code for one in opened for code in one.noticed}
    gathered.refusals.extend(Refusal(f"OperationOutcome/{code}", "issue", "notice-tolerated") for code in noticed)
    return gathered


def _chart(gathered: Gathered, lists: Mapping[str, ListState]) -> Chart:
    mixed = [Refusal("Bundle", "", "mixed-versions")] if len(gathered.told.versions) > 1 else []
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
        procedures=gathered.of(wire.Procedure),
        encounters=gathered.of(wire.Encounter),
        flags=gathered.of(wire.Flag),
        medications=gathered.held_medications(),
        refusals=tuple(sorted({*gathered.refusals, *mixed}, key=lambda one: (one.reference, one.path, one.reason))),
        lists=lists,
        repairs=gathered.repairs,
        fhir_version="+".join(sorted(gathered.told.versions)),
    )
