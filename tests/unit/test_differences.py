"""Why two drugs differ, exactly, and what would change the order if it were known."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from recommender.cohort.evidence import EXPOSURE, MODEL_FEATURES
from recommender.gene.gene_states import GeneState
from recommender.ranker import model as models
from recommender.ranker.difference_words import Between
from recommender.ranker.differences import contributions, differences
from recommender.ranker.ranking import rank
from recommender.ranker.symptom import symptom_changes
from recommender.ranker.unmeasured import unmeasured
from recommender.ranker.weights import DEFAULT_WEIGHTS
from tests import factories as make

MODEL = models.load()
DRUGS = tuple(MODEL.evidence.drugs)
OUTCOMES = models.modelled(MODEL.evidence)
SLOW = {"CYP2C19": "Poor Metabolizer"}
SLOW_STATE = {
    "CYP2C19": GeneState("CYP2C19", "derived", {"Poor Metabolizer": None}, "*2/*2", ("Observation/gene",)),
}
ADULT = make.adult(gad7_total=9.0, cyp2c19_diplotype="*2/*2")


def _table(drugs, features=ADULT, phenotypes=SLOW):
    return models.rows(features, drugs, MODEL.evidence, phenotypes)


def _told(pair, phenotypes=SLOW, outcomes=OUTCOMES):
    between = Between(MODEL.evidence, ADULT, pair, phenotypes, SLOW_STATE)
    return differences(MODEL, between, _table(pair, phenotypes=phenotypes), outcomes)


PAIRS = [("escitalopram", "mirtazapine"), ("sertraline", "reboxetine"), ("bupropion", "escitalopram")]


@pytest.mark.parametrize("pair", PAIRS)
def test_contributions_add_up_to_the_difference_of_the_log_odds(pair):
    """On every outcome the parts add up to the difference of calibrated log-odds, to the last figure that counts."""
    scored = {o: models.raw_scores(MODEL.boosters[o], _table(pair)) for o in OUTCOMES}
    for one in _told(pair):
        slope = MODEL.manifest.calibration[one.outcome][1]
        raw = scored[one.outcome]
        assert sum(part.log_odds for part in one.contributions) == pytest.approx(slope * (raw[0] - raw[1]), abs=1e-9)
        assert one.log_odds == pytest.approx(slope * (raw[0] - raw[1]), abs=1e-9)


@pytest.mark.parametrize("pair", PAIRS)
def test_points_add_up_to_the_difference_of_the_probabilities(pair):
    """The points of the parts add up to the difference of the probabilities, of which 100 is certainty."""
    for one in _told(pair):
        a, b = MODEL.manifest.calibration[one.outcome]
        first, second = 1 / (1 + np.exp(-(a + b * models.raw_scores(MODEL.boosters[one.outcome], _table(pair)))))
        assert sum(part.points for part in one.contributions) == pytest.approx(100 * (first - second), abs=1e-9)


def test_turning_the_pair_round_turns_every_sign():
    """The difference of B and A is that of A and B with the opposite sign, part by part."""
    there, back = _told(PAIRS[0]), _told(PAIRS[0][::-1])
    for one, other in zip(there, back, strict=True):
        assert one.points == pytest.approx(-other.points)
        assert {p.feature: p.log_odds for p in one.contributions} == pytest.approx(
            {p.feature: -p.log_odds for p in other.contributions}
        )


def test_a_drug_does_not_differ_from_itself():
    """Two equal rows have no parts at all."""
    assert not contributions(MODEL, "stopping", _table(("sertraline", "sertraline"))).any()


def test_what_the_chart_moves_is_told_with_its_fact():
    """A slow metaboliser's part names gene, phenotype, reference and both levels."""
    stopping = next(one for one in _told(("escitalopram", "mirtazapine")) if one.outcome == "stopping")
    part = next(part for part in stopping.contributions if part.feature == EXPOSURE)
    assert part.facts == ("Observation/gene",)
    assert part.points > 1
    assert "CYP2C19 Poor Metabolizer (Observation/gene, 2026-11-08)" in part.message
    assert "3.3 times the usual level of escitalopram, no known level of mirtazapine" in part.message


def test_what_trials_say_names_both_odds_ratios_and_no_fact_of_the_chart():
    """The part of the trials gives both odds ratios as they stand in the evidence."""
    (remission,) = _told(("sertraline", "mirtazapine"), outcomes=["remission"])
    (part,) = remission.contributions
    assert part.facts == ()
    assert "1.48 with sertraline, 1.59 with mirtazapine" in part.message
    assert remission.message.startswith("Remission: ")


def test_an_outcome_that_is_not_known_of_one_of_them_has_no_difference():
    """Of an outcome without a figure for one drug nothing is subtracted."""
    lacking = next(o for o in OUTCOMES if o not in MODEL.evidence.drugs["reboxetine"])
    assert all(one.outcome != lacking for one in _told(("sertraline", "reboxetine")))


def _first(features, phenotypes):
    found = models.predict(MODEL, features, DRUGS, phenotypes)
    return {drug for drug, (_, band) in rank(found, DEFAULT_WEIGHTS).items() if band == 1}


def test_what_would_change_the_order_does_so_and_nothing_else_does():
    """Each named value, put into the chart, changes the first band as said; each that is not named leaves it."""
    found = unmeasured(MODEL, DRUGS, _table(DRUGS, phenotypes={}), DRUGS, DEFAULT_WEIGHTS, {})
    told = {(one.feature, one.value): one for one in found}
    before = _first(ADULT, {})
    for gene, shares in MODEL.evidence.phenotypes.items():
        for phenotype in shares:
            after, one = _first(ADULT, {gene: phenotype}), told.get((gene, phenotype))
            assert (one is not None) == (after != before)
            if one is not None:
                assert set(one.enter) == after - before
                assert set(one.leave) == before - after
                assert one.message.startswith(f"{gene} is not known. If it were {phenotype}, ")


def test_what_is_known_is_not_asked_for():
    """A gene that was tested and a feature that is present are no gaps."""
    asked = unmeasured(MODEL, DRUGS, _table(DRUGS), DRUGS, DEFAULT_WEIGHTS, SLOW)
    assert not {one.feature for one in asked} & {*SLOW, "phq9_total", "antidepressant_trials", "age"}


def test_a_missing_feature_is_tried_at_both_ends():
    """Without the history of treatment both ends of it are tried, and what they change is said in words."""
    features = make.features(age=45.0, sex="male", phq9_total=17.0, depression=True)
    found = unmeasured(MODEL, DRUGS, _table(DRUGS, features), DRUGS, {"remission": 1.0}, SLOW)
    assert {one.value for one in found if one.feature == "antidepressant_trials"} <= {"0", "8"}
    assert any("earlier antidepressant courses" in one.message for one in found)


def test_a_weight_that_no_compared_drug_has_a_figure_for_changes_nothing():
    """What is weighed and known of none of the drugs moves no band, whatever is found."""
    without = tuple(name for name in DRUGS if "insomnia" not in MODEL.evidence.drugs[name])
    table = _table(without, phenotypes={})
    plain, weighed = (
        unmeasured(MODEL, without, table, without, weights, {})
        for weights in (DEFAULT_WEIGHTS, {**DEFAULT_WEIGHTS, "insomnia": -1.0})
    )
    assert plain == weighed


def test_one_drug_has_nothing_to_be_changed():
    """Of fewer than two drugs there is no order to change."""
    assert unmeasured(MODEL, DRUGS[:1], _table(DRUGS[:1]), DRUGS[:1], DEFAULT_WEIGHTS, {}) == ()


@pytest.mark.parametrize("total", [10.0, 17.0, 27.0])
def test_bands_of_symptom_change_lie_in_each_other_round_the_forecast(total):
    """For each drug the bands of 50, 80 and 90 percent are nested, and none goes below the loss of all symptoms."""
    found = symptom_changes(MODEL, DRUGS, _table(DRUGS, make.adult(phq9_total=total)))
    for one in found.values():
        lows, highs = zip(*(one.bands[percent] for percent in ("50", "80", "90")), strict=True)
        assert list(lows) == sorted(lows, reverse=True)
        assert list(highs) == sorted(highs)
        assert min(lows) >= -100
        assert one.bands["50"][0] <= one.percent <= one.bands["50"][1]


def test_a_patient_of_no_known_group_has_the_bands_of_such_patients():
    """Without age and sex the bands are those of patients of whom neither is known, or of everybody."""
    bands = MODEL.manifest.bands
    wanted = bands.get("not known not known", bands["everybody"])["80"]
    table = _table(DRUGS, make.features(phq9_total=17.0))
    one = symptom_changes(MODEL, DRUGS, table)["sertraline"]
    assert one.bands["80"][1] - one.percent == pytest.approx(wanted[1])


def test_every_column_of_a_row_has_a_name():
    """A contribution is named after its column, in the order of MODEL_FEATURES."""
    parts = contributions(MODEL, "stopping", _table(("escitalopram", "mirtazapine")))
    assert parts.shape == (len(MODEL_FEATURES),)
    named = dict(zip(MODEL_FEATURES, parts.tolist(), strict=True))
    assert {name for name, part in named.items() if part} <= {"log_or_stopping", EXPOSURE}


def test_it_is_exact_for_every_pair_of_drugs():
    """The parts of all pairs of five drugs add up, for a chart with hardly anything in it too."""
    features = replace(ADULT, features=make.features(age=45.0).features)
    for pair in itertools.combinations(DRUGS[:5], 2):
        table = _table(pair, features, {})
        raw = models.raw_scores(MODEL.boosters["remission"], table)
        assert contributions(MODEL, "remission", table).sum() == pytest.approx(raw[0] - raw[1], abs=1e-9)
