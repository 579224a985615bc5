"""ISiK, German hospitals: ATC and PZN on a Medication of its own, ICD-10-GM, doses in pieces at times of day.

github: gematik/spec-ISiK-Medikation and spec-ISiK-Basismodul, examples. Coded social history has LOINC
answers where the guide's examples show them.
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects import tables
from conformance.reference_ehr.dialects.drugs import drug_of, external, inlined, piece_quantity, pieces
from conformance.reference_ehr.dialects.elements import (
    SNOMED,
    UCUM,
    Concept,
    Resource,
    Rules,
    code_in,
    codings,
    concept,
    each,
    present,
    rewritten,
    words,
)

_ICD_VERSION = "2024"
_TIMES = {1: ["MORN"], 2: ["MORN", "EVE"], 3: ["MORN", "NOON", "EVE"]}


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as a German hospital system serves it."""
    rules: Rules = {
        "Condition": each(_condition),
        "Observation": each(_observation),
        "MedicationRequest": lambda one: _order(one, "dosageInstruction"),
        "MedicationStatement": lambda one: _order(one, "dosage"),
    }
    return rewritten(inlined(resources), rules)


def _order(order: Resource, name: str) -> list[Resource]:
    drug = drug_of(order)
    found = [*tables.drug_codings(drug, "atc-de"), *tables.drug_codings(drug, "pzn")]
    named = concept(*found, text=words(drug) or None)
    dosages = [_dosage(one, drug) for one in order.get(name, ())]
    return external(present({**order, name: dosages or None}), named, display=False, status="active")


def _dosage(dosage: Resource, drug: Concept) -> Resource:
    """Return the dosage in pieces at times of day, where the order is so many times a day."""
    repeat = dosage.get("timing", {}).get("repeat", {})
    daily = repeat.get("period") == 1 and repeat.get("periodUnit") == "d"
    when = _TIMES.get(repeat.get("frequency")) if daily else None
    count = pieces(dosage, drug)
    if when is None or count is None:
        return dosage
    amount = piece_quantity(count, unit="Tablette", system=UCUM, code="1")
    bounds = present({"boundsPeriod": repeat.get("boundsPeriod")})
    return {**dosage, "timing": {"repeat": {**bounds, "when": when}}, "doseAndRate": [{"doseQuantity": amount}]}


def _condition(condition: Resource) -> Resource:
    """Code the problem in ICD-10-GM where its code was seen; elsewhere SNOMED CT stays, as the guide allows."""
    code: Concept = condition.get("code", {})
    german = [{**one, "version": _ICD_VERSION} for one in tables.problem_codings(code, "icd-10-gm")]
    kept = german or [one for one in codings(code) if one.get("system") == SNOMED]
    return {**condition, "code": concept(*kept, text=words(code) or None)} if kept else condition


def _observation(observation: Resource) -> Resource:
    answer: Concept = observation.get("valueCodeableConcept", {})
    if code_in(answer, SNOMED) is None:
        return observation
    german = tables.answer_codings(answer, SNOMED, "loinc-answer")
    return {**observation, "valueCodeableConcept": concept(*german)} if german else observation
