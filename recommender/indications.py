"""From problem list and treatment history to the guideline step and the drugs to consider."""

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_adapters.canonical import CanonicalPatient, FeatureVector, MedicationCourse
from recommender.assessment import Reason
from recommender.chart import is_active
from recommender.knowledge import Knowledge
from recommender.rows import StepRow
from recommender.triggers import COMPARE

DEPRESSION = "major-depressive-disorder"
UNSCHEDULED = "none"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is treated, at which step, and which drugs are considered.

    ``considered`` are formulary names of every antidepressant, in formulary order; ``first_line`` those that
    the guideline offers initially and that are labelled for the condition; ``current`` the active
    antidepressant courses; ``related`` says of a drug why changing to it from the present one is no change.
    """

    conditions: tuple[str, ...]
    step: str
    steps_reason: tuple[Reason, ...]
    considered: tuple[str, ...]
    first_line: frozenset[str]
    current: tuple[MedicationCourse, ...]
    related: Mapping[str, Reason]


def plan(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> Plan:
    """Return the plan for adult major depression: start without, switch with a present antidepressant."""
    current = antidepressants(patient, features, knowledge)
    step = "switch" if current else "start"
    considered = tuple(name for name in knowledge.drugs if knowledge.in_class(name, "antidepressant"))
    related = _related(current, knowledge)
    return Plan(
        conditions=conditions(patient, features, knowledge),
        step=step,
        steps_reason=_reasons(step, patient, features, knowledge),
        considered=considered,
        first_line=_first_line(considered, knowledge) - related.keys(),
        current=current,
        related=related,
    )


def conditions(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> tuple[str, ...]:
    """Return the names of the treated conditions on the problem list, depression first."""
    keys = {key for one in patient.diagnoses if one.active for key in one.keys}
    names = dict.fromkeys(row.name for row in knowledge.treated.values() if row.key in keys)
    if has_depression(patient, features, knowledge):
        names = {DEPRESSION: None} | names
    return tuple(names)


def has_depression(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> bool:
    """Say whether a depressive disorder is known: on the problem list, or as the feature says."""
    keys = {row.key for row in knowledge.treated.values() if row.name == DEPRESSION}
    listed = any(one.active and not keys.isdisjoint(one.keys) for one in patient.diagnoses)
    return listed or features.number("depression") == 1


def antidepressants(
    patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge
) -> tuple[MedicationCourse, ...]:
    """Return the active courses that hold an antidepressant."""
    members = knowledge.classes["antidepressant"]
    named = {name for name in knowledge.classes if knowledge.classes[name] and knowledge.classes[name] <= members}
    return tuple(
        course
        for course in patient.medications
        if is_active(course, features.as_of)
        and (not members.isdisjoint(course.ingredients) or not named.isdisjoint(course.classes))
    )


def trials(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> int | None:
    """Return how many antidepressant trials there were, the present one counted once it is long enough.

    None when the earlier ones are not known; a present one without a start is not counted.
    """
    earlier, days = features.number("antidepressant_trials"), features.number("antidepressant_days")
    if earlier is None:
        return None
    present = bool(antidepressants(patient, features, knowledge))
    enough = days is not None and days >= knowledge.policies["adequate_trial_days"]
    return int(earlier) + (1 if present and enough else 0)


def _first_line(considered: tuple[str, ...], knowledge: Knowledge) -> frozenset[str]:
    listed = {kind: _named(kind, knowledge) for kind in ("initial", "not-initial")}
    indications = {row.indication for row in knowledge.treated.values() if row.name == DEPRESSION}
    return frozenset(
        name
        for name in considered
        if name in listed["initial"]
        and name not in listed["not-initial"]
        and any(knowledge.drugs[name].indications.get(one) == "yes" for one in indications)
        and knowledge.drugs[name].schedule == UNSCHEDULED
    )


def _related(current: tuple[MedicationCourse, ...], knowledge: Knowledge) -> Mapping[str, Reason]:
    taken = {ingredient for course in current for ingredient in course.ingredients}
    rows = (row for row in knowledge.guideline_steps if row.kind == "related" and not taken.isdisjoint(row.drugs))
    return {name: _reason(row, "") for row in rows for name in row.drugs if name not in taken}


def _named(kind: str, knowledge: Knowledge) -> set[str]:
    rows = (row for row in knowledge.guideline_steps if row.kind == kind and row.condition == DEPRESSION)
    return {one for row in rows for name in row.drugs for one in knowledge.classes.get(name, frozenset({name}))}


def _reasons(step: str, patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> tuple[Reason, ...]:
    found: list[Reason] = []
    for row in knowledge.guideline_steps:
        if row.kind == "related" or row.condition != DEPRESSION or row.step not in ("any", step):
            continue
        value = _reading(row, patient, features, knowledge)
        if row.kind == "unknown":
            if value is None:
                found.append(_reason(row, "", missing="start of the present antidepressant"))
        elif not row.reads:
            found.append(_reason(row, ""))
        elif value is not None and _holds(row, value):
            found.append(_reason(row, f"{value:g}"))
    return tuple(found)


def _reading(row: StepRow, patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> float | None:
    if row.reads == "trials":
        return trials(patient, features, knowledge)
    return features.number(row.reads) if row.reads else None


def _holds(row: StepRow, value: float) -> bool:
    if row.operator == "between":
        low, high = map(float, row.value.split(";"))
        return low <= value <= high
    return COMPARE[row.operator](value, float(row.value))


def _reason(row: StepRow, value: str, missing: str | None = None) -> Reason:
    return Reason(
        rule=row.id,
        severity="none",
        message=row.message.format(value=value),
        source=row.basis.source,
        verified=row.basis.verified,
        unknown=missing is not None,
        missing=missing,
    )
