"""OpenMRS R4 (openmrs-module-fhir2): contained drugs, local concepts and CIEL, units without a code.

Every concept has the dictionary's uuid, which stands without a system, and the mappings that the dictionary
holds (github: openmrs-module-initializer, readme/fhir.md). A CIEL concept's uuid is its number filled up with
the letter A.
"""

from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

from conformance.reference_ehr.dialects import tables
from conformance.reference_ehr.dialects.drugs import contained, drug_of, inlined
from conformance.reference_ehr.dialects.elements import (
    ICD_10_CM,
    Concept,
    Resource,
    Rules,
    coding,
    codings,
    concept,
    each,
    rewritten,
    words,
)
from conformance.reference_ehr.dialects.measures import each_value, text_units

_UUID_LENGTH = 36


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as OpenMRS serves it."""
    rules: Rules = {
        "Condition": each(_condition),
        "Observation": each(lambda one: each_value(one, _value)),
        "AllergyIntolerance": each(lambda one: {**one, "code": _local(one.get("code", {}), [])}),
        "MedicationRequest": each(_order),
        "MedicationStatement": each(_order),
    }
    return rewritten(inlined(resources), rules)


def _order(order: Resource) -> Resource:
    drug = drug_of(order)
    text = words(drug)
    named = concept(coding(None, _uuid(text), text or None), text=text or None) if text else drug
    return contained(order, named)


def _condition(condition: Resource) -> Resource:
    code: Concept = condition.get("code", {})
    kept = {**code, "coding": [one for one in codings(code) if one.get("system") != ICD_10_CM]}
    return {**condition, "code": _local(kept, tables.problem_codings(code, "ciel"))}


def _value(value: Resource) -> Resource:
    code: Concept = value.get("code", {})
    mapped = tables.measure_codings(code, "ciel")
    named = _local(concept(text=words(code) or None), mapped) if mapped else _local(code, [])
    return text_units({**value, "code": named})


def _local(code: Concept, mapped: list[Resource]) -> Concept:
    """Return a concept of the dictionary with its uuid, CIEL number and other mappings."""
    shown = words(code) or (mapped[0].get("display", "") if mapped else "")
    number = mapped[0]["code"] if mapped else None
    own = f"{number:A<{_UUID_LENGTH}}" if number else _uuid(shown)
    return concept(coding(None, own, shown or None), *mapped, *codings(code), text=shown or None)


def _uuid(text: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"https://reference-ehr.example/concepts/{text.lower()}"))
