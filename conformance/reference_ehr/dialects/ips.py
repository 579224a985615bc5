"""International Patient Summary: a document; drugs by ATC or in words, statements instead of orders.

http://hl7.org/fhir/uv/ips/. "None known" and "no information" are codes in the place of a drug or allergy.
The summary has no place for answered questionnaires, consents of use or family history: they are lost.
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects import tables
from conformance.reference_ehr.dialects.drugs import drug_of, external, inlined, period_of
from conformance.reference_ehr.dialects.elements import (
    ICD_10_CM,
    SNOMED,
    Concept,
    Resource,
    Rules,
    code_in,
    coding,
    codings,
    concept,
    dropped,
    each,
    present,
    rewritten,
    without,
    words,
)

ABSENT = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
_NO_KNOWN_ALLERGY = "716186003"
_KEPT_STATUS = frozenset({"active", "completed", "stopped", "on-hold", "entered-in-error", "unknown"})


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the resources of the summary; the envelope makes the document out of them."""
    rules: Rules = {
        "Condition": each(_condition),
        "AllergyIntolerance": each(_allergy),
        "MedicationRequest": _order,
        "MedicationStatement": _statement,
        **dict.fromkeys(("QuestionnaireResponse", "Consent", "FamilyMemberHistory"), dropped),
    }
    written = rewritten(inlined(resources), rules)
    return [*written, *_unknown(written)]


def _statement(statement: Resource) -> list[Resource]:
    drug = drug_of(statement)
    return external(statement, concept(*tables.drug_codings(drug, "atc"), text=words(drug) or None), display=False)


def _order(order: Resource) -> list[Resource]:
    """Return the statement that the summary makes of an order; what is no order of a drug is left out."""
    if order["status"] not in _KEPT_STATUS or order["intent"] == "proposal":
        return []
    dosages = order.get("dosageInstruction", [])
    kept = without(order, "intent", "authoredOn", "requester", "dosageInstruction", "dispenseRequest", "category")
    statement = {
        **without(kept, "reportedBoolean", "priority", "reasonReference"),
        "resourceType": "MedicationStatement",
        "statusReason": [kept["statusReason"]] if "statusReason" in kept else None,
        "effectivePeriod": period_of(order),
        "dosage": dosages or None,
    }
    return _statement(present(statement))


def _condition(condition: Resource) -> Resource:
    """Keep SNOMED CT, which the summary prefers; a national code stays where there is no other."""
    code: Concept = condition.get("code", {})
    if code_in(code, SNOMED) is None:
        return condition
    return {**condition, "code": {**code, "coding": [one for one in codings(code) if one.get("system") != ICD_10_CM]}}


def _allergy(allergy: Resource) -> Resource:
    if code_in(allergy.get("code"), SNOMED) != _NO_KNOWN_ALLERGY:
        return allergy
    return {**allergy, "code": concept(coding(ABSENT, "no-known-allergies", "No known allergies"))}


def _unknown(written: Sequence[Resource]) -> list[Resource]:
    """Return what stands for a section of which nothing is known: drugs and allergies are required sections."""
    kinds = {one["resourceType"] for one in written}
    patient = next((one for one in written if one["resourceType"] == "Patient"), None)
    if patient is None:
        return []
    whose = {"reference": f"Patient/{patient['id']}"}
    drug = concept(coding(ABSENT, "no-medication-info", "No information about medications"))
    allergy = concept(coding(ABSENT, "no-allergy-info", "No information about allergies"))
    found: list[Resource] = []
    if "MedicationStatement" not in kinds:
        no_drug = {"resourceType": "MedicationStatement", "id": "no-medication-info", "status": "unknown"}
        found.append({**no_drug, "medicationCodeableConcept": drug, "subject": whose})
    if "AllergyIntolerance" not in kinds:
        found.append({"resourceType": "AllergyIntolerance", "id": "no-allergy-info", "code": allergy, "patient": whose})
    return found
