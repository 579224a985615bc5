"""eClinicalWorks R4: silent references to Medications, status ``unknown``, results as texts.

reference/ehr-adapters.md §1a: the reference has no display; the Medication has RxNorm and NDC; every order is
``reportedBoolean`` true; a dose is in "tablet" and its route a text; allergies by RxNorm or by text.
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
    RXNORM,
    Concept,
    Resource,
    Rules,
    category_of,
    code_in,
    codings,
    concept,
    each,
    present,
    rewritten,
    without,
    words,
)


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as eClinicalWorks serves it."""
    rules: Rules = {
        "Observation": each(_observation),
        "AllergyIntolerance": each(_allergy),
        "MedicationRequest": _order,
        "MedicationStatement": lambda one: _order(as_reported_order(one)),
    }
    return rewritten(inlined(resources), rules)


def _order(order: Resource) -> list[Resource]:
    drug = drug_of(order)
    written = {
        **order,
        "status": "unknown" if order["status"] == "active" else order["status"],
        "reportedBoolean": True,
        "dosageInstruction": [_dosage(one, drug) for one in order.get("dosageInstruction", ())] or None,
    }
    named = concept(*codings(drug), *tables.drug_codings(drug, "ndc"), text=words(drug) or None)
    return external(present(written), named, display=False, status="active")


def _dosage(dosage: Resource, drug: Concept) -> Resource:
    """Return the dosage with its amount in tablets: the milligrams stand in the drug's name only."""
    count = pieces(dosage, drug)
    amount = [{"doseQuantity": piece_quantity(count, unit="tablet")}] if count else None
    route = words(dosage.get("route"))
    kept = without(dosage, "route", "doseAndRate")
    return present({**kept, "route": concept(text=route) if route else None, "doseAndRate": amount})


def _observation(observation: Resource) -> Resource:
    """Return a laboratory result or score as the text in which it stands; vital signs stay quantities."""
    quantity = observation.get("valueQuantity")
    if quantity is None or category_of(observation) == "vital-signs":
        return observation
    said = f"{quantity['value']} {quantity.get('unit', '')}".strip()
    return {**without(observation, "valueQuantity"), "valueString": said}


def _allergy(allergy: Resource) -> Resource:
    code: Concept = allergy.get("code", {})
    coded = code_in(code, RXNORM) is not None or not words(code)
    return allergy if coded or _says_none(code) else {**allergy, "code": concept(text=words(code))}


def _says_none(code: Concept) -> bool:
    return words(code).lower().startswith("no known")
