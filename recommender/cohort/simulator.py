"""Simulated adults with major depression and what each drug would do for them.

One seed gives one cohort. Patients belong to sites; each site has its own draw of the evidence, so the cohort
carries what is not known. Every drug's outcome is kept, not only that of the drug given.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import (
    OUTCOMES,
    PATIENT_FEATURES,
    Array,
    Draws,
    Evidence,
    PrognosticEffect,
    Trait,
    draw,
)

PATIENTS_PER_SITE = 50
REFERENCE_PATIENTS = 20_000
ANXIOUS = "anxious_depression"

Integers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Cohort:
    """``n`` patients, ``d`` drugs (in the order of the evidence), ``o`` outcomes.

    ``features`` (n, len(PATIENT_FEATURES)) with NaN where not recorded; ``terms`` (n, d, o) are the network
    estimates as the patient's site knows them; ``probability`` (n, d, o) is the truth.
    """

    features: Array
    terms: Array
    probability: Array


def simulate(evidence: Evidence, *, patients: int, seed: int, shifted: bool = False) -> Cohort:
    """Return a cohort; ``shifted`` draws sicker patients and twice the share of missing features."""
    people_rng, draws_rng, latent_rng, mask_rng = np.random.default_rng(seed).spawn(4)
    people = _people(evidence, patients, people_rng, shifted=shifted)
    sites = max(2, patients // PATIENTS_PER_SITE)
    site = np.arange(patients) % sites
    draws = draw(evidence, sites, draws_rng)
    probability = _probability(evidence, people, draws, site, latent_rng)
    recorded = _masked(evidence, people, mask_rng, factor=2.0 if shifted else 1.0)
    return Cohort(recorded, draws.estimate[site], probability)


def intercepts(evidence: Evidence) -> Array:
    """Return the intercept (o) at which patients without a failed trial do as on placebo in the trials."""
    people = _people(evidence, REFERENCE_PATIENTS, np.random.default_rng(0), shifted=False)
    untried = people["antidepressant_trials"] == 0
    coefficients = np.array([[p.log_odds for p in evidence.prognosis]])
    prognosis = _prognosis(evidence, people, np.repeat(coefficients, REFERENCE_PATIENTS, axis=0))[untried]
    placebo = np.array([evidence.placebo[o] for o in OUTCOMES])
    low, high = np.full(len(OUTCOMES), -20.0), np.full(len(OUTCOMES), 20.0)
    for _ in range(60):  # bisection to well below a millionth
        middle = (low + high) / 2
        under = expit(middle + prognosis).mean(axis=0) < placebo
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return (low + high) / 2


def expit(log_odds: Array) -> Array:
    """Return probabilities of log-odds."""
    return 1.0 / (1.0 + np.exp(-log_odds))


def _people(evidence: Evidence, patients: int, rng: np.random.Generator, *, shifted: bool) -> dict[str, Array]:
    people = {ANXIOUS: np.zeros(patients)}
    for trait in evidence.traits:
        people[trait.name] = _values(trait, people[ANXIOUS], rng, shifted=shifted)
    return people


def _values(trait: Trait, anxious: Array, rng: np.random.Generator, *, shifted: bool) -> Array:
    mean = np.full(len(anxious), trait.shifted_mean if shifted else trait.mean)
    if trait.mean_if_anxious is not None:
        mean[anxious == 1] = trait.mean_if_anxious
    if trait.kind == "flag":
        return (rng.random(len(anxious)) < mean).astype(np.float64)
    if trait.kind == "uniform":
        return rng.integers(int(trait.low), int(trait.high), len(anxious), endpoint=True).astype(np.float64)
    if trait.kind == "count":
        return np.clip(rng.poisson(mean), trait.low, trait.high).astype(np.float64)
    return _truncated(mean, trait, rng)


def _truncated(mean: Array, trait: Trait, rng: np.random.Generator) -> Array:
    values = np.round(rng.normal(mean, trait.sd))
    while (outside := (values < trait.low) | (values > trait.high)).any():
        values[outside] = np.round(rng.normal(mean[outside], trait.sd))
    return values


def _effect(effect: PrognosticEffect, people: Mapping[str, Array]) -> Array:
    value = people[effect.feature]
    if effect.form == "linear":
        return (value - effect.centre) / effect.scale
    return ((value >= effect.low) & (value <= effect.high)).astype(np.float64)


def _prognosis(evidence: Evidence, people: Mapping[str, Array], coefficients: Array) -> Array:
    total = np.zeros((len(coefficients), len(OUTCOMES)))
    for k, effect in enumerate(evidence.prognosis):
        total[:, OUTCOMES.index(effect.outcome)] += coefficients[:, k] * _effect(effect, people)
    return total


def _probability(
    evidence: Evidence, people: Mapping[str, Array], draws: Draws, site: Integers, rng: np.random.Generator
) -> Array:
    prognosis = intercepts(evidence) + _prognosis(evidence, people, draws.coefficients[site])
    log_odds = draws.truth[site] + prognosis[:, None, :]
    log_odds += rng.standard_normal(log_odds.shape) * draws.interaction_sd[site][:, None, None]
    return expit(log_odds)


def _masked(evidence: Evidence, people: Mapping[str, Array], rng: np.random.Generator, *, factor: float) -> Array:
    recorded = np.column_stack([people[name] for name in PATIENT_FEATURES])
    groups = {t.group: t.masked for t in evidence.traits if t.group}
    for group, share in groups.items():
        columns = [PATIENT_FEATURES.index(t.name) for t in evidence.traits if t.group == group]
        hidden = rng.random(len(recorded)) < min(1.0, share * factor)
        recorded[np.ix_(hidden, np.array(columns))] = np.nan
    return recorded
