"""What a choice is worth: laws of the values, and a doubly-robust estimate that finds the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from recommender.training.policy_value import (
    choice,
    doubly_robust,
    fitted_observation,
    fitted_propensity,
    policy_figures,
    regrets,
)

chances = arrays.arrays(np.float64, (12, 5), elements=st.floats(0.01, 0.99))


@given(chances, chances)
@settings(max_examples=60)
def test_no_choice_beats_the_oracle_and_the_oracle_is_its_own_best(scores, truth):
    """No score gives more than the best for each, and the truth as score gives exactly that."""
    even = np.full(truth.shape, 1 / 5)
    found, best = policy_figures(scores, truth, even), policy_figures(truth, truth, even)
    assert found.policy <= found.oracle + 1e-12
    assert found.best_single <= found.oracle + 1e-12
    assert best.regret == pytest.approx(0, abs=1e-12)
    assert (best.top3, best.near) == (1, 1)
    assert found.regret == pytest.approx(regrets(scores, truth).mean())


def test_the_best_single_drug_recovers_what_it_should():
    """With one drug best for everybody the policy gains nothing over it and recovers the whole way."""
    truth = np.tile([0.2, 0.4, 0.3, 0.1], (10, 1))
    found = policy_figures(truth, truth, np.full(truth.shape, 0.25))
    assert found.gain == pytest.approx(0)
    assert found.recovered == pytest.approx(1)
    assert found.clinicians == pytest.approx(0.25)


def _logged(seed, patients=6_000, drugs=6):
    """Return records of clinicians who prefer some drugs by severity, with outcomes seen in part."""
    rng = np.random.default_rng(seed)
    severity, noise = rng.normal(size=patients), rng.normal(size=patients)
    liking = np.outer(severity, np.linspace(-1, 1, drugs)) + np.linspace(0.5, -0.5, drugs)
    propensity = np.exp(liking) / np.exp(liking).sum(axis=1, keepdims=True)
    truth = 1 / (1 + np.exp(0.8 + 0.6 * severity[:, None] - rng.normal(0, 0.3, (patients, drugs))))
    given = (propensity.cumsum(axis=1) > rng.random((patients, 1))).argmax(axis=1)
    outcome = (rng.random(patients) < truth[np.arange(patients), given]).astype(np.float64)
    observed = rng.random(patients) < 1 / (1 + np.exp(-0.7 + 0.5 * severity))
    features = np.column_stack([np.where(rng.random(patients) < 0.1, np.nan, severity), noise])
    return np.clip(truth + 0.08, 0.01, 0.99), truth, given, outcome, propensity, observed, features


def test_a_biased_model_is_put_right_by_what_happened():
    """With known propensities the truth is within two standard errors in at least 93 % of 120 seeds."""
    inside = 0
    for seed in range(120):
        predicted, truth, given, outcome, propensity, _, _ = _logged(seed)
        every = np.arange(len(given))
        chosen = choice(predicted)
        found = doubly_robust(predicted, chosen, given, outcome, propensity[every, given], np.ones(len(given)))
        inside += abs(found.value - truth[every, chosen].mean()) <= 2 * found.error
    assert inside >= 0.93 * 120


def test_propensities_that_are_fitted_are_close_to_the_true_ones():
    """Fitted on the recorded features, propensities are right on average and near the truth for each patient."""
    *_, given, _, propensity, _, features = _logged(3)
    fitted = fitted_propensity(features, given, 6)
    assert fitted.sum(axis=1) == pytest.approx(1)
    assert fitted.mean(axis=0) == pytest.approx(np.bincount(given, minlength=6) / len(given), abs=0.005)
    assert np.abs(fitted - propensity).mean() < 0.02


def test_an_outcome_that_was_not_seen_counts_for_nothing():
    """A change of unseen outcomes changes nothing, and their weight is 0."""
    predicted, _, given, outcome, _, observed, features = _logged(4)
    seen = fitted_observation(features, observed)
    assert (seen[~observed] == 0).all()
    assert seen[observed].mean() == pytest.approx(observed.mean(), abs=0.05)
    before = doubly_robust(predicted, given, given, outcome, np.ones(len(given)), seen)
    other = np.where(observed, outcome, 1 - outcome)
    assert doubly_robust(predicted, given, given, other, np.ones(len(given)), seen) == before


def test_where_nobody_got_what_the_model_would_give_only_the_model_speaks():
    """Without any match the value is the model's own mean and the effective number is 0."""
    predicted = np.tile([0.2, 0.4], (50, 1))
    given, chosen = np.zeros(50, np.intp), np.ones(50, np.intp)
    found = doubly_robust(predicted, chosen, given, np.ones(50), np.full(50, 0.5), np.ones(50))
    assert (found.value, found.effective) == (pytest.approx(0.4), 0)
