"""Features of pregnancy and breastfeeding: the latest coded status, active problems, and what makes one unsure."""

from collections.abc import Iterator
from datetime import date

from fhir_adapters.canonical import Diagnosis, Feature, Measurement, Source
from fhir_adapters.vector.indexed import Indexed
from fhir_adapters.vector.latest import absent, latest_measurement, present
from fhir_adapters.vector.schema import FeatureSpec

_PREGNANCY_DAYS = 300  # 42 weeks and a week's grace; policy
_TOLD = (
    ("hcg_qualitative", "positive", "positive-pregnancy-test-on-file"),
    ("pregnancy_status", "pregnant", "pregnancy-recorded-some-months-ago"),
)
# A quantitative hCG below this, in mIU/mL, speaks of no pregnancy; up to 25 it is repeated
# (American Pregnancy Association, as on http://en.kangyuan.com.cn/html/View_2859.html).
_HCG = 5
_BREASTFEEDING_DAYS = 365  # how long a Condition may hold; policy


def pregnancy(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the latest coded status, or pregnant by an active Condition; where they disagree, a conflict.

    A positive test, a delivery date to come, a pregnancy recorded some months ago, or a problem that may be one of
    pregnancy or of the time after it, makes nobody pregnant; until a later status it leaves none that counts.
    """
    found = _state(spec, facts, "pregnancy", "pregnant", _PREGNANCY_DAYS)
    if found.value == "pregnant" or found.status == "conflicting" or facts.known["sex"].value == "male":
        return found
    for reason, day, source in _hints(facts):
        if found.status != "present" or found.effective is None or day is None or found.effective <= day:
            return absent(spec, "refused", reason, day, source)
    return found


def _hints(facts: Indexed) -> Iterator[tuple[str, date | None, Source]]:
    """Yield why a patient may be pregnant, with the day on which it was recorded and its source."""
    as_of = facts.as_of
    for key, yes, reason in _TOLD:
        last = next((one for one in facts.measured(key) if one.effective and one.effective <= as_of), None)
        if last and last.effective and last.value == yes and (as_of - last.effective).days <= _PREGNANCY_DAYS:
            yield reason, last.effective, last.source
    last = next((one for one in facts.measured("hcg_quantitative") if one.effective and one.effective <= as_of), None)
    if last and last.effective and (as_of - last.effective).days <= _PREGNANCY_DAYS and _is_raised(last):
        yield "pregnancy-hormone-found", last.effective, last.source
    for one in facts.measured("delivery_date"):
        if str(one.value) >= as_of.isoformat() and (one.effective is None or one.effective <= as_of):
            yield "delivery-date-ahead", one.effective, one.source
    for problem in facts.problems:
        if "pregnancy_possible" in problem.keys and _may_last(problem, as_of, _PREGNANCY_DAYS):
            yield "problem-of-pregnancy-or-after-it", problem.onset, problem.source


def _is_raised(hormone: Measurement) -> bool:
    return not isinstance(hormone.value, str) and hormone.value >= _HCG and hormone.comparator not in ("<", "<=")


def breastfeeding(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the latest coded status, or breastfeeding by an active Condition; where they disagree, a conflict."""
    return _state(spec, facts, "breastfeeding", "breastfeeding", _BREASTFEEDING_DAYS)


def _state(spec: FeatureSpec, facts: Indexed, condition: str, yes: str, days: int) -> Feature:
    """Return ``yes`` or ``not_<yes>``: what an Observation or an active Condition of at most ``days`` says."""
    if facts.known["sex"].value == "male":
        return absent(spec, "missing", "not-applicable")
    observed = latest_measurement(spec, facts, values=frozenset({yes, f"not_{yes}"}))
    found = [one for one in facts.patient.diagnoses if condition in one.keys and one.active]
    recent = [one for one in found if _may_last(one, facts.as_of, days)]
    certain = next((one for one in recent if one.certain), None)
    if certain is None:
        doubted = bool(recent) and observed.status != "present"
        return absent(spec, "missing", "diagnosis-not-certain", None, recent[0].source) if doubted else observed
    if observed.value == f"not_{yes}" and observed.source is not None:
        places = sorted((f"{certain.source.reference} code", f"{observed.source.reference} {observed.source.path}"))
        origin = Source(observed.source.reference, "; ".join(places), "features.conflict")
        return absent(spec, "conflicting", "values-disagree", observed.effective, origin)
    return observed if observed.value == yes else present(spec, yes, certain.onset, certain.source)


def _may_last(diagnosis: Diagnosis, as_of: date, days: int) -> bool:
    return diagnosis.onset is None or 0 <= (as_of - diagnosis.onset).days <= days
