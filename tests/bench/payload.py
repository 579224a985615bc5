"""One synthetic patient-view call of about 250 KB, in the shapes and at the length that US Core servers send.

A woman of 42 with depression, nine weeks on citalopram, PHQ-9 still 17: the call ends in a card with drafts.
Beside what is read, each resource carries what is not (categories, identifiers, performers, reference ranges).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

Json = dict[str, Any]

PATIENT = "bench-0000000"
_BASE = "https://ehr.example/fhir"
_LOINC = "http://loinc.org"
_SNOMED = "http://snomed.info/sct"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
_UCUM = "http://unitsofmeasure.org"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core"
_PHQ9 = (
    ("44250-9", "Little interest or pleasure in doing things in last 2W", 2),
    ("44255-8", "Feeling down, depressed, or hopeless in last 2W", 3),
    ("44259-0", "Trouble falling or staying asleep, or sleeping too much in last 2W", 2),
    ("44254-1", "Feeling tired or having little energy in last 2W", 3),
    ("44251-7", "Poor appetite or overeating in last 2W", 2),
    ("44258-2", "Feeling bad about yourself - or that you are a failure in last 2W", 2),
    ("44252-5", "Trouble concentrating on things in last 2W", 2),
    ("44253-3", "Moving or speaking so slowly that other people could have noticed in last 2W", 1),
    ("44260-8", "Thoughts that you would be better off dead, or of hurting yourself in last 2W", 0),
    ("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]", 17),
)
_LABS = (
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", 139, "mmol/L"),
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", 4.1, "mmol/L"),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", 0.8, "mg/dL"),
    ("98979-8", "Glomerular filtration rate/1.73 sq M.predicted (CKD-EPI 2021)", 93, "mL/min/{1.73_m2}"),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", 94, "mg/dL"),
    ("1742-6", "Alanine aminotransferase", 22, "U/L"),
    ("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma", 24, "U/L"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 13.2, "g/dL"),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", 251, "10*3/uL"),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", 6.4, "10*3/uL"),
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", 5.4, "%"),
    ("3016-3", "Thyrotropin", 2.1, "m[IU]/L"),
)
_VITALS = (
    ("8867-4", "Heart rate", 72, "/min"),
    ("9279-1", "Respiratory rate", 14, "/min"),
    ("8310-5", "Body temperature", 36.8, "Cel"),
    ("2708-6", "Oxygen saturation", 98, "%"),
    ("29463-7", "Body weight", 68, "kg"),
    ("8302-2", "Body height", 168, "cm"),
    ("39156-5", "Body mass index (BMI) [Ratio]", 24.1, "kg/m2"),
)
_DRUGS = (
    ("lisinopril 10 MG Oral Tablet", "314076", 300),
    ("omeprazole 20 MG Delayed Release Oral Capsule", None, 210),
    ("amlodipine 5 MG Oral Tablet", None, 600),
    ("ibuprofen 400 MG Oral Tablet", None, 40),
    ("sumatriptan 50 MG Oral Tablet", None, 700),
    ("sertraline 50 MG Oral Tablet", "312941", 900),
    ("hydrochlorothiazide 25 MG Oral Tablet", None, 800),
)
_PROBLEMS = (
    (_ICD10, "F33.1", "Major depressive disorder, recurrent, moderate", 95),
    (_SNOMED, "370143000", "Major depressive disorder", 95),
    (_SNOMED, "38341003", "Hypertensive disorder", 2400),
    *((_ICD10, code, text, 400) for code, text in (
        ("J30.2", "Other seasonal allergic rhinitis"),
        ("K21.9", "Gastro-esophageal reflux disease without esophagitis"),
        ("M54.50", "Low back pain, unspecified"),
        ("G47.00", "Insomnia, unspecified"),
        ("E55.9", "Vitamin D deficiency, unspecified"),
        ("G43.909", "Migraine, unspecified, not intractable, without status migrainosus"),
        ("H52.13", "Myopia, bilateral"),
        ("Z98.890", "Other specified postprocedural states"),
        ("L70.0", "Acne vulgaris"),
    )),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its prefetch values by key, and the whole body, both as bytes."""

    values: dict[str, bytes]
    body: bytes

    def of_patient(self, number: int) -> bytes:
        """Return the same body for another patient: identifiers of one length are exchanged."""
        return self.body.replace(PATIENT.encode(), f"bench-{number:07d}".encode())


def build(today: date) -> Call:
    """Return the call as made on ``today``; the same day gives the same bytes."""
    observations = tuple(_observations(today))
    scores = [one for one in observations if one["category"][0]["coding"][0]["code"] == "survey"]
    prefetch: Json = {
        "patient": _patient(),
        "conditions": _bundle("Condition", [_condition(today, *one) for one in enumerate(_PROBLEMS)]),
        "medications": _bundle("MedicationRequest", list(_requests(today))),
        "statements": None,
        "allergies": _bundle("AllergyIntolerance", list(_allergies(today))),
        "scores": _bundle("Observation", scores),
        "responses": None,
        "observations": _bundle("Observation", [one for one in observations if one not in scores]),
        "consents": _bundle("Consent", []),
    }
    body: Json = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"patientId": PATIENT, "userId": "Practitioner/dr-lindqvist"},
        "prefetch": prefetch,
    }
    return Call({key: _json(value) for key, value in prefetch.items()}, _json(body))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _patient() -> Json:
    race = [{"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"}}]
    return {
        **_resource("Patient", PATIENT, "patient"),
        "extension": [{"url": f"{_CORE}-race", "extension": race}],
        "identifier": [{"use": "usual", "system": f"{_BASE}/mrn", "value": PATIENT}],
        "active": True,
        "name": [{"use": "official", "family": "Example", "given": ["Ada", "B."]}],
        "telecom": [{"system": "phone", "value": "555-0100", "use": "home"}],
        "gender": "female",
        "birthDate": "1984-05-01",
        "address": [{"line": ["1 Example Street"], "city": "Springfield", "state": "MA", "country": "US"}],
    }


def _observations(today: date) -> Iterator[Json]:
    for visit, ago in enumerate((12, 47, 82, 200, 380)):
        observed = partial(_observation, f"{visit}", _moment(today, ago))
        yield from (observed("survey", code, text, (value, "{score}")) for code, text, value in _PHQ9)
        yield from (observed("laboratory", code, text, (value, unit)) for code, text, value, unit in _LABS)
        yield from (observed("vital-signs", code, text, (value, unit)) for code, text, value, unit in _VITALS)
        yield _pressure(observed("vital-signs", "85354-9", "Blood pressure panel with all children optional", None))
    smoking = _observation("s", _moment(today, 60), "social-history", "72166-2", "Tobacco smoking status", None)
    yield smoking | {"valueCodeableConcept": _concept(_SNOMED, "266919005", "Never smoked tobacco (finding)")}


def _observation(
    visit: str, when: str, category: str, code: str, text: str, measured: tuple[float, str] | None
) -> Json:
    local = {"system": f"{_BASE}/codes", "code": f"L{code.replace('-', '')}", "display": text.upper()}
    value = _quantity(*measured) if measured else {}
    laboratory: Json = {
        "interpretation": [_concept(f"{_TERMINOLOGY}/v3-ObservationInterpretation", "N", "Normal")],
        "referenceRange": [{"low": value, "high": value, "text": "as the laboratory gives it"}],
    }
    return {
        **_resource("Observation", f"obs-{visit}-{code}", f"observation-{category}"),
        "status": "final",
        "category": [_concept(f"{_TERMINOLOGY}/observation-category", category, category.capitalize())],
        "code": {"coding": [{"system": _LOINC, "code": code, "display": text}, local], "text": text},
        **_context(),
        "effectiveDateTime": when,
        "issued": when,
        "performer": [{"reference": "Practitioner/dr-lindqvist"}],
        **({"valueQuantity": value} if measured else {}),
        **(laboratory if category == "laboratory" else {}),
    }


def _pressure(panel: Json) -> Json:
    parts = (("8480-6", "Systolic blood pressure", 124), ("8462-4", "Diastolic blood pressure", 78))
    component = [
        {"code": _concept(_LOINC, code, text), "valueQuantity": _quantity(value, "mm[Hg]")}
        for code, text, value in parts
    ]
    return panel | {"component": component}


def _condition(today: date, number: int, problem: tuple[str, str, str, int]) -> Json:
    system, code, text, ago = problem
    return {
        **_resource("Condition", f"cond-{number}", "condition-problems-health-concerns"),
        "clinicalStatus": _concept(f"{_TERMINOLOGY}/condition-clinical", "active", "Active"),
        "verificationStatus": _concept(f"{_TERMINOLOGY}/condition-ver-status", "confirmed", "Confirmed"),
        "category": [_concept(f"{_TERMINOLOGY}/condition-category", "problem-list-item", "Problem List Item")],
        "code": _concept(system, code, text) | {"text": text},
        **_context(),
        "onsetDateTime": (today - timedelta(ago)).isoformat(),
        "recordedDate": (today - timedelta(ago)).isoformat(),
    }


def _requests(today: date) -> Iterator[Json]:
    """Yield orders by code, by code and text, by text alone and by reference; active, stopped and completed."""
    yield _request("cit", today - timedelta(63), "active", _drug("citalopram 20 MG Oral Tablet", "200371"), 20)
    for number in range(19):
        text, code, ago = _DRUGS[number % len(_DRUGS)]
        status = "active" if number < 5 else ("completed", "stopped")[number % 2]
        start = today - timedelta(ago + 30 * number)
        drug = _drug(text, code if number % 3 else None, contained=number % 4 == 3)
        yield _request(f"{number}", start, status, drug, None)


def _drug(text: str, code: str | None, *, contained: bool = False) -> Json:
    concept = (_concept(_RXNORM, code, text) if code else {}) | {"text": text}
    if not contained:
        return {"medicationCodeableConcept": concept}
    held = {"resourceType": "Medication", "id": "med", "code": concept}
    return {"contained": [held], "medicationReference": {"reference": "#med", "display": text}}


def _request(identity: str, start: date, status: str, drug: Json, dose: float | None) -> Json:
    repeat = {"boundsPeriod": {"start": start.isoformat()}, "frequency": 1, "period": 1, "periodUnit": "d"}
    ended = {"boundsPeriod": {"start": start.isoformat(), "end": (start + timedelta(60)).isoformat()}}
    amount = {"doseQuantity": _quantity(dose, "mg")} if dose else {"doseQuantity": _quantity(1, "{tbl}")}
    dosage = {
        "sequence": 1,
        "text": "Take 1 by mouth once daily as directed",
        "timing": {"repeat": repeat if status == "active" else repeat | ended, "code": {"text": "Once daily"}},
        "asNeededBoolean": False,
        "route": _concept(_SNOMED, "26643006", "Oral route"),
        "doseAndRate": [{"type": {"text": "ordered"}, **amount}],
    }
    return {
        **_resource("MedicationRequest", f"rx-{identity}", "medicationrequest"),
        "status": status,
        "intent": "order",
        "category": [_concept(f"{_TERMINOLOGY}/medicationrequest-category", "community", "Community")],
        "reportedBoolean": False,
        **drug,
        **_context(),
        "authoredOn": _moment(start, 0),
        "requester": {"reference": "Practitioner/dr-lindqvist", "display": "Lindqvist, Maja, MD"},
        "dosageInstruction": [dosage],
        "dispenseRequest": {"numberOfRepeatsAllowed": 2, "quantity": _quantity(30, "{tbl}")},
    }


def _allergies(today: date) -> Iterator[Json]:
    for number, text in enumerate(("Penicillin", "Shellfish")):
        yield {
            **_resource("AllergyIntolerance", f"alg-{number}", "allergyintolerance"),
            "clinicalStatus": _concept(f"{_TERMINOLOGY}/allergyintolerance-clinical", "active", "Active"),
            "code": {"text": text},
            "patient": {"reference": f"Patient/{PATIENT}"},
            "recordedDate": (today - timedelta(1000)).isoformat(),
        }


def _resource(kind: str, identity: str, profile: str) -> Json:
    meta = {"versionId": "1", "lastUpdated": "2026-01-05T08:00:00Z", "profile": [f"{_CORE}-{profile}"]}
    named = [{"system": f"{_BASE}/identifiers", "value": identity}]
    return {"resourceType": kind, "id": identity, "meta": meta, "identifier": named}


def _context() -> Json:
    return {
        "subject": {"reference": f"Patient/{PATIENT}", "display": "Example, Ada B."},
        "encounter": {"reference": "Encounter/enc-20419"},
    }


def _bundle(kind: str, resources: list[Json]) -> Json:
    link = [{"relation": "self", "url": f"{_BASE}/{kind}?patient={PATIENT}"}]
    entry = [
        {"fullUrl": f"{_BASE}/{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in resources
    ]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entry), "link": link, "entry": entry}


def _concept(system: str, code: str, text: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": text}]}


def _quantity(value: float, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": _UCUM, "code": unit}


def _moment(today: date, ago: int) -> str:
    return datetime.combine(today - timedelta(ago), time(13, 5), UTC).isoformat()
