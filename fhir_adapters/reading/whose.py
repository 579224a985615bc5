"""Whose chart it is: the one Patient among what was opened, or the one subject that all of it is about."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import msgspec

from fhir_adapters.errors import InputError
from fhir_adapters.fhir_versions.versions import Version
from fhir_adapters.problem.lists import LIST_OF
from fhir_adapters.reading import wire
from fhir_adapters.reading.opened import Entry, Opened
from fhir_adapters.reading.resources import Read, Refused, decode, finished
from fhir_adapters.reading.shapes import TYPES
from fhir_adapters.reading.subjects import Subject, identifier_of, patient_id_of, subject_of

_PATIENT = TYPES["Patient"]


class Found(NamedTuple):
    """The one Patient, how resources may name it, and what was mended to read it."""

    patient: wire.Patient
    subject: Subject
    repairs: dict[str, tuple[str, ...]]


def find(
    opened: Sequence[Opened], patient_id: str | None, allowed: frozenset[str], preferred: Version, base: str = ""
) -> Found:
    """Return the one Patient among what was opened; ``base`` is the FHIR base that it is from, where it is known.

    Where ``patient_id`` is given, it must be that one. Raises InputError U-FHIR-NO-PATIENT, U-PATIENT-MISMATCH.
    """
    found: wire.Patient | None = None
    repairs: dict[str, tuple[str, ...]] = {}
    addresses: set[str] = set()
    for read, full_url in _patients(opened, allowed, preferred):
        if isinstance(read, Refused) or not isinstance(read.resource, wire.Patient):
            reason = read.refusal.reason if isinstance(read, Refused) else "unreadable"
            raise InputError("U-FHIR-NO-PATIENT", f"the Patient could not be read ({reason}); correct it")
        if found not in (None, read.resource):
            raise InputError("U-PATIENT-MISMATCH", "two different Patients; send one patient's data only")
        found = read.resource
        repairs = {read.reference: read.repairs} if read.repairs else repairs
        addresses |= {full_url} if full_url else set()
    if found is None and patient_id is None:
        found = _lone_subject(opened)
    if found is None:
        raise InputError("U-FHIR-NO-PATIENT", "no Patient in the input; send the Patient with the record")
    if patient_id is not None and found.id != patient_id:
        raise InputError("U-PATIENT-MISMATCH", "the Patient is not the one that the call is about; send that one")
    identifiers = frozenset(pair for one in found.identifier if (pair := identifier_of(one)))
    subject = Subject(found.id or "", frozenset(addresses), identifiers, base)
    return Found(found, subject, repairs)


def _patients(
    opened: Sequence[Opened], allowed: frozenset[str], preferred: Version
) -> Iterator[tuple[Read | Refused, str | None]]:
    for one in opened:
        for entry in one.entries:
            if entry.kind == "Patient":
                yield decode(entry, allowed, preferred), entry.full_url
        for batch in one.batches:
            if _PATIENT in batch.groups:
                for patient, full_url in batch.of(_PATIENT):
                    yield finished(cast("wire.Patient", patient), full_url, allowed), full_url


def _lone_subject(opened: Sequence[Opened]) -> wire.Patient | None:
    """Return a Patient known by id, or by identifier, only when a file without one is about a single patient.

    What is not known of that patient stays missing by name: no birth date, no sex.
    """
    named = [subject for one in opened for subject in _subjects(one)]
    names = {name for subject in named if (name := patient_id_of(subject.reference))}
    if len(names) == 1:
        return wire.Patient(id=names.pop())
    # A dispense notification of the English prescription service names the patient so, and in no other way.
    pairs = {pair for subject in named if (pair := identifier_of(subject.identifier))}
    told = len(pairs) == 1 and not any(subject.reference for subject in named)
    return wire.Patient(identifier=tuple(wire.Identifier(*pair) for pair in pairs)) if told else None


def _subjects(opened: Opened) -> Iterator[wire.SubjectReference]:
    for entry in opened.entries:
        if entry.kind in LIST_OF:
            yield from (written(entry, element) for element in ("subject", "patient"))
    for batch in opened.batches:
        for shape, group in batch.groups.items():
            if shape.__name__ in LIST_OF:
                resources = cast("Sequence[wire.AnyResource]", group)
                yield from (subject for one in resources if (subject := subject_of(one)))


def written(entry: Entry, element: str) -> wire.SubjectReference:
    """Return whom an unread resource names in ``subject`` or ``patient``."""
    try:
        return msgspec.json.decode(entry.head.get(element, b"{}"), type=wire.SubjectReference)
    except msgspec.ValidationError:
        return wire.SubjectReference()
