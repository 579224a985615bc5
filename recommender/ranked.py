"""What the learned ranker adds to the candidates: predictions, utility, bands, and why they stand in that order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fhir_adapters.canonical import Adapted
from recommender.assessment import Candidate, Prediction, Reason
from recommender.catalog.knowledge import Knowledge
from recommender.cohort.evidence import Array
from recommender.gene import gene_states
from recommender.gene.gene_states import GeneState
from recommender.plans import Plan
from recommender.ranker import ensemble, ranking, sensitivity
from recommender.ranker import model as models
from recommender.ranker.difference_words import Between
from recommender.ranker.differences import differences
from recommender.ranker.model import Model
from recommender.ranker.record import Phenotypes, of_states
from recommender.ranker.results import Explanation, SymptomChange
from recommender.ranker.symptom import symptom_changes
from recommender.ranker.unmeasured import unmeasured
from recommender.ranker.weights import Weights
from recommender.ranker.words import drug_words, outcome_words

_SOURCE = "recommender/ranker/model.py"


@dataclass(frozen=True, slots=True)
class Ranking:
    """The drugs that the model ranked for one patient: ``names`` with their rows in ``table``, ``offerable`` of them.

    ``weights`` are those that it was ranked with.
    """

    model: Model
    adapted: Adapted
    weights: Weights
    phenotypes: Phenotypes
    states: Mapping[str, GeneState]
    names: tuple[str, ...]
    table: Array
    offerable: tuple[str, ...]
    predictions: Mapping[str, Mapping[str, Prediction]]


def ranked(
    judged: Sequence[Candidate],
    plan: Plan,
    adapted: Adapted,
    knowledge: Knowledge,
    model: Model | None,
    weights: Weights,
) -> tuple[tuple[Candidate, ...], Ranking | None]:
    """Add predictions and utility to what is eligible, and bands to what could be offered at this step.

    The ranking is None where the model is switched off or abstains; each drug then says why.
    """
    unsupported = (
        ("The learned ranker is switched off.",) if model is None else models.support(model.manifest, adapted.features)
    )
    if model is None or unsupported:
        return tuple(_abstain(c, " ".join(unsupported)) if c.verdict == "eligible" else c for c in judged), None
    found = _ranking(judged, plan, adapted, knowledge, model, weights)
    utilities = ranking.utilities(found.predictions, weights.values)
    bands = ranking.bands({name: utilities[name] for name in found.offerable})
    near = ensemble.near_best(
        model.ensemble, model.evidence, found.predictions, found.offerable, weights.values, found.phenotypes
    )
    changes = symptom_changes(model, found.names, found.table)
    return tuple(_scored(c, found, utilities, bands, near, changes) for c in judged), found


def _ranking(
    judged: Sequence[Candidate],
    plan: Plan,
    adapted: Adapted,
    knowledge: Knowledge,
    model: Model,
    weights: Weights,
) -> Ranking:
    names = tuple(c.ingredient for c in judged if c.verdict == "eligible" and c.ingredient in model.evidence.drugs)
    states = gene_states.states(adapted.patient, knowledge.pgx)
    phenotypes = of_states(states)
    table = models.rows(adapted.features, names, model.evidence, phenotypes)
    return Ranking(
        model=model,
        adapted=adapted,
        weights=weights,
        phenotypes=phenotypes,
        states=states,
        names=names,
        table=table,
        offerable=tuple(name for name in names if name in plan.first_line),
        predictions=models.outcomes(model, names, table) if names else {},
    )


def _scored(
    candidate: Candidate,
    found: Ranking,
    utilities: Mapping[str, float],
    bands: Mapping[str, int],
    near: Mapping[str, float],
    changes: Mapping[str, SymptomChange],
) -> Candidate:
    name = candidate.ingredient
    if candidate.verdict != "eligible":
        return candidate
    if name not in utilities:
        return _abstain(candidate, "No trial evidence for this drug is at hand.")
    gaps = ranking.not_known(found.predictions[name])
    weighed = tuple(outcome for outcome in gaps if found.weights.values.get(outcome))
    return replace(
        candidate,
        predictions=found.predictions[name],
        utility=utilities[name],
        band=bands.get(name),
        near_best=near.get(name),
        not_known=gaps,
        symptom_change=changes[name],
        reasons=(*candidate.reasons, *(_not_known(name, outcome) for outcome in weighed)),
    )


def _not_known(ingredient: str, outcome: str) -> Reason:
    what = f"the rate of {outcome_words(outcome)} on {drug_words(ingredient)}"
    message = f"{what.capitalize()} is not known here: ranked as the worst of the drugs compared."
    return Reason(
        "MODEL-NOT-KNOWN", "none", message, _SOURCE, verified=True, unknown=True, missing=what, gap="is not known"
    )


def _abstain(candidate: Candidate, message: str) -> Candidate:
    reason = Reason("MODEL-ABSTAINED", "none", message, _SOURCE, verified=True)
    return replace(candidate, verdict="abstained", reasons=(*candidate.reasons, reason))


def explained(found: Ranking | None, offered: Sequence[str], *, whole: bool) -> Explanation | None:
    """Return why the drugs stand in this order and what would change it; None where nothing was ranked.

    ``whole`` asks the models again, for the differences between the first two offered and for what is not known:
    some milliseconds, so not on every call.
    """
    if found is None:
        return None
    weights = found.weights.values
    moves = sensitivity.sensitivity(found.predictions, found.offerable, weights)
    if not whole:
        return Explanation(found.weights, sensitivity=moves)
    gaps = unmeasured(found.model, found.names, found.table, found.offerable, weights, found.phenotypes)
    if len(offered) < 2:
        return Explanation(found.weights, sensitivity=moves, unmeasured=gaps)
    first, second = offered[:2]
    told = differences(
        found.model,
        Between(found.model.evidence, found.adapted.features, (first, second), found.phenotypes, found.states),
        found.table[np.array([found.names.index(first), found.names.index(second)])],
        [outcome for outcome, weight in weights.items() if weight],
    )
    facts = any(part.facts for one in told for part in one.contributions)
    between = f"{drug_words(first)} and {drug_words(second)}"
    statement = (
        f"What trials found of {between}, and this patient's chart, make the difference between the two."
        if facts
        else f"What trials found of {between} makes the difference: nothing in this chart moves one of them more."
    )
    return Explanation(found.weights, told, moves, gaps, statement)
