"""The feature vector of one patient on one day: every feature of the schema, present or absent by name."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from fhir_adapters import derived, history
from fhir_adapters.canonical import CanonicalPatient, Feature, FeatureVector, Refusal
from fhir_adapters.latest import Candidate, absent, choose, newest, of_measurement, of_score
from fhir_adapters.schema import FEATURES, SCHEMA_VERSION, FeatureSpec

# Where a feature is read from, if not from the measurement of its own name.
_SCORES: Mapping[str, frozenset[str]] = {
    "phq9_total": frozenset({"phq9.total"}),
    "phq9_item9": frozenset({"phq9.item9_self_harm", "phq9_mds.item9_self_harm_frequency"}),
    "gad7_total": frozenset({"gad7.total"}),
    "audit_c_total": frozenset({"audit_c.total"}),
}
_MEASURED = {"smoking_status": "tobacco_smoking_status"}
_CODES: Mapping[str, frozenset[str]] = {
    "pregnancy_status": frozenset({"pregnant", "not_pregnant"}),
    "smoking_status": frozenset(
        {
            *("never_smoker", "ex_smoker", "current_smoker", "smoker_daily", "smoker_some_days"),
            *("heavy_smoker", "light_smoker"),
        }
    ),
}
_ESTIMATES = frozenset({"egfr"})  # equations differ by design: on one day the preferred code's value counts


def vector(patient: CanonicalPatient, as_of: date) -> FeatureVector:
    """Return every feature of the schema, in its order, as known on ``as_of``."""
    known: dict[str, Feature] = {}
    for spec in FEATURES:
        known[spec.name] = _feature(spec, patient, as_of, known)
    return FeatureVector(patient.reference, as_of, SCHEMA_VERSION, known)


def _feature(spec: FeatureSpec, patient: CanonicalPatient, as_of: date, known: Mapping[str, Feature]) -> Feature:
    match spec.name:
        case "age":
            return derived.age(spec, patient, as_of)
        case "sex":
            return derived.sex(spec, patient)
        case "phq9_previous":
            return _previous(spec, patient, as_of)
        case "bmi":
            return derived.bmi(spec, _measured(spec, patient, as_of), patient, known)
        case "crcl":
            return derived.crcl(spec, known)
        case "pregnancy_status":
            return derived.pregnancy(spec, _measured(spec, patient, as_of), patient, known, as_of)
        case "depression" | "anxiety_disorder" | "ptsd" | "substance_use":
            return history.flag(spec, patient, as_of)
        case "chronic_depression":
            return history.chronic_depression(spec, patient, as_of)
        case "antidepressant_trials":
            return history.trials(spec, patient, as_of)
        case "antidepressant_days":
            return history.days_on_antidepressant(spec, patient, as_of)
        case "medication_count":
            return history.medication_count(spec, patient)
        case name if name in _SCORES:
            candidates, refusals = _scored(patient, _SCORES[name])
            return choose(spec, patient, candidates, refusals, as_of)
        case _:
            return _measured(spec, patient, as_of)


def _measured(spec: FeatureSpec, patient: CanonicalPatient, as_of: date) -> Feature:
    key = _MEASURED.get(spec.name, spec.name)
    codes = _CODES.get(spec.name)
    candidates = [
        of_measurement(one) for one in patient.measurements if one.key == key and (codes is None or one.value in codes)
    ]
    refusals = [one for one in patient.refusals if one.key == key]
    preferred = spec.name in _ESTIMATES
    return choose(spec, patient, candidates, refusals, as_of, preferred_first=preferred)


def _scored(patient: CanonicalPatient, keys: frozenset[str]) -> tuple[list[Candidate], list[Refusal]]:
    candidates = [of_score(one) for one in patient.scales if f"{one.scale}.{one.part}" in keys]
    return candidates, [one for one in patient.refusals if one.key in keys]


def _previous(spec: FeatureSpec, patient: CanonicalPatient, as_of: date) -> Feature:
    """Return the newest total of an earlier day than the latest one; its path names the latest too."""
    candidates, _ = _scored(patient, _SCORES["phq9_total"])
    dated = [one for one in candidates if one.effective and one.effective <= as_of]
    latest = newest(dated)[:1]
    earlier = [one for one in dated if latest and one.effective != latest[0].effective]
    if not earlier:
        return absent(spec, "missing", "no-earlier-total")
    found = choose(spec, patient, earlier, (), as_of)
    if found.source is None:
        return found
    path = f"{found.source.path}; before {latest[0].source.reference}"
    return replace(found, source=replace(found.source, path=path))
