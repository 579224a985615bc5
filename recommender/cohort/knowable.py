"""The best that could be said of each drug from a complete record: what nobody can know is averaged over.

``Cohort.probability`` is the truth, with frailty, a site's own drug effects and patient-by-drug differences in it.
No ranker can reach it, however good its records. This is the mark that it could reach: the mean of the truth over
all that no record and no published figure tells.
"""

import math

import numpy as np

from recommender.cohort.columns import OUTCOMES, PATIENT_FEATURES
from recommender.cohort.effects import WITHIN, expit, intercepts, shown
from recommender.cohort.evidence import Array, Evidence, standard_errors
from recommender.cohort.facts import PrognosticEffect, Trait
from recommender.cohort.people import ANXIOUS, PROBLEMS, Labels
from recommender.cohort.simulator import Cohort

_LOGISTIC_NORMAL = math.pi / 8  # mean of a logistic of a normal: MacKay 1992, doi 10.1162/neco.1992.4.5.720


def knowable(evidence: Evidence, cohort: Cohort, *, interaction_sd: float | None = None) -> Array:
    """Return the probability (n, d, o) of each outcome on each drug from complete features and recorded genes.

    ``interaction_sd`` as in the setting of the cohort. NaN where the drug has no figure.
    """
    mean, spread = _prognosis(evidence, cohort)
    se, tau = standard_errors(evidence)
    scales = evidence.interaction_scales if interaction_sd is None else (interaction_sd,)
    interaction = sum(sd**2 for sd in scales) / len(scales)
    found = np.empty((len(OUTCOMES), *cohort.exposure.shape))
    for o, outcome in enumerate(OUTCOMES):
        log_odds = cohort.site_terms[:, :, o][cohort.site] + mean[:, o, None]
        _moderate(log_odds, outcome, evidence, cohort)
        variance = (se**2 + tau**2)[:, o] + interaction + spread[:, o, None]
        found[o] = expit(log_odds / np.sqrt(1 + _LOGISTIC_NORMAL * variance))
    for inner, outer in WITHIN:
        i, j = OUTCOMES.index(inner), OUTCOMES.index(outer)
        found[j] = np.maximum(found[j], found[i])
    return np.moveaxis(found, 0, 2)


def _prognosis(evidence: Evidence, cohort: Cohort) -> tuple[Array, Array]:
    """Return mean and variance (n, o) of what moves each outcome whatever the drug, on the log-odds."""
    mean = np.tile(intercepts(evidence), (len(cohort.site), 1))
    variance = np.full_like(mean, evidence.assumptions["frailty.sd"] ** 2)
    for effect in evidence.prognosis:
        o, share = OUTCOMES.index(effect.outcome), _share(effect, evidence, cohort)
        mean[:, o] += effect.log_odds * share
        variance[:, o] += (effect.prior_sd * share) ** 2
        if effect.feature not in PATIENT_FEATURES:
            variance[:, o] += effect.log_odds**2 * share * (1 - share)
    return mean, variance


def _share(effect: PrognosticEffect, evidence: Evidence, cohort: Cohort) -> Array:
    """Return how much of the trait a patient has (n): its value, or the probability of what no record shows."""
    if effect.feature in PATIENT_FEATURES:
        return shown(effect, cohort.complete[:, PATIENT_FEATURES.index(effect.feature)])
    if effect.feature == ANXIOUS:
        return anxious(evidence, cohort)
    trait = next(t for t in evidence.traits if t.name == effect.feature)
    return np.full(len(cohort.site), trait.mean)


def anxious(evidence: Evidence, cohort: Cohort) -> Array:
    """Return the probability (n) of anxious depression from the complete record, by Bayes' rule."""
    prior = next(t for t in evidence.traits if t.name == ANXIOUS).mean
    odds = np.full(len(cohort.site), prior / (1 - prior))
    coding = (1 + evidence.assumptions["coding.low"]) / 2
    for trait in evidence.traits:
        if trait.mean_if_anxious is not None and trait.name in PATIENT_FEATURES:
            seen = coding if trait.name in PROBLEMS else 1.0
            odds *= _ratio(trait, cohort.complete[:, PATIENT_FEATURES.index(trait.name)], seen)
    return odds / (1 + odds)


def _ratio(trait: Trait, value: Array, coding: float) -> Array:
    """Return how much likelier a value is among the anxious than among the others."""
    anxious_mean = trait.mean if trait.mean_if_anxious is None else trait.mean_if_anxious
    if trait.kind == "flag":
        with_it, without_it = anxious_mean * coding, trait.mean * coding
        return np.where(value == 1, with_it / without_it, (1 - with_it) / (1 - without_it))
    shape = [np.exp(-((value - mean) ** 2) / (2 * trait.sd**2)) for mean in (anxious_mean, trait.mean)]
    inside = [_inside(trait, mean) for mean in (anxious_mean, trait.mean)]
    return shape[0] / shape[1] * (inside[1] / inside[0])


def _inside(trait: Trait, mean: float) -> float:
    """Return how much of a normal distribution lies within the trait's range, rounded values at its ends whole."""
    ends = [(end - mean) / (trait.sd * math.sqrt(2)) for end in (trait.low - 0.5, trait.high + 0.5)]
    return (math.erf(ends[1]) - math.erf(ends[0])) / 2


def _moderate(log_odds: Array, outcome: str, evidence: Evidence, cohort: Cohort) -> None:
    """Add what phenotypes move on average: their effect where the gene is on record, its mean where it is not."""
    for one in evidence.moderators:
        if one.outcome == outcome and one.ingredient in cohort.drugs:
            known: Labels = cohort.phenotypes[one.gene]
            share = np.where(known == "", evidence.phenotypes[one.gene][one.phenotype], known == one.phenotype)
            log_odds[:, cohort.drugs.index(one.ingredient)] += one.log_odds * share
