"""Features computed from other features: age, body mass index, creatinine clearance, means of days.

A computed feature names all its inputs in its path, and is missing by the name of the first input that is.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from msgspec.structs import replace

from fhir_adapters import dates
from fhir_adapters.canonical import CanonicalPatient, DailyValue, Feature, Source
from fhir_adapters.vector.indexed import Indexed
from fhir_adapters.vector.latest import absent, choose, is_reading, latest_measurement, newest, of_score, present
from fhir_adapters.vector.schema import FeatureSpec

_ADULT = 18
_WINDOW_DAYS, _LEAST_DAYS = 14, 4  # the schema's own words; the day of assessment is not over and is left out
_PRESSURES = {"systolic_bp": "diastolic_bp", "diastolic_bp": "systolic_bp"}
_DAILY = {"steps_per_day": "steps", "sleep_hours": "sleep_duration", "resting_heart_rate": "resting_heart_rate"}


def age(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return whole years of age on the day."""
    patient, as_of = facts.patient, facts.as_of
    refusals = facts.refused(("age",))
    if refusals:
        refused = refusals[0]
        origin = Source(refused.reference, refused.path, "features.refused")
        return absent(spec, "refused", refused.reason, None, origin)
    if patient.birth_date is None:
        return absent(spec, "missing", "not-recorded")
    if patient.birth_date > as_of:
        return absent(spec, "refused", "future", None, patient.birth_date_source)
    return present(spec, float(dates.age(patient.birth_date, as_of)), None, patient.birth_date_source)


def sex(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the administrative gender."""
    patient = facts.patient
    if patient.sex is not None:
        return present(spec, patient.sex, None, patient.sex_source)
    refusals = facts.refused(("sex",))
    if not refusals or refusals[0].reason == "unknown":
        return absent(spec, "missing", "unknown" if refusals else "not-recorded")
    origin = Source(refusals[0].reference, refusals[0].path, "features.refused")
    return absent(spec, "refused", refusals[0].reason, None, origin)


def blood_pressure(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the latest pressure; refused where the same reading has a systolic one that is not above the diastolic."""
    found = latest_measurement(spec, facts)
    if found.status != "present" or found.source is None:
        return found
    reference, partner = found.source.reference, _PRESSURES[spec.name]
    other = next((one.value for one in facts.measured(partner) if one.source.reference == reference), None)
    pair = {spec.name: found.value, partner: other}
    systolic, diastolic = (pair[name] for name in _PRESSURES)
    if isinstance(systolic, float) and isinstance(diastolic, float) and systolic <= diastolic:
        return absent(spec, "refused", "implausible", found.effective, found.source)
    return found


def bmi(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the recorded index; where none of the last year is recorded, weight over height squared."""
    recorded, weight, height = latest_measurement(spec, facts), facts.known["weight"], facts.known["height"]
    if recorded.status not in ("missing", "stale"):
        return recorded
    kilograms, centimetres = _number(weight), _number(height)
    if kilograms is None or centimetres is None or _grown_since(facts.patient, height.effective):
        return recorded
    origin = _from_inputs("features.bmi", {"weight": weight, "height": height})
    return present(spec, round(kilograms / (centimetres / 100) ** 2, 1), weight.effective, origin)


def _grown_since(patient: CanonicalPatient, measured: date | None) -> bool:
    """Return whether a height was taken in childhood, which an adult's index must not use."""
    return bool(patient.birth_date and measured and dates.age(patient.birth_date, measured) < _ADULT)


def crcl(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return creatinine clearance in mL/min for an adult.

    Cockcroft and Gault, Nephron 1976;16:31-41: (140 - age) * kg / (72 * mg/dL), times 0.85 for women, with
    actual body weight.
    """
    inputs = {name: facts.known[name] for name in ("creatinine", "weight", "age", "sex")}
    lacking = next((name for name, one in inputs.items() if one.status != "present"), None)
    if lacking is not None:
        return absent(spec, "missing", f"{lacking}-{inputs[lacking].status}")
    years, kilograms, creatinine = (_number(inputs[name]) or 0.0 for name in ("age", "weight", "creatinine"))
    factor = {"male": 1.0, "female": 0.85}.get(str(inputs["sex"].value))
    if years < _ADULT or factor is None:
        return absent(spec, "missing", "sex-other" if factor is None else "not-an-adult")
    clearance = factor * (140 - years) * kilograms / (72 * creatinine)
    origin = _from_inputs("features.cockcroft-gault", inputs)
    return present(spec, round(clearance, 1), inputs["creatinine"].effective, origin)


def daily_mean(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the mean of the days with data among the last fourteen before the day of assessment, at least four."""
    key, as_of = _DAILY[spec.name], facts.as_of
    ages = [((as_of - one.day).days, one) for one in facts.patient.daily if one.key == key]
    days = [one for age, one in ages if 1 <= age <= _WINDOW_DAYS]
    if len(days) >= _LEAST_DAYS:
        mean = round(sum(one.value for one in days) / len(days), 2)
        return present(spec, mean, days[0].day, _from_days(days))
    if days:
        return absent(spec, "missing", f"fewer-than-{_LEAST_DAYS}-days", days[0].day, _from_days(days))
    older = next((one for age, one in ages if age > _WINDOW_DAYS), None)
    if older is not None:
        return absent(spec, "stale", f"older-than-{_WINDOW_DAYS}-days", older.day, older.source)
    return choose(spec, facts, (), facts.refused((key,)))


def _from_days(days: Sequence[DailyValue]) -> Source:
    """Return a source that names the first reading of each day, newest first."""
    places = "; ".join(f"{one.source.reference} {one.source.path}" for one in days)
    repairs = sorted({repair for one in days for repair in one.source.repairs})
    return Source(days[0].source.reference, places, "features.daily-mean", None, tuple(repairs))


def phq9_previous(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the newest total of an earlier day than the latest one, read or not; its path names the latest too."""
    candidates = [of_score(one) for one in facts.scored(("phq9.total",))]
    dated = [one for one in candidates if one.effective and one.effective <= facts.as_of]
    unread = [
        one
        for one in facts.refused(("phq9.total",))
        if one.effective and one.effective <= facts.as_of and is_reading(one)
    ]
    last = max((one.effective for one in (*dated, *unread) if one.effective), default=None)
    earlier = [one for one in dated if one.effective != last]
    refused = [one for one in unread if one.effective != last]
    if not (earlier or refused):
        return absent(spec, "missing", "no-earlier-total")
    found = choose(spec, facts, earlier, refused)
    latest = newest(dated)[:1]
    if found.source is None or not latest or latest[0].effective != last:
        return found
    path = f"{found.source.path}; before {latest[0].source.reference}"
    return replace(found, source=replace(found.source, path=path))


def phq9_change(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the latest total minus the one before it; below zero is better."""
    inputs = {name: facts.known[name] for name in ("phq9_total", "phq9_previous")}
    lacking = next((name for name, one in inputs.items() if one.status != "present"), None)
    if lacking is not None:
        return absent(spec, "missing", f"{lacking}-{inputs[lacking].status}")
    now, before = (_number(one) or 0.0 for one in inputs.values())
    return present(spec, now - before, inputs["phq9_total"].effective, _from_inputs("features.change", inputs))


def _number(feature: Feature) -> float | None:
    return feature.value if isinstance(feature.value, float) else None


def _from_inputs(rule: str, inputs: Mapping[str, Feature]) -> Source:
    """Return a source that names every input; its reference is the first one's."""
    named = [f"{name} {one.source.reference} {one.source.path}" for name, one in inputs.items() if one.source]
    sources = [one.source for one in inputs.values() if one.source]
    repairs = sorted({repair for one in sources for repair in one.repairs})
    reference = sources[0].reference if sources else ""
    return Source(reference, "; ".join(named), rule, None, tuple(repairs))
