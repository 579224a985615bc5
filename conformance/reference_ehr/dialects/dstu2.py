"""DSTU2: MedicationOrder, statuses as codes, answers in groups of questions, no Consent.

http://hl7.org/fhir/DSTU2/. What it cannot say is lost: there is no Consent (a Contract stands in), no
MedicationOrder that is only reported (a MedicationStatement stands in), no intent.
"""

from collections.abc import Sequence
from typing import Any

from conformance.reference_ehr.dialects.earlier import (
    as_statement,
    code_of,
    flat_dosage,
    gender_of,
    is_reported,
    old_interpretation,
    old_systems,
    old_value,
    one_note,
    related,
    yes_or_no,
)
from conformance.reference_ehr.dialects.elements import (
    Resource,
    Rules,
    each,
    first,
    moved,
    present,
    rewritten,
    without,
    words,
)

_CLINICAL = {"recurrence": "relapse", "inactive": "remission"}
_VERIFIED = {"unconfirmed": "provisional"}
_CRITICALITY = {"low": "CRITL", "high": "CRITH", "unable-to-assess": "CRITU"}
_ORDER_STATUS = {"cancelled": "stopped"}
_STATEMENT_STATUS = {"stopped": "completed", "on-hold": "active", "not-taken": "active", "unknown": "active"}


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart in DSTU2."""
    rules: Rules = {
        "Patient": each(_patient),
        "Condition": each(_condition),
        "Observation": each(_observation),
        "MedicationRequest": each(_order),
        "MedicationStatement": each(_statement),
        "Medication": each(_medication),
        "AllergyIntolerance": each(_allergy),
        "QuestionnaireResponse": each(_response),
        "FamilyMemberHistory": each(gender_of),
        "Consent": each(_contract),
    }
    return old_systems(rewritten(resources, rules))


def _patient(patient: Resource) -> Resource:
    names = [{**name, "family": [name["family"]]} if "family" in name else name for name in patient.get("name", ())]
    return present({**patient, "name": names or None})


def _condition(condition: Resource) -> Resource:
    plain = moved(condition, {"subject": "patient", "recordedDate": "dateRecorded"})
    return present(
        {
            **without(plain, "note", "recorder"),
            "clinicalStatus": code_of(condition.get("clinicalStatus"), _CLINICAL),
            "verificationStatus": code_of(condition.get("verificationStatus"), _VERIFIED) or "unknown",
            "category": first(condition.get("category")),
            "dateRecorded": (condition.get("recordedDate") or "")[:10] or None,
            "notes": one_note(condition),
        }
    )


def _observation(observation: Resource) -> Resource:
    plain = old_interpretation(_value(moved(observation, {"effectiveInstant": "effectiveDateTime"})))
    return present(
        {
            **without(plain, "note", "derivedFrom", "hasMember"),
            "status": {"corrected": "amended"}.get(observation["status"], observation["status"]),
            "category": first(observation.get("category")),
            "comments": one_note(observation),
            "related": related(observation, "derived-from", "has-member") or None,
            "component": [_value(one) for one in observation.get("component", ())] or None,
        }
    )


def _value(value: Resource) -> Resource:
    plain = old_value(value)
    if "valueBoolean" in plain:
        return {**without(plain, "valueBoolean"), "valueCodeableConcept": yes_or_no(plain["valueBoolean"])}
    return plain


def _order(order: Resource) -> Resource:
    if is_reported(order):
        return _statement(as_statement(order))
    names = {
        "subject": "patient",
        "authoredOn": "dateWritten",
        "requester": "prescriber",
        "statusReason": "reasonEnded",
    }
    plain = moved(without(order, "intent", "reportedBoolean", "category", "note", "reasonCode"), names)
    status = _ORDER_STATUS.get(order["status"], order["status"])
    return present(
        {
            **plain,
            "resourceType": "MedicationOrder",
            "status": None if status == "unknown" else status,
            "reasonReference": first(order.get("reasonReference")),
            "reasonCodeableConcept": first(order.get("reasonCode")),
            "note": one_note(order),
            "dosageInstruction": [_dosage(one) for one in order.get("dosageInstruction", ())] or None,
            "contained": [_contained(one) for one in order.get("contained", ())] or None,
        }
    )


def _statement(statement: Resource) -> Resource:
    plain = moved(without(statement, "category", "context", "note", "reasonCode"), {"subject": "patient"})
    not_taken = statement["status"] == "not-taken"
    return present(
        {
            **plain,
            "status": _STATEMENT_STATUS.get(statement["status"], statement["status"]),
            "wasNotTaken": True if not_taken else None,
            "note": one_note(statement),
            "dosage": [_taken(one) for one in statement.get("dosage", ())] or None,
            "contained": [_contained(one) for one in statement.get("contained", ())] or None,
        }
    )


def _dosage(dosage: Resource) -> Resource:
    plain = without(flat_dosage(dosage), "patientInstruction", "sequence", "additionalInstruction")
    return present({**plain, "timing": _timing(dosage.get("timing"))})


def _taken(dosage: Resource) -> Resource:
    return moved(_dosage(dosage), {"doseQuantity": "quantityQuantity", "doseRange": "quantityRange"})


def _timing(timing: Resource | None) -> Resource | None:
    if not timing or "repeat" not in timing:
        return timing
    repeat: Resource = moved(timing["repeat"], {"periodUnit": "periodUnits", "durationUnit": "durationUnits"})
    return {**timing, "repeat": repeat}


def _contained(resource: Resource) -> Resource:
    return _medication(resource) if resource["resourceType"] == "Medication" else resource


def _medication(medication: Resource) -> Resource:
    """Leave ingredients out: DSTU2 has them as references to further resources only."""
    product = present({"form": medication.get("form")})
    return present({**without(medication, "ingredient", "status", "form"), "product": product or None})


def _allergy(allergy: Resource) -> Resource:
    verified, clinical = code_of(allergy.get("verificationStatus")), code_of(allergy.get("clinicalStatus"))
    wrong = verified if verified in ("refuted", "entered-in-error") else None
    over = clinical if clinical in ("inactive", "resolved") else None
    plain = moved(allergy, {"code": "substance"})
    return present(
        {
            **without(plain, "clinicalStatus", "verificationStatus", "note"),
            "status": wrong or over or clinical or verified,
            "criticality": _CRITICALITY.get(allergy.get("criticality", "")),
            "category": first(allergy.get("category")),
            "note": {"text": one_note(allergy)} if allergy.get("note") else None,
        }
    )


def _response(response: Resource) -> Resource:
    questionnaire = response.get("questionnaire")
    return present(
        {
            **without(response, "item", "basedOn", "partOf"),
            "questionnaire": {"reference": questionnaire} if questionnaire else None,
            "group": {"question": [_question(one) for one in response.get("item", ())]},
        }
    )


def _question(item: Resource) -> Resource:
    """Items with items in them are groups of questions; ours are plain lists, and an answer may hold more."""
    answers = [_answer(one) for one in item.get("answer", ())]
    inner = [_question(one) for one in item.get("item", ())]
    group = [{"question": inner}] if inner else None
    return present({**without(item, "answer", "item", "definition"), "answer": answers or None, "group": group})


def _answer(answer: Resource) -> dict[str, Any]:
    inner = [_question(one) for one in answer.get("item", ())]
    return present({**without(answer, "item"), "group": [{"question": inner}] if inner else None})


def _contract(consent: Resource) -> Resource:
    """Return what stands for a Consent: http://hl7.org/fhir/DSTU2/contract.html has terms in words only."""
    said = [words(one) for one in consent.get("provision", {}).get("code", ())]
    kind = consent.get("provision", {}).get("type", "")
    return present(
        {
            "resourceType": "Contract",
            "id": consent.get("id"),
            "issued": consent.get("dateTime"),
            "subject": [consent["patient"]] if "patient" in consent else None,
            "type": {"text": "Privacy consent"},
            "term": [{"text": f"{kind}: {'; '.join(said)}".strip(": ")}] if kind else None,
        }
    )
