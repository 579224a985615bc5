"""How good predicted probabilities are: ranking, calibration, and the best that could be had."""

import numpy as np

from recommender.cohort.evidence import Array

BINS = 15


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
    """Return the area under the ROC curve; tied scores count half."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    positives = float(outcome.sum())
    negatives = len(outcome) - positives
    return float((ranks[inverse][outcome == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def ece(predicted: Array, outcome: Array) -> float:
    """Return the expected calibration error over bins of equal size."""
    order = np.argsort(predicted, kind="stable")
    parts = zip(np.array_split(predicted[order], BINS), np.array_split(outcome[order], BINS), strict=True)
    return float(sum(abs(p.mean() - o.mean()) * len(p) for p, o in parts) / len(predicted))


def slope(predicted: Array, outcome: Array) -> float:
    """Return the slope of outcome on the logit of the prediction (logistic regression by Newton's method)."""
    design = np.column_stack([np.ones(len(predicted)), np.log(predicted / (1 - predicted))])
    beta = np.array([0.0, 1.0])
    for _ in range(25):
        fitted = 1 / (1 + np.exp(-design @ beta))
        hessian = (design * (fitted * (1 - fitted))[:, None]).T @ design
        beta = beta + np.linalg.solve(hessian, design.T @ (outcome - fitted))
    return float(beta[1])
