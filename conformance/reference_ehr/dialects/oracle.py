"""Oracle Health Millennium R4: home medications as orders of intent ``plan``, synonym codes beside RxNorm.

reference/ehr-adapters.md §1a and fhir.cerner.com, Millennium R4, medication-request.md and observation.md.
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects.drugs import as_reported_order, drug_of, inlined, with_drug
from conformance.reference_ehr.dialects.elements import (
    RXNORM,
    Concept,
    Resource,
    Rules,
    code_in,
    coding,
    codings,
    concept,
    each,
    rewritten,
    words,
)

_TENANT = "https://fhir.cerner.com/ec2458f2-1e24-41c8-b71b-0e701af7583d"
_SYNONYMS = f"{_TENANT}/synonym"
_CODE_SET = f"{_TENANT}/codeSet/72"
_PATIENT_SPECIFIED = coding(
    "http://terminology.hl7.org/CodeSystem/medicationrequest-category", "patientspecified", "Patient Specified"
)
_COMMUNITY = coding("http://terminology.hl7.org/CodeSystem/medicationrequest-category", "community", "Community")


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as Millennium serves it."""
    rules: Rules = {
        "Observation": each(_observation),
        "MedicationRequest": each(lambda one: _order(one, reported=bool(one.get("reportedBoolean")))),
        "MedicationStatement": each(lambda one: _order(as_reported_order(one), reported=True)),
    }
    return rewritten(inlined(resources), rules)


def _order(order: Resource, *, reported: bool) -> Resource:
    kinds = [concept(_COMMUNITY, text="Community")]
    kinds += [concept(_PATIENT_SPECIFIED, text="Patient Specified")] if reported else []
    written = {**order, "category": kinds, "reportedBoolean": reported}
    return with_drug(written, _named(drug_of(order))) if "medicationCodeableConcept" in order else written


def _named(drug: Concept) -> Concept:
    """Return the drug with the synonym that the prescriber chose; a drug without RxNorm has the synonym only."""
    text = words(drug)
    synonym = coding(_SYNONYMS, str(2_000_000 + sum(text.encode())), text or None)
    known = codings(drug) if code_in(drug, RXNORM) else []
    return concept(*known, {**synonym, "userSelected": True}, text=text or None)


def _observation(observation: Resource) -> Resource:
    code: Concept = observation.get("code", {})
    local = coding(_CODE_SET, str(700_000 + sum(words(code).encode())), words(code) or None)
    return {**observation, "code": {**code, "coding": [{**local, "userSelected": True}, *codings(code)]}}
