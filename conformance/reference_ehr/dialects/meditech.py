"""MEDITECH and MEDHOST: drugs mostly as words, units as capitals, an onset that is a text.

reference/ehr-adapters.md §1a: no quantity with a UCUM code, "BEATS PER MINUTE", "KILOGRAMS", "F" or nothing;
14 of 30 Observations named by text only; 17 of 29 drugs by text only, 6 by NDC; one list out of orders and
statements; ``original-order``; ``timing.code`` in words.
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects import tables
from conformance.reference_ehr.dialects.drugs import drug_of, inlined, with_drug
from conformance.reference_ehr.dialects.elements import (
    LOINC,
    Concept,
    Resource,
    Rules,
    code_in,
    concept,
    each,
    moved,
    picked,
    present,
    rewritten,
    without,
    words,
)
from conformance.reference_ehr.dialects.measures import each_value, in_units_of, text_units

_TEXT_ONLY = {"8302-2": "HEIGHT", "59408-5": "PULSE OX", "9279-1": "RESPIRATIONS", "72166-2": "TOBACCO USE"}
_TIMES = {(1, "d"): "DAILY", (2, "d"): "TWICE A DAY", (3, "d"): "THREE TIMES A DAY", (1, "wk"): "WEEKLY"}
_ORIGINAL_EVERY, _TEXT_ONSET_EVERY = 3, 4


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as these systems serve it."""
    rules: Rules = {
        "Condition": each(_condition),
        "Observation": each(_observation),
        "MedicationRequest": each(_order),
        "MedicationStatement": each(lambda one: _with_dosages(_named(one), "dosage")),
    }
    return rewritten(inlined(resources), rules)


def _order(order: Resource) -> Resource:
    plain = _with_dosages(_named(order), "dosageInstruction")
    original = order["intent"] == "order" and picked(order, _ORIGINAL_EVERY)
    return {**plain, "intent": "original-order"} if original else plain


def _named(order: Resource) -> Resource:
    if "medicationCodeableConcept" not in order:
        return order
    drug = drug_of(order)
    return with_drug(order, concept(*tables.drug_codings(drug, "ndc"), text=words(drug) or None))


def _with_dosages(order: Resource, name: str) -> Resource:
    return present({**order, name: [_dosage(one) for one in order.get(name, ())] or None})


def _dosage(dosage: Resource) -> Resource:
    """Return the dosage with its times in words where the system has words for them."""
    repeat = dosage.get("timing", {}).get("repeat", {})
    spoken = _TIMES.get((repeat.get("frequency"), repeat.get("periodUnit"))) if repeat.get("period") == 1 else None
    if spoken is None:
        return dosage
    said = f"{spoken} AS NEEDED" if dosage.get("asNeededBoolean") else spoken
    bounds = present({"boundsPeriod": repeat.get("boundsPeriod")})
    return {**dosage, "timing": present({"repeat": bounds or None, "code": concept(text=said)})}


def _condition(condition: Resource) -> Resource:
    late = "onsetDateTime" in condition and picked(condition, _TEXT_ONSET_EVERY)
    return moved(condition, {"onsetDateTime": "onsetString"}) if late else condition


def _observation(observation: Resource) -> Resource:
    code: Concept = observation.get("code", {})
    written = each_value(observation, lambda value: text_units(in_units_of("meditech-r4")(value)))
    text = _TEXT_ONLY.get(code_in(code, LOINC) or "")
    return {**without(written, "code"), "code": concept(text=text)} if text else written
