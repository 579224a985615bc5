"""The plan for a condition other than adult depression: guideline lines, psychotherapy first where it comes first.

A drug is offered where its label names the condition, a verified guideline row puts it in the line that is reached,
its starting dose for this condition was seen, and the severity that the guideline asks for is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fhir_adapters.canonical import CanonicalPatient, FeatureVector, MedicationCourse
from recommender.assessment import Escalation, Reason
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import StepRow
from recommender.plans import Line, Plan
from recommender.safety.chart import is_active
from recommender.step import comorbidity, guideline_ranking, step_readings, treatment_history
from recommender.step.focus import DEPRESSION, Focus, conditions
from recommender.step.step_readings import StepChart, holding, unread
from recommender.step.treatment_history import History, Trial

UNSCHEDULED = "none"
_INSOMNIA = "insomnia"
_NAMING = ("initial", "later")
_TOLD = ("psychotherapy", "withhold", "band", "continue", "note", "adjunct", "not-initial", "judge", "maintain")


@dataclass(frozen=True, slots=True)
class _Kept:
    """Why the present drug is kept for now, and the step that this makes it."""

    step: str
    reason: Reason


def plan(patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge, focus: Focus) -> Plan:
    """Return the plan for ``focus`` by the guideline tables."""
    depressed = DEPRESSION in conditions(patient, features, knowledge)[1:]
    considered = _considered(focus, knowledge, depressed=depressed)
    named = _drugs(_rows(focus, knowledge), knowledge)
    treated = _treated(patient, features, knowledge, focus)
    current = _current(named, treated, features, knowledge)
    history = treatment_history.history(
        treated,
        features.as_of,
        knowledge,
        drugs=named & knowledge.drugs.keys(),
        condition=focus.name,
        indication=focus.indication or None,
    )
    chart = StepChart(
        patient=patient,
        features=features,
        knowledge=knowledge,
        focus=focus,
        names=step_readings.names(focus, focus.name),
        step="switch" if current else "start",
        current=current,
        trials=_adequate(history, patient),
    )
    return _assembled(chart, focus, considered, history)


def _treated(
    patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge, focus: Focus
) -> CanonicalPatient:
    """Return the patient without antidepressants for something else; in insomnia a low dose is for this."""
    if focus.name == _INSOMNIA:
        return patient
    return treatment_history.without_elsewhere(patient, features.as_of, knowledge)


def _assembled(chart: StepChart, focus: Focus, considered: tuple[str, ...], history: History) -> Plan:
    knowledge = chart.knowledge
    listed = conditions(chart.patient, chart.features, knowledge)
    kept, missing = _kept(chart, history), unread(chart, "ask")
    watched = bool(holding(chart, "withhold"))
    lines = _lines(chart, considered)
    labelled = [one for one in lines if knowledge.drugs[one].indications.get(focus.indication) == "yes"]
    serves = comorbidity.serves(labelled, listed[1:], knowledge)
    held = "continue" if chart.current else "watch"
    step = kept.step if kept else held if watched or missing else chart.step
    told = (reason for _, reason in holding(chart, *_TOLD))
    ready = focus.drafting and not (kept or missing or watched)
    related = step_readings.related(chart.current, knowledge)
    taken = {one.drug for one in history.trials if one.present} | history.drugs("adequate") | related.keys()
    withheld = _withheld(considered, lines, focus, knowledge)
    return Plan(
        conditions=listed,
        step=step,
        steps_reason=(
            *((kept.reason,) if kept else ()),
            *missing,
            *told,
            *comorbidity.noted(chart),
            *(treatment_history.elsewhere(chart.patient, chart.features, knowledge) if focus.name != _INSOMNIA else ()),
            *(one.reason for one in history.trials if kept is None or one.reason is not kept.reason),
        ),
        considered=considered,
        first_line=frozenset(lines.keys() - withheld.keys() - taken) if ready else frozenset(),
        current=chart.current,
        related=related,
        focus=focus,
        history=history,
        ranked_by=guideline_ranking.basis(chart.names, focus.phase or focus.name, lines, knowledge),
        lines=lines,
        withheld=withheld,
        said=_said(chart, serves, history, lines),
        serves=serves,
        routes=_routes(chart),
        before=frozenset(row.id for row, _ in holding(chart, "psychotherapy")),
    )


def for_dosing(plan: Plan, knowledge: Knowledge) -> Knowledge:
    """Return the knowledge with what this condition's guidelines say on judging a dose, in place of depression's."""
    if not plan.by_guideline or plan.focus is None:
        return knowledge
    judged = (row for row in knowledge.guideline_steps if row.kind == "judge" and row.condition in plan.focus.names)
    return replace(knowledge, guideline_steps=tuple(replace(row, kind="decision") for row in judged))


def _rows(focus: Focus, knowledge: Knowledge) -> tuple[StepRow, ...]:
    return tuple(row for row in knowledge.guideline_steps if row.kind in _NAMING and row.condition in focus.names)


def _drugs(rows: Iterable[StepRow], knowledge: Knowledge) -> frozenset[str]:
    return frozenset(
        one for row in rows for name in row.drugs for one in knowledge.classes.get(name, frozenset({name}))
    )


def _considered(focus: Focus, knowledge: Knowledge, *, depressed: bool) -> tuple[str, ...]:
    """Return, in formulary order, what the guidelines name and what the label allows; with depression the
    antidepressants too, so that the rules say of each why it is none."""
    named = _drugs(_rows(focus, knowledge), knowledge)
    return tuple(
        name
        for name, drug in knowledge.drugs.items()
        if name in named
        or (focus.indication and drug.indications.get(focus.indication) == "yes")
        or (depressed and knowledge.in_class(name, "antidepressant"))
    )


def _current(
    named: frozenset[str], patient: CanonicalPatient, features: FeatureVector, knowledge: Knowledge
) -> tuple[MedicationCourse, ...]:
    """Return the active courses of the condition's drugs, those of which only a class of theirs is known too."""
    classes = {one for one, held in knowledge.classes.items() if held and held <= named}
    return tuple(
        course
        for course in patient.medications
        if is_active(course, features.as_of)
        and (
            any((drug := knowledge.drug(one)) and drug.ingredient in named for one in course.ingredients)
            or (not course.ingredients and not classes.isdisjoint(course.classes))
        )
    )


def _adequate(history: History, patient: CanonicalPatient) -> int | None:
    """Return how many adequate trials there were, None while one cannot be judged or the list is not whole."""
    whole = patient.lists.get("medications") == "supplied"
    return len(history.drugs("adequate")) if whole and not history.drugs("unknown") else None


def _kept(chart: StepChart, history: History) -> _Kept | None:
    """Return why the present drug is not changed yet: in remission, too early, its dose low, or not to be judged."""
    for _, reason in holding(chart, "continue"):
        return _Kept("continue", reason)
    present = [one for one in history.trials if one.present]
    if any(one.adequacy == "adequate" for one in present):
        return None
    for one in present:
        return _Kept(_step_for(one), one.reason)
    for course in chart.current:
        return _Kept("continue", treatment_history.unidentified(course))
    return None


def _step_for(trial: Trial) -> str:
    if trial.denied:
        return "watch"
    return "optimise" if trial.adequacy == "inadequate" and trial.low_dose else "continue"


def _lines(chart: StepChart, considered: tuple[str, ...]) -> Mapping[str, Line]:
    """Return the line of each drug that is reached: the lowest that a row which holds gives it.

    A drug that is advised against as a first one is reached by a row of a later line only.
    """
    against = _drugs((row for row, _ in holding(chart, "not-initial")), chart.knowledge)
    found: dict[str, list[tuple[StepRow, Reason]]] = {}
    for row, reason in holding(chart, *_NAMING):
        for name in _drugs((row,), chart.knowledge):
            if name not in against or row.kind == "later":
                found.setdefault(name, []).append((row, reason))
    return {name: _line(found[name]) for name in considered if name in found}


def _line(found: Sequence[tuple[StepRow, Reason]]) -> Line:
    numbers = [1 if row.line is None else row.line for row, _ in found]
    return Line(min(numbers), numbers.count(min(numbers)), tuple(reason for _, reason in found))


def _withheld(
    considered: Iterable[str], lines: Mapping[str, Line], focus: Focus, knowledge: Knowledge
) -> Mapping[str, Reason]:
    """Return why no draft of a drug can be made for this condition, the first reason of each."""
    found = ((name, _refused(name, lines.get(name), focus, knowledge)) for name in considered)
    return {name: reason for name, reason in found if reason is not None}


def _refused(name: str, line: Line | None, focus: Focus, knowledge: Knowledge) -> Reason | None:
    """Return why this drug is not drafted for the condition; that it is a controlled drug is ``dosing``'s to say."""
    drug, spoken = knowledge.drugs[name], name.replace("_", " ")
    source, verified = drug.basis.source, drug.basis.verified
    if not focus.drafting:
        message = f"Options for {focus.words} are named, none is drafted."
        return Reason("DRAFT-CONDITION", "none", message, "POLICY", verified=False)
    labelled = drug.indications.get(focus.indication, "")
    if labelled != "yes":
        part = f" only in part ({labelled[4:].replace('_', ' ')})" if labelled.startswith("yes_") else ""
        message = (
            f"The label of {spoken} names {focus.words}{part}."
            if part
            else f"The label of {spoken} does not name {focus.words}."
        )
        return Reason("DRAFT-LABEL", "none", message, source, verified)
    if drug.schedule != UNSCHEDULED:
        return None
    if line is not None and not any(one.verified for one in line.reasons):
        message = f"The guideline rows that name {spoken} for {focus.words} were not checked against their source."
        return Reason("DRAFT-GUIDELINE", "none", message, line.reasons[0].source, line.reasons[0].verified)
    own = knowledge.doses.indications.get((name, focus.indication))
    if own is None or own.start_mg is None or not own.basis.verified:
        message = f"No sourced starting dose of {spoken} for {focus.words} is at hand."
        return Reason("DRAFT-CONDITION-DOSE", "none", message, own.basis.source if own else source, verified=False)
    return None


def _said(
    chart: StepChart, serves: Mapping[str, tuple[str, ...]], history: History, lines: Mapping[str, Line]
) -> Mapping[str, tuple[Reason, ...]]:
    """Return what is said of single drugs: notes on one, who advises against it, that it serves a further condition."""
    found = dict(comorbidity.said(serves, history, chart.knowledge))
    for row, reason in holding(chart, "note"):
        for name in _drugs((row,), chart.knowledge):
            found[name] = (*found.get(name, ()), reason)
    for row, reason in holding(chart, "not-initial"):
        for name in _drugs((row,), chart.knowledge) - lines.keys():
            found[name] = (*found.get(name, ()), reason)
    return found


def _routes(chart: StepChart) -> tuple[Escalation, ...]:
    return tuple(
        Escalation("psychiatrist", "routine", reason.message, reason.rule) for _, reason in holding(chart, "route")
    )
