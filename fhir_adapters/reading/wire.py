"""The FHIR R4 resources that we touch, as typed structs: the elements that we read; the rest is skipped unread.

Element names are FHIR's own (camelCase). The data types and the resources about drugs are in modules of their
own, and known here too.
"""

from __future__ import annotations

import msgspec

from fhir_adapters.reading.datatypes import (
    Annotation,
    Backbone,
    CodeableConcept,
    Coding,
    Dosage,
    DoseAndRate,
    Element,
    Extension,
    Foreign,
    HumanName,
    Identifier,
    Period,
    Quantity,
    Range,
    Ratio,
    Reference,
    Repeat,
    Resource,
    SubjectReference,
    Timing,
)
from fhir_adapters.reading.wire_medications import (
    DispenseRequest,
    Ingredient,
    Medication,
    MedicationAdministration,
    MedicationDispense,
    MedicationRequest,
    MedicationStatement,
    Requester,
)
from fhir_adapters.reading.wire_visits import Encounter, Flag

# fmt: off
__all__ = [
    "AllergyIntolerance", "Annotation", "Answer", "AnyResource", "Backbone", "CodeableConcept", "Coding", "Component",
    "Condition", "Consent", "DiagnosticReport", "DispenseRequest", "Dosage", "DoseAndRate", "Element", "Encounter",
    "Extension", "FamilyCondition", "FamilyMemberHistory", "Flag", "Foreign", "HumanName", "Identifier", "Ingredient",
    "Item", "Medication", "MedicationAdministration", "MedicationDispense", "MedicationRequest",
    "MedicationStatement", "Observation", "Patient", "Performer", "Period", "Procedure", "Provision", "Quantity",
    "QuestionnaireResponse", "Range", "Ratio", "Reaction", "Reference", "Repeat", "Requester", "Resource",
    "SubjectReference", "Timing",
]
# fmt: on


class Patient(Resource, tag="Patient", frozen=True):
    """http://hl7.org/fhir/R4/patient.html."""

    identifier: tuple[Identifier, ...] = ()
    birthDate: str | None = None  # noqa: N815
    gender: str | None = None
    deceasedBoolean: bool | None = None  # noqa: N815
    deceasedDateTime: str | None = None  # noqa: N815
    name: tuple[HumanName, ...] = ()
    extension: tuple[Extension, ...] = ()


class Component(Backbone, frozen=True):
    """Observation.component."""

    code: CodeableConcept = CodeableConcept()
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valuePeriod: Period | None = None  # noqa: N815
    dataAbsentReason: CodeableConcept | None = None  # noqa: N815
    extension: tuple[Extension, ...] = ()


class Observation(Resource, tag="Observation", frozen=True):
    """http://hl7.org/fhir/R4/observation.html."""

    status: str | None = None
    code: CodeableConcept = CodeableConcept()
    subject: SubjectReference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    effectiveInstant: str | None = None  # noqa: N815
    effectiveTiming: Timing | None = None  # noqa: N815
    issued: str | None = None
    device: Reference | None = None
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueDateTime: str | None = None  # noqa: N815
    dataAbsentReason: CodeableConcept | None = None  # noqa: N815
    component: tuple[Component, ...] = ()
    hasMember: tuple[Reference, ...] = ()  # noqa: N815
    derivedFrom: tuple[Reference, ...] = ()  # noqa: N815
    method: CodeableConcept | None = None
    note: tuple[Annotation, ...] = ()
    extension: tuple[Extension, ...] = ()
    contained: tuple[msgspec.Raw, ...] = ()


class Condition(Resource, tag="Condition", frozen=True):
    """http://hl7.org/fhir/R4/condition.html."""

    clinicalStatus: CodeableConcept | None = None  # noqa: N815
    verificationStatus: CodeableConcept | None = None  # noqa: N815
    category: tuple[CodeableConcept, ...] = ()
    code: CodeableConcept | None = None
    subject: SubjectReference | None = None
    onsetDateTime: str | None = None  # noqa: N815
    onsetPeriod: Period | None = None  # noqa: N815
    abatementDateTime: str | None = None  # noqa: N815
    abatementPeriod: Period | None = None  # noqa: N815
    recordedDate: str | None = None  # noqa: N815
    onsetAge: Quantity | None = None  # noqa: N815
    onsetString: str | None = None  # noqa: N815
    abatementAge: Quantity | None = None  # noqa: N815
    abatementString: str | None = None  # noqa: N815
    abatementBoolean: bool | None = None  # noqa: N815
    severity: CodeableConcept | None = None


class Reaction(Backbone, frozen=True):
    """AllergyIntolerance.reaction."""

    substance: CodeableConcept | None = None


class AllergyIntolerance(Resource, tag="AllergyIntolerance", frozen=True):
    """http://hl7.org/fhir/R4/allergyintolerance.html."""

    clinicalStatus: CodeableConcept | None = None  # noqa: N815
    verificationStatus: CodeableConcept | None = None  # noqa: N815
    code: CodeableConcept | None = None
    patient: SubjectReference | None = None
    recordedDate: str | None = None  # noqa: N815
    type: str | None = None
    category: tuple[str, ...] = ()
    criticality: str | None = None
    reaction: tuple[Reaction, ...] = ()


class Answer(Backbone, frozen=True):
    """QuestionnaireResponse.item.answer."""

    valueCoding: Coding | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueDecimal: float | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueQuantity: Quantity | None = None  # noqa: N815
    valueDate: str | None = None  # noqa: N815
    extension: tuple[Extension, ...] = ()
    item: tuple[Item, ...] = ()


class Item(Backbone, frozen=True):
    """QuestionnaireResponse.item. R4 has no item code: ``linkId`` may hold it."""

    linkId: str | None = None  # noqa: N815
    definition: str | None = None
    text: str | None = None
    answer: tuple[Answer, ...] = ()
    item: tuple[Item, ...] = ()


class QuestionnaireResponse(Resource, tag="QuestionnaireResponse", frozen=True):
    """http://hl7.org/fhir/R4/questionnaireresponse.html."""

    status: str | None = None
    questionnaire: str | None = None
    subject: SubjectReference | None = None
    authored: str | None = None
    item: tuple[Item, ...] = ()


class FamilyCondition(Backbone, frozen=True):
    """FamilyMemberHistory.condition."""

    code: CodeableConcept | None = None
    contributedToDeath: bool | None = None  # noqa: N815


class FamilyMemberHistory(Resource, tag="FamilyMemberHistory", frozen=True):
    """http://hl7.org/fhir/R4/familymemberhistory.html."""

    status: str | None = None
    patient: SubjectReference | None = None
    date: str | None = None
    relationship: CodeableConcept | None = None
    dataAbsentReason: CodeableConcept | None = None  # noqa: N815
    condition: tuple[FamilyCondition, ...] = ()


class Performer(Element, frozen=True):
    """DiagnosticReport.performer: a Reference, unread, but in STU3 an element with an ``actor``."""

    actor: Foreign = 0


class DiagnosticReport(Resource, tag="DiagnosticReport", frozen=True):
    """http://hl7.org/fhir/R4/diagnosticreport.html."""

    status: str | None = None
    code: CodeableConcept = CodeableConcept()
    subject: SubjectReference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    issued: str | None = None
    result: tuple[Reference, ...] = ()
    conclusion: str | None = None
    conclusionCode: tuple[CodeableConcept, ...] = ()  # noqa: N815
    performer: tuple[Performer, ...] = ()
    contained: tuple[msgspec.Raw, ...] = ()


class Procedure(Resource, tag="Procedure", frozen=True):
    """http://hl7.org/fhir/R4/procedure.html."""

    status: str | None = None
    code: CodeableConcept = CodeableConcept()
    subject: SubjectReference | None = None
    performedDateTime: str | None = None  # noqa: N815
    performedPeriod: Period | None = None  # noqa: N815
    outcome: CodeableConcept = CodeableConcept()


class ProvisionActor(Backbone, frozen=True):
    """Consent.provision.actor."""

    reference: Reference | None = None


class ProvisionData(Backbone, frozen=True):
    """Consent.provision.data."""

    reference: Reference | None = None


class Provision(Backbone, frozen=True):
    """Consent.provision."""

    type: str | None = None
    period: Period | None = None
    actor: tuple[ProvisionActor, ...] = ()
    action: tuple[CodeableConcept, ...] = ()
    purpose: tuple[Coding, ...] = ()
    code: tuple[CodeableConcept, ...] = ()
    data: tuple[ProvisionData, ...] = ()
    dataPeriod: Period | None = None  # noqa: N815
    class_: tuple[Coding, ...] = msgspec.field(default=(), name="class")
    securityLabel: tuple[Coding, ...] = ()  # noqa: N815
    provision: tuple[Provision, ...] = ()


class ConsentVerification(Backbone, frozen=True):
    """Consent.verification."""

    verified: bool | None = None


class Consent(Resource, tag="Consent", frozen=True):
    """http://hl7.org/fhir/R4/consent.html."""

    status: str | None = None
    scope: CodeableConcept | None = None
    category: tuple[CodeableConcept, ...] = ()
    patient: SubjectReference | None = None
    dateTime: str | None = None  # noqa: N815
    provision: Provision | None = None
    policyRule: CodeableConcept | None = None  # noqa: N815
    verification: tuple[ConsentVerification, ...] = ()


AnyResource = (
    Patient
    | Observation
    | Condition
    | Medication
    | MedicationRequest
    | MedicationStatement
    | MedicationDispense
    | MedicationAdministration
    | AllergyIntolerance
    | QuestionnaireResponse
    | FamilyMemberHistory
    | DiagnosticReport
    | Procedure
    | Consent
    | Encounter
    | Flag
)
