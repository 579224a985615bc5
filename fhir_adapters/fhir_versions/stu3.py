"""FHIR STU3 to R4, one row an element: http://hl7.org/fhir/STU3 against http://hl7.org/fhir/R4/diff.html.

Only what the readers use has a row (``wire``): the decoder skips the rest. Rows that take something back (taken,
notDone, notGiven) stand first. Code systems moved to http://terminology.hl7.org with R4.
"""

from fhir_adapters.fhir_versions.code_operators import (
    code_map,
    concept_from_code,
    concept_from_coding,
    reference_to_canonical,
    refuse_by,
    sort_related,
    status_where,
    systems,
    text_to_note,
)
from fhir_adapters.fhir_versions.operators import (
    ANY,
    Codes,
    Operator,
    Table,
    drop,
    each,
    lift,
    move_into,
    move_into_list,
    rename,
    wrap_list,
)

_THO = "http://terminology.hl7.org/CodeSystem/"

# http://hl7.org/fhir/R4/terminologies-systems.html; the names of DSTU2 are those of STU3. GTS: the value set
# http://hl7.org/fhir/R4/valueset-timing-abbreviation.html has the codes that DSTU2 defined by itself (QD, QOD,
# Q4H, Q6H) with the same meaning.
OLD_SYSTEMS: Operator = systems(
    names={
        "http://hl7.org/fhir/v2/*": _THO + "v2-*",
        "http://hl7.org/fhir/v3/*": _THO + "v3-*",
        "http://hl7.org/fhir/timing-abbreviation": _THO + "v3-GTSAbbreviation",
        "http://hl7.org/fhir/observation-category": _THO + "observation-category",
        "http://hl7.org/fhir/condition-category": _THO + "condition-category",
        "http://hl7.org/fhir/data-absent-reason": _THO + "data-absent-reason",
        "http://hl7.org/fhir/consentaction": _THO + "consentaction",
        "http://hl7.org/fhir/history-not-done-reason": _THO + "history-absent-reason",
    },
    # http://hl7.org/fhir/STU3/valueset-data-absent-reason.html, http://hl7.org/fhir/R4/valueset-data-absent-reason.html
    codes={
        _THO + "data-absent-reason": {
            "asked": "asked-unknown",
            "temp": "temp-unknown",
            "astext": "as-text",
            "NaN": "not-a-number",
        }
    },
)

# http://hl7.org/fhir/R4/valueset-condition-clinical.html, -condition-ver-status, -allergyintolerance-clinical,
# -allergyintolerance-verification. A code outside them (STU3 verificationStatus "unknown") stays as text.
CONDITION_STATUSES: tuple[Operator, ...] = (
    concept_from_code(
        "clinicalStatus",
        _THO + "condition-clinical",
        frozenset({"active", "recurrence", "relapse", "inactive", "remission", "resolved"}),
    ),
    concept_from_code(
        "verificationStatus",
        _THO + "condition-ver-status",
        frozenset({"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"}),
    ),
)
ALLERGY_STATUSES: tuple[Operator, ...] = (
    concept_from_code(
        "clinicalStatus", _THO + "allergyintolerance-clinical", frozenset({"active", "inactive", "resolved"})
    ),
    concept_from_code(
        "verificationStatus",
        _THO + "allergyintolerance-verification",
        frozenset({"unconfirmed", "confirmed", "refuted", "entered-in-error"}),
    ),
)

# http://hl7.org/fhir/STU3/dosage.html: what is taken stands in the Dosage itself.
DOSE: Operator = move_into_list("doseAndRate", "doseQuantity", "doseRange", "rateRatio", "rateRange", "rateQuantity")

# http://hl7.org/fhir/STU3/observation-definitions.html#Observation.related
RELATED: Operator = sort_related("related", {"has-member": "hasMember", "derived-from": "derivedFrom"})

# A modifier of DSTU2 and STU3 (http://hl7.org/fhir/STU3/patient-definitions.html#Patient.animal): no human's record.
ANIMAL: Operator = refuse_by("animal", "http://hl7.org/fhir/StructureDefinition/patient-animal")

WRONG = "entered-in-error"  # says by itself that nothing holds
NOT_TAKEN: Codes = {ANY: "not-taken", WRONG: WRONG}
# Whether it was taken is not known: what says that it is taken now does not hold, what says that it ended does.
TAKING_IN_DOUBT: Codes = {"active": "unknown", "on-hold": "unknown"}
NOT_DONE: Codes = {ANY: "not-done", WRONG: WRONG}
UNKNOWN: Codes = {ANY: "unknown", WRONG: WRONG}
_NOT_DISPENSED: Codes = {ANY: "declined", WRONG: WRONG}
_NOT_RECORDED: Codes = {ANY: "health-unknown", WRONG: WRONG}

TABLE: Table = {
    "Patient": (ANIMAL,),
    "Observation": (wrap_list("category"), text_to_note("comment"), RELATED),
    "Condition": (*CONDITION_STATUSES, rename("assertedDate", "recordedDate")),
    "MedicationRequest": (
        wrap_list("category"),
        lift("requester", "agent"),
        each("dosageInstruction", DOSE),
        drop("context", "definition"),
    ),
    "MedicationStatement": (
        # http://hl7.org/fhir/STU3/codesystem-medication-statement-taken.html: "n" has not taken it, "unk" is unknown
        # and "na" (patient reporting does not apply) does not say; all three leave ``status`` active.
        status_where(
            "taken",
            {"y": {}, "n": NOT_TAKEN, "unk": TAKING_IN_DOUBT, "na": TAKING_IN_DOUBT},
            otherwise=TAKING_IN_DOUBT,
        ),
        rename("reasonNotTaken", "statusReason"),
        each("dosage", DOSE),
    ),
    "MedicationDispense": (
        # http://hl7.org/fhir/R4/valueset-medicationdispense-status.html: declined, "and not performed".
        status_where("notDone", {False: {}, True: _NOT_DISPENSED}, otherwise=UNKNOWN),
        rename("notDoneReasonCodeableConcept", "statusReasonCodeableConcept"),
        rename("notDoneReasonReference", "statusReasonReference"),
        each("dosageInstruction", DOSE),
    ),
    "MedicationAdministration": (
        status_where("notGiven", {False: {}, True: NOT_DONE}, otherwise=UNKNOWN),
        rename("reasonNotGiven", "statusReason"),
        rename("prescription", "request"),
        drop("definition"),
    ),
    "Medication": (
        each("ingredient", rename("amount", "strength")),
        drop("isBrand", "isOverTheCounter", "package", "image"),
    ),
    "AllergyIntolerance": (*ALLERGY_STATUSES, rename("assertedDate", "recordedDate")),
    "QuestionnaireResponse": (
        reference_to_canonical("questionnaire"),
        rename("context", "encounter"),
        rename("parent", "partOf"),
    ),
    "FamilyMemberHistory": (
        status_where("notDone", {False: {}, True: _NOT_RECORDED}, otherwise=_NOT_RECORDED),
        rename("notDoneReason", "dataAbsentReason"),
        drop("gender", "definition"),
    ),
    "Encounter": (rename("reason", "reasonCode"),),
    "Procedure": (
        status_where("notDone", {False: {}, True: NOT_DONE}, otherwise=UNKNOWN),
        rename("notDoneReason", "statusReason"),
        rename("context", "encounter"),
        drop("definition"),
    ),
    "DiagnosticReport": (
        rename("codedDiagnosis", "conclusionCode"),
        rename("context", "encounter"),
        wrap_list("category"),
        lift("performer", "actor"),
        drop("image"),
    ),
    "Consent": (
        # http://hl7.org/fhir/STU3/consent.html: the base rule has no type of its own; R4 writes the two policies of the
        # specification's examples as v3-ActCode (http://hl7.org/fhir/R4/consent-example-Out.json.html).
        code_map(
            "policyRule",
            {
                "http://hl7.org/fhir/ConsentPolicy/opt-in": "OPTIN",
                "http://hl7.org/fhir/ConsentPolicy/opt-out": "OPTOUT",
            },
        ),
        concept_from_code("policyRule", _THO + "v3-ActCode", frozenset({"OPTIN", "OPTOUT"})),
        wrap_list("except"),
        each("except", concept_from_coding("code")),
        move_into("provision", "period", "actor", "action", "securityLabel", "purpose", "dataPeriod", "data", "except"),
        each("provision", rename("except", "provision")),
        rename("consentingParty", "performer"),
    ),
}
