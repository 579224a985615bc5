"""The FHIR R4 resources about drugs, as typed structs; they are used by the name of ``wire``."""

from __future__ import annotations

import msgspec

from fhir_adapters.reading.datatypes import (
    Backbone,
    CodeableConcept,
    Dosage,
    Element,
    Foreign,
    Period,
    Quantity,
    Ratio,
    Reference,
    Resource,
    SubjectReference,
)


class Ingredient(Backbone, frozen=True):
    """Medication.ingredient."""

    itemCodeableConcept: CodeableConcept | None = None  # noqa: N815
    itemReference: Reference | None = None  # noqa: N815
    isActive: bool | None = None  # noqa: N815
    strength: Ratio | None = None
    # Elements of other versions.
    item: Foreign = 0  # R5
    amount: Foreign = 0  # STU3


class Medication(Resource, tag="Medication", frozen=True):
    """http://hl7.org/fhir/R4/medication.html."""

    code: CodeableConcept | None = None
    status: str | None = None
    form: CodeableConcept | None = None
    ingredient: tuple[Ingredient, ...] = ()
    contained: tuple[msgspec.Raw, ...] = ()


class DispenseRequest(Backbone, frozen=True):
    """MedicationRequest.dispenseRequest."""

    validityPeriod: Period | None = None  # noqa: N815
    expectedSupplyDuration: Quantity | None = None  # noqa: N815


class Requester(Element, frozen=True):
    """MedicationRequest.requester: a Reference, unread, but in STU3 an element with an ``agent``."""

    agent: Foreign = 0


class MedicationRequest(Resource, tag="MedicationRequest", frozen=True):
    """http://hl7.org/fhir/R4/medicationrequest.html."""

    status: str | None = None
    statusReason: CodeableConcept | None = None  # noqa: N815
    intent: str | None = None
    doNotPerform: bool | None = None  # noqa: N815
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    subject: SubjectReference | None = None
    requester: Requester | None = None
    authoredOn: str | None = None  # noqa: N815
    category: tuple[CodeableConcept, ...] = ()
    reportedBoolean: bool | None = None  # noqa: N815
    reportedReference: Reference | None = None  # noqa: N815
    reasonCode: tuple[CodeableConcept, ...] = ()  # noqa: N815
    reasonReference: tuple[Reference, ...] = ()  # noqa: N815
    dosageInstruction: tuple[Dosage, ...] = ()  # noqa: N815
    dispenseRequest: DispenseRequest | None = None  # noqa: N815
    contained: tuple[msgspec.Raw, ...] = ()


class MedicationStatement(Resource, tag="MedicationStatement", frozen=True):
    """http://hl7.org/fhir/R4/medicationstatement.html."""

    status: str | None = None
    statusReason: tuple[CodeableConcept, ...] = ()  # noqa: N815
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    subject: SubjectReference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    dateAsserted: str | None = None  # noqa: N815
    reasonCode: tuple[CodeableConcept, ...] = ()  # noqa: N815
    reasonReference: tuple[Reference, ...] = ()  # noqa: N815
    dosage: tuple[Dosage, ...] = ()
    contained: tuple[msgspec.Raw, ...] = ()


class MedicationDispense(Resource, tag="MedicationDispense", frozen=True):
    """http://hl7.org/fhir/R4/medicationdispense.html."""

    status: str | None = None
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    subject: SubjectReference | None = None
    whenPrepared: str | None = None  # noqa: N815
    whenHandedOver: str | None = None  # noqa: N815
    daysSupply: Quantity | None = None  # noqa: N815
    dosageInstruction: tuple[Dosage, ...] = ()  # noqa: N815
    contained: tuple[msgspec.Raw, ...] = ()


class MedicationAdministration(Resource, tag="MedicationAdministration", frozen=True):
    """http://hl7.org/fhir/R4/medicationadministration.html."""

    status: str | None = None
    medicationCodeableConcept: CodeableConcept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    subject: SubjectReference | None = None
    effectiveDateTime: str | None = None  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    contained: tuple[msgspec.Raw, ...] = ()
