"""What the codes and words of one problem mean; shared by the problem list and the family history."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from fhir_adapters import facts, remember
from fhir_adapters.canonical import Original
from fhir_adapters.dialect.code_systems import ICD10, ICD10GM, SNOMED
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.problem import problem_tables, unread_words
from fhir_adapters.problem.problem_tables import UNDERSTOOD, Past, ProblemTables
from fhir_adapters.reading import wire
from fhir_adapters.terminology import Code

# ICD-10-GM says how sure a diagnosis is beside the code or behind it: A excluded, V suspected, Z state after,
# G confirmed (https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_ICD_DIAGNOSESICHERHEIT).
_SURENESS = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
_MARKED = re.compile(r"([A-Z]\d{2,4})-?\s*[+*!†]?\s*([AGVZ]?)\s*[LRB]?")

Found = Mapping[Code, tuple[str, ...]]
Sureness = Literal["", "A", "G", "V", "Z"]


class Meaning(NamedTuple):
    """What a problem's codes and words mean: its keys, the codes that tell them, and whether anything is unread.

    The keys of an unread one are those of ``unread_words``; ``past`` where its words say that it is over.
    """

    keys: frozenset[str]
    telling: tuple[Code, ...]
    from_text: bool
    unread: bool
    past: bool = False


class Problem(NamedTuple):
    """What the concept of a problem says, whoever has it and since when.

    ``codes`` and ``sureness`` as ``plain_codes``. ``past`` is what all telling codes say of it, ``doubts`` is what
    its own codes and words hold against it. ``repairs``: those made to read it, each once.
    """

    codes: Found
    sureness: Sureness
    meaning: Meaning
    past: Past | None
    doubts: tuple[str, ...]
    original: Original
    text: str
    repairs: frozenset[str]


_LONGEST = 500  # characters of a concept that is remembered
_known: dict[tuple[Profile, wire.CodeableConcept], Problem] = {}  # pure: the same tables, the same problem


def problem_of(profile: Profile, concept: wire.CodeableConcept) -> Problem:
    """Return what a concept says: a clinic's charts hold the same few problems, so the last ones are remembered."""
    key = (profile, concept)
    known = _known.get(key)
    if known is None:
        known = _problem_of(profile, concept)
        return remember.keep(_known, key, known) if facts.length_of(concept) <= _LONGEST else known
    return known


def _problem_of(profile: Profile, concept: wire.CodeableConcept) -> Problem:
    tables, text = problem_tables.load(), facts.display(concept)
    found, sureness = plain_codes(facts.concept(profile, concept.coding).codes, concept.coding)
    meaning = meaning_of(tables, found, concept)
    made = {repair for repairs in found.values() for repair in repairs}
    return Problem(
        codes=found,
        sureness=sureness,
        meaning=meaning,
        past="history" if meaning.past else _past(tables, meaning.telling),
        doubts=tuple(_doubts(tables, concept, sureness, meaning)),
        original=Original(text or None, code=facts.written(concept.coding)),
        text=text,
        repairs=frozenset(made | {"diagnosis-from-text"} if meaning.from_text else made),
    )


def _past(tables: ProblemTables, telling: tuple[Code, ...]) -> Past | None:
    """Return what all telling codes say of a problem that is no more; None where they differ, or one says nothing."""
    said: set[Past | None] = {tables.said_of_past(code) for code in telling}
    return said.pop() if len(said) == 1 else None


def _doubts(
    tables: ProblemTables, concept: wire.CodeableConcept, sureness: Sureness, meaning: Meaning
) -> Iterator[str]:
    """Yield why codes and words themselves leave a problem in doubt."""
    if sureness == "V":
        yield "suspected"
    if any(pair <= meaning.keys for pair in tables.conflicts):
        yield "codes-disagree"
    words = tables.qualifier(concept.text) if concept.text and meaning.telling else None
    if words:
        yield f"text-says-{words}"


def plain_codes(found: Found, codings: Iterable[wire.Coding]) -> tuple[dict[Code, tuple[str, ...]], Sureness]:
    """Return codes without the marks of ICD-10 (dagger, side, sureness), and the sureness that was marked."""
    plain: dict[Code, tuple[str, ...]] = {}
    sure: set[str] = set()
    for (system, code), repairs in found.items():
        marked = _MARKED.fullmatch(code) if system in (ICD10GM, ICD10) else None
        if marked is not None:
            sure |= {marked[2]} if system == ICD10GM and marked[2] else set[str]()
        plain[system, marked[1] if marked else code] = repairs
    beside = (one for coding in codings for one in coding.extension if one.url == _SURENESS)
    sure |= {one.valueCoding.code for one in beside if one.valueCoding and one.valueCoding.code}
    return plain, _least_sure(sure)


def meaning_of(tables: ProblemTables, found: Found, concept: wire.CodeableConcept) -> Meaning:
    """Return what a concept means by its codes; by its words, exactly, only where no code tells."""
    known = [(code, keys) for code in found if (keys := tables.keys(code))]
    telling = tuple(code for code, _ in known)
    keys = frozenset[str]().union(*(each for _, each in known))
    if keys:
        return Meaning(keys | unread_words.beside(tables, keys, concept.text), telling, from_text=False, unread=False)
    words = [text for text in (concept.text, *(one.display for one in concept.coding)) if text]
    keys = tables.keys_of_texts(words)
    if keys or _is_understood(tables, found, words):
        return Meaning(keys, (), from_text=bool(keys), unread=False)
    keys = unread_words.keys(tables, words)
    if not keys and any(tables.qualifier(text) in ("family", "absent") for text in words):
        return Meaning(keys, (), from_text=False, unread=False)
    return Meaning(keys, (), bool(keys), unread=True, past=bool(keys) and unread_words.is_past(tables, words))


def _is_understood(tables: ProblemTables, found: Found, words: Sequence[str]) -> bool:
    """Return whether codes without keys say that a problem is none which rules read.

    An ICD category is known whole. A SNOMED CT code that no table has may still be one of theirs, by its words.
    """
    if any(code in tables.family or code[0] in UNDERSTOOD - {SNOMED} for code in found):
        return True
    return any(system == SNOMED for system, _ in found) and not any(map(tables.may_tell, words))


def _least_sure(marks: set[str]) -> Sureness:
    """Return the mark that says least; one that excludes beside another one leaves the diagnosis suspected."""
    if "V" in marks or ("A" in marks and len(marks) > 1):
        return "V"
    return "A" if "A" in marks else "Z" if "Z" in marks else "G" if "G" in marks else ""
