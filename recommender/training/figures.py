"""How good predicted probabilities are: ranking, calibration, their errors, and intervals over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

import numpy as np

from recommender.cohort.evidence import Array

BINS = 15
Z95 = NormalDist().inv_cdf(0.975)
# Student's t, 97.5 %, at 1, 2, … degrees of freedom; beyond, the normal quantile is within 2 %.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval; ``low`` and ``high`` are NaN where one value says nothing of spread."""

    figure: float
    low: float
    high: float


def over_seeds(values: Sequence[float]) -> Interval:
    """Return mean and 95 % interval (Student's t) of one figure over seeds; the values are not empty."""
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, math.nan, math.nan)
    freedom = len(values) - 1
    half = (_T95[freedom - 1] if freedom <= len(_T95) else Z95) * stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def measure(predicted: Array, truth: Array, outcome: Array) -> dict[str, float]:
    """Return the figures of one model on ``n`` rows, each array of shape (n,).

    ``truth`` is the simulator's probability, ``outcome`` its 0 or 1. Rounded to 4 places: what is beyond is
    noise of one cohort.
    """
    figures = {
        "auc": auc(predicted, outcome),
        "oracle_auc": auc(truth, outcome),
        "ece": ece(predicted, outcome),
        "slope": slope(predicted, outcome),
        "calibration_in_the_large": float(outcome.mean() - predicted.mean()),
        "rate": float(outcome.mean()),
        "patients": float(len(outcome)),
    }
    return {name: round(value, 4) for name, value in figures.items()}


def auc(score: Array, outcome: Array) -> float:
    """Return the area under the ROC curve; tied scores count half; NaN when only one class is there."""
    positives = float(outcome.sum())
    negatives = len(outcome) - positives
    if not positives or not negatives:
        return math.nan
    ranks = _ranks(score)
    return float((ranks[outcome == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_influence(score: Array, outcome: Array) -> Array:
    """Return what each row (n,) adds to the error of the AUC; their squares sum to its variance (DeLong 1988).

    NaN with fewer than two of either class.
    """
    yes, no = score[outcome == 1], score[outcome == 0]
    if len(yes) < 2 or len(no) < 2:
        return np.full(len(score), math.nan)
    among = _ranks(np.concatenate([yes, no]))
    beaten = (among[: len(yes)] - _ranks(yes)) / len(no)
    beating = 1 - (among[len(yes) :] - _ranks(no)) / len(yes)
    found = np.empty(len(score))
    found[outcome == 1] = (beaten - beaten.mean()) / math.sqrt(len(yes) * (len(yes) - 1))
    found[outcome == 0] = (beating - beating.mean()) / math.sqrt(len(no) * (len(no) - 1))
    return found


def auc_error(score: Array, outcome: Array) -> float:
    """Return the standard error of the AUC of independent rows; NaN with fewer than two of either class."""
    return float(math.sqrt((auc_influence(score, outcome) ** 2).sum()))


def _ranks(score: Array) -> Array:
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def ece(predicted: Array, outcome: Array) -> float:
    """Return the expected calibration error over bins of equal size."""
    curve = reliability(predicted, outcome)
    return float((np.abs(curve[:, 0] - curve[:, 1]) * curve[:, 2]).sum() / len(predicted))


def reliability(predicted: Array, outcome: Array, bins: int = BINS) -> Array:
    """Return (bins, 3): mean prediction, observed share and number of rows, in bins of equal size."""
    order = np.argsort(predicted, kind="stable")
    parts = zip(np.array_split(predicted[order], bins), np.array_split(outcome[order], bins), strict=True)
    return np.array([[p.mean(), o.mean(), len(p)] for p, o in parts if len(p)])


def slope(predicted: Array, outcome: Array) -> float:
    """Return the slope of outcome on the logit of the prediction (logistic regression by Newton's method)."""
    return float(recalibration(predicted, outcome)[1])


def recalibration(predicted: Array, outcome: Array) -> Array:
    """Return intercept and slope (2,) of outcome on the logit of the prediction, both classes being there."""
    design = np.column_stack([np.ones(len(predicted)), log_odds(predicted)])
    beta: Array = np.array([0.0, 1.0])
    for _ in range(25):
        fitted = 1 / (1 + np.exp(-design @ beta))
        hessian = (design * (fitted * (1 - fitted))[:, None]).T @ design
        beta += np.asarray(np.linalg.solve(hessian, design.T @ (outcome - fitted)), np.float64)
    return beta


def log_odds(probability: Array) -> Array:
    """Return the logits of probabilities strictly between 0 and 1."""
    return np.log(probability / (1 - probability))
