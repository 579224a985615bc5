"""Epic R4, as recorded sandbox responses have it (reference/ehr-adapters.md §1a, §1b).

The drug is always a reference with the name beside it, and the Medication holds several RxNorm codes of
different levels; there is no MedicationStatement; problems carry ICD-10-CM, ICD-9-CM and SNOMED CT together;
vital signs carry flowsheet rows beside LOINC; ``authoredOn`` is a date; a dose is given three times over.
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects import tables
from conformance.reference_ehr.dialects.drugs import (
    as_reported_order,
    drug_of,
    external,
    inlined,
    piece_quantity,
    pieces,
)
from conformance.reference_ehr.dialects.elements import (
    LOINC,
    UCUM,
    Concept,
    Resource,
    Rules,
    category_of,
    code_in,
    coding,
    codings,
    concept,
    day,
    each,
    first,
    present,
    rewritten,
    words,
)

_RATES = "http://epic.com/CodeSystem/dose-rate-type"
_ORDERED = "http://terminology.hl7.org/CodeSystem/dose-rate-type"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
_LOINC_OID = "urn:oid:1.2.246.537.6.96"
_MEDICATIONS = "urn:oid:1.2.840.114350.1.13.1.1.7.2.698288"
_VITAL_SIGNS = "8716-3"  # LOINC "Vital signs": Epic puts the panel's code on each of them


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as Epic serves it."""
    rules: Rules = {
        "Condition": each(_condition),
        "Observation": each(_observation),
        "MedicationRequest": _order,
        "MedicationStatement": lambda one: _order(as_reported_order(one)),
    }
    return rewritten(inlined(resources), rules)


def _order(order: Resource) -> list[Resource]:
    dosages = [_dosage(one, order) for one in order.get("dosageInstruction", ())]
    kind = concept(coding(_CATEGORY, "outpatient", "Outpatient"), text="Outpatient")
    written = {
        **order,
        "category": [kind],
        "authoredOn": day(order.get("authoredOn")),
        "dosageInstruction": dosages or None,
    }
    drug = drug_of(order)
    named = concept(*codings(drug), *tables.drug_codings(drug, "rxnorm-ingredient"), text=words(drug) or None)
    own = [{"use": "usual", "system": _MEDICATIONS, "value": str(10_000 + sum(words(drug).encode()))}]
    return external(present(written), named, display=True, identifier=own, status="active")


def _dosage(dosage: Resource, order: Resource) -> Resource:
    """Return the dosage with dates and class behind the text, and the dose as calculated, administered, ordered."""
    text = dosage.get("text")
    rate: Resource | None = first(dosage.get("doseAndRate"))
    dates = "".join(f", {when}" for when in ("Starting " + order["authoredOn"][:10],) if order.get("authoredOn"))
    written = {
        **dosage,
        "text": f"{text}{dates}, Normal" if text else None,
        "patientInstruction": text,
        "doseAndRate": _rates(rate, pieces(dosage, drug_of(order))) if rate else None,
    }
    return present(written)


def _rates(rate: Resource, count: float | None) -> list[Resource]:
    calculated = concept(coding(_RATES, "calculated", "calculated"), text="calculated")
    given = concept(coding(_RATES, "admin-amount", "administered amount"), text="administered amount")
    ordered = concept(coding(_ORDERED, "ordered", "Ordered"), text="ordered")
    tablets = piece_quantity(count, unit="tablet", system=UCUM, code="{tbl}") if count else None
    amounts = [{"type": given, "doseQuantity": tablets}] if tablets else []
    return [{**rate, "type": calculated}, *amounts, {**rate, "type": ordered}]


def _condition(condition: Resource) -> Resource:
    code: Concept = condition.get("code", {})
    older = tables.problem_codings(code, "icd-9-cm")
    return {**condition, "code": {**code, "coding": [*codings(code), *older]}} if older else condition


def _observation(observation: Resource) -> Resource:
    code: Concept = observation.get("code", {})
    loinc = code_in(code, LOINC)
    if category_of(observation) != "vital-signs" or loinc is None:
        return observation
    rows = [*tables.measure_codings(code, "epic-flowsheet-row"), *tables.measure_codings(code, "epic-flowsheet-id")]
    beside = [*rows, coding(_LOINC_OID, loinc), coding(LOINC, _VITAL_SIGNS, "Vital signs")]
    return {**observation, "code": {**code, "coding": [*beside, *codings(code)], "text": words(code)}}
