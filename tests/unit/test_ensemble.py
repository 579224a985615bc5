"""The chance of being within two points of the best, over draws of the evidence."""

import numpy as np

from recommender.assessment import Prediction
from recommender.cohort import evidence as evidences
from recommender.ranker.ensemble import DRAWS, SEED, draw, near_best
from recommender.ranker.weights import DEFAULT_WEIGHTS

EVIDENCE = evidences.load()
ENSEMBLE = draw(EVIDENCE, DRAWS, SEED)
NO_GENES: dict[str, str] = {}


def _drugs(**remission):
    rest = {"stopping": Prediction(0.25, 0, 1), "adverse-event-stopping": Prediction(0.08, 0, 1)}
    return {name: {"remission": Prediction(p, 0, 1), **rest} for name, p in remission.items()}


def _near(predictions, weights=DEFAULT_WEIGHTS, phenotypes=NO_GENES):
    return near_best(ENSEMBLE, EVIDENCE, predictions, tuple(predictions), weights, phenotypes)


def test_a_drug_far_behind_is_hardly_ever_near_the_best():
    """A drug 25 points of remission behind is near the best in under 5 of 100 draws, the leader in over 95."""
    found = _near(_drugs(sertraline=0.45, reboxetine=0.20))
    assert found["sertraline"] > 0.95
    assert found["reboxetine"] < 0.05


def test_alone_a_drug_is_always_the_best():
    """The only drug is near the best in every draw, and of none nothing is said."""
    assert _near(_drugs(sertraline=0.3)) == {"sertraline": 1.0}
    assert _near({}) == {}


def test_a_better_forecast_is_nearer_the_best():
    """Raising one drug's chance of remission never lowers its own share, and never raises that of another."""
    shares = [_near(_drugs(sertraline=p, escitalopram=0.3, bupropion=0.28)) for p in (0.2, 0.25, 0.3, 0.35)]
    own = [one["sertraline"] for one in shares]
    others = [one["escitalopram"] + one["bupropion"] for one in shares]
    assert own == sorted(own)
    assert own[0] < own[-1]
    assert others == sorted(others, reverse=True)


def test_a_phenotype_whose_effect_is_unsure_makes_the_ranking_less_sure():
    """For a slow metaboliser the spread of escitalopram's stopping grows, so a drug well behind it comes nearer."""
    predictions = _drugs(escitalopram=0.35, bupropion=0.26)
    weights = {"remission": 1.0, "stopping": -2.0}
    usual, slow = (_near(predictions, weights, {"CYP2C19": p}) for p in ("Normal Metabolizer", "Poor Metabolizer"))
    assert slow["bupropion"] > usual["bupropion"]


def test_what_is_not_known_counts_as_the_worst_in_every_draw():
    """Where one drug alone has a figure, every draw gives it to the other too, so weighing it changes nothing."""
    predictions = _drugs(sertraline=0.3, bupropion=0.28)
    plain = _near(predictions)
    predictions["sertraline"]["insomnia"] = Prediction(0.2, 0, 1)
    assert _near(predictions, {**DEFAULT_WEIGHTS, "insomnia": -1.0}) == plain


def test_the_unknown_is_no_better_off_than_the_worst_that_is_known():
    """Of three drugs alike but in a side effect, the unknown one is near the best about as seldom as the worst."""
    predictions = _drugs(sertraline=0.3, duloxetine=0.3, bupropion=0.3)
    predictions["sertraline"]["insomnia"] = Prediction(0.05, 0, 1)
    predictions["duloxetine"]["insomnia"] = Prediction(0.4, 0, 1)
    found = _near(predictions, {**DEFAULT_WEIGHTS, "insomnia": -1.0})
    assert found["sertraline"] > found["bupropion"] + 0.5
    gain = _near(predictions, {**DEFAULT_WEIGHTS, "insomnia": 1.0})
    assert gain["duloxetine"] > gain["bupropion"] + 0.5


def test_draws_come_in_pairs_and_favour_none():
    """The draws of every effect and difference add up to nothing, and one seed gives one ensemble."""
    assert np.abs(ENSEMBLE.effect.sum(axis=0)).max() < 1e-9
    assert np.abs(ENSEMBLE.difference.sum(axis=0)).max() < 1e-9
    np.testing.assert_array_equal(draw(EVIDENCE, DRAWS, SEED).effect, ENSEMBLE.effect)


def test_remission_and_response_share_their_differences():
    """Patient-by-drug differences are the same for two cuts of one scale, and other ones for stopping."""
    remission, response, stopping = (
        ENSEMBLE.difference[:, :, evidences.OUTCOMES.index(o)] for o in ("remission", "response", "stopping")
    )
    np.testing.assert_array_equal(remission, response)
    assert not np.array_equal(remission, stopping)
    assert (np.abs(ENSEMBLE.difference).max(axis=(1, 2)) == 0).any()
