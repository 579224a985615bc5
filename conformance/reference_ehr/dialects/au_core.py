"""AU Core: drugs as Medications of their own, in words where no AMT or PBS code was seen, problems in SNOMED CT.

https://build.fhir.org/ig/hl7au/au-fhir-core/ and its examples: 15 of 47 drugs in the national test data have
a text only; a dose counts tablets (``TAB`` of v3-orderableDrugForm).
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects.drugs import drug_of, external, inlined, piece_quantity, pieces
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
    present,
    rewritten,
    words,
)

_PROFILE = "http://hl7.org.au/fhir/core/StructureDefinition/au-core-"
_FORMS = "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm"


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as a system with AU Core serves it."""
    rules: Rules = {
        "Condition": each(_condition),
        "MedicationRequest": lambda one: _order(one, "dosageInstruction"),
        "MedicationStatement": lambda one: _order(one, "dosage"),
    }
    return rewritten(inlined(resources), rules)


def _order(order: Resource, name: str) -> list[Resource]:
    dosages = [_in_tablets(one, drug_of(order)) for one in order.get(name, ())]
    written = present({**order, name: dosages or None})
    named = concept(text=words(drug_of(order)) or None)
    meta = {"profile": [_PROFILE + "medication"]}
    return external(written, named, display=False, meta=meta)


def _in_tablets(dosage: Resource, drug: Concept) -> Resource:
    count = pieces(dosage, drug)
    if count is None:
        return dosage
    tablets = piece_quantity(count, unit="TAB", system=_FORMS, code="TAB")
    return {**dosage, "doseAndRate": [{"doseQuantity": tablets}]}


def _condition(condition: Resource) -> Resource:
    code: Concept = condition.get("code", {})
    if code_in(code, SNOMED) is None:
        return {**condition, "code": concept(text=words(code))} if words(code) else condition
    return {**condition, "code": {**code, "coding": [one for one in codings(code) if one.get("system") != ICD_10_CM]}}
