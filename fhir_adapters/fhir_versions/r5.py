"""FHIR R5 to R4, one row an element: http://hl7.org/fhir/R5/diff.html, each resource's own page.

Only what the readers use has a row (``wire``): the decoder skips the rest. Types without a row have in R5 the R4
shape of all that is read: Patient, Observation, Condition, QuestionnaireResponse, FamilyMemberHistory.
"""

from collections.abc import Mapping
from typing import Any, cast

from fhir_adapters.fhir_versions.code_operators import code_from_concept, code_map, split_reference, status_where
from fhir_adapters.fhir_versions.operators import (
    Codes,
    Element,
    Operator,
    Table,
    bound_dosage,
    choose,
    drop,
    each,
    first_of,
    lift,
    move_into,
    rename,
    without,
)
from fhir_adapters.fhir_versions.stu3 import NOT_TAKEN

_MEDICATION: Operator = split_reference("medication", "medicationCodeableConcept", "medicationReference")

# http://hl7.org/fhir/R5/dosage.html: ``asNeededFor`` alone says that it is taken as needed.
_AS_NEEDED: tuple[Operator, ...] = (
    first_of("asNeededFor"),
    choose(("asNeededFor", "asNeededCodeableConcept"), ("asNeeded", "asNeededBoolean")),
)

_ON_HOLD: Codes = {"recorded": "on-hold", "active": "on-hold"}
_STOPPED: Codes = {"recorded": "stopped", "active": "stopped"}
_TAKING: Codes = {"recorded": "active"}
# http://hl7.org/fhir/R5/codesystem-medication-statement-adherence.html
_ADHERENCE: Mapping[object, Codes] = {
    "taking": _TAKING,
    "taking-as-directed": _TAKING,
    "taking-not-as-directed": _TAKING,
    "not-taking": NOT_TAKEN,
    "on-hold": _ON_HOLD,
    "on-hold-as-directed": _ON_HOLD,
    "on-hold-not-as-directed": _ON_HOLD,
    "stopped": _STOPPED,
    "stopped-as-directed": _STOPPED,
    "stopped-not-as-directed": _STOPPED,
}
_OPPOSITE = {"permit": "deny", "deny": "permit"}


def rules_from_decision() -> Operator:
    """The ``decision`` and the list of exceptions to it become the R4 tree of provisions, each with its type.

    http://hl7.org/fhir/R5/consent-definitions.html#Consent.decision: provisions are "a negation of the previous
    level". Without a decision no provision has a type, and none is guessed.
    """

    def ruled(element: Element) -> Element:
        held: Any = element.get("provision", [])
        decision = element.get("decision")
        if isinstance(held, dict) and "decision" in element:
            held = cast("list[Any]", [held])  # one exception, or an R4 rule: it stands under the decision
        if not isinstance(held, list) or ("decision" not in element and not held):
            return element
        base = {"type": decision} if isinstance(decision, str) else {}
        exceptions = _exceptions(cast("list[Any]", held), decision)
        rule = {**base, **({"provision": exceptions} if exceptions else {})}
        return {**without(element, "decision"), "provision": rule}

    return ruled


def _exceptions(provisions: list[Any], previous: Any) -> list[Any]:
    kind = _OPPOSITE.get(previous) if isinstance(previous, str) else None
    return [_exception(cast("Element", one), kind) if isinstance(one, dict) else one for one in provisions]


def _exception(provision: Element, kind: str | None) -> Element:
    typed = {"type": kind, **provision} if kind else provision
    inner: Any = provision.get("provision")
    if not isinstance(inner, list):
        return typed
    return {**typed, "provision": _exceptions(cast("list[Any]", inner), typed.get("type"))}


def concepts_of_reasons() -> Operator:
    """The concepts among the values of each ``reason`` become the ``reasonCode``."""

    def gathered(element: Element) -> Element:
        held: Any = element.get("reason")
        if not isinstance(held, list):
            return element
        reasons = (cast("Element", one) for one in cast("list[Any]", held) if isinstance(one, dict))
        values = (value for one in reasons for value in _values(one))
        concepts = [value["concept"] for value in values if "concept" in value]
        return {**without(element, "reason"), "reasonCode": concepts}

    return gathered


def _values(reason: Element) -> list[Element]:
    held: Any = reason.get("value")
    if not isinstance(held, list):
        return []
    return [cast("Element", one) for one in cast("list[Any]", held) if isinstance(one, dict)]


TABLE: Table = {
    "MedicationRequest": (
        # http://hl7.org/fhir/R5/codesystem-medicationrequest-status.html: ended, "the subject should no longer be
        # taking the medication", is the parent of stopped and completed.
        code_map("status", {"ended": "stopped"}),
        _MEDICATION,
        # Who told of it, where that was not the requester, makes it a report if ``reported`` does not say.
        first_of("informationSource"),
        choose(("reported", "reportedBoolean"), ("informationSource", "reportedReference")),
        each("dosageInstruction", *_AS_NEEDED),
        bound_dosage("effectiveDosePeriod", "dosageInstruction"),
    ),
    "MedicationStatement": (
        # The status says only that the record was made; whether it is taken is said by ``adherence``, or not at all.
        lift("adherence", "code"),
        status_where("adherence", _ADHERENCE, otherwise={"active": "unknown"}),
        code_map("status", {"recorded": "unknown", "draft": "unknown"}),
        _MEDICATION,
        each("dosage", *_AS_NEEDED),
        first_of("informationSource"),
    ),
    "MedicationDispense": (_MEDICATION, each("dosageInstruction", *_AS_NEEDED)),
    "MedicationAdministration": (
        _MEDICATION,
        # The element is spelt so in R5: http://hl7.org/fhir/R5/medicationadministration.html.
        rename("occurenceDateTime", "effectiveDateTime"),
        rename("occurencePeriod", "effectivePeriod"),
    ),
    "Medication": (
        rename("doseForm", "form"),
        each(
            "ingredient",
            split_reference("item", "itemCodeableConcept", "itemReference"),
            rename("strengthRatio", "strength"),
        ),
        drop("totalVolume", "marketingAuthorizationHolder", "definition"),
    ),
    "AllergyIntolerance": (code_from_concept("type", frozenset({"allergy", "intolerance"})),),
    # http://hl7.org/fhir/R5/codesystem-encounter-status.html
    "Encounter": (
        rename("actualPeriod", "period"),
        code_map("status", {"discharged": "finished", "completed": "finished", "on-hold": "onleave"}),
        concepts_of_reasons(),
    ),
    "Procedure": (
        rename("occurrenceDateTime", "performedDateTime"),
        rename("occurrencePeriod", "performedPeriod"),
    ),
    # http://hl7.org/fhir/R5/codesystem-diagnostic-report-status.html: modified "prior to being final".
    "DiagnosticReport": (code_map("status", {"modified": "preliminary"}),),
    "Consent": (
        rename("subject", "patient"),
        rename("date", "dateTime"),
        rules_from_decision(),
        move_into("provision", "period"),
    ),
}
