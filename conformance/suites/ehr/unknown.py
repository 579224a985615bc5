"""Codes that no table knows, by what they stand for: what a chart holds of them, and the line to fill in for each."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from conformance.checks import Acts, Told
from conformance.wording import counted
from fhir_adapters.canonical import Adapted, Allergy, Diagnosis, MedicationCourse
from fhir_adapters.dialect.code_systems import RXNORM, SNOMED

_ADULT = 18
_MOST = 5  # findings of one kind
_NAMED: Mapping[str, str] = {RXNORM: "RxNorm code", SNOMED: "SNOMED CT code"}
_WORDS = "words alone"


class Unknown(NamedTuple):
    """One entry that is not understood: its code, ``system|code``, and where it stands in which requests."""

    code: str
    exchanges: tuple[int, ...]
    path: str


Where = Callable[[str, str], tuple[tuple[int, ...], str]]  # reference and element → requests and path


def drugs(adapted: Adapted, where: Where) -> list[Unknown]:
    """Return the drugs that are not known; not those whose Medication was not read, of which nothing can be said."""
    held = [one for one in adapted.patient.medications if one.unresolved and one.unresolved != "reference-not-found"]
    return [_at(one, "medicationCodeableConcept", where) for one in held]


def problems(adapted: Adapted, where: Where) -> list[Unknown]:
    """Return the problems that are not understood."""
    unread = {each.reference for each in adapted.patient.refusals if each.reason == "problem-not-understood"}
    return [_at(each, "code", where) for each in adapted.patient.diagnoses if each.source.reference in unread]


def allergens(adapted: Adapted, where: Where) -> list[Unknown]:
    """Return the allergens that are not understood."""
    return [_at(each, "code", where) for each in adapted.patient.allergies if not (each.ingredients or each.classes)]


def _at(held: MedicationCourse | Diagnosis | Allergy, element: str, where: Where) -> Unknown:
    original = held.source.original
    return Unknown(original.code if original and original.code else _WORDS, *where(held.source.reference, element))


def told(found: Sequence[Unknown], lines: Sequence[Told], what: str, to: str) -> list[Told]:
    """Return a finding a code for which ``lines`` have none, the most frequent first; ``to``: the system to map to."""
    counts, first = Counter(one.code for one in found), {one.code: one for one in reversed(found)}
    said: list[Told] = []
    for code, number in counts.most_common(_MOST):
        if not any(code.rpartition("|")[2] in one.fix for one in lines):
            message = f"{what} is not known by its code or its words ({counted(number, 'time')})"
            acts: Acts = "integration-engineer" if "|" in code else "ehr-team"
            place = first[code]
            said.append(Told("warn", message, "a known code", code, place.path, _line(code, to), acts, place.exchanges))
    return said


def _line(code: str, to: str) -> str:
    system, _, value = code.rpartition("|")
    if not value or not system:
        return "send a code with its system beside the text"
    return f"fill in and put into the profile's code map: {system},{value},{to},<{_NAMED[to]}>,equivalent,"


def implausible(adapted: Adapted) -> list[tuple[str, str, str]]:
    """Return (key, reference, path) of values that cannot be in their unit; not a child's, whom bounds do not fit."""
    born = adapted.patient.birth_date
    return [
        (one.key or "a value", one.reference, one.path)
        for one in adapted.patient.refusals
        if one.reason in ("implausible", "value-implausible")
        and (born is None or one.effective is None or (one.effective - born).days >= _ADULT * 365.25)
    ]
