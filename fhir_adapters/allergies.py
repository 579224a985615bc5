"""AllergyIntolerances to allergies: by code, by the drug in the text, by the class in the text.

An allergy that is not resolved stays, without ingredients: it was seen, and nobody may say that there is
none.
"""

from fhir_adapters import wire
from fhir_adapters.canonical import Allergy, Original, Refusal
from fhir_adapters.facts import Reading, codes, display, newest_first, source, status_code, written
from fhir_adapters.reader import reference_of
from fhir_adapters.terminology import Code

# http://hl7.org/fhir/R4/valueset-allergyintolerance-clinical.html and -verification.html
_OVER = frozenset({"inactive", "resolved"})
_WRONG = frozenset({"refuted", "entered-in-error"})


def read(reading: Reading) -> tuple[tuple[Allergy, ...], tuple[Refusal, ...]]:
    """Return the active allergies and the resources that are none."""
    read_all = [_read(reading, one) for one in reading.chart.allergies]
    allergies = newest_first(
        (one for one in read_all if isinstance(one, Allergy)),
        lambda _: (None, None),
        lambda allergy: (allergy.source.reference,),
    )
    return allergies, tuple(one for one in read_all if isinstance(one, Refusal))


def _read(reading: Reading, allergy: wire.AllergyIntolerance) -> Allergy | Refusal | None:
    """Return what a resource says; None for one that only says that there are none."""
    reference = reference_of(allergy)
    concept = allergy.code or wire.CodeableConcept()
    found = codes(reading, concept.coding)
    if wrong := status_code(allergy.verificationStatus, _WRONG):
        return Refusal(reference, "verificationStatus", wrong)
    if over := status_code(allergy.clinicalStatus, _OVER):
        return Refusal(reference, "clinicalStatus", over)
    meanings = {reading.terms.none_known[code] for code in found if code in reading.terms.none_known}
    if meanings:
        return Refusal(reference, "code", "not-asked") if "not-asked" in meanings else None
    if not (found or display(concept)):
        return Refusal(reference, "code", "no-code")
    return _allergy(reading, reference, concept, found)


def _allergy(
    reading: Reading, reference: str, concept: wire.CodeableConcept, found: dict[Code, tuple[str, ...]]
) -> Allergy:
    terms = reading.terms
    texts = [text for text in (concept.text, *(one.display for one in concept.coding)) if text]
    by_code = {name for code in found for name in terms.allergy_codes.get(code, ())}
    by_text = {name for text in texts for name in terms.ingredients_in_text(text)}
    classes = {name for text in texts if (name := _class(text)) in terms.class_members}
    made = {repair for one in found.values() for repair in one}
    made |= {"allergen-from-text"} if classes or (by_text and not by_code) else set[str]()
    original = Original(display(concept) or None, None, written(concept.coding))
    path = "code.coding" if by_code else "code.text"
    return Allergy(
        text=display(concept),
        ingredients=tuple(sorted(by_code | by_text)),
        classes=tuple(sorted(classes)),
        source=source(reading, reference, path, "allergies.code", original, made),
    )


def _class(text: str) -> str:
    """Return the class key that a text may be: "Benzodiazepines" is ``benzodiazepine``."""
    return text.strip().lower().removesuffix("s").replace(" ", "_")
