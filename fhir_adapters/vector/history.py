"""Features of the problem list and of the drug history.

What a list does not hold is absent only when the list was supplied whole: otherwise the feature is missing.
"""

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from importlib.resources import files

from fhir_adapters import terminology
from fhir_adapters.canonical import CanonicalPatient, Diagnosis, Feature, MedicationCourse, Source
from fhir_adapters.vector.indexed import Indexed
from fhir_adapters.vector.latest import absent, present
from fhir_adapters.vector.schema import FeatureSpec

_FLAGS = {
    "depression": frozenset({"mdd"}),
    "anxiety_disorder": frozenset({"gad", "panic", "sad"}),
    "ptsd": frozenset({"ptsd"}),
    "substance_use": frozenset(
        {
            *("alcohol_dependence", "alcohol_withdrawal", "alcohol_abuse", "opioid_dependence"),
            *("sedative_dependence", "cluster_stimulant_dependence", "substance_dependence", "substance_abuse"),
        }
    ),
}
# Problems that may be what a flag asks for, and do not say so: beside them no flag is false.
_KINDS_NOT_SAID = {
    "depression": frozenset({"depression_unspecified", "postpartum_depression"}),
    "anxiety_disorder": frozenset({"anxiety_unspecified"}),
    "substance_use": frozenset({"substance_use_unspecified"}),
}
_LASTING = frozenset({"dysthymia"})
_DEPRESSIONS = frozenset({"mdd", "depression_unspecified", "postpartum_depression"})
_NO_KEYS = frozenset[str]()
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
    """Return whether an active Condition says so; false only when the conditions were supplied whole.

    Missing where a Condition may say so: "Depression, unspecified" is no major depression, and not none either.
    """
    found = _active(facts, _FLAGS[spec.name])
    if found:
        return _yes(spec, found)
    near = _active(facts, _KINDS_NOT_SAID.get(spec.name, _NO_KEYS))
    if near:
        return absent(spec, "missing", "kind-not-specified", near[0].onset, near[0].source)
    return _not_listed(spec, facts.patient)


def chronic_depression(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return whether depression is active for two years or more, or dysthymia is."""
    patient, as_of = facts.patient, facts.as_of
    lasting = _active(facts, _LASTING)
    depressions = _active(facts, _DEPRESSIONS)
    for diagnosis in (*lasting, *depressions):
        lasts = diagnosis in lasting or _days(diagnosis.onset, as_of) >= _CHRONIC_DAYS + _slack(diagnosis)
        if lasts and diagnosis.certain:
            return _yes(spec, [diagnosis])
    doubted = next((one for one in (*lasting, *depressions) if not one.certain), None)
    if doubted is not None:
        return absent(spec, "missing", "diagnosis-not-certain", doubted.onset, doubted.source)
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
    patient, known = facts.patient, antidepressants()
    if lacking := _list_missing(spec, patient, "medications"):
        return lacking
    stopped: list[MedicationCourse] = []
    current: set[str] = set()
    for course in patient.medications:
        if _is_over(course, facts.as_of):
            stopped.append(course)
        else:
            current.update(course.ingredients)
    tried: dict[str, str] = {}
    doubtful: dict[str, MedicationCourse] = {}
    for course in stopped:
        if not course.ingredients and _may_be_antidepressant(course):
            return absent(spec, "missing", "stopped-drug-unresolved", None, course.source)
        if known.isdisjoint(course.ingredients):
            continue
        length = _length(course)
        for name in known.intersection(course.ingredients) - current:
            if length is None:
                doubtful.setdefault(name, course)
            elif length >= _TRIAL_DAYS:
                tried[name] = course.source.reference
    for name, course in sorted(doubtful.items()):
        if name not in tried:
            return absent(spec, "missing", "stopped-course-without-dates", None, course.source)
    return present(spec, float(len(tried)), None, _listed(patient, tried.values(), "features.trials"))


def days_on_antidepressant(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the days since the present antidepressant was started; of several, the one started last.

    Missing where a drug that is called active has an end that is past, or may be one and is not known.
    """
    patient = facts.patient
    if lacking := _list_missing(spec, patient, "medications"):
        return lacking
    known = antidepressants()
    taken = [one for one in patient.medications if known.intersection(one.ingredients)]
    active = [one for one in taken if one.taking in _ON_DRUG]
    active = active or [one for one in taken if _is_supplied(one, facts.as_of)]
    if not active and (doubtful := _status_unknown(taken, facts.as_of)):
        return absent(spec, "missing", "medication-status-unknown", None, doubtful.source)
    if not active:
        return _no_antidepressant(spec, facts)
    going = _going_on(active, facts.as_of)
    if not going:
        return absent(spec, "missing", "active-past-its-end", active[0].stop, active[0].source)
    active = going
    unknown = next((one for one in active if one.start is None), None)
    if unknown is not None:
        return absent(spec, "missing", "start-unknown", None, unknown.source)
    last = active[0]
    if "start-not-exact" in last.source.repairs:
        return absent(spec, "missing", "start-not-exact", last.start, last.source)
    if last.start and last.start > facts.as_of:
        return absent(spec, "refused", "future", last.start, last.source)
    return present(spec, float(_days(last.start, facts.as_of)), last.start, last.source)


def _no_antidepressant(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return that none is taken, or that a drug which is taken is not known and may be one."""
    taken = (one for one in facts.patient.medications if one.taking in _ON_DRUG and not one.ingredients)
    unresolved = next((one for one in taken if _may_be_antidepressant(one)), None)
    if unresolved is not None:
        return absent(spec, "missing", "active-drug-unresolved", None, unresolved.source)
    return absent(spec, "missing", "no active antidepressant")


def _going_on(active: Sequence[MedicationCourse], as_of: date) -> list[MedicationCourse]:
    """Return the courses that have no past end, and of whose drug no course begun as late has one."""
    ended = [one for one in active if one.stop is not None and one.stop < as_of]
    return [one for one in active if one not in ended and not any(_supersedes(other, one) for other in ended)]


def _supersedes(other: MedicationCourse, one: MedicationCourse) -> bool:
    same = other.ingredients == one.ingredients
    return same and (other.start or date.max) >= (one.start or date.max)


def _status_unknown(courses: Iterable[MedicationCourse], as_of: date) -> MedicationCourse | None:
    """Return the first course of which nobody can say whether it is taken: it is never counted as "not"."""
    return next((one for one in courses if one.taking == "unknown" and not _is_supplied(one, as_of)), None)


def medication_count(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the number of drugs being taken or ordered: one an ingredient, one an unresolved text.

    A course of unknown status, of a drug that is counted already, changes nothing.
    """
    patient = facts.patient
    if lacking := _list_missing(spec, patient, "medications"):
        return lacking
    courses = [one for one in patient.medications if one.taking in _COUNTED or _is_supplied(one, facts.as_of)]
    names = {name for one in courses for name in one.ingredients}
    others = (one for one in patient.medications if not one.ingredients or not names.issuperset(one.ingredients))
    if doubtful := _status_unknown(others, facts.as_of):
        return absent(spec, "missing", "medication-status-unknown", None, doubtful.source)
    unresolved = {one.text.lower() or one.source.reference for one in courses if not one.ingredients}
    origin = _listed(patient, (one.source.reference for one in courses), "features.medication-count")
    return present(spec, float(len(names) + len(unresolved)), None, origin)


def _active(facts: Indexed, keys: frozenset[str]) -> list[Diagnosis]:
    return [one for one in facts.problems if not keys.isdisjoint(one.keys)]


def _yes(spec: FeatureSpec, found: Sequence[Diagnosis]) -> Feature:
    """Return true by the first certain problem; missing where all of them are in doubt."""
    certain = next((one for one in found if one.certain), None)
    if certain is None:
        return absent(spec, "missing", "diagnosis-not-certain", found[0].onset, found[0].source)
    return present(spec, True, certain.onset, certain.source)


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


def _is_over(course: MedicationCourse, as_of: date) -> bool:
    """Say whether a course has ended: one that is stopped on a day to come, as a supply is, has not."""
    return course.taking == "stopped" and not _is_supplied(course, as_of)


def _is_supplied(course: MedicationCourse, as_of: date) -> bool:
    return course.taking == "stopped" and course.stop is not None and course.stop > as_of


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
