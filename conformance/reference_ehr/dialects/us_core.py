"""US Core on R4: profiles named, home medications as reported orders.

http://hl7.org/fhir/us/core/STU6.1/, "Medication List": MedicationStatement is not part of it.
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects.drugs import as_reported_order
from conformance.reference_ehr.dialects.elements import (
    Resource,
    Rules,
    category_of,
    coding,
    concept,
    each,
    rewritten,
)

_PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/medicationrequest-category"
_PROFILES = {
    "Patient": "patient",
    "Condition": "condition-problems-health-concerns",
    "MedicationRequest": "medicationrequest",
    "AllergyIntolerance": "allergyintolerance",
    "laboratory": "observation-lab",
    "vital-signs": "vital-signs",
    "survey": "observation-screening-assessment",
    "social-history": "simple-observation",
}


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as US Core asks for it."""
    rules: Rules = {
        "Patient": each(_profiled),
        "Condition": each(_profiled),
        "AllergyIntolerance": each(_profiled),
        "Observation": each(_profiled),
        "MedicationRequest": each(_order),
        "MedicationStatement": each(lambda one: _order(as_reported_order(one))),
    }
    return rewritten(resources, rules)


def _order(order: Resource) -> Resource:
    kind = concept(coding(_CATEGORY, "community", "Community"))
    return _profiled({**order, "category": order.get("category") or [kind]})


def _profiled(resource: Resource) -> Resource:
    name = _PROFILES.get(resource["resourceType"]) or _PROFILES.get(category_of(resource) or "")
    if name is None:
        return resource
    return {**resource, "meta": {**resource.get("meta", {}), "profile": [_PROFILE + name]}}
