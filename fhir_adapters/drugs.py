"""Which drug a resource means: inline, contained, in the Bundle, or by text; all that is said must agree.

One concept may hold many RxNorm codes of different levels, so every code is reduced to its ingredients and
they must be the same. A drug that is not resolved stays a drug, without ingredients and with the reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fhir_adapters import wire
from fhir_adapters.coding import RXNORM
from fhir_adapters.facts import Reading, codes, display, written
from fhir_adapters.reader import medication_of


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug as far as it is known; ``none_known`` for a code that says that there is none.

    ``unresolved`` is ``conflicting``, ``code-unknown``, ``text-not-understood``, ``reference-not-found``,
    ``entered-in-error`` or ``not-named``.
    """

    text: str
    path: str
    ingredients: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    rxnorm: str | None = None
    code: str | None = None
    repairs: tuple[str, ...] = ()
    unresolved: str | None = None
    none_known: str | None = None


@dataclass(frozen=True, slots=True)
class _Named:
    """One concept or display that names the drug."""

    path: str
    concept: wire.CodeableConcept


def resolve(
    reading: Reading, owner: str, concept: wire.CodeableConcept | None, reference: wire.Reference | None
) -> Drug:
    """Return the drug of ``owner`` (``Type/id``) from its ``medication[x]``, whichever of the two there are.

    Both are against R4 and seen in the wild; then they must agree.
    """
    found: list[Drug] = []
    if concept is not None:
        found.append(_of_concept(reading, _Named("medicationCodeableConcept", concept)))
    if reference is not None:
        found.append(_referenced(reading, owner, reference))
    if not found:
        return Drug("", "medication", unresolved="not-named")
    return found[0] if len(found) == 1 else _agreed(found)


def _of_concept(reading: Reading, named: _Named) -> Drug:
    """Return the drug that a concept names, by its RxNorm codes, else by its text."""
    concept, text = named.concept, display(named.concept)
    table = reading.terms
    found = codes(reading, concept.coding)
    for code in found:
        if code in table.none_known:
            return Drug(text, named.path, none_known=table.none_known[code])
    rxnorm = [code for system, code in found if system == RXNORM]
    known = [code for code in rxnorm if code in table.drug_codes]
    texts = {words for words in _texts(concept) if words}
    by_text = {names for words in texts if (names := table.ingredients_in_text(words))}
    by_code = {table.drug_codes[code].ingredients for code in known}
    sets = by_code | by_text
    path = f"{named.path}.{'coding' if known else 'text' if concept.text else 'coding.display'}"
    classes = sorted({name for code in rxnorm for name in table.class_orderables.get(code, ())})
    made = {repair for one in found.values() for repair in one}
    made |= set[str]() if by_code else {"drug-from-text"}
    unresolved = None if len(sets) == 1 else "conflicting" if sets else _why(rxnorm, texts)
    return Drug(
        text=text,
        path=path,
        ingredients=next(iter(sets)) if len(sets) == 1 else (),
        classes=tuple(classes),
        rxnorm=min(known or rxnorm, key=lambda code: _level(reading, code), default=None),
        code=written(concept.coding),
        repairs=tuple(sorted(made)) if sets else (),
        unresolved=unresolved,
    )


def _why(rxnorm: list[str], texts: set[str]) -> str:
    if rxnorm:
        return "code-unknown"
    return "text-not-understood" if texts else "not-named"


def _level(reading: Reading, code: str) -> tuple[bool, int, str]:
    """Return the sort key that puts orderable drugs before ingredients, then the lower number first."""
    known = reading.terms.drug_codes.get(code)
    return known is None or known.kind == "ingredient", len(code), code


def _texts(concept: wire.CodeableConcept) -> Iterator[str]:
    yield (concept.text or "").strip()
    yield from ((coding.display or "").strip() for coding in concept.coding)


def _referenced(reading: Reading, owner: str, reference: wire.Reference) -> Drug:
    path = "medicationReference"
    held = medication_of(reading.chart, owner, reference.reference) if reference.reference else None
    shown = _Named(f"{path}.display", wire.CodeableConcept(text=reference.display))
    if held is None:
        drug = _of_concept(reading, shown)
        unresolved = "reference-not-found" if drug.unresolved else None
        return replace(drug, path=shown.path, unresolved=unresolved)
    if held.status == "entered-in-error":
        return Drug(display(held.code), path, unresolved="entered-in-error")
    drug = _of_concept(reading, _Named(f"{path}.code", held.code or wire.CodeableConcept()))
    if drug.unresolved and drug.unresolved != "conflicting" and held.ingredient:
        drug = _composed(reading, held, drug)
    return drug


def _composed(reading: Reading, held: wire.Medication, drug: Drug) -> Drug:
    """Return the drug from its ingredients, if every one of them is known."""
    path = "medicationReference.ingredient"
    parts = [
        _of_concept(reading, _Named(path, one.itemCodeableConcept or wire.CodeableConcept())) for one in held.ingredient
    ]
    if any(part.unresolved or part.none_known for part in parts):
        return drug
    names = {name for part in parts for name in part.ingredients}
    repairs = {repair for part in parts for repair in part.repairs}
    text = drug.text or " / ".join(sorted(part.text for part in parts))
    return Drug(text, path, tuple(sorted(names)), code=drug.code, repairs=tuple(sorted(repairs)))


def _agreed(found: list[Drug]) -> Drug:
    """Return the drug that both ``medication[x]`` name; R4 allows one of them only."""
    resolved = [drug for drug in found if drug.ingredients]
    if len({drug.ingredients for drug in resolved}) > 1:
        return replace(found[0], ingredients=(), unresolved="conflicting")
    return (resolved or found)[0]
