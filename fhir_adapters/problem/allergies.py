"""AllergyIntolerances to allergies: by ingredient, by class, as food or surroundings; code first, then exact words.

An allergy that is not resolved stays, without ingredients and classes: it was seen, and nobody may say that there
is none. One that its category calls a food or of the surroundings, and that nothing makes a drug, is none.
"""

from collections.abc import Iterator

from fhir_adapters.canonical import Allergy, Original, Refusal
from fhir_adapters.dialect.code_systems import ATC, NDC, PZN, RXNORM, UNII
from fhir_adapters.facts import Reading, codes, display, newest_first, source, status_code, words_at, written
from fhir_adapters.problem import allergen_tables
from fhir_adapters.problem.allergen_tables import AllergenTables
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of
from fhir_adapters.terminology import Code

# http://hl7.org/fhir/R4/valueset-allergyintolerance-clinical.html and -verification.html
_OVER = frozenset({"inactive", "resolved"})
_WRONG = frozenset({"refuted", "entered-in-error"})
_VERIFICATIONS = _WRONG | frozenset({"unconfirmed", "presumed", "confirmed"})
_CLINICAL = _OVER | frozenset({"active"})
_NO_DRUG = frozenset({"food", "environment"})  # http://hl7.org/fhir/R4/valueset-allergy-intolerance-category.html
_DRUG_SYSTEMS = frozenset({RXNORM, NDC, ATC, PZN, UNII})
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_SUBSTANCE = "reaction.substance"
_NONE_OF_ALL = frozenset({"none-known"})


def read(reading: Reading) -> tuple[tuple[Allergy, ...], tuple[Refusal, ...]]:
    """Return the active allergies, and the resources that are none or contradict them."""
    tables = allergen_tables.load()
    found: list[Allergy] = []
    refusals: list[Refusal] = []
    none_known: list[tuple[str, frozenset[str]]] = []
    for one in reading.chart.allergies:
        reference = reference_of(one)
        concepts = _concepts(one)
        coded = {code: repairs for concept in concepts for code, repairs in codes(reading, concept.coding).items()}
        meanings = frozenset(reading.terms.none_known[code] for code in coded if code in reading.terms.none_known)
        if (refused := _refused(one, reference, coded, meanings)) is not None:
            refusals.append(refused)
        elif meanings:
            none_known.append((reference, meanings))
        else:
            found.append(_allergy(reading, tables, one, reference, coded))
    refusals.extend(_contradicted(found, none_known))
    ordered = newest_first(found, lambda _: (None, None), lambda allergy: (allergy.source.reference,))
    return ordered, tuple(refusals)


def _concepts(one: wire.AllergyIntolerance) -> tuple[wire.CodeableConcept, ...]:
    """Return what the allergy is to: its code, and the substances that its reactions name."""
    substances = (reaction.substance for reaction in one.reaction)
    return tuple(concept for concept in (one.code, *substances) if concept is not None)


def _refused(
    one: wire.AllergyIntolerance, reference: str, coded: dict[Code, tuple[str, ...]], meanings: frozenset[str]
) -> Refusal | None:
    """Return why a resource is no allergy, None for one that is, or that says that there are none."""
    verification = status_code(one.verificationStatus, _VERIFICATIONS)
    if verification in _WRONG:
        return Refusal(reference, "verificationStatus", verification)
    clinical = status_code(one.clinicalStatus, _CLINICAL)
    if clinical in _OVER:
        return Refusal(reference, "clinicalStatus", clinical)
    if "not-asked" in meanings:
        return Refusal(reference, "code", "not-asked")
    named = any(system != _ABSENT for system, _ in coded) or (not coded and any(_texts(one)))
    return None if named else Refusal(reference, "code", "no-code")


def _texts(one: wire.AllergyIntolerance) -> Iterator[str]:
    for concept in _concepts(one):
        yield from (text for text in (concept.text, *(each.display for each in concept.coding)) if text)


def _allergy(
    reading: Reading,
    tables: AllergenTables,
    one: wire.AllergyIntolerance,
    reference: str,
    coded: dict[Code, tuple[str, ...]],
) -> Allergy:
    terms = reading.terms
    texts = list(dict.fromkeys(_texts(one)))
    by_code = {name for code in coded for name in terms.allergy_codes.get(code, ())}
    by_text = {name for text in texts for name in _ingredients(reading, text)}
    classes = tables.of_codes(coded)
    from_words = tables.of_texts(texts) | {name for text in texts if (name := _class(text)) in terms.class_members}
    known = _without_foods(reading, tables, classes | from_words, one)
    if not (by_code or by_text or known) and _is_no_drug(one, coded):
        known = frozenset(one.category)
    made = {repair for each in coded.values() for repair in each}
    made |= {"allergen-from-text"} if (by_text - by_code) or (from_words - classes) & known else set[str]()
    concept = one.code or wire.CodeableConcept()
    original = Original(display(concept) or None, None, written(concept.coding))
    path = _told_at(reading, tables, concept, known) if by_code or classes & known else _worded_at(concept)
    return Allergy(
        text=_spoken(one, texts),
        ingredients=tuple(sorted(by_code | by_text)),
        classes=tuple(sorted(known)),
        source=source(reading, reference, path, "allergies.code", original, made),
    )


def _told_at(reading: Reading, tables: AllergenTables, own: wire.CodeableConcept, known: frozenset[str]) -> str:
    """Return where the code stands that tells the allergen: that of the allergy itself, else of a reaction."""
    own_codes = codes(reading, own.coding)
    told = any(code in reading.terms.allergy_codes for code in own_codes) or tables.of_codes(own_codes) & known
    return "code.coding" if told else _SUBSTANCE


def _worded_at(own: wire.CodeableConcept) -> str:
    return words_at("code", own) if own.text or own.coding else _SUBSTANCE


def _ingredients(reading: Reading, text: str) -> set[str]:
    """Return the drugs of a text: "sertraline", and "allergy to sertraline"."""
    return {name for one in allergen_tables.allergens(text) for name in reading.terms.ingredients_in_text(one)}


def _without_foods(
    reading: Reading, tables: AllergenTables, classes: frozenset[str], one: wire.AllergyIntolerance
) -> frozenset[str]:
    """Return the classes, those of foods and surroundings only where the allergy's own code or words name them.

    A substance that is recorded as a medication is not put aside as a food: lactose may be the tablet's.
    """
    if classes.isdisjoint(tables.harmless):
        return classes
    own = one.code or wire.CodeableConcept()
    words = [text for text in (own.text, *(each.display for each in own.coding)) if text]
    named = tables.of_codes(codes(reading, own.coding)) | tables.of_texts(words)
    if named.isdisjoint(tables.harmless):
        return classes - tables.harmless
    recorded_as_drug = not {"medication", "biologic"}.isdisjoint(one.category)
    return classes - tables.foods if recorded_as_drug else classes


def _is_no_drug(one: wire.AllergyIntolerance, coded: dict[Code, tuple[str, ...]]) -> bool:
    """Return whether the resource calls itself a food or of the surroundings, and no drug code speaks against it."""
    no_drug = bool(one.category) and _NO_DRUG.issuperset(one.category)
    return no_drug and all(system not in _DRUG_SYSTEMS for system, _ in coded)


def _spoken(one: wire.AllergyIntolerance, texts: list[str]) -> str:
    """Return the allergen as a card names it, with what the record says of it: "Sertraline (intolerance)"."""
    name = display(one.code) or next(iter(texts), "")
    notes = ("intolerance" if one.type == "intolerance" else "", "high risk" if one.criticality == "high" else "")
    noted = ", ".join(note for note in notes if note)
    return f"{name} ({noted})" if name and noted else name


def _contradicted(found: list[Allergy], none_known: list[tuple[str, frozenset[str]]]) -> Iterator[Refusal]:
    """Yield the statements that there are none, where an allergy that they mean is listed."""
    harmless = allergen_tables.load().harmless
    drugs = any(not one.classes or not harmless.issuperset(one.classes) or one.ingredients for one in found)
    for reference, meanings in none_known:
        meant = (found and meanings & _NONE_OF_ALL) or (drugs and "none-known-drugs" in meanings)
        if meant:
            yield Refusal(reference, "code", "none-known-beside-listed")


def _class(text: str) -> str:
    """Return the class key that a text may be: "Benzodiazepines" is ``benzodiazepine``."""
    return text.strip().lower().removesuffix("s").replace(" ", "_")
