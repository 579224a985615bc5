"""Features computed from other features: age, body mass index, creatinine clearance, pregnancy.

A computed feature names all its inputs in its path, and is missing by the name of the first input that is.
"""

from collections.abc import Mapping
from datetime import date

from msgspec.structs import replace

from fhir_adapters import dates
from fhir_adapters.canonical import CanonicalPatient, Diagnosis, Feature, Source
from fhir_adapters.indexed import Indexed
from fhir_adapters.latest import absent, choose, latest_measurement, newest, of_score, present
from fhir_adapters.schema import FeatureSpec

_ADULT = 18
_PREGNANCY_DAYS = 300  # 42 weeks and a week's grace; policy
_PREGNANT = frozenset({"pregnant", "not_pregnant"})


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


def pregnancy(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the latest coded status, or pregnant by an active Condition; where they disagree, a conflict."""
    if facts.known["sex"].value == "male":
        return absent(spec, "missing", "not-applicable")
    observed = latest_measurement(spec, facts, values=_PREGNANT)
    conditions = [one for one in facts.patient.diagnoses if "pregnancy" in one.keys and one.active]
    recent = [one for one in conditions if _may_last(one, facts.as_of)]
    if not recent:
        return observed
    first = recent[0]
    if observed.value == "not_pregnant" and observed.source is not None:
        places = sorted((f"{first.source.reference} code", f"{observed.source.reference} {observed.source.path}"))
        origin = Source(observed.source.reference, "; ".join(places), "features.conflict")
        return absent(spec, "conflicting", "values-disagree", observed.effective, origin)
    return observed if observed.value == "pregnant" else present(spec, "pregnant", first.onset, first.source)


def phq9_previous(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the newest total of an earlier day than the latest one; its path names the latest too."""
    candidates = [of_score(one) for one in facts.scored(("phq9.total",))]
    dated = [one for one in candidates if one.effective and one.effective <= facts.as_of]
    latest = newest(dated)[:1]
    earlier = [one for one in dated if latest and one.effective != latest[0].effective]
    if not earlier:
        return absent(spec, "missing", "no-earlier-total")
    found = choose(spec, facts, earlier, ())
    if found.source is None:
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


def _may_last(diagnosis: Diagnosis, as_of: date) -> bool:
    return diagnosis.onset is None or 0 <= (as_of - diagnosis.onset).days <= _PREGNANCY_DAYS


def _number(feature: Feature) -> float | None:
    return feature.value if isinstance(feature.value, float) else None


def _from_inputs(rule: str, inputs: Mapping[str, Feature]) -> Source:
    """Return a source that names every input; its reference is the first one's."""
    named = [f"{name} {one.source.reference} {one.source.path}" for name, one in inputs.items() if one.source]
    sources = [one.source for one in inputs.values() if one.source]
    repairs = sorted({repair for one in sources for repair in one.repairs})
    reference = sources[0].reference if sources else ""
    return Source(reference, "; ".join(named), rule, None, tuple(repairs))
