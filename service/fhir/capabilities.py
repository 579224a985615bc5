"""The CapabilityStatement: what this service does over FHIR, and nothing else."""

from datetime import date
from typing import Any

OPERATIONS = ("prepare", "sign", "verify", "reject", "revoke", "refer")
OPERATION_BASE = "https://undersign.dev/fhir/OperationDefinition/MedicationRequest-"
SEARCHES: dict[str, dict[str, str]] = {
    "MedicationRequest": {
        "_id": "token",
        "identifier": "token",
        "intent": "token",
        "patient": "reference",
        "status": "token",
    },
    "Task": {"_id": "token", "focus": "reference", "patient": "reference", "status": "token"},
    "GuidanceResponse": {"_id": "token", "patient": "reference"},
    "Provenance": {"_id": "token", "entity": "reference", "target": "reference"},
    "Procedure": {"_id": "token", "patient": "reference"},
    "Consent": {"_id": "token", "patient": "reference"},
    "AuditEvent": {"_id": "token", "entity": "reference", "patient": "reference"},
    "Device": {"_id": "token", "identifier": "token"},
    "DocumentReference": {"_id": "token", "identifier": "token"},
}


def capability_statement(public_url: str, software: str, on: date) -> dict[str, Any]:
    """Return the CapabilityStatement of this instance."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": on.isoformat(),
        "kind": "instance",
        "software": {"name": "Undersign", "version": software},
        "implementation": {
            "description": "Drafts of psychotropic prescriptions, held until a practitioner signs them",
            "url": f"{public_url}/fhir",
        },
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server", "security": _SECURITY, "resource": [*map(_resource, SEARCHES), *_OTHERS]}],
    }


# A Patient is the EHR's: none is read or searched here, a practitioner records something of one.
_PATIENT: dict[str, Any] = {
    "type": "Patient",
    "documentation": "$attest records that a patient's suicide risk was assessed, $consent what the patient says about "
    "AI suggestions; Patients themselves are the EHR's.",
    "operation": [
        {"name": "attest", "definition": "https://undersign.dev/fhir/OperationDefinition/Patient-attest"},
        {"name": "consent", "definition": "https://undersign.dev/fhir/OperationDefinition/Patient-consent"},
    ],
}
_QUESTIONNAIRE: dict[str, Any] = {
    "type": "Questionnaire",
    "documentation": "undersign-preferences, open to all: what matters to the patient, for the EHR's portal to ask.",
    "interaction": [{"code": "read"}],
}
_OTHERS = (_PATIENT, _QUESTIONNAIRE)
_SECURITY: dict[str, Any] = {
    "service": [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                    "code": "SMART-on-FHIR",
                }
            ]
        }
    ],
    "description": "A user access token of the EHR whose fhirUser is a Practitioner, as Bearer.",
}


def _resource(kind: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        # A draft's state changes within its version, so no ETag says that nothing has changed.
        "conditionalRead": "not-supported",
        "searchParam": [{"name": name, "type": form} for name, form in SEARCHES[kind].items()],
    }
    if kind == "MedicationRequest":
        described["versioning"] = "versioned"
        described["interaction"] += [{"code": "vread"}, {"code": "history-instance"}]
        described["documentation"] = "A version is what was written; each change of state is in the AuditEvents."
        described["operation"] = [{"name": name, "definition": OPERATION_BASE + name} for name in OPERATIONS]
    return described
