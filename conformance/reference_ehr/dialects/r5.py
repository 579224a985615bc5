"""R5: CodeableReference for drugs and reasons, adherence beside the record's status, Consent with a decision.

http://hl7.org/fhir/R5/. The statuses of a statement became adherence; a provision lost its type: it is an
exception to the decision, and what is in it an exception to the exception.
"""

from collections.abc import Sequence

from conformance.reference_ehr.dialects.elements import (
    Resource,
    Rules,
    coding,
    concept,
    each,
    moved,
    present,
    rewritten,
    without,
)

_ADHERENCE = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"
_ADHERENCE_OF = {
    "active": "taking",
    "completed": "stopped",
    "stopped": "stopped",
    "on-hold": "on-hold",
    "not-taken": "not-taking",
    "intended": "unknown",
    "unknown": "unknown",
}
_NARROWING = ("code", "purpose", "action")
_OPPOSITE = {"deny": "permit", "permit": "deny"}


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart in R5."""
    rules: Rules = {
        "Condition": each(_condition),
        "MedicationRequest": each(_order),
        "MedicationStatement": each(_statement),
        "Medication": each(_medication),
        "AllergyIntolerance": each(_allergy),
        "FamilyMemberHistory": each(lambda one: moved(one, {"reasonCode": "reason"})),
        "Consent": each(_consent),
    }
    return rewritten(resources, rules)


def _condition(condition: Resource) -> Resource:
    people = [("author", condition.get("recorder")), ("informant", condition.get("asserter"))]
    found = [_participant(kind, who) for kind, who in people if who]
    return present({**without(condition, "recorder", "asserter"), "participant": found or None})


def _participant(kind: str, who: Resource) -> Resource:
    system = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    return {"function": concept(coding(system, kind)), "actor": who}


def _order(order: Resource) -> Resource:
    dosages = [_dosage(one) for one in order.get("dosageInstruction", ())]
    return present(
        {
            **without(_with_medication(order), "reportedBoolean", "instantiatesCanonical"),
            "reported": order.get("reportedBoolean"),
            "dosageInstruction": dosages or None,
            "renderedDosageInstruction": dosages[0].get("text") if dosages else None,
        }
    )


def _statement(statement: Resource) -> Resource:
    status = statement["status"]
    adherence = _ADHERENCE_OF.get(status)
    dosages = [_dosage(one) for one in statement.get("dosage", ())]
    source = statement.get("informationSource")
    return present(
        {
            **without(_with_medication(statement), "context", "statusReason"),
            "status": "entered-in-error" if status == "entered-in-error" else "recorded",
            "category": statement["category"] if isinstance(statement.get("category"), list) else None,
            "adherence": {"code": concept(coding(_ADHERENCE, adherence))} if adherence else None,
            "informationSource": [source] if source else None,
            "dosage": dosages or None,
        }
    )


def _with_medication(order: Resource) -> Resource:
    """Return an order with its drug and reasons as CodeableReferences."""
    named, referenced = order.get("medicationCodeableConcept"), order.get("medicationReference")
    reasons = [
        *({"concept": one} for one in order.get("reasonCode", ())),
        *({"reference": one} for one in order.get("reasonReference", ())),
    ]
    kept = without(order, "medicationCodeableConcept", "medicationReference", "reasonCode", "reasonReference")
    return present(
        {
            **kept,
            "medication": present({"concept": named, "reference": referenced}),
            "reason": reasons or None,
            "contained": [_contained(one) for one in order.get("contained", ())] or None,
        }
    )


def _dosage(dosage: Resource) -> Resource:
    reasons = dosage.get("asNeededCodeableConcept")
    plain = without(moved(dosage, {"asNeededBoolean": "asNeeded"}), "asNeededCodeableConcept")
    return present({**plain, "asNeededFor": [reasons] if reasons else None})


def _contained(resource: Resource) -> Resource:
    return _medication(resource) if resource["resourceType"] == "Medication" else resource


def _medication(medication: Resource) -> Resource:
    plain = moved(medication, {"form": "doseForm", "manufacturer": "marketingAuthorizationHolder"})
    ingredients = [_ingredient(one) for one in medication.get("ingredient", ())]
    return present({**plain, "ingredient": ingredients or None})


def _ingredient(ingredient: Resource) -> Resource:
    item = present({"concept": ingredient.get("itemCodeableConcept"), "reference": ingredient.get("itemReference")})
    plain = moved(ingredient, {"strength": "strengthRatio"})
    return {**without(plain, "itemCodeableConcept", "itemReference"), "item": item}


def _allergy(allergy: Resource) -> Resource:
    kind = allergy.get("type")
    typed = concept(coding("http://hl7.org/fhir/allergy-intolerance-type", kind)) if kind else None
    people = [("author", allergy.get("recorder")), ("informant", allergy.get("asserter"))]
    found = [_participant(role, who) for role, who in people if who]
    return present({**without(allergy, "recorder", "asserter"), "type": typed, "participant": found or None})


def _consent(consent: Resource) -> Resource:
    root: Resource = consent.get("provision", {})
    narrow = any(name in root for name in _NARROWING)
    kind = root.get("type", "")
    exceptions = [_untyped(root)] if narrow else [_untyped(one) for one in root.get("provision", ())]
    names = {"patient": "subject", "organization": "controller"}
    plain = without(moved(consent, names), "scope", "dateTime", "policyRule", "provision")
    return present(
        {
            **plain,
            "date": (consent.get("dateTime") or "")[:10] or None,
            "decision": _OPPOSITE.get(kind) if narrow else kind or None,
            "period": None if narrow else root.get("period"),
            "provision": exceptions or None,
        }
    )


def _untyped(provision: Resource) -> Resource:
    inner = [_untyped(one) for one in provision.get("provision", ())]
    return present({**without(provision, "type", "provision"), "provision": inner or None})
