"""One simulated person as plain R4 resources, with everything up to eight weeks after the drug was begun."""

from collections.abc import Iterator
from datetime import date, timedelta

from conformance.reference_ehr.cohort.person import Person
from conformance.reference_ehr.cohort.treatment import orders
from conformance.reference_ehr.dialects.elements import (
    CONDITION_CLINICAL,
    ICD_10_CM,
    LOINC,
    SNOMED,
    UCUM,
    Resource,
    coding,
    concept,
)

_TERMS = "http://terminology.hl7.org/CodeSystem/"
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_OMB = "urn:oid:2.16.840.1.113883.6.238"
_LANGUAGE = "urn:ietf:bcp:47"
_BIRTHDAY = 100  # days from a birthday to the start, so that the age is the same for weeks around it
_CHRONIC, _RECENT = 1_100, 150  # days since depression began
_RACES = {
    "white": ("2106-3", "White"),
    "black": ("2054-5", "Black or African American"),
    "asian": ("2028-9", "Asian"),
    "other": ("2131-1", "Other Race"),
}
_ETHNICITIES = {
    "hispanic": ("2135-2", "Hispanic or Latino"),
    "not-hispanic": ("2186-5", "Not Hispanic or Latino"),
}
_LANGUAGES = {"english": ("en", "English"), "spanish": ("es", "Spanish")}
_PHENOTYPES = {
    "Ultrarapid Metabolizer": ("LA10315-2", "Ultrarapid metabolizer"),
    "Rapid Metabolizer": ("LA25390-8", "Rapid metabolizer"),
    "Normal Metabolizer": ("LA25391-6", "Normal metabolizer"),
    "Intermediate Metabolizer": ("LA10317-8", "Intermediate metabolizer"),
    "Poor Metabolizer": ("LA9657-3", "Poor metabolizer"),
}
_PROBLEMS = {
    "anxiety_disorder": ("21897009", "F41.1", "Generalized anxiety disorder"),
    "substance_use": ("66590003", "F10.20", "Alcohol dependence, uncomplicated"),
}


def chart(person: Person, *, us: bool = True) -> list[Resource]:
    """Return the person's resources, the Patient first; ``us`` writes race and ethnicity as US Core has them."""
    return [
        _patient(person, us=us),
        *_conditions(person),
        *_observations(person),
        *orders(person),
        _no_allergy(person),
    ]


def _patient(person: Person, *, us: bool) -> Resource:
    born = {} if person.age is None else {"birthDate": _birthday(person.day, person.age).isoformat()}
    told = [_omb("race", _RACES, person), _omb("ethnicity", _ETHNICITIES, person)] if us else []
    code, display = _LANGUAGES.get(person.groups["language"], (None, "Another language"))
    spoken = concept(coding(_LANGUAGE, code, display), text=display) if code else concept(text=display)
    return {
        "resourceType": "Patient",
        "id": person.id,
        "meta": {"security": [coding(_TERMS + "v3-ActReason", "HTEST", "test health data")]},
        **({"extension": told} if told else {}),
        "identifier": [{"use": "usual", "system": "https://reference-ehr.example/patients", "value": person.id}],
        "active": True,
        "name": [{"use": "official", "family": "Simulated", "given": [person.id]}],
        "gender": person.sex or "unknown",
        **born,
        "communication": [{"language": spoken}],
    }


def _omb(name: str, codes: dict[str, tuple[str, str]], person: Person) -> Resource:
    code, display = codes[person.groups[name]]
    parts = [
        {"url": "ombCategory", "valueCoding": coding(_OMB, code, display)},
        {"url": "text", "valueString": display},
    ]
    return {"url": _US_CORE + name, "extension": parts}


def _birthday(day: date, age: int) -> date:
    """Return a birthday that makes the person ``age`` years old on the day, and around it."""
    last = day - timedelta(days=_BIRTHDAY)
    return last.replace(year=last.year - age, day=min(last.day, 28))


def _conditions(person: Person) -> Iterator[Resource]:
    if person.flags is None:
        return
    since = _CHRONIC if "chronic_depression" in person.flags else _RECENT
    yield _condition(person, "depression", ("370143000", "F32.1", "Major depressive disorder, moderate"), since)
    for name, codes in _PROBLEMS.items():
        if name in person.flags:
            yield _condition(person, name.replace("_", "-"), codes, _RECENT)


def _condition(person: Person, name: str, codes: tuple[str, str, str], days: int) -> Resource:
    snomed, icd, text = codes
    begun = (person.day - timedelta(days=days)).isoformat()
    return {
        "resourceType": "Condition",
        "id": f"{person.id}-{name}",
        "clinicalStatus": concept(coding(CONDITION_CLINICAL, "active", "Active")),
        "verificationStatus": concept(coding(_TERMS + "condition-ver-status", "confirmed", "Confirmed")),
        "category": [concept(coding(_TERMS + "condition-category", "problem-list-item", "Problem List Item"))],
        "code": concept(coding(SNOMED, snomed, text), coding(ICD_10_CM, icd, text), text=text),
        "subject": {"reference": f"Patient/{person.id}"},
        "onsetDateTime": begun,
        "recordedDate": begun,
    }


def _observations(person: Person) -> Iterator[Resource]:
    for week, total in sorted(person.weeks.items()):
        taken = _observation(person, f"phq9-{week}", "survey", "44261-6", _PHQ9, 7 * week)
        yield {**taken, "valueQuantity": _quantity(total, "{score}")}
    if person.gad7 is not None:
        taken = _observation(person, "gad7", "survey", "70274-6", "Generalized anxiety disorder 7 item total score", 0)
        yield {**taken, "valueQuantity": _quantity(person.gad7, "{score}")}
    if person.bmi is not None:
        taken = _observation(person, "bmi", "vital-signs", "39156-5", "Body mass index (BMI) [Ratio]", -20)
        yield {**taken, "valueQuantity": _quantity(person.bmi, "kg/m2")}
    if person.phenotype is not None:
        code, display = _PHENOTYPES[person.phenotype]
        name = "CYP2C19 gene product metabolic activity interpretation"
        taken = _observation(person, "cyp2c19", "laboratory", "79714-2", name, -200)
        yield {**taken, "valueCodeableConcept": concept(coding(LOINC, code, display), text=display)}


_PHQ9 = "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]"


def _observation(person: Person, name: str, category: str, loinc: str, display: str, days: int) -> Resource:
    """Return an Observation without its value, taken so many days after the start."""
    kind = {"survey": "Survey", "vital-signs": "Vital Signs", "laboratory": "Laboratory"}[category]
    return {
        "resourceType": "Observation",
        "id": f"{person.id}-{name}",
        "status": "final",
        "category": [concept(coding(_TERMS + "observation-category", category, kind))],
        "code": concept(coding(LOINC, loinc, display)),
        "subject": {"reference": f"Patient/{person.id}"},
        "effectiveDateTime": f"{(person.day + timedelta(days=days)).isoformat()}T09:00:00Z",
    }


def _quantity(value: float, unit: str) -> Resource:
    plain = int(value) if value == int(value) else value
    return {"value": plain, "unit": unit, "system": UCUM, "code": unit}


def _no_allergy(person: Person) -> Resource:
    return {
        "resourceType": "AllergyIntolerance",
        "id": f"{person.id}-allergy",
        "clinicalStatus": concept(coding(_TERMS + "allergyintolerance-clinical", "active", "Active")),
        "verificationStatus": concept(coding(_TERMS + "allergyintolerance-verification", "confirmed", "Confirmed")),
        "code": concept(coding(SNOMED, "716186003", "No known allergy")),
        "patient": {"reference": f"Patient/{person.id}"},
        "recordedDate": (person.day - timedelta(days=_RECENT)).isoformat(),
    }
