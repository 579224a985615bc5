"""The elements, shapes and codes that only some FHIR versions have, of the types that are read.

Sources: the element lists of the published versions (http://hl7.org/fhir/DSTU2, /STU3, /R4, /R4B, /R5: the page of
each resource) and http://hl7.org/fhir/R4/diff.html, http://hl7.org/fhir/R5/diff.html.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Version = Literal["DSTU2", "STU3", "R4", "R5"]

ALL: frozenset[Version] = frozenset({"DSTU2", "STU3", "R4", "R5"})


class Row(NamedTuple):
    """The ``versions`` that have ``element``: whose JSON starts with ``begins``, holds ``holds`` and not ``lacks``."""

    element: str
    versions: frozenset[Version]
    begins: bytes = b""
    holds: bytes = b""
    lacks: bytes = b""


_D, _S, _R, _5 = (frozenset[Version]({version}) for version in ("DSTU2", "STU3", "R4", "R5"))
_OBJECT, _LIST, _TEXT = b"{", b"[", b'"'


def _rows(versions: frozenset[Version], *elements: str) -> tuple[Row, ...]:
    return tuple(Row(element, versions) for element in elements)


def _codes(element: str, versions: frozenset[Version], *codes: str) -> tuple[Row, ...]:
    return tuple(Row(element, versions, b'"%s"' % code.encode()) for code in codes)


# The dose stands in the Dosage before R4, in its doseAndRate from R4 on; R5 has asNeeded without a type in its name.
def _dosage(element: str) -> tuple[Row, ...]:
    return (
        Row(element, _D, holds=b'"periodUnits"'),
        Row(element, _D, holds=b'"quantityQuantity"'),
        Row(element, _5, holds=b'"asNeeded"'),
        Row(element, _5, holds=b'"asNeededFor"'),
        Row(element, _D | _S, holds=b'"doseQuantity"', lacks=b'"doseAndRate"'),
        Row(element, _R | _5, holds=b'"doseAndRate"'),
        Row(element, _D | _S | _R, holds=b'"asNeededBoolean"'),
    )


_MEDICATION = (
    *_rows(_5, "medication"),
    *_rows(_D | _S | _R, "medicationCodeableConcept", "medicationReference"),
)
_STATUSES = (
    Row("clinicalStatus", _R | _5, _OBJECT),
    Row("verificationStatus", _R | _5, _OBJECT),
)

# Where one element tells more than another it stands before it: what takes a statement back, then the rest.
ROWS: Mapping[str, tuple[Row, ...]] = {
    "Patient": (*_rows(_D | _S, "animal"), *_rows(_D, "careProvider"), *_rows(_S | _R | _5, "generalPractitioner")),
    "Observation": (
        *_rows(_D, "comments"),
        *_rows(_S, "comment", "context"),
        *_rows(_D | _S, "related"),
        *_rows(_5, "triggeredBy", "bodyStructure", "instantiatesCanonical", "instantiatesReference", "valueReference"),
        *_rows(_R | _5, "hasMember", "derivedFrom", "valueInteger", "note", "effectiveInstant", "partOf", "focus"),
        *_rows(_S | _R | _5, "basedOn", "valueBoolean"),
        *_rows(_D | _R | _5, "encounter"),
        Row("category", _S | _R | _5, _LIST),
        Row("interpretation", _R | _5, _LIST),
    ),
    "Condition": (
        *_rows(_D, "patient", "dateRecorded", "onsetQuantity", "abatementQuantity", "notes"),
        Row("clinicalStatus", _D | _S, _TEXT),
        Row("verificationStatus", _D | _S, _TEXT),
        *_rows(_S, "context"),
        *_rows(_5, "participant"),
        *_STATUSES,
        *_rows(_R, "recorder"),
        *_rows(_R | _5, "recordedDate"),
        *_rows(_D | _S | _R, "asserter"),
        *_rows(_S, "assertedDate"),
        *_rows(_D | _R | _5, "encounter"),
        *_rows(_S | _R | _5, "subject", "note"),
    ),
    "MedicationOrder": _rows(_D, "resourceType"),
    "MedicationRequest": (
        *_rows(_S, "context", "definition"),
        Row("requester", _S, holds=b'"agent"'),
        *_MEDICATION[:1],
        *_rows(_5, "reason", "reported", "informationSource", "effectiveDosePeriod"),
        *_rows(_5, "renderedDosageInstruction", "statusChanged", "device"),
        *_codes("status", _5, "ended"),
        *_dosage("dosageInstruction"),
        *_rows(_R, "reportedBoolean", "reportedReference", "instantiatesCanonical", "instantiatesUri"),
        *_rows(_R | _5, "doNotPerform", "encounter", "statusReason", "courseOfTherapyType", "performerType"),
        *_codes("intent", _R | _5, "original-order", "reflex-order", "filler-order", "option"),
        *_rows(_S | _R, "reasonCode", "reasonReference", "detectedIssue"),
        *_MEDICATION[1:],
        Row("category", _R | _5, _LIST),
        *_rows(_S | _R | _5, "resourceType"),  # a MedicationOrder in DSTU2
    ),
    "MedicationStatement": (
        *_rows(_D, "wasNotTaken"),
        *_rows(_S, "taken"),
        *_rows(_5, "adherence"),
        *_codes("status", _5, "recorded", "draft"),
        *_rows(_D, "patient", "supportingInformation", "reasonForUseCodeableConcept", "reasonForUseReference"),
        *_rows(_D | _S, "reasonNotTaken"),
        *_MEDICATION[:1],
        *_rows(_5, "reason", "effectiveTiming", "relatedClinicalInformation", "renderedDosageInstruction"),
        *_dosage("dosage"),
        *_codes("status", _R, "not-taken", "unknown"),
        *_codes("status", _S | _R, "stopped", "on-hold"),
        *_codes("status", _D | _S | _R, "active", "completed", "intended"),
        *_rows(_R, "statusReason"),
        *_rows(_S | _R, "context", "basedOn", "reasonCode", "reasonReference"),
        *_MEDICATION[1:],
        *_rows(_S | _R | _5, "subject"),
    ),
    "MedicationDispense": (
        *_rows(_S, "notDone", "notDoneReasonCodeableConcept", "notDoneReasonReference"),
        *_rows(_D, "patient", "dispenser"),
        *_MEDICATION[:1],
        *_rows(_5, "notPerformedReason", "renderedDosageInstruction", "statusChanged", "recorded"),
        *_dosage("dosageInstruction"),
        *_rows(_R, "statusReasonCodeableConcept", "statusReasonReference"),
        *_codes("status", _R | _5, "cancelled", "declined", "unknown"),
        *_rows(_S | _R, "context", "detectedIssue"),
        *_MEDICATION[1:],
        *_rows(_S | _R | _5, "subject"),
    ),
    "MedicationAdministration": (
        *_rows(_D, "wasNotGiven"),
        *_rows(_S, "notGiven"),
        *_rows(_D, "patient", "practitioner", "reasonGiven", "effectiveTimeDateTime", "effectiveTimePeriod"),
        *_rows(_S, "definition"),
        *_rows(_D | _S, "reasonNotGiven", "prescription"),
        *_MEDICATION[:1],
        *_rows(_5, "occurenceDateTime", "occurencePeriod", "occurenceTiming", "reason", "recorded", "isSubPotent"),
        *_codes("status", _R | _5, "not-done"),
        *_rows(_R | _5, "request", "statusReason"),
        *_rows(_S | _R, "context", "reasonCode", "reasonReference", "effectiveDateTime", "effectivePeriod"),
        *_MEDICATION[1:],
        *_rows(_S | _R | _5, "subject"),
    ),
    "Medication": (
        *_rows(_D, "product"),
        *_rows(_S, "isOverTheCounter", "image"),
        *_rows(_D | _S, "isBrand", "package"),
        *_rows(_5, "doseForm", "totalVolume", "marketingAuthorizationHolder", "definition"),
        Row("ingredient", _5, holds=b'"item"'),
        Row("ingredient", _S, holds=b'"amount"'),
        *_rows(_R, "amount"),
        *_rows(_S | _R, "form"),
        *_rows(_S | _R | _5, "status", "ingredient"),
        *_rows(_D | _S | _R, "manufacturer"),
        *_rows(_R | _5, "batch"),
    ),
    "AllergyIntolerance": (
        *_rows(_D, "status", "substance", "onset", "reporter", "lastOccurence"),
        *_codes("criticality", _D, "CRITL", "CRITH", "CRITU"),
        Row("category", _D, _TEXT),
        Row("clinicalStatus", _S, _TEXT),
        Row("verificationStatus", _S, _TEXT),
        *_rows(_5, "participant"),
        Row("type", _5, _OBJECT),
        *_STATUSES,
        *_rows(_S, "assertedDate"),
        *_rows(_S | _R, "asserter"),
        *_rows(_D | _S | _R, "recorder"),
        *_rows(_D | _R | _5, "recordedDate"),
        *_rows(_R | _5, "encounter"),
        *_rows(_S | _R | _5, "code"),
    ),
    "QuestionnaireResponse": (
        *_rows(_D, "group"),
        *_rows(_S, "context", "parent"),
        Row("questionnaire", _D | _S, _OBJECT),
        Row("questionnaire", _R | _5, _TEXT),
        *_rows(_R | _5, "partOf"),
        *_rows(_D | _R | _5, "encounter"),
        *_rows(_S | _R | _5, "item", "basedOn"),
    ),
    "FamilyMemberHistory": (
        *_rows(_S, "notDone", "notDoneReason", "definition"),
        *_rows(_D | _S, "gender"),
        *_rows(_5, "participant", "reason", "procedure"),
        *_rows(_R | _5, "sex", "dataAbsentReason", "instantiatesCanonical", "instantiatesUri"),
        *_rows(_S | _R, "reasonCode", "reasonReference"),
    ),
    "DiagnosticReport": (
        *_rows(_S, "context"),
        *_rows(_D, "request"),
        *_rows(_D | _S, "codedDiagnosis", "image"),
        Row("performer", _D, _OBJECT),
        Row("performer", _S, holds=b'"actor"'),
        *_rows(_5, "composition", "study", "supportingInfo"),
        *_codes("status", _5, "modified"),
        *_rows(_R | _5, "conclusionCode", "resultsInterpreter", "media"),
        *_rows(_D | _S | _R, "imagingStudy"),
        *_rows(_D | _R | _5, "encounter"),
        *_rows(_S | _R | _5, "basedOn"),
        Row("category", _R | _5, _LIST),
    ),
    "Encounter": (
        *_rows(_D, "patient"),
        Row("reason", _5, holds=b'"value"'),
        Row("reason", _D | _S, lacks=b'"value"'),
        *_rows(_5, "actualPeriod", "plannedStartDate", "plannedEndDate", "admission", "subjectStatus"),
        *_rows(_R, "reasonCode"),
        *_codes("status", _5, "discharged", "completed", "on-hold"),
    ),
    "Procedure": (
        *_rows(_D, "notPerformed", "reasonNotPerformed"),
        *_rows(_S, "notDone", "notDoneReason", "context", "definition"),
        *_rows(_5, "occurrenceDateTime", "occurrencePeriod", "recorded", "reason"),
        *_rows(_R | _5, "statusReason", "recorder", "instantiatesCanonical", "instantiatesUri"),
        *_codes("status", _R | _5, "not-done", "on-hold", "stopped"),
        *_rows(_D | _S | _R, "performedDateTime", "performedPeriod"),
        *_rows(_S | _R, "reasonCode"),
    ),
    "Consent": (
        *_rows(_5, "decision", "subject", "grantor", "grantee", "date", "controller", "manager"),
        *_rows(_5, "regulatoryBasis", "policyBasis", "policyText"),
        Row("provision", _5, _LIST),
        *_rows(_S, "except", "actor", "action", "purpose", "securityLabel", "data", "dataPeriod", "consentingParty"),
        Row("policyRule", _S, _TEXT),
        *_rows(_S | _5, "period"),
        Row("provision", _R, _OBJECT),
        *_rows(_R, "scope", "performer"),
        *_rows(_S | _R, "patient", "dateTime", "organization", "policy"),
        *_rows(_R | _5, "verification"),
        *_rows(_S | _R | _5, "resourceType"),
    ),
}

# Seen in R4 feeds beside elements that only R4 has: it tells STU3 only where nothing speaks against it.
# Connectathon and vendor Conditions and AllergyIntolerances carry it beside a status that is a concept.
TOLERATED = frozenset({("Condition", "assertedDate"), ("AllergyIntolerance", "assertedDate")})
