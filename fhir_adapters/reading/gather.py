"""Gathers one patient's resources, refuses what is not theirs, and notes which lists lost something."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeVar, cast

import msgspec

from fhir_adapters.canonical import Refusal
from fhir_adapters.errors import InputError
from fhir_adapters.problem.lists import LIST_OF
from fhir_adapters.reading import contained, wire
from fhir_adapters.reading.opened import Entry
from fhir_adapters.reading.quick import Batch, Shape
from fhir_adapters.reading.resources import WRONG, Read, Refused, decode, finished, fit, reference_of, wrong_path
from fhir_adapters.reading.shapes import TYPES
from fhir_adapters.reading.subjects import BY_PATIENT, MAY_BE_NOBODYS, Subject
from fhir_adapters.reading.told import Told

R = TypeVar("R", bound=wire.Resource)
_STATUSES: Mapping[Shape, tuple[Callable[[Any], str | None], ...]] = {
    shape: tuple(attrgetter(name) for name in ("status", "intent") if name in shape.__struct_fields__)
    for shape in TYPES.values()
}
# Shapes that say in a concept, not in a code, that they were entered in error.
_CONTAINERS = frozenset(shape for shape in TYPES.values() if "contained" in shape.__struct_fields__)
_BY_CONCEPT = (TYPES["Condition"], TYPES["AllergyIntolerance"])


def _by_type() -> dict[str, dict[str, wire.AnyResource]]:
    return defaultdict(dict)


@dataclass(slots=True)
class Gathered:
    """What has been read so far. ``present`` and ``lost`` name lists; ``conflicting`` are references."""

    subject: Subject
    patient: wire.Patient
    strict: bool
    allowed: frozenset[str]
    told: Told
    resources: dict[str, dict[str, wire.AnyResource]] = field(default_factory=_by_type)
    medications: dict[str, wire.Medication] = field(default_factory=dict[str, wire.Medication])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    repairs: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    present: set[str] = field(default_factory=set[str])
    lost: set[str] = field(default_factory=set[str])
    conflicting: set[str] = field(default_factory=set[str])

    def of(self, shape: type[R]) -> tuple[R, ...]:
        """Return the resources of one type, by reference."""
        kept = cast("dict[str, R]", self.resources.get(shape.__name__))
        if not kept:
            return ()
        held = [kept[key] for key in sorted(kept)]
        if not self.conflicting:
            return tuple(held)
        return tuple(one for one in held if reference_of(cast("wire.AnyResource", one)) not in self.conflicting)

    def held_medications(self) -> dict[str, wire.Medication]:
        """Return the Medications by every address that they have, but those with conflicting versions."""
        return {key: one for key, one in self.medications.items() if not self.conflicting & {key, reference_of(one)}}

    # ---- many at once

    def add_batch(self, batch: Batch) -> None:
        """Take resources that were read quickly: whole groups where nothing about them is unusual."""
        for shape, group in batch.groups.items():
            name = LIST_OF.get(shape.__name__)
            if name is None:
                continue
            if batch.incomplete:
                self.lost.add(name)
            resources = cast("Sequence[wire.AnyResource]", group)
            if shape.__name__ == "Medication" or not self._keep_all(shape, resources, name):
                for one, full_url in batch.of(shape):
                    self._settle(finished(cast("wire.AnyResource", one), full_url, self.allowed), name, full_url)

    def _keep_all(self, shape: Shape, group: Sequence[wire.AnyResource], name: str) -> bool:
        """Keep a group whose ids, subjects and statuses are as they should be; else False, and nothing is kept."""
        known = {one.id or "": one for one in group}
        held = self.resources[shape.__name__]
        plain = len(known) == len(group) and held.keys().isdisjoint(known) and fit(known)
        if not plain or not self._are_theirs(group) or not _are_current(shape, group):
            return False
        if held:
            held.update(known)
        else:
            self.resources[shape.__name__] = held = known
        self.present.add(name)
        if shape in _CONTAINERS:
            for one in cast("Sequence[wire.Observation]", group):
                if one.contained:
                    held[one.id or ""] = self._unpacked(one, reference_of(one))
        return True

    def _are_theirs(self, group: Sequence[Any]) -> bool:
        try:
            if isinstance(group[0], BY_PATIENT):
                named = {one.patient.reference for one in group}
            else:
                named = {one.subject.reference for one in group}
        except AttributeError:  # one names nobody
            return False
        return all(self.subject.named(reference) == "this" for reference in named)

    # ---- one by one

    def add(self, entry: Entry) -> None:
        """Read one entry; a Patient was read before, and a type that we do not touch stays unread."""
        name = LIST_OF.get(entry.kind)
        if name is None:
            return
        if entry.incomplete:
            self.lost.add(name)
        self._settle(decode(entry, self.allowed, self.told.preferred), name, entry.full_url)

    def _settle(self, read: Read | Refused, name: str, full_url: str | None) -> None:
        if isinstance(read, Refused):
            self._refuse(read, name)
        elif isinstance(read.resource, wire.Medication):
            self._add_medication(read, read.resource, full_url)
        elif self._is_theirs(read, name):
            self._keep(read, name)

    def _refuse(self, refused: Refused, name: str) -> None:
        self.refusals.append(refused.refusal)
        if not refused.refusal.reference.startswith("Medication/"):
            self.present.add(name)
        if refused.lost:
            self.lost.add(name)

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
        held = self.resources[type(read.resource).__name__]
        resource = self._unpacked(read.resource, read.reference)
        key = resource.id or f"?#{len(held)}"
        known = held.setdefault(key, resource)
        if known is not resource and known != resource:
            self._conflict(read.reference, name)
        self._note(read.reference, read.repairs)

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
        self._unpacked(medication, read.reference)
        self._note(read.reference, read.repairs)

    def _note(self, reference: str, repairs: tuple[str, ...]) -> None:
        if repairs:
            self.repairs[reference] = tuple(sorted({*repairs, *self.repairs.get(reference, ())}))

    # ---- inside others

    def _unpacked(self, resource: wire.AnyResource, owner: str) -> wire.AnyResource:
        """Read what a resource contains; a report is then without it, since its Observations stand in the chart."""
        inside: tuple[msgspec.Raw, ...] = getattr(resource, "contained", ())
        for raw in inside:
            read = contained.read(raw, self.allowed)
            name = LIST_OF[type(resource).__name__]
            if isinstance(read, Refused):
                self._refuse(contained.refused_in(owner, read), name)
            elif read and isinstance(read.resource, wire.Medication):
                self._add_contained(read, read.resource, owner)
            elif read and isinstance(resource, (wire.DiagnosticReport, wire.Observation)):
                one = contained.reported(read, resource, owner)
                if one and self._is_theirs(one, name):
                    self._keep(one, name)
        return msgspec.structs.replace(resource, contained=()) if inside and _is_report(resource) else resource

    def _add_contained(self, read: Read, medication: wire.Medication, owner: str) -> None:
        key = f"{owner}#{medication.id or ''}"
        if self.medications.setdefault(key, medication) != medication:
            # Two owners without an id may contain different drugs under one name.
            self._refuse(
                contained.refused_in(owner, Refused(Refusal(owner, "id", "conflicting-versions"))), "medications"
            )
            self.conflicting.add(key)
        self._note(owner, read.repairs)


def _is_report(resource: wire.AnyResource) -> bool:
    return isinstance(resource, wire.DiagnosticReport)


def _are_current(shape: Shape, group: Sequence[wire.AnyResource]) -> bool:
    """Tell whether no status among them needs trimming, and none was entered in error."""
    if shape in _BY_CONCEPT:
        return not any(map(wrong_path, group))
    for get in _STATUSES[shape]:
        for code in set(map(get, group)):
            if code is not None and (code == WRONG or code != code.strip()):
                return False
    return True
