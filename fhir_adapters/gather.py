"""Gathers one patient's resources, refuses what is not theirs, and notes which lists lost something."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import msgspec

from fhir_adapters import wire
from fhir_adapters.canonical import Refusal
from fhir_adapters.envelope import Entry
from fhir_adapters.errors import InputError
from fhir_adapters.resources import Read, Refused, decode, reference_of
from fhir_adapters.subjects import BY_PATIENT, MAY_BE_NOBODYS, Subject

LIST_OF = {
    "Condition": "conditions",
    "MedicationRequest": "medications",
    "MedicationStatement": "medications",
    "MedicationOrder": "medications",
    "MedicationDispense": "medications",
    "MedicationAdministration": "medications",
    "Medication": "medications",
    "AllergyIntolerance": "allergies",
    "Observation": "observations",
    "QuestionnaireResponse": "observations",
    "DiagnosticReport": "observations",
    "FamilyMemberHistory": "family_history",
    "Consent": "consents",
}
LISTS = ("conditions", "medications", "allergies", "observations", "consents", "family_history")

# Orders and records that may contain their Medication.
CONTAINERS = (
    wire.MedicationRequest,
    wire.MedicationStatement,
    wire.MedicationDispense,
    wire.MedicationAdministration,
)

R = TypeVar("R", bound=wire.Resource)
_HEAD = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _by_type() -> dict[type[wire.Resource], dict[str, wire.AnyResource]]:
    return defaultdict(dict)


@dataclass(slots=True)
class Gathered:
    """What has been read so far. ``present`` and ``lost`` name lists; ``versions`` are others than R4."""

    subject: Subject
    patient: wire.Patient
    strict: bool
    allowed: frozenset[str]
    resources: dict[type[wire.Resource], dict[str, wire.AnyResource]] = field(default_factory=_by_type)
    medications: dict[str, wire.Medication] = field(default_factory=dict[str, wire.Medication])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    repairs: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    present: set[str] = field(default_factory=set[str])
    lost: set[str] = field(default_factory=set[str])
    versions: set[str] = field(default_factory=set[str])
    conflicting: set[str] = field(default_factory=set[str])

    def of(self, shape: type[R]) -> tuple[R, ...]:
        """Return the resources of one type, by reference."""
        kept = cast("dict[str, R]", self.resources[shape])
        return tuple(kept[key] for key in sorted(kept) if key not in self.conflicting)

    def held_medications(self) -> dict[str, wire.Medication]:
        """Return the Medications by every address that they have, but those with conflicting versions."""
        return {key: one for key, one in self.medications.items() if not self.conflicting & {key, reference_of(one)}}

    def add(self, entry: Entry) -> None:
        """Read one entry; a Patient was read before, and a type that we do not touch stays unread."""
        if entry.kind not in LIST_OF:
            return
        read = decode(entry, self.allowed)
        name = LIST_OF[entry.kind]
        if entry.incomplete:
            self.lost.add(name)
        if isinstance(read, Refused):
            self._refuse(read, name)
        elif isinstance(read.resource, wire.Medication):
            self._add_medication(read, read.resource, entry.full_url)
        elif self._is_theirs(read, name):
            self._keep(read, name)

    def _refuse(self, refused: Refused, name: str) -> None:
        self.refusals.append(refused.refusal)
        if not refused.refusal.reference.startswith("Medication/"):
            self.present.add(name)
        if refused.lost:
            self.lost.add(name)
        if refused.version != "R4":
            self.versions.add(refused.version)

    def _is_theirs(self, read: Read, name: str) -> bool:
        whose = self.subject.whose(read.resource)
        if whose == "this" or (whose == "nobody" and isinstance(read.resource, MAY_BE_NOBODYS)):
            return True
        if whose == "another" and self.strict:
            kind = type(read.resource).__name__
            raise InputError("U-PATIENT-MISMATCH", f"a {kind} is another patient's; send one patient's data only")
        reason = {"another": "subject-another-patient", "nobody": "subject-missing"}.get(whose, f"subject-{whose}")
        path = "patient" if isinstance(read.resource, BY_PATIENT) else "subject"
        self.refusals.append(Refusal(read.reference, path, reason))
        if whose in ("nobody", "unresolved"):
            self.present.add(name)
            self.lost.add(name)
        return False

    def _keep(self, read: Read, name: str) -> None:
        self.present.add(name)
        held = self.resources[type(read.resource)]
        key = read.reference if read.resource.id else f"{read.reference}#{len(held)}"
        known = held.setdefault(key, read.resource)
        if known is not read.resource and known != read.resource:
            self._conflict(read.reference, name)
        self._note(read)
        if isinstance(read.resource, CONTAINERS):
            for raw in read.resource.contained:
                self._add_contained(raw, read.reference)

    def _conflict(self, reference: str, name: str) -> None:
        """Two versions of one resource: neither is known to be the present one."""
        self.refusals.append(Refusal(reference, "id", "conflicting-versions"))
        self.conflicting.add(reference)
        self.lost.add(name)

    def _add_medication(self, read: Read, medication: wire.Medication, full_url: str | None) -> None:
        addresses = [key for key in (read.reference if medication.id else None, full_url) if key]
        if not addresses:  # no order can mean it
            self.refusals.append(Refusal(read.reference, "id", "id-missing"))
        for key in addresses:
            held = self.medications.setdefault(key, medication)
            if held != medication:
                self._conflict(reference_of(held), "medications")
                self._conflict(read.reference, "medications")
        self._note(read)

    def _note(self, read: Read) -> None:
        if read.repairs:
            made = {*read.repairs, *self.repairs.get(read.reference, ())}
            self.repairs[read.reference] = tuple(sorted(made))

    def _add_contained(self, raw: msgspec.Raw, owner: str) -> None:
        """http://hl7.org/fhir/R4/references.html#contained: known by its id inside its owner only."""
        try:
            head = _HEAD.decode(raw)
            kind = msgspec.json.decode(head["resourceType"], type=str)
        except (msgspec.ValidationError, KeyError):
            self._refuse_contained(owner, Refused(Refusal(owner, "", "unreadable")))
            return
        if kind != "Medication":
            return
        read = decode(Entry(kind, raw, head, None, incomplete=False, modified=False), self.allowed)
        if isinstance(read, Refused):
            self._refuse_contained(owner, read)
        elif isinstance(read.resource, wire.Medication):
            key = f"{owner}#{read.resource.id or ''}"
            if self.medications.setdefault(key, read.resource) != read.resource:
                # Two owners without an id may contain different drugs under one name.
                self._refuse_contained(owner, Refused(Refusal(owner, "id", "conflicting-versions")))
                self.conflicting.add(key)

    def _refuse_contained(self, owner: str, refused: Refused) -> None:
        path = f"contained.{refused.refusal.path}".rstrip(".")
        self._refuse(refused._replace(refusal=Refusal(owner, path, refused.refusal.reason), lost=True), "medications")


def find_patient(entries: Sequence[Entry], patient_id: str | None, allowed: frozenset[str]) -> Gathered:
    """Return an empty gathering for the one Patient among ``entries``.

    Where ``patient_id`` is given, it must be that one. Raises InputError U-FHIR-NO-PATIENT, U-PATIENT-MISMATCH.
    """
    found: wire.Patient | None = None
    repairs: dict[str, tuple[str, ...]] = {}
    addresses: set[str] = set()
    for entry in entries:
        if entry.kind != "Patient":
            continue
        read = decode(entry, allowed)
        if isinstance(read, Refused) or not isinstance(read.resource, wire.Patient):
            reason = read.refusal.reason if isinstance(read, Refused) else "unreadable"
            raise InputError("U-FHIR-NO-PATIENT", f"the Patient could not be read ({reason}); correct it")
        if found not in (None, read.resource):
            raise InputError("U-PATIENT-MISMATCH", "two different Patients; send one patient's data only")
        found = read.resource
        repairs = {read.reference: read.repairs} if read.repairs else repairs
        addresses |= {entry.full_url} if entry.full_url else set()
    if found is None and patient_id is None:
        found = _lone_subject(entries)
    if found is None:
        raise InputError("U-FHIR-NO-PATIENT", "no Patient in the input; send the Patient with the record")
    if patient_id is not None and found.id != patient_id:
        raise InputError("U-PATIENT-MISMATCH", "the Patient is not the one that the call is about; send that one")
    subject = Subject(found.id or "", frozenset(addresses))
    return Gathered(subject, found, patient_id is not None, allowed, repairs=repairs)


def _lone_subject(entries: Sequence[Entry]) -> wire.Patient | None:
    """Return a Patient known by id only when a file without one is about a single patient.

    What is not known of that patient stays missing by name: no birth date, no sex.
    """
    named = {name for entry in entries if entry.kind in LIST_OF for name in _subjects(entry)}
    return wire.Patient(id=named.pop()) if len(named) == 1 else None


def _subjects(entry: Entry) -> set[str]:
    found: set[str] = set()
    for element in ("subject", "patient"):
        try:
            reference = msgspec.json.decode(entry.head.get(element, b"{}"), type=wire.Reference).reference or ""
        except msgspec.ValidationError:
            continue
        kind, _, name = "/".join(reference.strip().partition("/_history/")[0].split("/")[-2:]).partition("/")
        found |= {name} if kind == "Patient" and name else set()
    return found
