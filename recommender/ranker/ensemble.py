"""The chance that a drug is within two points of the best, over draws of what the evidence leaves open.

Each draw is another prior that the same trials allow: every drug's log-odds moves by its standard error and the SD
between trials, by that of a phenotype's effect where it applies, and by a patient-by-drug difference of a scale drawn
from the evidence (none among them). The model gives the mean; a draw shifts it on the log-odds, where the simulator
that trained it adds the same terms. Training measures whether the chances so stated are those found at new sites.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.assessment import Prediction
from recommender.cohort.draws import FAMILIES, FAMILY_OF
from recommender.cohort.evidence import OUTCOMES, Array, Evidence, standard_errors
from recommender.ranker.ranking import Predictions
from recommender.ranker.record import Phenotypes
from recommender.ranker.weights import BAND_WIDTH

DRAWS = 200
SEED = 1


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Draws for ``d`` drugs, at their ``places``, and ``o`` outcomes.

    ``effect`` (k, d, o) are standard normal, ``difference`` (k, d, o) the patient-by-drug differences on the
    log-odds, ``spread`` (d, o) the SD of a drug's effect.
    """

    effect: Array
    difference: Array
    spread: Array
    places: Mapping[str, int]


def draw(evidence: Evidence, draws: int, seed: int) -> Ensemble:
    """Return the ensemble of a seed; ``draws`` is even: they come in pairs of opposite sign, so none is favoured."""
    rng = np.random.default_rng(seed)
    drugs, half = len(evidence.drugs), draws // 2
    effect = rng.standard_normal((half, drugs, len(OUTCOMES)))
    family = rng.standard_normal((half, drugs, len(FAMILIES)))[:, :, list(FAMILY_OF)]
    sd = rng.choice(np.array(evidence.interaction_scales), size=half)[:, None, None]
    se, tau = standard_errors(evidence)
    places = {name: place for place, name in enumerate(evidence.drugs)}
    return Ensemble(_paired(effect), _paired(family * sd), np.hypot(se, tau), places)


def _paired(half: Array) -> Array:
    return np.concatenate([half, -half])


def near_best(
    ensemble: Ensemble,
    evidence: Evidence,
    predictions: Predictions,
    drugs: Sequence[str],
    weights: Mapping[str, float],
    phenotypes: Phenotypes,
) -> dict[str, float]:
    """Return by drug in how large a share of the draws its utility is within ``BAND_WIDTH`` of the best of ``drugs``.

    ``predictions`` hold all drugs that are compared. What is not known of a drug counts, where it is weighed, as the
    worst of the others in each draw.
    """
    weighed = {o: weight for o, weight in weights.items() if weight and any(o in predictions[d] for d in drugs)}
    if not drugs or not weighed:
        return dict.fromkeys(drugs, 1.0)
    centre = np.array([[_logit(predictions[name].get(o)) for o in weighed] for name in drugs])
    extra = _phenotype_spread(evidence, drugs, tuple(weighed), phenotypes)
    return dict(zip(drugs, shares(ensemble, centre, drugs, weighed, extra).tolist(), strict=True))


def shares(
    ensemble: Ensemble, centre: Array, drugs: Sequence[str], weighed: Mapping[str, float], extra: Array | float = 0.0
) -> Array:
    """Return the share of draws (d) in which each drug is near the best.

    ``centre`` (d, len(weighed)) are log-odds, NaN where not known; ``extra`` are further SDs of the drugs' effects.
    """
    at, columns = [ensemble.places[name] for name in drugs], [OUTCOMES.index(o) for o in weighed]
    every = np.ix_(range(len(ensemble.effect)), at, columns)
    spread = np.hypot(ensemble.spread[np.ix_(at, columns)], extra)
    shift = ensemble.effect[every] * spread + ensemble.difference[every]
    weights = np.array(list(weighed.values()))
    utility = _filled(1 / (1 + np.exp(-(centre + shift))), weights) @ weights
    near: Array = utility >= utility.max(axis=1, keepdims=True) - BAND_WIDTH
    return near.mean(axis=0)


def _logit(prediction: Prediction | None) -> float:
    return math.nan if prediction is None else math.log(prediction.p / (1 - prediction.p))


def _phenotype_spread(
    evidence: Evidence, drugs: Sequence[str], outcomes: Sequence[str], phenotypes: Phenotypes
) -> Array:
    """Return the SD (d, o) of what the patient's phenotypes do."""
    found = np.zeros((len(drugs), len(outcomes)))
    for one in evidence.moderators:
        if phenotypes.get(one.gene) == one.phenotype and one.ingredient in drugs and one.outcome in outcomes:
            place = drugs.index(one.ingredient), outcomes.index(one.outcome)
            found[place] = math.hypot(float(found[place]), one.prior_sd)
    return found


def _filled(p: Array, weights: Array) -> Array:
    """Put the worst of the known where nothing is known; ``p`` (k, d, o)."""
    for place, weight in enumerate(weights.tolist()):
        column = p[:, :, place]
        gap = np.isnan(column)
        if gap.any():
            worst = (np.nanmin if weight > 0 else np.nanmax)(column, axis=1, keepdims=True)
            p[:, :, place] = np.where(gap, worst, column)
    return p
