"""The three-valued answer of a trigger, and the answers that follow from what a list does not hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from fhir_adapters.canonical import CanonicalPatient

PROBLEMS, DRUGS, ALLERGIES = "problem list", "medication list", "allergy list"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The three-valued answer to one trigger: ``holds`` is None when it is not known.

    A struct, because a chart makes hundreds of them.

    ``found`` says in words what was found; ``missing`` names the input that was not there and ``why`` says
    what is wrong with it; ``facts`` are the resources behind it. ``seen``: what the rule warns of is on record,
    and only its date is missing.
    """

    holds: bool | None
    found: str = ""
    value: str = ""
    day: date | None = None
    missing: str = ""
    why: str = ""
    facts: tuple[str, ...] = ()
    seen: bool = False


FALSE = Outcome(False)


@dataclass(frozen=True, slots=True)
class Unlisted:
    """The answer for what each list does not hold: false, or unknown with what is wrong with the list.

    ``drug_classes`` and ``allergy_classes`` are for a class of drugs, of which one that nobody considered when the
    classes were written may be a member.
    """

    problems: Outcome
    drugs: Outcome
    drug_classes: Outcome
    allergies: Outcome
    allergy_classes: Outcome


def unlisted(patient: CanonicalPatient, reviewed: frozenset[str], unnamed: int, unreviewed: Sequence[str]) -> Unlisted:
    """Return what follows from what a patient's lists do not hold; ``unnamed`` and ``unreviewed`` as in ``Chart``."""
    drugs = _gap(patient, "medications", DRUGS, "")
    held = _gap(patient, "medications", DRUGS, _doubtful(unnamed, unreviewed))
    doubtful = [
        one
        for one in patient.allergies
        if not one.classes and not (one.ingredients and reviewed >= set(one.ingredients))
    ]
    return Unlisted(
        problems=_gap(patient, "conditions", PROBLEMS, ""),
        drugs=held if unnamed else drugs,
        drug_classes=held,
        allergies=_gap(patient, "allergies", ALLERGIES, _entries(sum(not one.ingredients for one in doubtful))),
        allergy_classes=_gap(patient, "allergies", ALLERGIES, _entries(len(doubtful))),
    )


def _gap(patient: CanonicalPatient, name: str, words: str, doubtful: str) -> Outcome:
    """Return false for a list supplied whole and understood, unknown with the reason for any other."""
    state = patient.lists.get(name, "not-supplied")
    if state != "supplied":
        why = "was not supplied" if state == "not-supplied" else "could not be read whole"
        return Outcome(None, missing=words, why=why)
    return Outcome(None, missing=words, why=f"holds {doubtful}") if doubtful else FALSE


def _doubtful(unnamed: int, unreviewed: Sequence[str]) -> str:
    """Name the drugs that may be of any class."""
    found: list[str] = []
    if unnamed:
        found.append(f"{'one drug' if unnamed == 1 else f'{unnamed} drugs'} that could not be identified")
    if unreviewed:
        found.append(f"{listed(unreviewed)}, whose drug classes are not known here")
    return " and ".join(found)


def _entries(number: int) -> str:
    entries = "one entry" if number == 1 else f"{number} entries"
    return f"{entries} that could not be identified" if number else ""


def listed(words: Sequence[str]) -> str:
    """Join words as people do: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]
