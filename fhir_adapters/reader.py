"""Bytes to the resources of one patient's chart: Bundle, resource, list, NDJSON, prefetch values."""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_adapters import wire
from fhir_adapters.canonical import ListState, Refusal

REPAIRS = frozenset({"wrap-list", "unwrap-list", "trim", "number-from-string", "drop-null", "id-from-full-url"})


@dataclass(frozen=True, slots=True)
class Chart:
    """The resources of one patient, and what is known about what is not among them."""

    patient: wire.Patient | None
    observations: tuple[wire.Observation, ...]
    conditions: tuple[wire.Condition, ...]
    medication_requests: tuple[wire.MedicationRequest, ...]
    medication_statements: tuple[wire.MedicationStatement, ...]
    allergies: tuple[wire.AllergyIntolerance, ...]
    questionnaire_responses: tuple[wire.QuestionnaireResponse, ...]
    consents: tuple[wire.Consent, ...]
    medications: Mapping[str, wire.Medication]
    refusals: tuple[Refusal, ...]
    lists: Mapping[str, ListState]
    repairs: Mapping[str, tuple[str, ...]]
    fhir_version: str


def reference_of(resource: wire.AnyResource) -> str:
    """Return ``Type/id``; ``Type/?`` for a resource without an id."""
    raise NotImplementedError


def medication_of(chart: Chart, owner: str, reference: str) -> wire.Medication | None:
    """Return the Medication that ``reference`` in the resource ``owner`` (``Type/id``) means, None if not held."""
    raise NotImplementedError


def read(raw: bytes, *, repairs: frozenset[str] = REPAIRS) -> Chart:
    """Read a file."""
    raise NotImplementedError


def read_prefetch(
    values: Mapping[str, bytes], patient_id: str, *, repairs: frozenset[str] = REPAIRS, checked: bool = False
) -> Chart:
    """Read the prefetch values of a hook call; ``checked`` when strict_json.check has already seen the bytes."""
    raise NotImplementedError
