"""Features of the problem list and of the drug history.

What a list does not hold is absent only when the list was supplied whole: otherwise the feature is missing.
"""

import csv
from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.resources import files

from fhir_adapters import terminology
from fhir_adapters.canonical import CanonicalPatient, Diagnosis, Feature, MedicationCourse, Source
from fhir_adapters.indexed import Indexed
from fhir_adapters.latest import absent, present
from fhir_adapters.schema import FeatureSpec

_FLAGS = {
    "depression": frozenset({"mdd"}),
    "anxiety_disorder": frozenset({"gad", "panic", "sad"}),
    "ptsd": frozenset({"ptsd"}),
    "substance_use": frozenset(
        {
            *("alcohol_dependence", "alcohol_withdrawal", "opioid_dependence", "sedative_dependence"),
            *("cluster_stimulant_dependence", "substance_dependence"),
        }
    ),
}
_DEPRESSIONS = frozenset({"mdd", "depression_unspecified", "postpartum_depression"})
_CHRONIC_DAYS = 730  # "for two years or more": the schema's own words
_INEXACT_DAYS = 365  # how far an onset known only to its year may be off
_TRIAL_DAYS = 28  # "four weeks or more": the schema's own words
_ON_DRUG = frozenset({"taking", "reported"})
_COUNTED = frozenset({"taking", "reported", "ordered"})


@cache
def antidepressants() -> frozenset[str]:
    """Return the ingredients of ATC group N06A (antidepressants.csv) and of the drug classes within it."""
    table = files("fhir_adapters") / "terminology" / "antidepressants.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    listed = {row["ingredient"] for row in rows if row["verified"] != "no"}
    members = terminology.load().class_members
    return frozenset(listed.union(*(members.get(name, ()) for name in ("ssri", "snri", "tca", "maoi"))))


def flag(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return whether an active Condition says so; false only when the conditions were supplied whole."""
    found = _active(facts.patient, _FLAGS[spec.name], facts.as_of)
    return _yes(spec, found[0]) if found else _not_listed(spec, facts.patient)


def chronic_depression(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return whether depression is active for two years or more, or dysthymia is."""
    patient, as_of = facts.patient, facts.as_of
    lasting = _active(patient, frozenset({"dysthymia"}), as_of)
    depressions = _active(patient, _DEPRESSIONS, as_of)
    for diagnosis in (*lasting, *depressions):
        if diagnosis in lasting or _days(diagnosis.onset, as_of) >= _CHRONIC_DAYS + _slack(diagnosis):
            return _yes(spec, diagnosis)
    for diagnosis in depressions:
        if diagnosis.onset is None:
            return absent(spec, "missing", "onset-unknown", None, diagnosis.source)
        if _days(diagnosis.onset, as_of) >= _CHRONIC_DAYS:
            return absent(spec, "missing", "onset-not-exact", diagnosis.onset, diagnosis.source)
    return _not_listed(spec, patient)


def trials(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return how many antidepressants were stopped after four weeks or more.

    A drug that is still taken is not one of them: its ended orders are renewals. Missing while a stopped
    course has no dates to tell, or a stopped drug is not known and may be one.
    """
    patient = facts.patient
    if lacking := _list_missing(spec, patient, "medications"):
        return lacking
    stopped = [course for course in patient.medications if course.taking == "stopped"]
    current = {name for one in patient.medications if one.taking != "stopped" for name in one.ingredients}
    tried: dict[str, str] = {}
    doubtful: dict[str, MedicationCourse] = {}
    for course in stopped:
        if not course.ingredients and _may_be_antidepressant(course):
            return absent(spec, "missing", "stopped-drug-unresolved", None, course.source)
        length = _length(course)
        for name in antidepressants().intersection(course.ingredients) - current:
            if length is None:
                doubtful.setdefault(name, course)
            elif length >= _TRIAL_DAYS:
                tried[name] = course.source.reference
    for name, course in sorted(doubtful.items()):
        if name not in tried:
            return absent(spec, "missing", "stopped-course-without-dates", None, course.source)
    return present(spec, float(len(tried)), None, _listed(patient, tried.values(), "features.trials"))


def days_on_antidepressant(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the days since the present antidepressant was started; of several, the one started last."""
    patient = facts.patient
    if lacking := _list_missing(spec, patient, "medications"):
        return lacking
    known = antidepressants()
    active = [one for one in patient.medications if one.taking in _ON_DRUG and known.intersection(one.ingredients)]
    if not active:
        return absent(spec, "missing", "no active antidepressant")
    unknown = next((one for one in active if one.start is None), None)
    if unknown is not None:
        return absent(spec, "missing", "start-unknown", None, unknown.source)
    last = active[0]
    if "start-not-exact" in last.source.repairs:
        return absent(spec, "missing", "start-not-exact", last.start, last.source)
    if last.start and last.start > facts.as_of:
        return absent(spec, "refused", "future", last.start, last.source)
    return present(spec, float(_days(last.start, facts.as_of)), last.start, last.source)


def medication_count(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the number of drugs being taken or ordered: one an ingredient, one an unresolved text."""
    patient = facts.patient
    if lacking := _list_missing(spec, patient, "medications"):
        return lacking
    courses = [one for one in patient.medications if one.taking in _COUNTED]
    names = {name for one in courses for name in one.ingredients}
    unresolved = {one.text.lower() or one.source.reference for one in courses if not one.ingredients}
    origin = _listed(patient, (one.source.reference for one in courses), "features.medication-count")
    return present(spec, float(len(names) + len(unresolved)), None, origin)


def _active(patient: CanonicalPatient, keys: frozenset[str], as_of: date) -> list[Diagnosis]:
    return [
        one
        for one in patient.diagnoses
        if one.active and keys.intersection(one.keys) and (one.onset is None or one.onset <= as_of)
    ]


def _yes(spec: FeatureSpec, diagnosis: Diagnosis) -> Feature:
    return present(spec, True, diagnosis.onset, diagnosis.source)


def _not_listed(spec: FeatureSpec, patient: CanonicalPatient) -> Feature:
    lacking = _list_missing(spec, patient, "conditions")
    return lacking or present(spec, False, None, Source(patient.reference, "conditions", "features.not-listed"))


def _list_missing(spec: FeatureSpec, patient: CanonicalPatient, name: str) -> Feature | None:
    state = patient.lists.get(name, "not-supplied")
    return None if state == "supplied" else absent(spec, "missing", f"{name}-{state}")


def _days(start: date | None, as_of: date) -> int:
    return (as_of - start).days if start else -1


def _slack(diagnosis: Diagnosis) -> int:
    return _INEXACT_DAYS if "onset-not-exact" in diagnosis.source.repairs else 0


def _length(course: MedicationCourse) -> int | None:
    exact = "start-not-exact" not in course.source.repairs
    return (course.stop - course.start).days if course.start and course.stop and exact else None


def _may_be_antidepressant(course: MedicationCourse) -> bool:
    """Return whether a drug that was not resolved has no text, or one with an antidepressant's name in it."""
    names = terminology.load().drug_names
    words = {names.get(word, word) for word in course.text.lower().replace("-", " ").split()}
    return not course.text or bool(antidepressants() & words)


def _listed(patient: CanonicalPatient, references: Iterable[str], rule: str) -> Source:
    return Source(patient.reference, " ".join(("medications", *sorted(set(references)))), rule)
