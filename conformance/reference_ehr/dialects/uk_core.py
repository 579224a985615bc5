"""UK Core: dm+d products, problems in SNOMED CT alone, laboratory values in SI units.

https://simplifier.net/hl7fhirukcorer4 and the English prescription messages (github: NHSDigital/
electronic-prescription-service-api): intents ``reflex-order`` and ``instance-order``, and systems that write
dm+d under https://dmd.nhs.uk.
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects import tables
from conformance.reference_ehr.dialects.drugs import drug_of, inlined, with_drug
from conformance.reference_ehr.dialects.elements import (
    ICD_10_CM,
    SNOMED,
    Concept,
    Resource,
    Rules,
    code_in,
    codings,
    concept,
    each,
    picked,
    rewritten,
    words,
)
from conformance.reference_ehr.dialects.measures import each_value, in_units_of

_DMD = "https://dmd.nhs.uk"
_REFLEX_EVERY, _DMD_EVERY = 3, 4


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as a system with UK Core serves it."""
    rules: Rules = {
        "Condition": each(_condition),
        "Observation": each(lambda one: each_value(one, in_units_of("uk-core"))),
        "MedicationRequest": each(_order),
        "MedicationStatement": each(_named),
    }
    return rewritten(inlined(resources), rules)


def _order(order: Resource) -> Resource:
    issued = "reflex-order" if picked(order, _REFLEX_EVERY) else "instance-order"
    return {**_named(order), "intent": issued if order["intent"] == "order" else order["intent"]}


def _named(order: Resource) -> Resource:
    if "medicationCodeableConcept" not in order:
        return order
    drug = drug_of(order)
    found = tables.drug_codings(drug, "dmd")
    if picked(order, _DMD_EVERY):
        found = [{**one, "system": _DMD} for one in found]
    return with_drug(order, concept(*found, text=words(drug) or None))


def _condition(condition: Resource) -> Resource:
    code: Concept = condition.get("code", {})
    if code_in(code, SNOMED) is None:
        return {**condition, "code": concept(text=words(code))} if words(code) else condition
    return {**condition, "code": {**code, "coding": [one for one in codings(code) if one.get("system") != ICD_10_CM]}}
