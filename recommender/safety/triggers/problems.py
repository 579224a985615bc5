"""What the problem list answers: a diagnosis that is there, was once, may be, or is absent."""

from collections.abc import Iterable, Mapping

from fhir_adapters.canonical import Diagnosis
from recommender.catalog.rows import Rule
from recommender.dose import liver
from recommender.ranker.outcomes import FALSE, Outcome
from recommender.safety.chart import Chart, Subject
from recommender.safety.triggers import measured


def listed(rule: Rule, chart: Chart, subject: Subject) -> Outcome:
    """Return whether the problem list holds a diagnosis, or a measurement that stands for it does."""
    trigger = chart.knowledge.triggers[rule.kind, rule.trigger].row
    active = _first(trigger.conditions, chart.present)
    past = _first(trigger.conditions, chart.past)
    if rule.operator == "absent":
        return _absent(rule, active, chart, complete=trigger.complete)
    found = active or (past if rule.operator == "ever" else None)
    if found:
        return Outcome(True, rule.label + _on(found), day=found.onset, facts=_reference(found))
    value = measured.compared(rule, chart, trigger.feature) if trigger.feature else FALSE
    if value.holds:
        return value
    if past and rule.severity == "contraindicated":
        return Outcome(None, missing=rule.label, why="is recorded as past", facts=_reference(past))
    possible = _first(trigger.possible, chart.present)
    if possible is None and rule.operator == "ever":
        possible = _first(trigger.possible, chart.past)
    if possible and rule.trigger in chart.knowledge.doses.child_pugh.triggers:
        return liver.answer(rule, chart, possible)
    if possible:
        why = f"is not settled by “{possible.text}” on the problem list"
        return Outcome(None, missing=rule.label, why=why, facts=_reference(possible))
    if not trigger.complete and chart.state("conditions") == "supplied":
        return Outcome(None, missing=rule.label, why="cannot be read from the record")
    unlisted = chart.unlisted.problems
    return unlisted if unlisted.holds is None else value


def _absent(rule: Rule, active: Diagnosis | None, chart: Chart, *, complete: bool) -> Outcome:
    if active and not active.certain:
        return Outcome(None, missing=rule.label, why="is not certain", facts=_reference(active))
    if active:
        return FALSE
    if not complete:
        return Outcome(None, missing=rule.label, why="cannot be read from the record")
    unlisted = chart.unlisted.problems
    return unlisted if unlisted.holds is None else Outcome(True, f"no {rule.label} on the problem list")


def _first(keys: Iterable[str], diagnoses: Mapping[str, Diagnosis]) -> Diagnosis | None:
    for key in keys:
        if key in diagnoses:
            return diagnoses[key]
    return None


def _reference(diagnosis: Diagnosis) -> tuple[str, ...]:
    return (diagnosis.source.reference,)


def _on(diagnosis: Diagnosis) -> str:
    since = f"since {diagnosis.onset}" if diagnosis.onset else ""
    words = ", ".join(word for word in ("" if diagnosis.certain else "not certain", since) if word)
    return f" ({words})" if words else ""
