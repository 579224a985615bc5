"""STU3: context, taken, requester.agent, statuses as codes, Consent as a policy with exceptions.

http://hl7.org/fhir/STU3/. A drug that is not taken keeps a status that looks active beside ``taken: "n"``.
"""

from collections.abc import Sequence

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
)
from conformance.reference_ehr.dialects.elements import (
    Resource,
    Rules,
    codings,
    each,
    first,
    moved,
    present,
    rewritten,
    without,
)

_POLICY = "http://hl7.org/fhir/ConsentPolicy/"
_CONTEXT = {"encounter": "context", "recordedDate": "assertedDate"}
_INTENTS = {"original-order": "order", "reflex-order": "order", "filler-order": "order"}
_NARROWING = ("code", "purpose", "action")


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart in STU3."""
    rules: Rules = {
        "Condition": each(_condition),
        "Observation": each(_observation),
        "MedicationRequest": each(_order),
        "MedicationStatement": each(_statement),
        "Medication": each(_medication),
        "AllergyIntolerance": each(_allergy),
        "QuestionnaireResponse": each(_response),
        "FamilyMemberHistory": each(gender_of),
        "Consent": each(_consent),
    }
    return old_systems(rewritten(resources, rules))


def _condition(condition: Resource) -> Resource:
    plain = without(moved(condition, _CONTEXT), "recorder")
    return present(
        {
            **plain,
            "clinicalStatus": code_of(condition.get("clinicalStatus"), {"relapse": "recurrence"}),
            "verificationStatus": code_of(condition.get("verificationStatus"), {"unconfirmed": "provisional"}),
        }
    )


def _observation(observation: Resource) -> Resource:
    plain = moved(observation, {"encounter": "context", "effectiveInstant": "effectiveDateTime"})
    return present(
        {
            **without(old_interpretation(old_value(plain)), "note", "derivedFrom", "hasMember"),
            "comment": one_note(observation),
            "related": related(observation, "derived-from", "has-member") or None,
            "component": [old_value(one) for one in observation.get("component", ())] or None,
        }
    )


def _order(order: Resource) -> Resource:
    if is_reported(order):
        return _statement(as_statement(order))
    plain = moved(
        without(order, "reportedBoolean", "performer", "courseOfTherapyType", "statusReason"), {"encounter": "context"}
    )
    requester = order.get("requester")
    return present(
        {
            **plain,
            "intent": _INTENTS.get(order["intent"], order["intent"]),
            "category": first(order.get("category")),
            "requester": {"agent": requester} if requester else None,
            "dosageInstruction": [flat_dosage(one) for one in order.get("dosageInstruction", ())] or None,
            "contained": [_contained(one) for one in order.get("contained", ())] or None,
        }
    )


def _statement(statement: Resource) -> Resource:
    not_taken = statement["status"] == "not-taken"
    return present(
        {
            **without(statement, "statusReason"),
            "status": "active" if not_taken else statement["status"],
            "taken": "n" if not_taken else "unk" if statement["status"] == "unknown" else "y",
            "reasonNotTaken": statement.get("statusReason") if not_taken else None,
            "category": first(statement.get("category")),
            "dosage": [flat_dosage(one) for one in statement.get("dosage", ())] or None,
            "contained": [_contained(one) for one in statement.get("contained", ())] or None,
        }
    )


def _contained(resource: Resource) -> Resource:
    return _medication(resource) if resource["resourceType"] == "Medication" else resource


def _medication(medication: Resource) -> Resource:
    ingredients = [moved(one, {"strength": "amount"}) for one in medication.get("ingredient", ())]
    return present({**medication, "ingredient": ingredients or None, "isOverTheCounter": False})


def _allergy(allergy: Resource) -> Resource:
    return present(
        {
            **without(moved(allergy, _CONTEXT), "context"),
            "clinicalStatus": code_of(allergy.get("clinicalStatus")),
            "verificationStatus": code_of(allergy.get("verificationStatus")) or "unconfirmed",
        }
    )


def _response(response: Resource) -> Resource:
    questionnaire = response.get("questionnaire")
    plain = moved(response, {"encounter": "context", "partOf": "parent"})
    return present({**plain, "questionnaire": {"reference": questionnaire} if questionnaire else None})


def _consent(consent: Resource) -> Resource:
    """Return the policy and its exceptions: a provision about something is an exception to the opposite policy."""
    root: Resource = consent.get("provision", {})
    narrow = any(name in root for name in _NARROWING)
    exceptions = [_except(root)] if narrow else [_except(one) for one in root.get("provision", ())]
    base = {"deny": "permit", "permit": "deny"}.get(root.get("type", "")) if narrow else root.get("type")
    return present(
        {
            **without(consent, "scope", "provision", "policyRule"),
            "policyRule": {"permit": _POLICY + "opt-in", "deny": _POLICY + "opt-out"}.get(base or ""),
            "period": None if narrow else root.get("period"),
            "except": exceptions or None,
        }
    )


def _except(provision: Resource) -> Resource:
    codes = [one for concept in provision.get("code", ()) for one in codings(concept)]
    return present({**without(provision, "provision"), "code": codes or None})
