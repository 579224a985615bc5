"""From problem list and treatment history to the guideline step and the drugs to consider.

Adult depression is planned here and ranked by the learned model; every other condition by ``guideline_plan``.
"""

from dataclasses import replace

from fhir_adapters.canonical import CanonicalPatient, FeatureVector
from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.plans import Plan
from recommender.safety import rules
from recommender.step import comorbidity, focus, guideline_plan, step_readings, treatment_history
from recommender.step.focus import DEPRESSION, conditions, doubted_depression, focus_name, has_depression
from recommender.step.step_readings import StepChart
from recommender.step.treatment_history import History, antidepressants, trials

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
    """Return the plan for adult major depression: start without a present antidepressant; with one keep it, raise its
    dose, or switch."""
    current = antidepressants(patient, features, knowledge)
    considered = tuple(name for name in knowledge.drugs if knowledge.in_class(name, "antidepressant"))
    related = step_readings.related(current, knowledge)
    named = conditions(patient, features, knowledge)
    history = treatment_history.for_depression(patient, features.as_of, knowledge)
    chart = StepChart(
        patient=patient,
        features=features,
        knowledge=knowledge,
        focus=found,
        names=step_readings.names(found, DEPRESSION),
        step="switch" if current else "start",
        current=current,
        trials=trials(patient, features, knowledge),
    )
    kept = _kept(chart, history)
    first_line = frozenset[str]() if kept else _first_line(considered, knowledge) - related.keys()
    serves = comorbidity.serves(sorted(first_line), named[1:] if found else (), knowledge)
    return Plan(
        conditions=named,
        step=kept or chart.step,
        steps_reason=_told(chart, kept, history),
        considered=considered,
        first_line=first_line,
        current=current,
        related=related,
        focus=found,
        history=history,
        said=comorbidity.said(serves, history, knowledge),
        serves=serves,
    )


def _told(chart: StepChart, kept: str, history: History) -> tuple[Reason, ...]:
    """Return what guidelines and the trials of this chart say; where the present drug is kept, why comes first."""
    said, trials = _reasons(chart, kept), _trials_told(history)
    elsewhere = treatment_history.elsewhere(chart.patient, chart.features, chart.knowledge)
    if not kept:
        return (*said, *elsewhere, *trials)
    own = {row.id for row in chart.knowledge.guideline_steps if row.step == kept or row.kind in _KEEPING}
    return (*trials, *sorted(said, key=lambda one: one.rule not in own), *elsewhere)


def _kept(chart: StepChart, history: History) -> str:
    """Return the step that keeps the present antidepressant for now, empty where it is changed.

    ``watch`` while it is said not to be taken, ``continue`` in remission, ``optimise`` while its dose can be raised
    after a low dose or a response that is not yet remission.
    """
    present = [one for one in history.trials if one.present]
    if any(one.denied for one in present):
        return "watch"
    if _contraindicated(chart):
        return ""
    kinds = {row.kind for row, _ in step_readings.holding(chart, *_KEEPING)}
    if "continue" in kinds or (kinds == {"respond"} and _at_ceiling(chart)):
        return "continue"
    if kinds:
        return "" if _at_ceiling(chart) else "optimise"
    return "optimise" if present and all(one.adequacy == "inadequate" and one.low_dose for one in present) else ""


def _contraindicated(chart: StepChart) -> bool:
    """Say whether a rule is known to exclude a present drug: it is neither kept nor raised."""
    names = [name for one in chart.current for name in one.ingredients]
    found = rules.evaluate_all(names, chart.patient, chart.features, chart.knowledge, current=True)
    return any(
        one.reason.severity == "contraindicated" and not one.reason.unknown for each in found.values() for one in each
    )


def _at_ceiling(chart: StepChart) -> bool:
    """Say whether every present drug has its labelled ceiling already; one without a known dose has not."""
    doses = [(one.dose_mg_per_day, chart.knowledge.drug(name)) for one in chart.current for name in one.ingredients]
    return bool(doses) and all(dose and drug and drug.max_mg and dose >= drug.max_mg for dose, drug in doses)


def _trials_told(history: History) -> tuple[Reason, ...]:
    """Return how the trials read; of a present one without a dose or a start the row on the present course tells."""
    return tuple(one.reason for one in history.trials if not (one.present and one.reason.unknown and not one.denied))


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
_KEEPING = ("continue", "respond", "optimise")
_TOLD_WITH = {"continue": {"continue", "respond"}, "optimise": {"respond", "optimise"}}


def _reasons(chart: StepChart, kept: str) -> tuple[Reason, ...]:
    """Return what the guidelines say at this step, in table order, and what of it cannot be said.

    What keeps the present drug is read before the step is known, all else after it.
    """
    planned = replace(chart, step=kept) if kept else chart
    keeping = (one for one in step_readings.holding(chart, *_KEEPING) if one[0].kind in _TOLD_WITH.get(kept, ()))
    told = {row.id: reason for row, reason in (*keeping, *step_readings.holding(planned, *_TOLD))}
    # Without a present antidepressant its start is no gap; the rows of kind "unknown" are for the step "switch" alone.
    asked = {one.rule: one for one in step_readings.unread(chart, "unknown")}
    order = [row.id for row in chart.knowledge.guideline_steps]
    also = comorbidity.noted(chart)
    return (*(found for id_ in order if (found := told.get(id_) or asked.get(id_))), *also)
