"""The FHIR R4 elements that we touch, as typed structs; everything else in a resource is skipped unread.

Element names are FHIR's own (camelCase). ``gc=False``: the structs hold no cycles, and a served call makes
thousands of them.
"""

from __future__ import annotations

import msgspec


class _Element(msgspec.Struct, gc=False, frozen=True, omit_defaults=True):
    """Base of all structs: unknown elements are ignored."""


class Extension(_Element, frozen=True):
    """http://hl7.org/fhir/R4/extensibility.html: the values that an extension which we read can have."""

    url: str | None = None
    valueString: str | None = None  # noqa: N815
    valueCode: str | None = None  # noqa: N815
    valueCoding: Coding | None = None  # noqa: N815
    valueDecimal: float | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    extension: list[Extension] = []


class Coding(_Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Coding."""

    system: str | None = None
    code: str | None = None
    display: str | None = None
    extension: list[Extension] = []


class CodeableConcept(_Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#CodeableConcept."""

    coding: list[Coding] = []
    text: str | None = None


class Quantity(_Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Quantity."""

    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Period(_Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Period."""

    start: str | None = None
    end: str | None = None


class Ratio(_Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Annotation(_Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Annotation."""

    text: str | None = None


class Identifier(_Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Identifier."""

    system: str | None = None
    value: str | None = None


class Reference(_Element, frozen=True):
    """http://hl7.org/fhir/R4/references.html."""

    reference: str | None = None
    display: str | None = None
    identifier: Identifier | None = None
    type: str | None = None


class Meta(_Element, frozen=True):
    """``profile`` and ``security`` of a resource."""

    profile: list[str] = []
    security: list[Coding] = []


class Resource(_Element, tag_field="resourceType", frozen=True):
    """What every resource has here."""

    id: str | None = None
    meta: Meta | None = None
    implicitRules: str | None = None  # noqa: N815
    modifierExtension: list[Extension] = []  # noqa: N815


class HumanName(_Element, frozen=True):
    """Read for the clinician's page only."""

    text: str | None = None
    family: str | None = None
    given: list[str] = []
    use: str | None = None


class Patient(Resource, tag="Patient", frozen=True):
    """http://hl7.org/fhir/R4/patient.html."""

    birthDate: str | None = None  # noqa: N815
    gender: str | None = None
    deceasedBoolean: bool | None = None  # noqa: N815
    deceasedDateTime: str | None = None  # noqa: N815
    name: list[HumanName] = []
    extension: list[Extension] = []


class Component(_Element, frozen=True):
    """Observation.component."""

    code: CodeableConcept = CodeableConcept()
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valuePeriod: Period | None = None  # noqa: N815
    dataAbsentReason: CodeableConcept | None = None  # noqa: N815
    extension: list[Extension] = []


class Observation(Resource, tag="Observation", frozen=True):
    """http://hl7.org/fhir/R4/observation.html."""

    status: str | None = None
    category: list[CodeableConcept] = []
    code: CodeableConcept = CodeableConcept()
    subject: Reference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    effectiveInstant: str | None = None  # noqa: N815
    issued: str | None = None
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueDateTime: str | None = None  # noqa: N815
    dataAbsentReason: CodeableConcept | None = None  # noqa: N815
    component: list[Component] = []
    hasMember: list[Reference] = []  # noqa: N815
    derivedFrom: list[Reference] = []  # noqa: N815
    valuePeriod: Period | None = None  # noqa: N815
    valueTime: str | None = None  # noqa: N815
    method: CodeableConcept | None = None
    specimen: Reference | None = None
    note: list[Annotation] = []
    contained: list[msgspec.Raw] = []


class Condition(Resource, tag="Condition", frozen=True):
    """http://hl7.org/fhir/R4/condition.html."""

    clinicalStatus: CodeableConcept | None = None  # noqa: N815
    verificationStatus: CodeableConcept | None = None  # noqa: N815
    category: list[CodeableConcept] = []
    code: CodeableConcept | None = None
    subject: Reference | None = None
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


class Repeat(_Element, frozen=True):
    """Timing.repeat."""

    frequency: int | None = None
    frequencyMax: int | None = None  # noqa: N815
    period: float | None = None
    periodUnit: str | None = None  # noqa: N815
    boundsPeriod: Period | None = None  # noqa: N815
    boundsDuration: Quantity | None = None  # noqa: N815
    count: int | None = None
    periodMax: float | None = None  # noqa: N815
    dayOfWeek: list[str] = []  # noqa: N815
    timeOfDay: list[str] = []  # noqa: N815
    when: list[str] = []


class Timing(_Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Timing."""

    repeat: Repeat | None = None
    code: CodeableConcept | None = None


class Range(_Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Range."""

    low: Quantity | None = None
    high: Quantity | None = None


class DoseAndRate(_Element, frozen=True):
    """Dosage.doseAndRate."""

    doseQuantity: Quantity | None = None  # noqa: N815
    doseRange: Range | None = None  # noqa: N815


class Dosage(_Element, frozen=True):
    """http://hl7.org/fhir/R4/dosage.html."""

    sequence: int | None = None
    text: str | None = None
    patientInstruction: str | None = None  # noqa: N815
    timing: Timing | None = None
    asNeededBoolean: bool | None = None  # noqa: N815
    asNeededCodeableConcept: CodeableConcept | None = None  # noqa: N815
    route: CodeableConcept | None = None
    doseAndRate: list[DoseAndRate] = []  # noqa: N815


class Ingredient(_Element, frozen=True):
    """Medication.ingredient."""

    itemCodeableConcept: CodeableConcept | None = None  # noqa: N815
    itemReference: Reference | None = None  # noqa: N815
    isActive: bool | None = None  # noqa: N815
    strength: Ratio | None = None


class Medication(Resource, tag="Medication", frozen=True):
    """http://hl7.org/fhir/R4/medication.html."""

    code: CodeableConcept | None = None
    status: str | None = None
    form: CodeableConcept | None = None
    ingredient: list[Ingredient] = []
    contained: list[msgspec.Raw] = []


class DispenseRequest(_Element, frozen=True):
    """MedicationRequest.dispenseRequest."""

    validityPeriod: Period | None = None  # noqa: N815
    expectedSupplyDuration: Quantity | None = None  # noqa: N815


class MedicationRequest(Resource, tag="MedicationRequest", frozen=True):
    """http://hl7.org/fhir/R4/medicationrequest.html."""

    status: str | None = None
    intent: str | None = None
    doNotPerform: bool | None = None  # noqa: N815
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    subject: Reference | None = None
    authoredOn: str | None = None  # noqa: N815
    category: list[CodeableConcept] = []
    reportedBoolean: bool | None = None  # noqa: N815
    reportedReference: Reference | None = None  # noqa: N815
    dosageInstruction: list[Dosage] = []  # noqa: N815
    dispenseRequest: DispenseRequest | None = None  # noqa: N815
    contained: list[msgspec.Raw] = []
    # STU3 and R5 shapes: seen only so that they are refused, never read as R4.
    taken: str | None = None
    medication: msgspec.Raw | None = None


class MedicationStatement(Resource, tag="MedicationStatement", frozen=True):
    """http://hl7.org/fhir/R4/medicationstatement.html."""

    status: str | None = None
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    subject: Reference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    dateAsserted: str | None = None  # noqa: N815
    dosage: list[Dosage] = []
    contained: list[msgspec.Raw] = []
    taken: str | None = None
    medication: msgspec.Raw | None = None


class MedicationDispense(Resource, tag="MedicationDispense", frozen=True):
    """http://hl7.org/fhir/R4/medicationdispense.html."""

    status: str | None = None
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    subject: Reference | None = None
    whenPrepared: str | None = None  # noqa: N815
    whenHandedOver: str | None = None  # noqa: N815
    daysSupply: Quantity | None = None  # noqa: N815
    dosageInstruction: list[Dosage] = []  # noqa: N815
    contained: list[msgspec.Raw] = []


class MedicationAdministration(Resource, tag="MedicationAdministration", frozen=True):
    """http://hl7.org/fhir/R4/medicationadministration.html."""

    status: str | None = None
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    subject: Reference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    contained: list[msgspec.Raw] = []


class Reaction(_Element, frozen=True):
    """AllergyIntolerance.reaction."""

    substance: CodeableConcept | None = None


class AllergyIntolerance(Resource, tag="AllergyIntolerance", frozen=True):
    """http://hl7.org/fhir/R4/allergyintolerance.html."""

    clinicalStatus: CodeableConcept | None = None  # noqa: N815
    verificationStatus: CodeableConcept | None = None  # noqa: N815
    code: CodeableConcept | None = None
    patient: Reference | None = None
    recordedDate: str | None = None  # noqa: N815
    type: str | None = None
    category: list[str] = []
    criticality: str | None = None
    reaction: list[Reaction] = []


class Answer(_Element, frozen=True):
    """QuestionnaireResponse.item.answer."""

    valueCoding: Coding | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueDecimal: float | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueQuantity: Quantity | None = None  # noqa: N815
    valueDate: str | None = None  # noqa: N815
    extension: list[Extension] = []
    item: list[Item] = []


class Item(_Element, frozen=True):
    """QuestionnaireResponse.item. R4 has no item code: ``linkId`` may hold it."""

    linkId: str | None = None  # noqa: N815
    definition: str | None = None
    text: str | None = None
    answer: list[Answer] = []
    item: list[Item] = []


class QuestionnaireResponse(Resource, tag="QuestionnaireResponse", frozen=True):
    """http://hl7.org/fhir/R4/questionnaireresponse.html."""

    status: str | None = None
    questionnaire: str | None = None
    subject: Reference | None = None
    authored: str | None = None
    item: list[Item] = []


class FamilyCondition(_Element, frozen=True):
    """FamilyMemberHistory.condition."""

    code: CodeableConcept | None = None
    contributedToDeath: bool | None = None  # noqa: N815


class FamilyMemberHistory(Resource, tag="FamilyMemberHistory", frozen=True):
    """http://hl7.org/fhir/R4/familymemberhistory.html."""

    status: str | None = None
    patient: Reference | None = None
    date: str | None = None
    relationship: CodeableConcept | None = None
    dataAbsentReason: CodeableConcept | None = None  # noqa: N815
    condition: list[FamilyCondition] = []


class DiagnosticReport(Resource, tag="DiagnosticReport", frozen=True):
    """http://hl7.org/fhir/R4/diagnosticreport.html."""

    status: str | None = None
    code: CodeableConcept = CodeableConcept()
    subject: Reference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    issued: str | None = None
    result: list[Reference] = []
    conclusion: str | None = None
    conclusionCode: list[CodeableConcept] = []  # noqa: N815
    contained: list[msgspec.Raw] = []


class Provision(_Element, frozen=True):
    """Consent.provision."""

    type: str | None = None
    period: Period | None = None
    action: list[CodeableConcept] = []
    purpose: list[Coding] = []
    code: list[CodeableConcept] = []
    provision: list[Provision] = []


class Consent(Resource, tag="Consent", frozen=True):
    """http://hl7.org/fhir/R4/consent.html."""

    status: str | None = None
    scope: CodeableConcept | None = None
    category: list[CodeableConcept] = []
    patient: Reference | None = None
    dateTime: str | None = None  # noqa: N815
    provision: Provision | None = None
    policyRule: CodeableConcept | None = None  # noqa: N815


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
    | Consent
)
