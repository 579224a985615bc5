"""Utilities and bands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.errors import InputError
from recommender.assessment import Prediction
from recommender.cohort.evidence import SIDE_EFFECTS
from recommender.ranker.ranking import not_known, rank
from recommender.ranker.weights import BAND_WIDTH, DEFAULT_WEIGHTS


def _outcomes(remission, stopping=0.2, adverse=0.1):
    return {
        "remission": Prediction(remission, 0.0, 1.0),
        "response": Prediction(0.5, 0.0, 1.0),
        "stopping": Prediction(stopping, 0.0, 1.0),
        "adverse-event-stopping": Prediction(adverse, 0.0, 1.0),
    }


def test_the_default_weights_are_the_documented_policy():
    """Remission counts 1, stopping minus a half, that for an adverse event minus a quarter more, the rest nothing."""
    weighed = {"remission": 1.0, "stopping": -0.5, "adverse-event-stopping": -0.25}
    assert {**weighed, **dict.fromkeys(SIDE_EFFECTS, 0.0)} == DEFAULT_WEIGHTS
    assert BAND_WIDTH == 0.02


def test_utility_is_the_weighted_sum():
    """Utility is the sum of weight times probability."""
    ranked = rank({"sertraline": _outcomes(0.3, 0.25, 0.1)}, DEFAULT_WEIGHTS)
    assert ranked["sertraline"] == (pytest.approx(0.3 - 0.125 - 0.025), 1)


@pytest.mark.parametrize(
    ("remissions", "bands"),
    [
        ([0.30, 0.29, 0.28], [1, 1, 1]),
        ([0.30, 0.279, 0.27], [1, 2, 2]),
        ([0.30, 0.285, 0.27, 0.255], [1, 1, 2, 2]),
        ([0.30, 0.30], [1, 1]),
        ([0.30], [1]),
        ([], []),
    ],
)
def test_near_ties_share_the_band_of_its_best(remissions, bands):
    """A band holds what is within two points of its best, and the next drug opens the next band."""
    ranked = rank({f"drug-{i}": _outcomes(p) for i, p in enumerate(remissions)}, {"remission": 1.0})
    assert [band for _, band in ranked.values()] == bands


def test_a_patients_weight_can_turn_the_order():
    """A patient who weighs stopping more ranks the better tolerated drug first."""
    drugs = {"strong": _outcomes(0.40, stopping=0.40), "gentle": _outcomes(0.35, stopping=0.33)}
    assert next(iter(rank(drugs, {"remission": 1.0, "stopping": -0.5}))) == "strong"
    assert next(iter(rank(drugs, {"remission": 1.0, "stopping": -2.0}))) == "gentle"


@pytest.mark.parametrize(
    ("weights", "code"),
    [
        ({"weight_gain": -1.0}, "U-PREFERENCES-KEY"),
        ({"remission": float("nan")}, "U-PREFERENCES-VALUE"),
        ({"weight-gain": float("-inf")}, "U-PREFERENCES-VALUE"),
    ],
)
def test_a_weight_that_cannot_be_used_is_refused(weights, code):
    """An unknown outcome or a weight that is no number is an InputError, never ignored."""
    with pytest.raises(InputError) as refused:
        rank({"sertraline": _outcomes(0.3)}, weights)
    assert refused.value.code == code


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_the_drugs_changes_no_band(probabilities, random):
    """Shuffling the drugs changes neither utility nor band, and bands never fall along the ranking."""
    drugs = {f"drug-{i:02d}": _outcomes(p) for i, p in enumerate(probabilities)}
    names = list(drugs)
    random.shuffle(names)
    ranked = rank(drugs, DEFAULT_WEIGHTS)
    assert list(rank({n: drugs[n] for n in names}, DEFAULT_WEIGHTS).items()) == list(ranked.items())
    bands = [band for _, band in ranked.values()]
    assert bands == sorted(bands)
    assert bands[0] == 1


def _with_gain(p):
    return {**_outcomes(0.3), "weight-gain": Prediction(p, 0.0, 1.0)}


@pytest.mark.parametrize(("weight", "counts_as"), [(-1.0, 0.4), (1.0, 0.1)])
def test_what_is_not_known_of_a_drug_counts_as_the_worst_of_the_others(weight, counts_as):
    """A drug without a figure is no better off than the worst of those that have one, whichever way it is weighed."""
    drugs = {"heavy": _with_gain(0.4), "light": _with_gain(0.1), "unknown": _outcomes(0.3)}
    found = rank(drugs, {"weight-gain": weight})
    assert found["unknown"][0] == pytest.approx(weight * counts_as)
    assert found["unknown"][0] == min(utility for utility, _ in found.values())


def test_what_no_drug_is_known_for_moves_none():
    """A weight on a side effect that no compared drug has a figure for changes no utility."""
    drugs = {"a": _outcomes(0.3), "b": _outcomes(0.2)}
    assert rank(drugs, {"remission": 1.0, "weight-gain": -1.0}) == rank(drugs, {"remission": 1.0})


def test_what_is_not_known_is_named():
    """Every outcome without a prediction is named, whether anybody weighs it or not."""
    assert not_known(_with_gain(0.1)) == tuple(name for name in SIDE_EFFECTS if name != "weight-gain")
