"""Resources of several patients, put together by patient.

A resource goes to the patient whom its subject means: by relative or absolute reference, by the fullUrl that the
Patient's entry has, or by an identifier of the Patient. A Medication names nobody and is everybody's. Where there
is one patient only, that chart has the rest too, and refuses by name what it must; else the rest is nobody's.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, cast

import msgspec

from fhir_adapters.problem.lists import LIST_OF
from fhir_adapters.reading import wire
from fhir_adapters.reading.opened import Entry, Opened
from fhir_adapters.reading.quick import Batch, Shape
from fhir_adapters.reading.shapes import TYPES, Place
from fhir_adapters.reading.subjects import element_of, identifier_of, patient_id_of
from fhir_adapters.reading.whose import written

_PATIENT, _MEDICATION = "Patient", "Medication"
_EVERYBODY, _NOBODY = "", "?"  # neither can be an id


@dataclass(slots=True)
class Grouped:
    """The resources by patient id; ``medications`` are everybody's, ``unclaimed`` counts what is nobody's."""

    patients: dict[str, list[Opened]] = field(default_factory=dict[str, list[Opened]])
    medications: list[Opened] = field(default_factory=list[Opened])
    unclaimed: int = 0


@dataclass(slots=True)
class _Names:
    """How the patients may be named."""

    ids: set[str] = field(default_factory=set[str])
    addresses: dict[str, str] = field(default_factory=dict[str, str])
    identifiers: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    known: dict[str | None, str] = field(default_factory=dict[str | None, str])  # reference → whose

    def add(self, name: str, full_url: str | None, identifiers: Sequence[wire.Identifier]) -> None:
        self.ids.add(name)
        if full_url:
            self.addresses[full_url] = name
        for pair in map(identifier_of, identifiers):
            if pair:
                self.identifiers[pair] = name if self.identifiers.get(pair, name) == name else ""

    def whose(self, subject: wire.SubjectReference | None) -> str:
        """Return the id of the patient, or ``_NOBODY``."""
        found = self._meant(subject) if subject else ""
        return found or (next(iter(self.ids)) if len(self.ids) == 1 else _NOBODY)

    def _meant(self, subject: wire.SubjectReference) -> str:
        address = (subject.reference or "").strip().partition("/_history/")[0]
        if found := self.addresses.get(address) or patient_id_of(address):
            self.known[subject.reference] = found
            return found
        pair = identifier_of(subject.identifier)
        return self.identifiers.get(pair, "") if pair else ""


def by_patient(opened: Sequence[Opened]) -> Grouped:
    """Return what was opened, by patient; a Patient's own resources stand in the order of ``opened``."""
    names = _Names()
    for one in opened:
        for patient, full_url in _patients(one):
            names.add(_id(patient.id, full_url), full_url, patient.identifier)
    grouped = Grouped()
    for one in opened:
        for name, part in _split(one, names).items():
            if name == _EVERYBODY:
                grouped.medications.append(part)
            elif name == _NOBODY:
                grouped.unclaimed += part.count()
            else:
                grouped.patients.setdefault(name, []).append(part)
    return grouped


def patient_count(opened: Opened) -> int:
    """Return how many Patients there are."""
    return sum(1 for _ in _patients(opened))


def _patients(opened: Opened) -> Iterator[tuple[wire.Patient, str | None]]:
    shape = TYPES[_PATIENT]
    for batch in opened.batches:
        if shape in batch.groups:
            yield from ((cast("wire.Patient", one), full_url) for one, full_url in batch.of(shape))
    for entry in opened.entries:
        if entry.kind == _PATIENT:
            yield _unread(entry), entry.full_url


def _unread(entry: Entry) -> wire.Patient:
    """Return the id and the identifiers of a Patient that needs care, as far as they can be read."""
    try:
        name = msgspec.json.decode(entry.head.get("id", b"null"), type=str | None)
        identifiers = msgspec.json.decode(entry.head.get("identifier", b"[]"), type=tuple[wire.Identifier, ...])
    except msgspec.ValidationError:
        name, identifiers = None, ()
    return wire.Patient(id=name, identifier=identifiers)


def _id(name: str | None, full_url: str | None) -> str:
    return name or re.split("[/:]", full_url or "")[-1] or _NOBODY


def _split(opened: Opened, names: _Names) -> dict[str, Opened]:
    parts: dict[str, Opened] = defaultdict(lambda: Opened(untyped=opened.untyped))
    for batch in opened.batches:
        for name, batched in _split_batch(batch, names).items():
            parts[name].batches.append(batched)
    for entry in opened.entries:
        if entry.kind == _PATIENT:
            parts[_id(_unread(entry).id, entry.full_url)].entries.append(entry)
        elif entry.kind in LIST_OF:
            element = "patient" if "patient" in entry.head else "subject"
            subject = written(entry, element) if element in entry.head else None
            name = _EVERYBODY if entry.kind == _MEDICATION else names.whose(subject)
            if name != _NOBODY or not _may_be_nobodys(entry.kind):
                parts[name].entries.append(entry)
    return parts


def _split_batch(batch: Batch, names: _Names) -> dict[str, Batch]:
    groups: dict[str, dict[type, list[Any]]] = defaultdict(dict)
    places: dict[str, list[Place]] = defaultdict(list)
    for shape, group in batch.groups.items():
        if shape.__name__ != _PATIENT and shape.__name__ not in LIST_OF:
            continue
        owners = _owners(batch, shape, names)
        held: dict[str, list[Any]] = defaultdict(list)
        for name, one in zip(owners, group, strict=True):
            if name != _NOBODY or not _may_be_nobodys(shape.__name__):
                held[name].append(one)
        for name, found in held.items():
            groups[name][shape] = found
        stood = [place for place in batch.places if type(place.resource) is shape]
        for name, place in zip(owners, stood, strict=False):  # what stood alone has no place
            places[name].append(place)
    return {name: Batch({**held}, places[name], batch.incomplete) for name, held in groups.items()}


def _may_be_nobodys(kind: str) -> bool:
    """Say whether a resource without a patient is no loss: a visit need not name one, a flag may be of a place."""
    return LIST_OF.get(kind) == "visits"


def _owners(batch: Batch, shape: Shape, names: _Names) -> list[str]:
    """Return whose the resources of one type are; that most name the same few patients saves time."""
    kind, group = shape.__name__, batch.groups[shape]
    if kind == _MEDICATION:
        return [_EVERYBODY] * len(group)
    if kind == _PATIENT:
        return [_id(cast("wire.Patient", one).id, full_url) for one, full_url in batch.of(shape)]
    known, subjects = names.known, map(attrgetter(element_of(shape)), group)
    return [(one and known.get(one.reference)) or names.whose(one) for one in subjects]
