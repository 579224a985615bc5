"""Platt's calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.training.calibrate import platt


def _expit(log_odds):
    return 1 / (1 + np.exp(-log_odds))


@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (0.3, 0.8), (-1.2, 1.4), (2.0, 0.25)])
def test_it_finds_the_line_that_made_the_targets(intercept, slope):
    """On soft targets that a line of the raw scores made, that line is found."""
    raw = np.random.default_rng(0).normal(-1, 1, 5_000)
    assert platt(raw, _expit(intercept + slope * raw)) == pytest.approx((intercept, slope), abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.2, 2.0))
def test_no_line_near_it_fits_outcomes_better(seed, slope):
    """No step in any direction from the found line lowers the cross-entropy of 0 and 1 outcomes."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 1, 400)
    happened = (rng.random(400) < _expit(slope * raw)).astype(np.float64)

    def loss(a, b):
        p = _expit(a + b * raw)
        return -(happened * np.log(p) + (1 - happened) * np.log(1 - p)).mean()

    a, b = platt(raw, happened)
    best = loss(a, b)
    assert all(loss(a + x, b + y) >= best - 1e-9 for x in (-0.05, 0, 0.05) for y in (-0.05, 0, 0.05))


def test_scores_that_are_all_alike_move_the_intercept_alone():
    """Without any difference among the scores the slope stays 1 and the mean is met."""
    a, b = platt(np.full(100, 0.5), np.full(100, 0.2))
    assert b == 1.0
    assert _expit(a + 0.5) == pytest.approx(0.2, abs=1e-5)
