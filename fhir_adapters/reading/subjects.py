"""Whose resource it is: references to the one Patient, to another, or to somebody that cannot be told."""

from dataclasses import dataclass
from typing import Literal

from fhir_adapters.reading import wire

Whose = Literal["this", "another", "nobody", "not-a-patient", "unresolved"]


@dataclass(frozen=True, slots=True)
class Subject:
    """The one patient of a chart: the id, the addresses that its Bundle entries gave it, its identifiers.

    ``identifiers`` are (system, value); one without a system names nobody (two systems may give one number). ``base``
    is the FHIR base of the EHR where it is known.
    """

    id: str
    addresses: frozenset[str]
    identifiers: frozenset[tuple[str, str]] = frozenset()
    base: str = ""

    def whose(self, resource: wire.AnyResource) -> Whose:
        """Tell whose resource this is; ``nobody`` when it names no subject at all."""
        subject = subject_of(resource)
        if subject is None:
            return "nobody"
        whose = self.named(subject.reference)
        # http://hl7.org/fhir/R4/references.html#logical: who cannot be addressed may be identified.
        if whose == "unresolved" and identifier_of(subject.identifier) in self.identifiers:
            return "this"
        return whose

    def named(self, reference: str | None) -> Whose:
        """Tell who is meant by a literal reference."""
        if self.id and reference == f"Patient/{self.id}":
            return "this"
        address = (reference or "").strip().partition("/_history/")[0]
        if address in self.addresses:
            return "this"
        kind, _, name = "/".join(address.split("/")[-2:]).partition("/")
        if not name or address.startswith(("urn:", "#")) or "?" in address:
            return "unresolved"
        if kind != "Patient":
            return "not-a-patient"
        if name != self.id:
            return "another"
        return "unresolved" if self.elsewhere(address) else "this"

    def elsewhere(self, reference: str | None) -> bool:
        """Say whether a reference is an address at another server, whose patients may have the same ids.

        That is known only where the EHR's own base is, or an address of its Patient.
        """
        address = (reference or "").strip().partition("/_history/")[0]
        known = {one for one in self.addresses if "://" in one}
        known |= {f"{self.base.rstrip('/')}/Patient/{self.id}"} if self.base else set()
        return bool(known) and "://" in address and address not in known


def subject_of(resource: wire.AnyResource) -> wire.SubjectReference | None:
    """Return what a resource says whose it is."""
    if isinstance(resource, BY_PATIENT):
        return resource.patient
    return None if isinstance(resource, (wire.Patient, wire.Medication)) else resource.subject


def element_of(shape: type) -> str:
    """Return the name of the element in which resources of this type say whose they are."""
    return "patient" if issubclass(shape, BY_PATIENT) else "subject"


def patient_id_of(reference: str | None) -> str:
    """Return the id in a relative or absolute reference to a Patient, else nothing."""
    address = (reference or "").strip().partition("/_history/")[0]
    kind, _, name = "/".join(address.split("/")[-2:]).partition("/")
    return name if kind == "Patient" and "?" not in address else ""


def identifier_of(identifier: wire.Identifier | None) -> tuple[str, str] | None:
    """Return system and value of an identifier that has both."""
    if identifier is None or not identifier.system or not identifier.value:
        return None
    return identifier.system.strip(), identifier.value.strip()


BY_PATIENT = (wire.AllergyIntolerance, wire.Consent, wire.FamilyMemberHistory)  # the subject is named "patient"
# http://hl7.org/fhir/R4: the subject is 0..1 here; a record of one patient is then about that patient.
MAY_BE_NOBODYS = (
    wire.Observation,
    wire.QuestionnaireResponse,
    wire.Consent,
    wire.DiagnosticReport,
    wire.MedicationDispense,
)
