"""What each drug would do for each patient: prognosis, the drug's effect, and what differs between patients."""

from collections.abc import Mapping

import numpy as np

from recommender.cohort.columns import EFFICACY, OUTCOMES
from recommender.cohort.draws import FAMILIES, FAMILY_OF, MODIFYING, Draws
from recommender.cohort.evidence import Array, Evidence, PrognosticEffect
from recommender.cohort.people import FRAILTY, Integers, Labels, People, draw_people

REFERENCE_PATIENTS = 20_000
BIASED_GROUP = ("insurance", "medicaid")
_FRAILTY_SIGN = np.array([-1.0 if outcome in EFFICACY else 1.0 for outcome in OUTCOMES])
# The second of each pair holds whenever the first does: every PHQ-9 total drawn is 10 or more, so that remission,
# below 5, at least halves it; who stops for an adverse event stops.
WITHIN = (("remission", "response"), ("adverse-event-stopping", "stopping"))


def expit(log_odds: Array) -> Array:
    """Return probabilities of log-odds."""
    return 1.0 / (1.0 + np.exp(-log_odds))


def intercepts(evidence: Evidence) -> Array:
    """Return the intercept (o) at which patients without a failed trial do as on placebo in the trials.

    NaN for a side effect of which no placebo rate is known.
    """
    people = draw_people(evidence, REFERENCE_PATIENTS, np.random.default_rng(0), shifted=False)
    untried = people.traits["antidepressant_trials"] == 0
    coefficients = np.array([[p.log_odds for p in evidence.prognosis]])
    shift = prognosis(evidence, people, np.repeat(coefficients, REFERENCE_PATIENTS, axis=0))[untried]
    placebo = np.array([evidence.placebo.get(o, np.nan) for o in OUTCOMES])
    low, high = np.full(len(OUTCOMES), -20.0), np.full(len(OUTCOMES), 20.0)
    for _ in range(60):  # bisection to well below a millionth
        middle = (low + high) / 2
        under = expit(middle + shift).mean(axis=0) < placebo
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return np.where(np.isnan(placebo), np.nan, (low + high) / 2)


def prognosis(evidence: Evidence, people: People, coefficients: Array) -> Array:
    """Return what moves each outcome whatever the drug (n, o), on the log-odds; ``coefficients`` (n, k)."""
    total = people.traits[FRAILTY][:, None] * _FRAILTY_SIGN
    for k, effect in enumerate(evidence.prognosis):
        total[:, OUTCOMES.index(effect.outcome)] += coefficients[:, k] * shown(effect, people.traits[effect.feature])
    return total


def potential_outcomes(
    evidence: Evidence, people: People, draws: Draws, site: Integers, rng: np.random.Generator
) -> Array:
    """Return the probability (n, d, o) of each outcome on each drug; NaN where the drug has no figure."""
    base = intercepts(evidence) + draws.base[site] + prognosis(evidence, people, draws.coefficients[site])
    found = np.empty((len(OUTCOMES), len(site), len(evidence.drugs)))
    differences = [_differences(evidence, people, draws, site, family, rng) for family in range(len(FAMILIES))]
    for o, outcome in enumerate(OUTCOMES):
        log_odds = draws.truth[:, :, o][site] + base[:, o, None] + differences[FAMILY_OF[o]]
        _moderate(log_odds, outcome, evidence, people, draws, site)
        found[o] = expit(log_odds)
    for inner, outer in WITHIN:
        i, j = OUTCOMES.index(inner), OUTCOMES.index(outer)
        found[j] = np.maximum(found[j], found[i])
    return np.moveaxis(found, 0, 2)


def biased(probability: Array, groups: Mapping[str, Labels], points: float) -> Array:
    """Return the truth with remission and response lowered by ``points`` for ``BIASED_GROUP``: for audits to find."""
    audit, label = BIASED_GROUP
    who = groups[audit] == label
    changed = probability.copy()
    for outcome in EFFICACY:
        o = OUTCOMES.index(outcome)
        changed[who, :, o] = np.clip(changed[who, :, o] - points, 0.001, 0.999)
    return changed


def shown(effect: PrognosticEffect, value: Array) -> Array:
    """Return how much of an effect's trait values have, in the effect's own unit."""
    if effect.form == "linear":
        return (value - effect.centre) / effect.scale
    return ((value >= effect.low) & (value <= effect.high)).astype(np.float64)


def _differences(
    evidence: Evidence, people: People, draws: Draws, site: Integers, family: int, rng: np.random.Generator
) -> Array:
    """Return what a drug does for this patient beyond what it does for others (n, d), on the log-odds."""
    recorded = evidence.assumptions["interaction.recorded"]
    latent = rng.standard_normal((len(site), len(evidence.drugs)))
    latent *= (1 - recorded) ** 0.5
    for t, name in enumerate(MODIFYING):
        standard = recorded**0.5 * people.standard(name, evidence)
        latent += standard[:, None] * draws.directions[:, family, t][site]
    latent *= draws.interaction_sd[site][:, None]
    return latent


def _moderate(log_odds: Array, outcome: str, evidence: Evidence, people: People, draws: Draws, site: Integers) -> None:
    drugs = list(evidence.drugs)
    for m, one in enumerate(evidence.moderators):
        if one.outcome == outcome and one.ingredient in evidence.drugs:
            who = people.phenotypes[one.gene] == one.phenotype
            log_odds[who, drugs.index(one.ingredient)] += draws.moderators[site[who], m]
