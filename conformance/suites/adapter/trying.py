"""A sample changed in one place and read again: did it become an absence with a name, or silently another value?"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, cast

from conformance.suites.adapter.mutations import Mutation, struck
from conformance.suites.adapter.samples import Json, Sample, resources
from fhir_adapters.canonical import Adapted, CanonicalPatient, Feature
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError

Make = Callable[[Json], Sequence[Json]]
# refused: the whole sample is refused, by a code. gone: it tells nothing, and it is said why. kept: it tells what it
# told. changed: it tells something else. still: it tells what it may not. silent: it is gone without a word.
Outcome = Literal["refused", "gone", "kept", "changed", "still", "silent"]
_R4 = {"MedicationOrder": "MedicationRequest"}
_HELD = ("taking", "ordered", "reported")


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one change of one resource. ``names``: features, or what else it told, where it went wrong."""

    sample: str
    kind: str
    outcome: Outcome
    names: tuple[str, ...] = ()
    code: str = ""


@dataclass(slots=True)
class Target:
    """One resource of a sample that tells something: its place among the resources, and what is read without it."""

    sample: Sample
    place: int
    resource: Json
    before: Adapted
    profile: Profile
    day: date
    _bare: tuple[Adapted, ...] | None = None

    @property
    def id(self) -> str:
        """How facts name the resource: type and id, in R4's words."""
        return _reference(self.resource)

    def bare(self) -> tuple[Adapted, ...]:
        """Return the sample as it is read without the resource, and with it struck out; worked out once."""
        if self._bare is None:
            out = struck(self.resource)
            made: list[tuple[Json, ...]] = [(), *([(out,)] if out else [])]
            found = [self._read(lambda _, kept=kept: kept) for kept in made]
            self._bare = tuple(one for one in found if one is not None)
        return self._bare

    def tried(self, mutation: Mutation) -> Tried | None:
        """Return what becomes of a change; None where there is nothing in the resource to be changed so."""
        new = mutation.change(self.resource)
        if new is None:
            return None
        made = (self.resource, new) if mutation.must == "same" else (new,)
        kind = str(self.resource["resourceType"])
        try:
            _, after = self.sample.read(self.profile, self.day, edited(self.sample.value, self.place, lambda _: made))
        except InputError as error:
            wrong: Outcome = "changed" if mutation.must == "same" else "refused"
            return Tried(self.sample.name, kind, wrong, code=error.code)
        outcome, names = self._judged(mutation, after)
        return Tried(self.sample.name, kind, outcome, names)

    def _read(self, make: Make) -> Adapted | None:
        try:
            return self.sample.read(self.profile, self.day, edited(self.sample.value, self.place, make))[1]
        except InputError:
            return None

    def _judged(self, mutation: Mutation, after: Adapted) -> tuple[Outcome, tuple[str, ...]]:
        old, new = self.before.features.features, after.features.features
        differing = [name for name, one in new.items() if _value(one) != _value(old[name])]
        if mutation.must == "same":
            return ("changed", tuple(differing)) if differing else ("kept", ())
        present = [name for name in differing if new[name].status == "present"]
        bare = [one.features.features for one in self.bare()]
        # A drug that nobody knows is still a drug, so it counts; its course says that it is not known.
        counted = ("medication_count",) if _is_unresolved(after.patient, self.id) else ()
        changed = [name for name in present if all(_value(new[name]) != _value(one[name]) for one in bare)
                   and name not in counted]  # fmt: skip
        if changed:
            return "changed", tuple(changed)
        told = [one for one in (*_fed_by(new, self.id), *_held_by(after.patient, self.id))
                if not mutation.only or one in mutation.only]  # fmt: skip
        if told:
            return ("still", tuple(told)) if mutation.must == "gone" else ("kept", ())
        absent = [name for name in differing if new[name].status != "present"]
        named = all(new[name].reason for name in absent) and (absent or _is_named(after.patient, self.id) or present)
        return ("gone", ()) if named or not differing else ("silent", tuple(absent))


def targets(sample: Sample, profile: Profile, day: date, most: int) -> list[Target]:
    """Return resources of a sample that feed a feature or stand on a list, the Patient first; InputError."""
    _, before = sample.read(profile, day)
    held = list(_places(sample.value))
    features, patient = before.features.features, before.patient
    fed = {one.source.reference for one in features.values() if one.source and one.status == "present"}
    listed = {one.source.reference for one in (*patient.medications, *patient.diagnoses, *patient.allergies)}
    told = {reference.partition("#")[0] for reference in fed | listed}
    telling = [(n, one) for n, one in held if one.get("id") and _reference(one) in told]
    people = [(n, one) for n, one in held if one.get("resourceType") == "Patient" and one.get("id")][:1]
    kinds: dict[str, int] = {}
    chosen = list(people)
    for n, one in telling:  # a few of each type, whatever the order in the file
        kind = str(one["resourceType"])
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind != "Patient" and kinds[kind] <= max(1, most // 3) and len(chosen) < most:
            chosen.append((n, one))
    return [Target(sample, n, one, before, profile, day) for n, one in chosen]


def edited(value: Any, place: int, make: Make) -> Any:
    """Return the value with the resource at a place changed to what ``make`` gives: none, one or several."""
    return _edited(value, [place], make)


def _edited(value: Any, left: list[int], make: Make) -> Any:
    if isinstance(value, list):
        return [new for one in cast("list[Any]", value) for new in _each(one, left, make)]
    found = cast("Json", value)
    if found.get("resourceType") == "Bundle":
        entries = [new for one in cast("list[Any]", found.get("entry") or []) for new in _entry(one, left, make)]
        return {**found, "entry": entries}
    if isinstance(found.get("resourceType"), str):
        return next(iter(_each(found, left, make)), found)
    return {key: new for key, one in found.items() for new in _each(one, left, make)[:1]}


def _each(one: Any, left: list[int], make: Make) -> Sequence[Any]:
    if isinstance(one, dict) and isinstance(kind := cast("Json", one).get("resourceType"), str) and kind != "Bundle":
        left[0] -= 1
        return list(make(copy.deepcopy(cast("Json", one)))) if left[0] == -1 else [one]
    return [_edited(one, left, make)] if isinstance(one, list | dict) else [one]


def _entry(entry: Any, left: list[int], make: Make) -> Sequence[Any]:
    if not isinstance(entry, dict) or "resource" not in entry:
        return [entry]
    held = cast("Json", entry)
    made = _each(held["resource"], left, make)
    return [{**held, "resource": one} if n == 0 else {"resource": one} for n, one in enumerate(made)]


def _places(value: Any) -> Iterator[tuple[int, Json]]:

    yield from enumerate(resources(value))


def _value(one: Feature) -> tuple[object, ...]:
    return one.status, one.value if one.status == "present" else None


def _reference(resource: Json) -> str:
    kind = str(resource["resourceType"])
    return f"{_R4.get(kind, kind)}/{resource['id']}"


def _is(reference: str, resource_id: str) -> bool:
    return reference.partition("#")[0] == resource_id


def _fed_by(features: Mapping[str, Feature], resource_id: str) -> list[str]:
    """Return the features that a resource feeds."""
    return [
        name
        for name, one in features.items()
        if one.status == "present" and one.source and _is(one.source.reference, resource_id)
    ]


def _held_by(patient: CanonicalPatient, resource_id: str) -> list[str]:
    """Return what a resource tells of drugs, problems and allergies."""
    drugs = [one for one in patient.medications if one.taking in _HELD and one.ingredients]
    problems = [one for one in patient.diagnoses if one.keys]
    allergies = [one for one in patient.allergies if one.ingredients or one.classes]
    named = [("a drug", one) for one in drugs]
    named += [("a problem", one) for one in problems]
    named += [("an allergy", one) for one in allergies]
    return [what for what, one in named if _is(one.source.reference, resource_id)]


def _is_unresolved(patient: CanonicalPatient, resource_id: str) -> bool:
    return any(one.unresolved and _is(one.source.reference, resource_id) for one in patient.medications)


def _is_named(patient: CanonicalPatient, resource_id: str) -> bool:
    """Return whether it is said of a resource that it is not used, or of a list that it is not whole."""
    named = any(_is(one.reference, resource_id) for one in patient.refusals)
    return named or _is_unresolved(patient, resource_id) or any(state == "partial" for state in patient.lists.values())
