"""Small builders of canonical patients and feature vectors for tests, without FHIR."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from fhir_adapters.canonical import (
    Allergy,
    CanonicalPatient,
    Diagnosis,
    Feature,
    FeatureVector,
    ListState,
    MedicationCourse,
    Scalar,
    ScaleScore,
    Source,
    Taking,
)
from fhir_adapters.vector.schema import BY_NAME, FEATURES, SCHEMA_VERSION

TODAY = date(2026, 11, 22)
REFERENCE = "Patient/test"
LISTS: Mapping[str, ListState] = {
    "conditions": "supplied",
    "medications": "supplied",
    "allergies": "supplied",
    "observations": "supplied",
    "consents": "supplied",
}
ADULT: Mapping[str, Scalar] = {
    "age": 45.0,
    "sex": "male",
    "phq9_total": 17.0,
    "phq9_item9": 0.0,
    "depression": True,
    "antidepressant_trials": 0.0,
}


def days_ago(days: int) -> date:
    """Return the day this many days before the day of the assessment."""
    return TODAY - timedelta(days=days)


def source(reference: str, path: str = "value", rule: str = "test") -> Source:
    """Return a source that names ``reference``."""
    return Source(reference, path, rule)


def feature(name: str, value: Scalar, effective: date | None = None) -> Feature:
    """Return a present feature, seen two weeks ago unless said otherwise."""
    day = days_ago(14) if effective is None else effective
    return Feature(name, "present", value, BY_NAME[name].unit, None, day, source(f"Observation/{name}"))


def absent(name: str, status: Any = "missing", effective: date | None = None) -> Feature:
    """Return an absent feature with its reason."""
    return Feature(name, status, None, BY_NAME[name].unit, f"{status} in this test", effective)


def features(*given: Feature, **values: Scalar) -> FeatureVector:
    """Return a whole vector: what is given is present, everything else is missing."""
    known = {name: feature(name, value) for name, value in values.items()} | {one.name: one for one in given}
    every = {spec.name: known.get(spec.name) or absent(spec.name) for spec in FEATURES}
    return FeatureVector(REFERENCE, TODAY, SCHEMA_VERSION, every)


def adult(*given: Feature, **values: Scalar) -> FeatureVector:
    """Return the vector of a depressed man of 45 with a PHQ-9 of 17, changed by what is given."""
    return features(*given, **{**ADULT, **values})


def course(
    *ingredients: str,
    taking: Taking = "taking",
    start: date | None = None,
    stop: date | None = None,
    dose: float | None = None,
    classes: Iterable[str] = (),
    text: str = "",
) -> MedicationCourse:
    """Return a course of these ingredients; none of them makes one that could not be identified."""
    words = text or " / ".join(ingredients) or "a drug in another language"
    return MedicationCourse(
        text=words,
        ingredients=tuple(sorted(ingredients)),
        classes=tuple(classes),
        taking=taking,
        start=start,
        stop=stop,
        dose_mg_per_day=dose,
        source=source(f"MedicationRequest/{'-'.join(ingredients) or 'unnamed'}"),
        unresolved=None if ingredients else "no code that is known",
    )


def diagnosis(
    *keys: str, active: bool = True, onset: date | None = None, code: str | None = None, certain: bool = True
) -> Diagnosis:
    """Return a problem with these keys."""
    return Diagnosis(keys, active, onset, " ".join(keys), code, source(f"Condition/{'-'.join(keys)}"), certain)


def allergy(*ingredients: str, classes: Iterable[str] = (), text: str = "") -> Allergy:
    """Return an allergy to these ingredients; none of them makes one that could not be identified."""
    words = text or " / ".join(ingredients) or "something"
    return Allergy(words, ingredients, tuple(classes), source("AllergyIntolerance/one"))


def score(scale: str, part: str, value: float, effective: date | None = TODAY) -> ScaleScore:
    """Return an answer or total of a rating scale."""
    return ScaleScore(scale, part, value, effective, source(f"Observation/{scale}-{part}"))


def patient(
    *facts: MedicationCourse | Diagnosis | Allergy | ScaleScore,
    lists: Mapping[str, ListState] | None = None,
    **fields: Any,
) -> CanonicalPatient:
    """Return a patient with these facts and every list supplied whole, unless ``lists`` says otherwise."""

    def those(kind: type) -> tuple[Any, ...]:
        return tuple(one for one in facts if isinstance(one, kind))

    known: dict[str, Any] = {
        "reference": REFERENCE,
        "fhir_version": "R4",
        "birth_date": date(1981, 5, 1),
        "deceased": False,
        "sex": "male",
        "medications": those(MedicationCourse),
        "diagnoses": those(Diagnosis),
        "allergies": those(Allergy),
        "scales": those(ScaleScore),
        "lists": {**LISTS, **(lists or {})},
    }
    return CanonicalPatient(**{**known, **fields})
