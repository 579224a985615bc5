"""The search parameters of each resource type: kind and element paths, as R4 defines them.

The names and paths are those of http://hl7.org/fhir/R4/searchparameter-registry.html, as far as they go; where
an element has another name in another version of FHIR, its path stands beside R4's, for charts in a dialect.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["token", "reference", "date", "string"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter: its kind, the dotted element paths, and the target type where it has just one."""

    kind: Kind
    paths: tuple[str, ...]
    target: str | None = None


def _token(*paths: str) -> Parameter:
    return Parameter("token", paths)


def _date(*paths: str) -> Parameter:
    return Parameter("date", paths)


def _reference(*paths: str, target: str | None = None) -> Parameter:
    return Parameter("reference", paths, target)


_PATIENT = _reference("subject", "patient", target="Patient")
_SUBJECT = {"subject": _reference("subject"), "patient": _PATIENT}
_IDENTIFIER = {"identifier": _token("identifier")}
_CODE = {"code": _token("code")}
_STATUS = {"status": _token("status")}
_DRUG = {
    "code": _token("medicationCodeableConcept", "medication.concept"),
    "medication": _reference("medicationReference", "medication.reference", target="Medication"),
}
_PERSON_NAME = {"name": Parameter("string", ("name.text", "name.family", "name.given"))}

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "Patient": {
        **_IDENTIFIER,
        **_PERSON_NAME,
        "birthdate": _date("birthDate"),
        "gender": _token("gender"),
        "active": _token("active"),
    },
    "Practitioner": {**_IDENTIFIER, **_PERSON_NAME, "active": _token("active")},
    "PractitionerRole": {
        **_IDENTIFIER,
        "practitioner": _reference("practitioner", target="Practitioner"),
        "organization": _reference("organization", target="Organization"),
        "role": _token("code"),
        "active": _token("active"),
        "date": _date("period"),
    },
    "Organization": {**_IDENTIFIER, "name": Parameter("string", ("name",))},
    "Group": {**_IDENTIFIER, "type": _token("type"), "member": _reference("member.entity")},
    "Condition": {
        **_IDENTIFIER,
        **_SUBJECT,
        **_CODE,
        "category": _token("category"),
        "clinical-status": _token("clinicalStatus"),
        "onset-date": _date("onsetDateTime", "onsetPeriod"),
        "recorded-date": _date("recordedDate", "assertedDate", "dateRecorded"),
    },
    "Observation": {
        **_IDENTIFIER,
        **_SUBJECT,
        **_CODE,
        **_STATUS,
        "category": _token("category"),
        "date": _date("effectiveDateTime", "effectivePeriod", "effectiveInstant"),
    },
    "Medication": {**_IDENTIFIER, **_CODE, **_STATUS},
    "MedicationRequest": {
        **_IDENTIFIER,
        **_SUBJECT,
        **_STATUS,
        **_DRUG,
        "intent": _token("intent"),
        "category": _token("category"),
        "authoredon": _date("authoredOn"),
        "requester": _reference("requester", "requester.agent"),
    },
    "MedicationStatement": {
        **_IDENTIFIER,
        **_SUBJECT,
        **_STATUS,
        **_DRUG,
        "category": _token("category"),
        "effective": _date("effectiveDateTime", "effectivePeriod"),
    },
    "AllergyIntolerance": {
        **_IDENTIFIER,
        **_CODE,
        "patient": _reference("patient", target="Patient"),
        "clinical-status": _token("clinicalStatus", "status"),
        "date": _date("recordedDate", "assertedDate"),
    },
    "QuestionnaireResponse": {
        **_SUBJECT,
        **_STATUS,
        "questionnaire": Parameter("string", ("questionnaire",)),
        "authored": _date("authored"),
    },
    "Consent": {
        **_IDENTIFIER,
        **_STATUS,
        "patient": _PATIENT,
        "category": _token("category"),
        "scope": _token("scope"),
        "date": _date("dateTime"),
    },
    "Procedure": {
        **_IDENTIFIER,
        **_STATUS,
        **_CODE,
        "patient": _reference("subject", target="Patient"),
        "subject": _reference("subject"),
        "date": _date("performedDateTime"),
    },
    "FamilyMemberHistory": {
        **_IDENTIFIER,
        **_STATUS,
        **_CODE,
        "patient": _reference("patient", target="Patient"),
        "relationship": _token("relationship"),
        "date": _date("date"),
    },
    "Provenance": {
        "target": _reference("target"),
        "patient": _reference("target", target="Patient"),
        "agent": _reference("agent.who"),
        "recorded": _date("recorded"),
    },
    "DocumentReference": {
        **_IDENTIFIER,
        **_SUBJECT,
        **_STATUS,
        "type": _token("type"),
        "date": _date("date"),
    },
    "Task": {
        **_IDENTIFIER,
        **_STATUS,
        "patient": _reference("for", target="Patient"),
        "focus": _reference("focus"),
        "owner": _reference("owner"),
    },
}

OLDER: Mapping[str, Mapping[str, Parameter]] = {
    "MedicationOrder": {
        **_IDENTIFIER,
        **_STATUS,
        **_DRUG,
        "patient": _PATIENT,
        "datewritten": _date("dateWritten"),
        "prescriber": _reference("prescriber"),
    },
}
"""Types of DSTU2 that R4 has under other names: http://hl7.org/fhir/DSTU2/medicationorder.html#search."""

KNOWN: Mapping[str, Mapping[str, Parameter]] = {**PARAMETERS, **OLDER}

COMMON: Mapping[str, Parameter] = {"_id": _token("id"), "_lastUpdated": _date("meta.lastUpdated")}
"""Parameters of every type."""


def parameter(resource_type: str, name: str) -> Parameter | None:
    """Return the parameter of that name, or None when this type has none."""
    return KNOWN[resource_type].get(name) or COMMON.get(name)
