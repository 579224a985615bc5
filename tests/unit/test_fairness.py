"""The audit of groups: a bias is found, chance is not, and small groups are named."""

import numpy as np
import pytest

from recommender.training import fairness

SEEDS = range(100)


def _population(seed, *, rows=20_000, bias=0.0, sizes=(0.5, 0.3, 0.15, 0.05)):
    rng = np.random.default_rng(seed)
    truth = 1 / (1 + np.exp(-rng.normal(-0.9, 0.7, rows)))
    groups = {
        "race": rng.choice(np.array(["a", "b", "c", "d"]), rows, p=sizes),
        "sex": rng.choice(np.array(["female", "male"]), rows),
        "language": rng.choice(np.array(["english", "spanish", ""]), rows, p=(0.7, 0.2, 0.1)),
    }
    outcome = (rng.random(rows) < truth).astype(np.float64)
    return truth + bias * (groups["race"] == "c"), outcome, groups


def _flags(**how):
    predicted, outcome, groups = _population(**how)
    return fairness.audit(np.clip(predicted, 0.001, 0.999), outcome, groups).flags


def test_a_bias_of_five_points_is_flagged_in_its_group():
    """Predictions five points too high for one group of 3,000 are flagged there in at least 95 of 100 seeds."""
    found = [{(flag.group, flag.measure) for flag in _flags(seed=seed, bias=0.05)} for seed in SEEDS]
    assert sum(("c", "calibration") in flags for flags in found) >= 95


def test_an_unbiased_population_is_flagged_no_oftener_than_declared():
    """Without any difference at most 5 % of populations have a flag: 11 of 100 would be chance once in 100."""
    assert sum(bool(_flags(seed=seed)) for seed in SEEDS) <= 10


def test_the_sign_says_for_whom_the_model_is_too_high():
    """A prediction that is too high gives a negative calibration gap."""
    predicted, outcome, groups = _population(1, bias=0.1)
    (gap,) = [
        g for g in fairness.audit(predicted, outcome, groups).gaps if (g.group, g.measure) == ("c", "calibration")
    ]
    assert gap.gap == pytest.approx(-0.1, abs=0.03)
    assert gap.low < gap.gap < gap.high < 0


def test_groups_that_are_too_small_are_named_and_not_judged():
    """A group under the least number of rows appears among the small ones and has no gap."""
    found = fairness.audit(*_population(1, rows=2_000))
    small = {one.group for one in found.too_small}
    assert small == {"c", "d", fairness.NOT_RECORDED, "spanish"}
    assert not small & {gap.group for gap in found.gaps}


def test_patients_without_a_label_are_a_group_of_their_own():
    """Rows without a language on record are audited as “not recorded”."""
    found = fairness.audit(*_population(1))
    assert fairness.NOT_RECORDED in {one.group for one in found.groups if one.dimension == "language"}


def test_a_gap_in_regret_is_flagged():
    """A group that loses one point more than the others by the model's choice is flagged for regret."""
    predicted, outcome, groups = _population(1)
    rng = np.random.default_rng(0)
    regret = rng.exponential(0.01, len(outcome)) + 0.01 * (groups["race"] == "b")
    flags = fairness.audit(predicted, outcome, groups, regret=regret).flags
    assert {(flag.group, flag.measure) for flag in flags} >= {("b", "regret")}


def test_one_group_alone_is_not_compared():
    """A dimension in which everybody is alike has no gap."""
    predicted, outcome, _ = _population(1)
    assert fairness.audit(predicted, outcome, {"site": np.full(len(outcome), "north")}).gaps == []
