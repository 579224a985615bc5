"""What choosing by the model is worth: against the clinicians, one drug for all, and the best for each.

A value is the share of patients who would reach the outcome. With the simulator every drug's chance is known;
with logged records only one drug's outcome is, so ``doubly_robust`` weighs what happened where the model's
choice and the clinician's agree (Dudík, Langford, Li 2011).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import Array

Integers = NDArray[np.intp]

NEAR = 0.02  # two points: drugs that close are shown as one band
SHORTLIST = 3
LEAST_PROPENSITY = 0.01
_RIDGE = 1.0
_STEPS = 300


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """Values of four ways to choose, as shares of patients, and how good the model's choice is.

    ``best_single`` gives everybody the drug that is best on average over these patients, seen afterwards.
    ``top3`` is the share whose best drug is among the model's first three; ``near`` the share whose choice is
    within two points of the best.
    """

    policy: float
    clinicians: float
    best_single: float
    oracle: float
    top3: float
    near: float

    @property
    def gain(self) -> float:
        """Return policy minus best single drug."""
        return self.policy - self.best_single

    @property
    def regret(self) -> float:
        """Return what is lost to the oracle."""
        return self.oracle - self.policy

    @property
    def recovered(self) -> float:
        """Return the share of the way from clinicians to oracle that the policy goes."""
        return (self.policy - self.clinicians) / (self.oracle - self.clinicians)


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated value with its standard error and the effective number of matched patients."""

    value: float
    error: float
    effective: float


def choice(scores: Array) -> Integers:
    """Return the index (n,) of the highest score of each patient, the first of equals."""
    return np.argmax(scores, axis=1)


def policy_figures(scores: Array, truth: Array, propensity: Array) -> PolicyFigures:
    """Return the values on ``n`` patients and ``d`` drugs; every array (n, d).

    ``scores`` rank the drugs (higher is better), ``truth`` is the chance of the good outcome, ``propensity``
    how likely the clinician gives each drug, rows summing to 1.
    """
    everyone = np.arange(len(truth))
    best = truth.max(axis=1)
    chosen = truth[everyone, choice(scores)]
    first = np.argpartition(-scores, SHORTLIST - 1, axis=1)[:, :SHORTLIST]
    return PolicyFigures(
        policy=float(chosen.mean()),
        clinicians=float((truth * propensity).sum(axis=1).mean()),
        best_single=float(truth.mean(axis=0).max()),
        oracle=float(best.mean()),
        top3=float((truth[everyone[:, None], first].max(axis=1) >= best).mean()),
        near=float((best - chosen <= NEAR).mean()),
    )


def regrets(scores: Array, truth: Array) -> Array:
    """Return what each patient (n,) loses by the model's choice against the best drug; arrays (n, d)."""
    return truth.max(axis=1) - truth[np.arange(len(truth)), choice(scores)]


def doubly_robust(
    predicted: Array,
    chosen: Integers,
    given: Integers,
    outcome: Array,
    propensity: Array,
    seen: Array,
    *,
    least: float = LEAST_PROPENSITY,
) -> Estimate:
    """Return the doubly-robust value of giving ``chosen``, from records in which ``given`` was given.

    ``predicted`` (n, d) is the model's chance of the good outcome; ``propensity`` (n,) that of the drug given;
    ``seen`` (n,) the probability that the outcome was observed, and 0 where it was not. Propensities below
    ``least`` are raised to it (overlap). ``outcome`` (n,) counts only where ``seen`` is above 0.
    """
    everyone = np.arange(len(given))
    matched = (chosen == given) & (seen > 0)
    weight = np.zeros(len(given))
    weight[matched] = 1 / (np.maximum(propensity[matched], least) * np.maximum(seen[matched], least))
    error = np.where(matched, outcome - predicted[everyone, given], 0.0)
    parts = predicted[everyone, chosen] + weight * error
    squares = float((weight**2).sum())
    return Estimate(
        value=float(parts.mean()),
        error=float(parts.std(ddof=1) / math.sqrt(len(parts))),
        effective=float(weight.sum() ** 2 / squares) if squares else 0.0,
    )


def fitted_propensity(features: Array, given: Integers, drugs: int) -> Array:
    """Return how likely each drug was given (n, drugs), by ridge softmax regression on the features (n, k).

    Missing features (NaN) count as their mean with a mark of their own. Solved by Böhning's fixed bound on
    the Hessian, which needs no step length and never overshoots.
    """
    design = filled_in(features)
    target = np.zeros((len(design), drugs))
    target[np.arange(len(design)), given] = 1
    bound = np.linalg.inv(design.T @ design + _RIDGE * np.eye(design.shape[1]))
    weights = np.zeros((design.shape[1], drugs))
    for _ in range(_STEPS):
        slope = design.T @ (target - _softmax(design @ weights)) - _RIDGE * weights
        step = 2 * bound @ slope
        weights += step
        if np.abs(step).max() < 1e-4:
            break
    return _softmax(design @ weights)


def fitted_observation(features: Array, observed: NDArray[np.bool_]) -> Array:
    """Return the probability (n,) that the outcome of each patient was observed, 0 where it was not.

    Fitted on what is recorded (n, k); whether an outcome is seen may depend on the outcome itself, which no
    record can tell.
    """
    return np.where(observed, fitted_propensity(features, observed.astype(np.intp), 2)[:, 1], 0.0)


def filled_in(features: Array) -> Array:
    """Return a design matrix: intercept, standardised features with NaN as their mean, marks of what is missing."""
    missing = np.isnan(features)
    known = ~missing.all(axis=0)
    features, missing = features[:, known], missing[:, known]
    values = np.where(missing, np.nanmean(features, axis=0), features)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    marks = missing[:, missing.any(axis=0)].astype(np.float64)
    return np.column_stack([np.ones(len(values)), values, marks])


def _softmax(score: Array) -> Array:
    odds = np.exp(score - score.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
