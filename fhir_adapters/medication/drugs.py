"""Which drug a resource means: inline, contained, in the Bundle, or by text; all that is said must agree.

One concept may hold many codes of different levels (Epic sends 2 to 12 RxNorm codes beside three of
Medi-Span), so every code is reduced to its ingredients. Codes of products and texts name the whole drug and
must be the same; codes of ingredients name a part of it. A drug that is not resolved stays a drug, without
ingredients and with the reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from fhir_adapters import facts, remember
from fhir_adapters.dialect.code_systems import ATC, NDC, RXNORM, SNOMED
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.facts import Reading, display
from fhir_adapters.medication import compositions, strengths
from fhir_adapters.medication.drug_tables import DrugCode, key_ndc
from fhir_adapters.medication.strengths import Strength
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import medication_of
from fhir_adapters.terminology import Code

Names = tuple[str, ...]

# Code system → the name that profiles give its resolver; codes of other systems are national ones.
_RESOLVERS = {RXNORM: "rxnorm", NDC: "ndc", ATC: "atc", SNOMED: "snomed"}
_NATIONAL, _MAP, _TEXT = "national", "code-map", "text"
_LONGEST = 1000  # characters of a concept whose drug is remembered


class Drug(msgspec.Struct, frozen=True, gc=False):
    """A drug as far as it is known; ``none_known`` for a code that says that there is none.

    ``unresolved`` is ``conflicting``, ``code-unknown``, ``text-not-understood``, ``reference-not-found`` or
    ``not-named``. ``resolver`` says what told the ingredients (``rxnorm``, ``text``, …).
    """

    text: str
    path: str
    ingredients: Names = ()
    classes: Names = ()
    rxnorm: str | None = None
    code: str | None = None
    repairs: Names = ()
    unresolved: str | None = None
    none_known: str | None = None
    strength: Strength | None = None
    resolver: str | None = None


_known_drugs: dict[tuple[str, wire.CodeableConcept, Profile], Drug] = {}  # pure: the same tables, the same drug


class _Told(NamedTuple):
    """What a concept tells: the ingredients of the ``wholes`` it names, of ``parts`` of the drug, and its codes."""

    known: Mapping[Code, DrugCode]
    wholes: frozenset[Names]
    parts: frozenset[Names]
    incomplete: bool  # an unknown code stands beside a known ingredient, and may be a second one


class _Text(NamedTuple):
    """A text of a concept, with the code beside it; None for the text of the concept itself."""

    names: Names
    code: Code | None
    several: bool = False  # the concept has more codes of that system


def resolve(
    reading: Reading, owner: str, concept: wire.CodeableConcept | None, reference: wire.Reference | None
) -> Drug:
    """Return the drug of ``owner`` (``Type/id``) from its ``medication[x]``, whichever of the two there are.

    Both are against R4 and seen in the wild; then they must agree.
    """
    found: list[Drug] = []
    if concept is not None:
        found.append(of_concept(reading, "medicationCodeableConcept", concept))
    if reference is not None:
        found.append(_referenced(reading, owner, reference))
    if not found:
        return Drug("", "medication", unresolved="not-named")
    return found[0] if len(found) == 1 else _agreed(found)


def of_concept(reading: Reading, path: str, concept: wire.CodeableConcept) -> Drug:
    """Return the drug that a concept names, by its codes and its texts."""
    key = (path, concept, reading.profile)
    known = _known_drugs.get(key)
    if known is None:
        known = _of_concept(reading, path, concept)
        return remember.keep(_known_drugs, key, known) if facts.length_of(concept) <= _LONGEST else known
    return known


def _of_concept(reading: Reading, path: str, concept: wire.CodeableConcept) -> Drug:
    text = display(concept)
    coded = facts.concept(reading.profile, concept.coding)
    for code in coded.codes:
        meaning = reading.terms.none_known.get(code)
        if meaning or code in reading.profile.none_known_drugs:
            return Drug(text, path, none_known=meaning or "none-known")
    told = _told(reading, concept, coded.codes)
    names, why = _decided(told)
    rxnorm = [code for system, code in coded.codes if system == RXNORM]
    repairs = {*coded.repairs, *(() if told.known else ("drug-from-text",))}
    return Drug(
        text=text,
        path=f"{path}.coding" if told.known else facts.words_at(path, concept),
        ingredients=names,
        classes=tuple(sorted({name for code in rxnorm for name in reading.terms.class_orderables.get(code, ())})),
        rxnorm=min(rxnorm, key=lambda code: _level(reading, code), default=None),
        code=coded.written,
        repairs=tuple(sorted(repairs)) if told.wholes or told.parts else (),
        unresolved=why or (None if names else _why(coded.codes, concept)),
        strength=_strength(told, concept) if len(names) == 1 else None,
        resolver=_resolver(reading, told, coded.codes) if names else None,
    )


def _told(reading: Reading, concept: wire.CodeableConcept, codes: Mapping[Code, Names]) -> _Told:
    known = {code: drug for code in codes if (drug := _known(reading, code, codes[code])) is not None}
    texts = list(_texts(reading, concept)) if reading.profile.drug_agreement == "all" or not known else []
    wholes = {drug.ingredients for drug in known.values() if drug.kind != "ingredient"}
    parts = {drug.ingredients for drug in known.values() if drug.kind == "ingredient"}
    ingredient_codes = {code for code, drug in known.items() if drug.kind == "ingredient"}
    for one in texts:
        (parts if one.code in ingredient_codes else wholes).add(one.names)
    for one in texts:
        if one.several and any(set(one.names) < set(whole) for whole in wholes):
            wholes.discard(one.names)
            parts.add(one.names)
    systems = {system for system, _ in ingredient_codes}
    incomplete = any(code not in known and code[0] in systems for code in codes)
    return _Told(known, frozenset(wholes), frozenset(parts), incomplete)


def _known(reading: Reading, code: Code, repairs: Names) -> DrugCode | None:
    """Return what the tables say of a code, unless the profile leaves its resolver out."""
    resolver = _MAP if "code-map" in repairs else _RESOLVERS.get(code[0], _NATIONAL)
    if resolver != _NATIONAL and resolver not in reading.profile.drug_resolvers:
        return None
    system, value = code
    return reading.terms.drug_codes.get((system, key_ndc(value)) if system == NDC else code)


def _texts(reading: Reading, concept: wire.CodeableConcept) -> Iterator[_Text]:
    """Return the texts of a concept that are understood, each once."""
    if _TEXT not in reading.profile.drug_resolvers:
        return
    read: dict[str, Names] = {}
    for text, coding in ((concept.text, None), *((coding.display, coding) for coding in concept.coding)):
        if not text:
            continue
        if text not in read:
            read[text] = reading.terms.ingredients_in_text(text)
        if read[text]:
            code = next(iter(facts.codes(reading, [coding])), None) if coding else None
            several = code is not None and sum(one.system == coding.system for one in concept.coding if coding) > 1
            yield _Text(read[text], code, several)


def _decided(told: _Told) -> tuple[Names, str | None]:
    """Return the ingredients that all agree on, or why there are none."""
    if len(told.wholes) > 1:
        return (), "conflicting"
    if told.wholes:
        (whole,) = told.wholes
        return (whole, None) if all(set(part) <= set(whole) for part in told.parts) else ((), "conflicting")
    if not told.parts:
        return (), None
    if told.incomplete:
        return (), "code-unknown"
    return (next(iter(told.parts)), None) if len(told.parts) == 1 else ((), "conflicting")


def _why(codes: Iterable[Code], concept: wire.CodeableConcept) -> str:
    if any(system in _RESOLVERS for system, _ in codes):
        return "code-unknown"
    return "text-not-understood" if display(concept) else "code-unknown" if concept.coding else "not-named"


def _level(reading: Reading, code: str) -> tuple[bool, bool, int, str]:
    """Return the sort key that puts known drugs before ingredients before unknown codes, the lower number first."""
    known = reading.terms.drug_codes.get((RXNORM, code))
    return known is None, known is not None and known.kind == "ingredient", len(code), code


def _resolver(reading: Reading, told: _Told, codes: Mapping[Code, Names]) -> str:
    """Return what told the drug: the first of the profile's resolvers that knows a code of it, else a text."""
    named = {_MAP if "code-map" in codes[code] else _RESOLVERS.get(code[0], _NATIONAL) for code in told.known}
    return next((one for one in (*reading.profile.drug_resolvers, _NATIONAL) if one in named), _TEXT)


def _strength(told: _Told, concept: wire.CodeableConcept) -> Strength | None:
    named = {drug.name for drug in told.known.values()} | {concept.text or ""}
    named |= {coding.display or "" for coding in concept.coding}
    return strengths.agreed(strengths.of_text(name) for name in named if name)


def _referenced(reading: Reading, owner: str, reference: wire.Reference) -> Drug:
    path = "medicationReference"
    held = medication_of(reading.chart, owner, reference.reference) if reference.reference else None
    shown = of_concept(reading, f"{path}.display", wire.CodeableConcept(text=reference.display))
    if held is None:
        where = f"{path}.display" if reference.display else path
        return replace(shown, path=where, unresolved="reference-not-found" if shown.unresolved else None)
    drug = of_concept(reading, f"{path}.code", held.code or wire.CodeableConcept())
    if drug.none_known is None and held.ingredient:
        drug = _with_composition(reading, held, drug)
    return _with_display(drug, shown)


def _with_display(drug: Drug, shown: Drug) -> Drug:
    """Return the drug of a Medication, as the display of the reference to it leaves it."""
    if not shown.ingredients or drug.none_known or drug.unresolved == "conflicting":
        return drug
    if drug.ingredients:
        return drug if drug.ingredients == shown.ingredients else _conflict(drug)
    return replace(shown, path="medicationReference.display", code=drug.code, rxnorm=drug.rxnorm)


def _with_composition(reading: Reading, held: wire.Medication, drug: Drug) -> Drug:
    """Return the drug with what the Medication's ingredients say, if every one of them is known."""
    path = "medicationReference.ingredient"
    parts = [of_concept(reading, path, item) for item in compositions.items(reading.chart, held)]
    if not parts or any(part.unresolved or part.none_known for part in parts):
        return drug
    names = tuple(sorted({name for part in parts for name in part.ingredients}))
    strength = strengths.of_ratio(held.ingredient[0].strength) if len(held.ingredient) == 1 else None
    if drug.ingredients:
        agreed = strengths.agreed((drug.strength, strength)) if drug.strength else strength
        return replace(drug, strength=agreed) if drug.ingredients == names else _conflict(drug)
    if drug.unresolved == "conflicting":
        return drug
    repairs = {repair for part in parts for repair in part.repairs}
    text = drug.text or " / ".join(sorted(part.text for part in parts))
    resolver = min((part.resolver or "" for part in parts), default="")
    return Drug(text, path, names, code=drug.code, rxnorm=drug.rxnorm, repairs=tuple(sorted(repairs)),
                strength=strength, resolver=resolver)  # fmt: skip


def _conflict(drug: Drug) -> Drug:
    return replace(drug, ingredients=(), unresolved="conflicting", strength=None, resolver=None)


def _agreed(found: list[Drug]) -> Drug:
    """Return the drug that both ``medication[x]`` name; R4 allows one of them only."""
    resolved = [drug for drug in found if drug.ingredients]
    if len({drug.ingredients for drug in resolved}) > 1:
        return _conflict(found[0])
    return (resolved or found)[0]
