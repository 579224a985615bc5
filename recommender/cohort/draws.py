"""Draws of what the evidence leaves open: one set of truths a site."""

from dataclasses import dataclass

import numpy as np

from recommender.cohort.columns import ATTRIBUTES, OUTCOMES, SIDE_EFFECTS
from recommender.cohort.evidence import Array, Evidence, point_estimates, standard_errors

# Traits that may go with patient-by-drug differences at a site, in directions of the site's own.
MODIFYING = ("age", "sex", "phq9_total", "gad7_total", "chronic_depression", "bmi")
# Outcomes that share one set of patient-by-drug differences: response and remission are two cuts of one scale.
FAMILIES = (("remission", "response"), ("stopping", "adverse-event-stopping"), *((one,) for one in SIDE_EFFECTS))
FAMILY_OF = tuple(next(i for i, family in enumerate(FAMILIES) if o in family) for o in OUTCOMES)


@dataclass(frozen=True, slots=True)
class Draws:
    """What could be true at each of ``s`` sites, for ``d`` drugs (sorted by name) and ``o`` outcomes.

    ``estimate`` (s, d, o) is what a repeated network meta-analysis would report, ``truth`` (s, d, o) what
    holds at the site, ``coefficients`` (s, k) the prognostic effects, ``moderators`` (s, m) those of phenotypes,
    ``interaction_sd`` (s) the SD of patient-by-drug differences, ``directions`` (s, f, t, d) how a standard
    deviation of each of the ``MODIFYING`` traits moves each drug in each family of outcomes, of unit variance
    over patients and drugs, and ``base`` (s, o) the site's own rates on the log-odds. Where a drug has no figure,
    NaN.
    """

    estimate: Array
    truth: Array
    coefficients: Array
    moderators: Array
    interaction_sd: Array
    directions: Array
    base: Array


def draw(evidence: Evidence, sites: int, rng: np.random.Generator) -> Draws:
    """Draw what could be true at ``sites`` sites.

    Draws come in pairs of opposite sign, so that chance does not favour a drug over the whole cohort.
    """
    known, (se, tau) = point_estimates(evidence), standard_errors(evidence)
    estimate = known + se * _paired(rng, sites, known.shape)
    return Draws(
        estimate=estimate,
        truth=estimate + np.hypot(se, tau) * _paired(rng, sites, known.shape),
        coefficients=_around([(p.log_odds, p.prior_sd) for p in evidence.prognosis], sites, rng),
        moderators=_around([(m.log_odds, m.prior_sd) for m in evidence.moderators], sites, rng),
        interaction_sd=rng.choice(np.array(evidence.interaction_scales), size=sites),
        directions=_directions(evidence, sites, rng),
        base=np.zeros((sites, len(OUTCOMES))),
    )


def shifted(evidence: Evidence, draws: Draws, rng: np.random.Generator) -> Draws:
    """Return the draws of sites whose truth is not the prior's: other drug effects, weaker prognosis, other rates.

    What the sites know of the drugs (``estimate``) stays. One pattern for all sites.
    """
    choice = evidence.assumptions
    spread = np.array([evidence.spread.get(o, 0.0) for o in OUTCOMES])
    return Draws(
        estimate=draws.estimate,
        truth=draws.truth + choice["truth.drug_sd"] * rng.standard_normal(draws.truth.shape[1:]),
        coefficients=draws.coefficients * choice["truth.prognosis"],
        moderators=draws.moderators * choice["truth.prognosis"],
        interaction_sd=draws.interaction_sd,
        directions=np.broadcast_to(draws.directions[:1], draws.directions.shape),
        base=draws.base + spread * rng.standard_normal(spread.shape),
    )


def _around(priors: list[tuple[float, float]], sites: int, rng: np.random.Generator) -> Array:
    mean, sd = np.array(priors, np.float64).reshape(-1, 2).T
    return mean + sd * _paired(rng, sites, mean.shape)


def _directions(evidence: Evidence, sites: int, rng: np.random.Generator) -> Array:
    """Return random directions over traits and drug attributes (a drug of unknown class has the average)."""
    known = np.array([[evidence.attributes.get(d, {}).get(a, np.nan) for a in ATTRIBUTES] for d in evidence.drugs])
    spread = known - np.nanmean(known, axis=0)
    standard = np.nan_to_num(spread / np.nanstd(spread, axis=0))
    drawn = rng.standard_normal((sites, len(FAMILIES), len(MODIFYING), len(ATTRIBUTES))) @ standard.T
    return drawn / np.sqrt((drawn**2).sum(axis=2, keepdims=True).mean(axis=3, keepdims=True))


def _paired(rng: np.random.Generator, sites: int, shape: tuple[int, ...]) -> Array:
    half = rng.standard_normal(((sites + 1) // 2, *shape))
    return np.concatenate([half, -half])[:sites]
