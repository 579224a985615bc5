"""What weight would change the first band: the exact answer against a search."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recommender.assessment import Prediction
from recommender.ranker.ranking import rank
from recommender.ranker.sensitivity import sensitivity
from recommender.ranker.weights import DEFAULT_WEIGHTS, LIMIT

OUTCOMES = ("remission", "stopping", "adverse-event-stopping", "weight-gain")


def _drug(**p):
    return {name.replace("_", "-"): Prediction(value, 0.0, 1.0) for name, value in p.items()}


def _first(predictions, weights):
    return {drug for drug, (_, band) in rank(predictions, weights).items() if band == 1}


@st.composite
def drugs(draw):
    """Return predictions of some drugs; of some, weight gain is not known."""
    chance = st.integers(1, 99).map(lambda n: n / 100)
    found = {}
    for n in range(draw(st.integers(2, 7))):
        known = [o for o in OUTCOMES if o != "weight-gain" or n == 0 or draw(st.booleans())]
        found[f"drug-{n}"] = {o: Prediction(draw(chance), 0.0, 1.0) for o in known}
    return found


@settings(max_examples=150, deadline=None)
@given(drugs(), st.sampled_from(OUTCOMES), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_the_first_band_is_the_same_up_to_the_weight_and_another_beyond_it(predictions, outcome, size):
    """Between the present weight and the one named the first band stays; just past it, those named entered or left."""
    weights = {"remission": 1.0, "stopping": -0.5, "adverse-event-stopping": -0.25, "weight-gain": 0.0}
    weights[outcome] = size if outcome == "remission" else -size
    before = _first(predictions, weights)
    found = {
        one.matters: one for one in sensitivity(predictions, tuple(predictions), weights) if one.outcome == outcome
    }
    sign = 1.0 if outcome == "remission" else -1.0
    for matters, end in (("more", sign * LIMIT), ("less", 0.0)):
        one = found.get(matters)
        if end == weights[outcome]:
            assert one is None
            continue
        at = end if one is None else one.changes_at
        step = 1e-7 if end > weights[outcome] else -1e-7
        way = at - step - weights[outcome]
        for part in range(1, 20) if way * step > 0 else ():  # on the very edge there is no way to go
            weight = weights[outcome] + way * part / 20
            assert _first(predictions, {**weights, outcome: weight}) == before
        if one is not None:
            beyond = min(at + step, end) if step > 0 else max(at + step, end)
            assume(one.enter or beyond != end)  # who leaves does so beyond the weight, who enters at it
            after = _first(predictions, {**weights, outcome: beyond})
            assert after != before
            assert set(one.enter) - after == set()
            assert set(one.leave) & after == set()


def test_a_patient_who_minds_weight_more_gets_another_band():
    """Two tied drugs part where weight gain weighs so much that 30 points of it are two of remission."""
    predictions = {"heavy": _drug(remission=0.31, weight_gain=0.4), "light": _drug(remission=0.30, weight_gain=0.1)}
    (found,) = sensitivity(predictions, ("heavy", "light"), {"remission": 1.0, "weight-gain": 0.0})
    assert (found.outcome, found.matters, found.leave, found.enter) == ("weight-gain", "more", ("heavy",), ())
    assert found.changes_at == pytest.approx(-0.03 / 0.3)
    assert found.message == (
        "The order changes if weight gain matters more: at a weight of -0.10 instead of 0"
        " heavy would fall out of the first band."
    )


def test_an_unknown_rate_is_said_to_be_unknown():
    """A drug that falls only because its rate is not known is not said to do more of it."""
    predictions = {"known": _drug(remission=0.30, weight_gain=0.4), "other": _drug(remission=0.3, weight_gain=0.1)}
    predictions["unknown"] = _drug(remission=0.30)
    found = sensitivity(predictions, tuple(predictions), {"remission": 1.0, "weight-gain": 0.0})
    assert found[0].leave == ("known", "unknown")
    assert "The rate on unknown is not known here, and counts as the worst of the others." in found[0].message


@pytest.mark.parametrize("names", [(), ("only",)])
def test_one_drug_has_no_order(names):
    """Nothing can change among fewer than two drugs."""
    predictions = {name: _drug(remission=0.3, stopping=0.2, adverse_event_stopping=0.1) for name in names}
    assert sensitivity(predictions, names, DEFAULT_WEIGHTS) == ()
