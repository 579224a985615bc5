"""The feature vector of one patient on one day: every feature of the schema, present or absent by name.

A feature without a row in ``_READERS`` is the latest measurement of its own name.
"""

from collections.abc import Callable, Mapping
from datetime import date

from fhir_adapters import derived, history
from fhir_adapters.canonical import CanonicalPatient, Feature, FeatureVector
from fhir_adapters.indexed import Indexed, index
from fhir_adapters.latest import latest_measurement, latest_score
from fhir_adapters.schema import FEATURES, SCHEMA_VERSION, FeatureSpec

Reader = Callable[[FeatureSpec, Indexed], Feature]

_SMOKING = frozenset(
    {"never_smoker", "ex_smoker", "current_smoker", "smoker_daily", "smoker_some_days", "heavy_smoker", "light_smoker"}
)


def _score(*keys: str) -> Reader:
    """Return the reader of the latest score among ``<scale>.<part>``."""
    return lambda spec, facts: latest_score(spec, facts, keys)


_READERS: Mapping[str, Reader] = {
    "age": derived.age,
    "sex": derived.sex,
    "bmi": derived.bmi,
    "crcl": derived.crcl,
    "egfr": lambda spec, facts: latest_measurement(spec, facts, preferred_first=True),
    "pregnancy_status": derived.pregnancy,
    "smoking_status": lambda spec, facts: latest_measurement(spec, facts, "tobacco_smoking_status", _SMOKING),
    "phq9_total": _score("phq9.total"),
    "phq9_item9": _score("phq9.item9_self_harm", "phq9_mds.item9_self_harm_frequency"),
    "phq9_previous": derived.phq9_previous,
    "phq9_change": derived.phq9_change,
    "gad7_total": _score("gad7.total"),
    "audit_c_total": _score("audit_c.total"),
    "depression": history.flag,
    "anxiety_disorder": history.flag,
    "ptsd": history.flag,
    "substance_use": history.flag,
    "chronic_depression": history.chronic_depression,
    "antidepressant_trials": history.trials,
    "antidepressant_days": history.days_on_antidepressant,
    "medication_count": history.medication_count,
}


def vector(patient: CanonicalPatient, as_of: date) -> FeatureVector:
    """Return every feature of the schema, in its order, as known on ``as_of``."""
    facts = index(patient, as_of)
    for spec in FEATURES:
        facts.known[spec.name] = _READERS.get(spec.name, latest_measurement)(spec, facts)
    return FeatureVector(patient.reference, as_of, SCHEMA_VERSION, facts.known)
