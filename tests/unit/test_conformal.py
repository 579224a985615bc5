"""Conformal bands against an oracle of our own: counting, one place of the new patient after another."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.ranker import conformal

WHOLE = st.lists(st.integers(-100, 100), min_size=1, max_size=60)


def _covered(values: list[int], percent: str) -> Fraction:
    """Return the exact chance of cover: each of the values in turn is the new patient, the others calibrate."""
    inside = 0
    for place, value in enumerate(values):
        others = np.array(values[:place] + values[place + 1 :], np.float64)
        low, high = conformal.offsets(others)[percent]
        inside += low <= value <= high
    return Fraction(inside, len(values))


@settings(max_examples=60, deadline=None)
@given(WHOLE, st.sampled_from(conformal.PERCENTS))
def test_whoever_of_all_is_the_new_patient_is_covered_often_enough(values, percent):
    """Over all choices of the new patient, cover is never below what is stated, ties and tiny samples included."""
    assert _covered(values, percent) >= Fraction(int(percent), 100)


@pytest.mark.parametrize(
    ("n", "percent", "low", "high"),
    [
        (9, "80", 1, 9),
        (9, "90", -math.inf, math.inf),
        (19, "90", 1, 19),
        (19, "80", 2, 18),
        (19, "50", 5, 15),
        (99, "90", 5, 95),
        (100, "90", 5, 96),
        (1, "50", -math.inf, math.inf),
        (3, "50", 1, 3),
    ],
)
def test_the_order_statistics_of_a_finite_sample(n, percent, low, high):
    """Of 1 to n the ⌊(n+1)α/2⌋-th from either end is the bound, and there is none below one."""
    assert conformal.offsets(np.arange(1.0, n + 1)[::-1])[percent] == (low, high)


@settings(max_examples=40, deadline=None)
@given(WHOLE)
def test_a_wider_claim_is_a_wider_band(values):
    """The bands of 50, 80 and 90 percent lie in each other."""
    found = conformal.offsets(np.array(values, np.float64))
    lows, highs = zip(*(found[p] for p in conformal.PERCENTS), strict=True)
    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)


@pytest.mark.parametrize(
    ("sex", "age", "name"),
    [
        (1.0, 18.0, "female 18-39"),
        (1.0, 39.0, "female 18-39"),
        (0.0, 40.0, "male 40-64"),
        (0.0, 64.0, "male 40-64"),
        (1.0, 65.0, "female 65+"),
        (math.nan, 65.0, "not known 65+"),
        (0.0, math.nan, "male not known"),
        (math.nan, math.nan, "not known not known"),
    ],
)
def test_the_groups_of_sex_and_age(sex, age, name):
    """What is not recorded is a group of its own."""
    assert conformal.group(sex, age) == name


def test_a_small_group_has_the_band_of_everybody():
    """A group has its own band from ``MINIMUM`` residuals on, and everybody's below."""
    few, many = conformal.MINIMUM - 1, conformal.MINIMUM
    residuals = np.concatenate([np.full(few, 50.0), np.full(many, 1.0)])
    groups = np.array(["few"] * few + ["many"] * many)
    table = conformal.by_group(residuals, groups)
    assert conformal.of_group(table, "few") == table[conformal.EVERYBODY]
    assert conformal.of_group(table, "many")["90"] == (1.0, 1.0)
