"""Platt's two numbers for a site: the prior's log-odds moved and stretched, drawn back to the prior by few outcomes."""

import numpy as np

from recommender.cohort.evidence import Array
from recommender.training.site.plan import Protocol

Platt = tuple[float, float]
AS_IS: Platt = (0.0, 1.0)


def platt(log_odds: Array, outcome: Array, weight: Array, protocol: Protocol) -> Platt:
    """Return intercept and slope of ``outcome`` (n,) on the prior's ``log_odds`` (n,), by weighted likelihood.

    What a site may differ by is drawn around no change at all, with the protocol's SDs, so that few outcomes move
    little. Newton's method; rows of weight 0 do not count.
    """
    counted = weight > 0
    design = np.column_stack([np.ones(int(counted.sum())), log_odds[counted]])
    outcome, weight = outcome[counted], weight[counted]
    start = np.array(AS_IS)
    hold = np.diag([protocol.platt_sd_intercept**-2, protocol.platt_sd_slope**-2])
    beta = start.copy()
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-design @ beta))
        slope = design.T @ (weight * (outcome - fitted)) - hold @ (beta - start)
        step = np.linalg.solve((design.T * (weight * fitted * (1 - fitted))) @ design + hold, slope)
        beta += step
        if np.abs(step).max() < 1e-10:
            break
    return float(beta[0]), float(beta[1])


def after(first: Platt, then: Platt) -> Platt:
    """Return the one pair that does what ``first`` and ``then`` do one after the other."""
    return then[0] + then[1] * first[0], then[1] * first[1]


def moved(log_odds: Array, by: Platt) -> Array:
    """Return log-odds after a pair of numbers."""
    return by[0] + by[1] * log_odds
