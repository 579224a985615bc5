"""Whose resource it is: references to the one Patient, to another, or to somebody that cannot be told."""

from dataclasses import dataclass
from typing import Literal

from fhir_adapters import wire

Whose = Literal["this", "another", "nobody", "not-a-patient", "unresolved"]


@dataclass(frozen=True, slots=True)
class Subject:
    """The one patient of a chart: the id, and the further addresses that its Bundle entries gave it."""

    id: str
    addresses: frozenset[str]

    def whose(self, resource: wire.AnyResource) -> Whose:
        """Tell whose resource this is; ``nobody`` when it names no subject at all."""
        subject = resource.patient if isinstance(resource, BY_PATIENT) else getattr(resource, "subject", None)
        if not isinstance(subject, wire.Reference):
            return "nobody"
        if self.id and subject.reference == f"Patient/{self.id}":
            return "this"
        address = (subject.reference or "").strip().partition("/_history/")[0]
        if address in self.addresses:
            return "this"
        kind, _, name = "/".join(address.split("/")[-2:]).partition("/")
        if not name or address.startswith(("urn:", "#")) or "?" in address:
            return "unresolved"
        if kind != "Patient":
            return "not-a-patient"
        return "this" if name == self.id else "another"


BY_PATIENT = (wire.AllergyIntolerance, wire.Consent, wire.FamilyMemberHistory)  # the subject is named "patient"
# http://hl7.org/fhir/R4: the subject is 0..1 here; a record of one patient is then about that patient.
MAY_BE_NOBODYS = (
    wire.Observation,
    wire.QuestionnaireResponse,
    wire.Consent,
    wire.DiagnosticReport,
    wire.MedicationDispense,
)
