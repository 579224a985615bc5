"""Asking the boosters: log-odds, probabilities, and Platt's calibration, for whole tables of rows at once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from recommender.cohort.evidence import MODEL_FEATURES, OUTCOMES, Array, term
from recommender.ranker.manifest import Calibration

if TYPE_CHECKING:
    from lightgbm import Booster

_OPEN = 1e-9  # keeps probabilities off 0 and 1, where a logit has no value
# The second of each pair holds whenever the first does: every PHQ-9 total that the model has seen is 10 or more, and
# remission, below 5, at least halves it; who stops for an adverse event stops.
WITHIN = (("remission", "response"), ("adverse-event-stopping", "stopping"))


def calibrated(boosters: Mapping[str, "Booster"], calibration: Calibration, table: Array) -> Array:
    """Return the calibrated probabilities (n, OUTCOMES) of rows (n, MODEL_FEATURES), on one thread.

    NaN for an outcome without calibration, and where the row's own log-odds ratio is NaN: what no evidence tells of a
    drug is not predicted.
    """
    found = np.full((len(table), len(OUTCOMES)), np.nan)
    for outcome, (intercept, slope) in calibration.items():
        told = ~np.isnan(table[:, MODEL_FEATURES.index(term(outcome))])
        if told.any():
            raw = raw_scores(boosters[outcome], table[told])
            found[told, OUTCOMES.index(outcome)] = _expit(intercept + slope * raw)
    for inner, outer in WITHIN:
        i, j = OUTCOMES.index(inner), OUTCOMES.index(outer)
        found[:, j] = np.fmax(found[:, j], found[:, i])
    return found


def scores_of(booster: "Booster", table: Array) -> Array:
    """Return the probability of each row (n, MODEL_FEATURES) before calibration, strictly between 0 and 1."""
    return _expit(raw_scores(booster, table))


def raw_scores(booster: "Booster", table: Array) -> Array:
    """Return the log-odds of each row (n, MODEL_FEATURES) before calibration, on one thread."""
    found = booster.predict(table, raw_score=True, num_threads=1)  # pyright: ignore[reportUnknownMemberType]  (pandas)
    return np.asarray(found, np.float64)


def _expit(log_odds: Array) -> Array:
    return np.clip(1 / (1 + np.exp(-log_odds)), _OPEN, 1 - _OPEN)
