"""What one pass of decoding may meet: each resource that we touch, each other resource as an empty shell, Bundles.

The touched types are those of ``wire``, each with the elements that only other FHIR versions have as
``Foreign``: a resource of another version does not fit, so that telling the version costs R4 nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Union, cast

import msgspec

from fhir_adapters.fhir_versions.version_elements import ROWS, Row
from fhir_adapters.reading import wire
from fhir_adapters.reading.datatypes import Element, Foreign

# http://hl7.org/fhir/R4/resourcelist.html and http://hl7.org/fhir/R5/resourcelist.html: what else a patient's
# record may hold. A type that is not named here costs time, nothing else.
_OTHER_TYPES: Final = """
Account AdverseEvent Appointment AppointmentResponse AuditEvent Basic Binary BodyStructure CarePlan CareTeam Claim
ClaimResponse ClinicalImpression Communication CommunicationRequest Composition Coverage DetectedIssue Device
DeviceMetric DeviceRequest DeviceUseStatement DocumentReference Endpoint EpisodeOfCare
ExplanationOfBenefit GenomicStudy Goal Group GuidanceResponse HealthcareService ImagingStudy Immunization
ImmunizationRecommendation Library List Location Media MedicationKnowledge MessageHeader MolecularSequence
NutritionOrder Organization Person Practitioner PractitionerRole Provenance Questionnaire RelatedPerson
RequestGroup ResearchStudy ResearchSubject RiskAssessment Schedule ServiceRequest Slot Specimen Substance
SupplyDelivery SupplyRequest Task VisionPrescription
"""
_TOUCHED: tuple[type[wire.AnyResource], ...] = (
    wire.Patient,
    wire.Observation,
    wire.Condition,
    wire.Medication,
    wire.MedicationRequest,
    wire.MedicationStatement,
    wire.MedicationDispense,
    wire.MedicationAdministration,
    wire.AllergyIntolerance,
    wire.QuestionnaireResponse,
    wire.FamilyMemberHistory,
    wire.DiagnosticReport,
    wire.Procedure,
    wire.Consent,
    wire.Encounter,
    wire.Flag,
)


class Other(Element, tag_field="resourceType", frozen=True):
    """A resource of a type that we do not touch: nothing of it is read."""


class Issue(Element, frozen=True):
    """OperationOutcome.issue."""

    severity: str = ""
    code: str = ""
    details: wire.CodeableConcept | None = None


class Outcome(Element, tag_field="resourceType", tag="OperationOutcome", frozen=True):
    """http://hl7.org/fhir/R4/operationoutcome.html."""

    issue: tuple[Issue, ...] = ()


class Search(Element, frozen=True):
    """Bundle.entry.search: http://hl7.org/fhir/R4/valueset-search-entry-mode.html."""

    mode: Literal["match", "include", "outcome"] | None = None


class Place(Element, frozen=True):
    """Bundle.entry."""

    fullUrl: str | None = None  # noqa: N815
    resource: Known | msgspec.UnsetType = msgspec.UNSET
    search: Search | None = None


class Link(Element, frozen=True):
    """Bundle.link."""

    relation: str | None = None


class Bundle(Element, tag_field="resourceType", tag="Bundle", frozen=True):
    """http://hl7.org/fhir/R4/bundle.html."""

    type: str | None = None
    total: int | None = None
    link: tuple[Link, ...] = ()
    entry: tuple[Place, ...] = ()


def _is_foreign(row: Row) -> bool:
    return "R4" not in row.versions and not (row.begins or row.holds)


def _touched(shape: type[wire.AnyResource]) -> type[wire.AnyResource]:
    kind = shape.__name__
    names = {row.element: None for row in ROWS.get(kind, ()) if _is_foreign(row)}.keys() - {"resourceType"}
    clash = names & set(shape.__struct_fields__)
    if clash:
        raise TypeError(f"{kind}: {', '.join(sorted(clash))} cannot be read and be another version's")
    fields: list[tuple[str, Any, Any]] = [(name, Foreign, 0) for name in sorted(names)]
    made = msgspec.defstruct(kind, fields, bases=(shape,), tag=kind, module=__name__, frozen=True, gc=False)
    return cast("type[wire.AnyResource]", made)


def _shell(kind: str) -> type[Other]:
    made = msgspec.defstruct(kind, [], bases=(Other,), tag=kind, module=__name__, frozen=True, gc=False)
    return cast("type[Other]", made)


TYPES: Mapping[str, type[wire.AnyResource]] = {shape.__name__: _touched(shape) for shape in _TOUCHED}
_OTHERS: tuple[type[Other], ...] = tuple(map(_shell, _OTHER_TYPES.split()))

if TYPE_CHECKING:
    Known = wire.AnyResource | Other | Outcome
else:
    Known = Union[(*TYPES.values(), *_OTHERS, Outcome)]
Root = Known | Bundle
