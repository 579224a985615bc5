"""Platt's calibration: the intercept and slope that fit held-out outcomes best on the logit of the prediction."""

import numpy as np

from recommender.cohort.evidence import Array

_STEPS, _HALVINGS = 100, 30
_ENOUGH = 1e-10


def platt(raw: Array, target: Array) -> tuple[float, float]:
    """Return (a, b) of p = expit(a + b · raw) with the least cross-entropy against ``target`` in 0..1, both (n,).

    ``raw`` are log-odds. Newton's method from the identity, a step halved until it is none uphill; where all raw
    scores are alike only the intercept moves.
    """
    design = np.column_stack([np.ones_like(raw), raw])
    free = design if np.ptp(raw) > 0 else design[:, :1]
    beta = np.array([0.0, 1.0])
    for _ in range(_STEPS):
        fitted = 1 / (1 + np.exp(-design @ beta))
        curvature = (free * (fitted * (1 - fitted))[:, None]).T @ free
        step = np.zeros(2)
        step[: free.shape[1]] = np.linalg.solve(curvature, free.T @ (target - fitted))
        before = _loss(design @ beta, target)
        for _ in range(_HALVINGS):
            if _loss(design @ (beta + step), target) <= before:
                break
            step /= 2
        beta = beta + step
        if float(np.abs(step).max()) < _ENOUGH:
            break
    return round(float(beta[0]), 6), round(float(beta[1]), 6)


def _loss(log_odds: Array, target: Array) -> float:
    return float((np.logaddexp(0, log_odds) - target * log_odds).sum())
