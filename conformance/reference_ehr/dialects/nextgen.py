"""NextGen R4: dosages in words, one code system a problem, now and then a code without its system.

reference/ehr-adapters.md §1a: RxNorm inline; 14 problems in ICD-10-CM, 5 in SNOMED CT; one LOINC code without
``system``.
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects.drugs import inlined
from conformance.reference_ehr.dialects.elements import (
    ICD_10_CM,
    LOINC,
    SNOMED,
    Concept,
    Resource,
    Rules,
    code_in,
    codings,
    each,
    picked,
    present,
    rewritten,
    without,
)

_SNOMED_EVERY, _WITHOUT_SYSTEM_EVERY = 4, 40


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as NextGen serves it."""
    rules: Rules = {
        "Condition": each(_condition),
        "Observation": each(_observation),
        "MedicationRequest": each(lambda one: _spoken(one, "dosageInstruction")),
        "MedicationStatement": each(lambda one: _spoken(one, "dosage")),
    }
    return rewritten(inlined(resources), rules)


def _spoken(order: Resource, name: str) -> Resource:
    """Return the order with the texts of its dosages only, and their period, which is the order's own."""
    return present({**order, name: [_text(one) for one in order.get(name, ())] or None})


def _text(dosage: Resource) -> Resource:
    bounds = dosage.get("timing", {}).get("repeat", {}).get("boundsPeriod")
    timing = {"repeat": {"boundsPeriod": bounds}} if bounds else None
    return present({"text": dosage.get("text"), "timing": timing})


def _condition(condition: Resource) -> Resource:
    code: Concept = condition.get("code", {})
    wanted = SNOMED if picked(condition, _SNOMED_EVERY) else ICD_10_CM
    if code_in(code, wanted) is None:
        return condition
    return {**condition, "code": {**code, "coding": [one for one in codings(code) if one.get("system") == wanted]}}


def _observation(observation: Resource) -> Resource:
    code: Concept = observation.get("code", {})
    if not picked(observation, _WITHOUT_SYSTEM_EVERY):
        return observation
    bare = [without(one, "system") if one.get("system") == LOINC else one for one in codings(code)]
    return {**observation, "code": {**code, "coding": bare}}
