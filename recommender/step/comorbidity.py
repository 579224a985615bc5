"""Several treated conditions on one problem list: what serves more than one of them, and that a choice was made."""

from collections.abc import Mapping, Sequence

from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.step import focus
from recommender.step.step_readings import StepChart, reason, rows
from recommender.step.treatment_history import History


def words(name: str, knowledge: Knowledge) -> str:
    """Return a treated condition as it is read aloud."""
    return next((row.words for row in focus.rows_of(name, knowledge)), name.replace("-", " "))


def serves(considered: Sequence[str], others: Sequence[str], knowledge: Knowledge) -> Mapping[str, tuple[str, ...]]:
    """Return for each drug the further conditions of this patient that its label names."""
    indications = {name: {row.indication for row in focus.rows_of(name, knowledge)} - {""} for name in others}
    found = {
        drug: tuple(
            name
            for name in others
            if any(knowledge.drugs[drug].indications.get(one) == "yes" for one in indications[name])
        )
        for drug in considered
    }
    return {drug: names for drug, names in found.items() if names}


def said(
    served: Mapping[str, tuple[str, ...]], history: History, knowledge: Knowledge
) -> Mapping[str, tuple[Reason, ...]]:
    """Return what is said of single drugs: that one serves a further condition, how an earlier trial of it reads."""
    found = {drug: (_serves(drug, names, knowledge),) for drug, names in served.items()}
    earlier = {one.drug: (one.reason,) for one in history.trials if not one.present}
    return {drug: (*found.get(drug, ()), *earlier.get(drug, ())) for drug in (found | earlier)}


def _serves(drug: str, names: tuple[str, ...], knowledge: Knowledge) -> Reason:
    row = knowledge.drugs[drug]
    what = " and ".join(words(name, knowledge) for name in names)
    message = f"Also labelled for {what}, on the problem list too: one drug for both."
    return Reason("SERVES-BOTH", "none", message, row.basis.source, row.basis.verified)


def noted(chart: StepChart) -> tuple[Reason, ...]:
    """Return the sentence that names the further conditions and says who decides which comes first."""
    others = focus.conditions(chart.patient, chart.features, chart.knowledge)[1:]
    if chart.focus is None or not chart.focus.drafting or not others:
        return ()
    named = ", ".join(words(name, chart.knowledge) for name in others)
    return tuple(reason(row, value=named) for row in rows(chart, "comorbid"))
