"""The lists of a patient's record, and which one a resource type belongs to."""

LIST_OF = {
    "Condition": "conditions",
    "MedicationRequest": "medications",
    "MedicationStatement": "medications",
    "MedicationOrder": "medications",
    "MedicationDispense": "medications",
    "MedicationAdministration": "medications",
    "Medication": "medications",
    "AllergyIntolerance": "allergies",
    "Observation": "observations",
    "QuestionnaireResponse": "observations",
    "DiagnosticReport": "observations",
    "FamilyMemberHistory": "family_history",
    "Procedure": "observations",
    "Consent": "consents",
    "Encounter": "visits",  # no list that is ever whole: what is lost of it is only named
    "Flag": "visits",
}
LISTS = ("conditions", "medications", "allergies", "observations", "consents", "family_history")
