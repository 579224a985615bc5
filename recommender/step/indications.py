"""From problem list and treatment history to the guideline step and the drugs to consider.

Adult depression is planned here and ranked by the learned model; every other condition by ``guideline_plan``.
"""

from fhir_adapters.canonical import CanonicalPatient, FeatureVector
from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.plans import Plan
from recommender.step import comorbidity, focus, guideline_plan, step_readings, treatment_history
from recommender.step.focus import DEPRESSION, conditions, doubted_depression, focus_name, has_depression
from recommender.step.step_readings import StepChart
from recommender.step.treatment_history import antidepressants, trials

__all__ = [
    "DEPRESSION",
    "Plan",
    "antidepressants",
    "conditions",
    "doubted_depression",
    "focus_name",
    "has_depression",
    "plan",
    "trials",
]

UNSCHEDULED = "none"


def plan(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge) -> Plan:
    """Return the plan for the condition that comes first on the problem list, for depression where none does."""
    found = focus.focus(patient, features, knowledge)
    if found is None or found.name == DEPRESSION:
        return _for_depression(patient, features, knowledge, found)
    return guideline_plan.plan(patient, features, knowledge, found)


def _for_depression(
    patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge, found: focus.Focus | None
) -> Plan:
    """Return the plan for adult major depression: start without, switch with a present antidepressant."""
    current = antidepressants(patient, features, knowledge)
    step = "switch" if current else "start"
    considered = tuple(name for name in knowledge.drugs if knowledge.in_class(name, "antidepressant"))
    related = step_readings.related(current, knowledge)
    named = conditions(patient, features, knowledge)
    history = treatment_history.history(
        patient, features.as_of, knowledge, drugs=considered, condition=DEPRESSION, indication="mdd"
    )
    chart = StepChart(
        patient=patient,
        features=features,
        knowledge=knowledge,
        focus=found,
        names=step_readings.names(found, DEPRESSION),
        step=step,
        current=current,
        trials=trials(patient, features, knowledge),
    )
    first_line = _first_line(considered, knowledge) - related.keys()
    serves = comorbidity.serves(sorted(first_line), named[1:] if found else (), knowledge)
    return Plan(
        conditions=named,
        step=step,
        # The row on the present course says what is not known of it.
        steps_reason=(*_reasons(chart), *(t.reason for t in history.trials if not (t.present and t.reason.unknown))),
        considered=considered,
        first_line=first_line,
        current=current,
        related=related,
        focus=found,
        history=history,
        said=comorbidity.said(serves, history, knowledge),
        serves=serves,
    )


def _first_line(considered: tuple[str, ...], knowledge: Knowledge) -> frozenset[str]:
    listed = {kind: _named(kind, knowledge) for kind in ("initial", "not-initial")}
    indications = {row.indication for row in focus.rows_of(DEPRESSION, knowledge)}
    return frozenset(
        name
        for name in considered
        if name in listed["initial"]
        and name not in listed["not-initial"]
        and any(knowledge.drugs[name].indications.get(one) == "yes" for one in indications)
        and knowledge.drugs[name].schedule == UNSCHEDULED
    )


def _named(kind: str, knowledge: Knowledge) -> set[str]:
    rows = (row for row in knowledge.guideline_steps if row.kind == kind and row.condition == DEPRESSION)
    return {one for row in rows for name in row.drugs for one in knowledge.classes.get(name, frozenset({name}))}


_TOLD = ("initial", "not-initial", "note", "decision", "review", "band", "maintain")


def _reasons(chart: StepChart) -> tuple[Reason, ...]:
    """Return what the guidelines say at this step, in table order, and what of it cannot be said."""
    told = {row.id: reason for row, reason in step_readings.holding(chart, *_TOLD)}
    # Without a present antidepressant its start is no gap; the rows of kind "unknown" are for the step "switch" alone.
    asked = {one.rule: one for one in step_readings.unread(chart, "unknown")}
    order = [row.id for row in chart.knowledge.guideline_steps]
    also = comorbidity.noted(chart)
    return (*(found for id_ in order if (found := told.get(id_) or asked.get(id_))), *also)
