"""FHIR DSTU2 to R4, one row an element: http://hl7.org/fhir/DSTU2, each resource's page, against R4's.

Only what the readers use has a row (``wire``): the decoder skips the rest. Rows that take something back
(wasNotTaken, wasNotGiven) stand first. DSTU2 has no Consent.
"""

from fhir_adapters.fhir_versions.code_operators import (
    code_map,
    drop_code,
    group_to_items,
    reference_to_canonical,
    split_code,
    status_where,
    text_to_note,
)
from fhir_adapters.fhir_versions.operators import (
    Operator,
    Table,
    default,
    drop,
    each,
    join_list,
    move_out,
    put_at,
    rename,
    replace,
    wrap_list,
)
from fhir_adapters.fhir_versions.stu3 import (
    ALLERGY_STATUSES,
    ANIMAL,
    CONDITION_STATUSES,
    DOSE,
    NOT_DONE,
    NOT_TAKEN,
    RELATED,
    TAKING_IN_DOUBT,
    UNKNOWN,
    WRONG,
)

# http://hl7.org/fhir/DSTU2/datatypes.html#Timing
_TIMING: Operator = each(
    "timing",
    each(
        "repeat",
        rename("periodUnits", "periodUnit"),
        rename("durationUnits", "durationUnit"),
        rename("boundsQuantity", "boundsDuration"),
        wrap_list("when"),
    ),
)
# The dose is ``dose[x]`` of an order and ``quantity[x]`` of a statement.
_DOSAGE: tuple[Operator, ...] = (
    rename("quantityQuantity", "doseQuantity"),
    rename("quantityRange", "doseRange"),
    DOSE,
    _TIMING,
)
_SUBJECT: Operator = rename("patient", "subject")

TABLE: Table = {
    "Patient": (ANIMAL, each("name", join_list("family"))),
    "Observation": (wrap_list("category"), text_to_note("comments"), RELATED),
    "Condition": (
        _SUBJECT,
        *CONDITION_STATUSES,
        wrap_list("category"),
        rename("dateRecorded", "recordedDate"),
        rename("onsetQuantity", "onsetAge"),
        rename("abatementQuantity", "abatementAge"),
    ),
    # http://hl7.org/fhir/DSTU2/medicationorder.html: an order, and its statuses are among those of R4.
    "MedicationOrder": (
        replace("resourceType", "MedicationRequest"),
        default("intent", "order"),
        _SUBJECT,
        rename("dateWritten", "authoredOn"),
        # "When prescription was stopped": R4 has no such date; no prescription is valid beyond it.
        put_at("dateEnded", "dispenseRequest", "validityPeriod", "end"),
        each("dosageInstruction", *_DOSAGE),
        rename("prescriber", "requester"),
        # reason[x] is one there: http://hl7.org/fhir/DSTU2/medicationorder-definitions.html#MedicationOrder.reason_x_
        rename("reasonCodeableConcept", "reasonCode"),
        wrap_list("reasonCode", "reasonReference"),
        text_to_note("note"),
    ),
    "MedicationStatement": (
        # "True if medication is/was not being taken": ``status`` stays active beside it.
        status_where("wasNotTaken", {False: {}, True: NOT_TAKEN}, otherwise=TAKING_IN_DOUBT),
        rename("reasonNotTaken", "statusReason"),
        _SUBJECT,
        each("dosage", *_DOSAGE),
        text_to_note("note"),
        drop("supportingInformation", "reasonForUseCodeableConcept", "reasonForUseReference"),
    ),
    "MedicationDispense": (_SUBJECT, each("dosageInstruction", *_DOSAGE), drop("dispenser")),
    "MedicationAdministration": (
        status_where("wasNotGiven", {False: {}, True: NOT_DONE}, otherwise=UNKNOWN),
        rename("reasonNotGiven", "statusReason"),
        rename("reasonGiven", "reasonCode"),
        _SUBJECT,
        rename("effectiveTimeDateTime", "effectiveDateTime"),
        rename("effectiveTimePeriod", "effectivePeriod"),
        rename("prescription", "request"),
        drop("practitioner"),
    ),
    # http://hl7.org/fhir/DSTU2/medication.html: an ingredient's item is a Reference, to a Substance or a Medication.
    "Medication": (
        move_out("product", "form", "ingredient"),
        each("ingredient", rename("item", "itemReference"), rename("amount", "strength")),
        drop("isBrand", "package"),
    ),
    "AllergyIntolerance": (
        # http://hl7.org/fhir/DSTU2/valueset-allergy-intolerance-status.html is a tree: unconfirmed and confirmed are
        # active; resolved, refuted and entered-in-error are inactive. R4 has no clinicalStatus beside the last (ait-2).
        split_code(
            "status",
            clinicalStatus={
                "active": "active",
                "unconfirmed": "active",
                "confirmed": "active",
                "inactive": "inactive",
                "resolved": "resolved",
                "refuted": "inactive",
            },
            verificationStatus={
                "unconfirmed": "unconfirmed",
                "confirmed": "confirmed",
                "refuted": "refuted",
                WRONG: WRONG,
            },
        ),
        *ALLERGY_STATUSES,
        rename("substance", "code"),
        rename("onset", "onsetDateTime"),
        rename("reporter", "asserter"),
        rename("lastOccurence", "lastOccurrence"),
        wrap_list("category"),
        drop_code("category", "other"),
        code_map("criticality", {"CRITL": "low", "CRITH": "high", "CRITU": "unable-to-assess"}),
    ),
    "QuestionnaireResponse": (reference_to_canonical("questionnaire"), group_to_items("group")),
    "FamilyMemberHistory": (drop("gender"),),
    "Encounter": (rename("patient", "subject"), rename("reason", "reasonCode"), wrap_list("reasonCode")),
    "Procedure": (
        status_where("notPerformed", {False: {}, True: NOT_DONE}, otherwise=UNKNOWN),
        drop("reasonNotPerformed"),
    ),
    "DiagnosticReport": (
        rename("codedDiagnosis", "conclusionCode"),
        wrap_list("category", "performer"),
        drop("image", "request"),
    ),
}
