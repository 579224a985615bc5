"""The FHIR R4 resources about visits and warnings, as typed structs; they are used by the name of ``wire``."""

from __future__ import annotations

from fhir_adapters.reading.datatypes import CodeableConcept, Period, Resource, SubjectReference


class Encounter(Resource, tag="Encounter", frozen=True):
    """http://hl7.org/fhir/R4/encounter.html."""

    status: str | None = None
    subject: SubjectReference | None = None
    period: Period | None = None
    reasonCode: tuple[CodeableConcept, ...] = ()  # noqa: N815


class Flag(Resource, tag="Flag", frozen=True):
    """http://hl7.org/fhir/R4/flag.html."""

    status: str | None = None
    code: CodeableConcept = CodeableConcept()
    subject: SubjectReference | None = None
    period: Period | None = None
