"""What the ranker adds to an assessment: chances, gaps, weights and reasons."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from fhir_adapters.canonical import Adapted, Genotype, Preference
from recommender.assess import assess
from recommender.catalog import knowledge
from recommender.ranker import model as models
from recommender.serialize import assessment_json
from tests import factories as make

K = knowledge.load()
M = models.load()
MDD = make.diagnosis("mdd", onset=make.days_ago(90))
GENE = Genotype("CYP2C19", "diplotype", "*2/*2", make.days_ago(30), make.source("Observation/gene"))


def _adapted(features=None, **fields):
    return Adapted(make.patient(MDD, **fields), features or make.adult(), "base-r4")


def _assessed(adapted=None, **more):
    return assess(adapted or _adapted(), K, M, **more)


def _ranked(found):
    return {one.ingredient: one for one in found.candidates if one.predictions}


def _p(one, outcome):
    assert one.predictions is not None
    return one.predictions[outcome].p


def _wishes(**importance):
    source = make.source("QuestionnaireResponse/wishes")
    return tuple(Preference(o.replace("_", "-"), v, make.TODAY, source) for o, v in sorted(importance.items()))


def test_each_banded_drug_says_how_likely_it_is_near_the_best():
    """Every drug with a band has a chance of being near the best, and the first band holds the likeliest."""
    found = _ranked(_assessed())
    banded = [one for one in found.values() if one.band is not None]
    assert all(one.near_best is not None and 0 <= one.near_best <= 1 for one in banded)
    assert max(banded, key=lambda one: one.near_best or 0).band == 1


def test_what_is_not_known_of_a_drug_is_named_and_has_no_prediction():
    """A drug's unknown outcomes are those without a prediction, and never zero."""
    for one in _ranked(_assessed()).values():
        assert set(one.not_known) == set(models.OUTCOMES) - set(one.predictions or {})
        assert all(p.p > 0 for p in (one.predictions or {}).values())


def test_a_weighed_gap_is_a_reason_that_asks():
    """Where the patient weighs what is not known of a drug, the drug says so, and else does not."""
    found = _assessed(preferences={"insomnia": -0.5})
    for name, one in _ranked(found).items():
        asked = [reason for reason in one.reasons if reason.rule == "MODEL-NOT-KNOWN"]
        assert bool(asked) == ("insomnia" not in M.evidence.drugs[name])
        assert all(reason.unknown and "insomnia" in reason.message for reason in asked)
    assert not any(r.rule == "MODEL-NOT-KNOWN" for one in _assessed().candidates for r in one.reasons)


def test_the_patients_answers_are_the_weights_unless_others_are_given():
    """Answers to the Questionnaire weigh in the utility, and weights that are given come before them."""
    answered = _assessed(_adapted(preferences=_wishes(sexual_dysfunction=10)))
    assert answered.explanation is not None
    assert answered.explanation.weights.origin == "questionnaire"
    assert answered.explanation.weights.values["sexual-dysfunction"] == -1.0
    plain, own = _ranked(_assessed()), _ranked(answered)
    known = [name for name in own if "sexual-dysfunction" in M.evidence.drugs[name]]
    for name in known:
        assert own[name].utility == pytest.approx((plain[name].utility or 0) - _p(own[name], "sexual-dysfunction"))
    assert known
    given = _assessed(_adapted(preferences=_wishes(sexual_dysfunction=10)), preferences={"stopping": -0.5})
    assert given.explanation is not None
    assert {n: one.utility for n, one in _ranked(given).items()} == {n: one.utility for n, one in plain.items()}


def test_weights_can_change_what_is_offered():
    """Somebody who minds sexual dysfunction above all is offered no drug that does most of it."""
    offered = _assessed(_adapted(preferences=_wishes(sexual_dysfunction=10))).offered
    assert offered != _assessed().offered


def test_differences_are_told_of_the_two_that_are_offered():
    """Asked to explain, the assessment compares the two offered drugs on each weighed outcome."""
    found = _assessed(explain=True)
    assert found.explanation is not None
    assert {(one.first, one.second) for one in found.explanation.differences} == {found.offered}
    weighed = {name for name, weight in found.explanation.weights.values.items() if weight}
    assert {one.outcome for one in found.explanation.differences} <= weighed
    assert "nothing in this chart" in found.explanation.statement


def test_explaining_changes_nothing_else():
    """The same drugs are offered with the same figures whether differences are asked for or not."""
    plain, whole = _assessed(), _assessed(explain=True)
    assert plain.explanation is not None
    assert plain.explanation.differences == ()
    assert replace(plain, explanation=None) == replace(whole, explanation=None)


def test_a_genotype_reaches_the_model_through_the_tables_of_alleles():
    """A diplotype of two alleles without function raises the predicted stopping of escitalopram."""
    usual, slow = _ranked(_assessed()), _ranked(_assessed(_adapted(genotypes=(GENE,))))
    assert _p(slow["escitalopram"], "stopping") > _p(usual["escitalopram"], "stopping")
    assert _p(slow["mirtazapine"], "stopping") == _p(usual["mirtazapine"], "stopping")


def test_a_genotype_read_from_words_does_not_move_the_model():
    """What a person must confirm first changes no prediction."""
    usual, doubted = _ranked(_assessed()), _ranked(_assessed(_adapted(genotypes=(changed(GENE, from_text=True),))))
    assert len(doubted) > 10
    assert all(one.predictions == usual[name].predictions for name, one in doubted.items())


@pytest.mark.parametrize("total", [None, 28.0])
def test_an_abstaining_model_explains_nothing_and_says_what_is_missing(total):
    """Without a severity that the model has seen there is no band, no chance and no explanation."""
    values = {"age": 45.0, "sex": "male", "depression": True, "madrs_total": 25.0}
    values |= {} if total is None else {"phq9_total": total}
    found = _assessed(_adapted(make.features(**values)), explain=True)
    assert found.explanation is None
    assert not _ranked(found)


def test_the_json_holds_the_explanation_by_its_documented_keys():
    """Weights, differences, sensitivity and what would change the order are in the line of JSON."""
    adapted = _adapted(preferences=_wishes(weight_gain=3))
    line = assessment_json(_assessed(adapted, explain=True), adapted)
    assert line["preferences"]["origin"] == "questionnaire"
    assert line["preferences"]["reference"] == "QuestionnaireResponse/wishes"
    assert {"outcome", "first", "second", "log_odds", "points", "contributions", "message"} == set(
        line["differences"][0]
    )
    assert {"outcome", "matters", "weight", "changes_at", "enter", "leave", "message"} == set(line["sensitivity"][0])
    offered = next(one for one in line["candidates"] if one["verdict"] == "offered")
    assert set(offered["symptom_change"]["bands"]) == {"50", "80", "90"}
    assert 0 <= offered["near_best"] <= 1
    assert set(offered["not_known"]) | set(offered["predictions"]) == set(models.OUTCOMES)


def test_a_closed_gate_explains_nothing():
    """Behind a closed gate nothing of the ranking is told."""
    assert _assessed(_adapted(make.adult(phq9_item9=2.0)), explain=True).explanation is None


def test_where_no_drug_is_left_there_is_nothing_to_explain():
    """After an MAO inhibitor that ended nobody knows when, no drug is ranked and nothing would change an order."""
    course = make.course("phenelzine", taking="stopped", start=make.days_ago(900))
    found = _assessed(Adapted(make.patient(MDD, course), make.adult(), "base-r4"), explain=True)
    assert not _ranked(found)
    assert found.explanation is not None
    assert (found.explanation.differences, found.explanation.sensitivity, found.explanation.unmeasured) == ((), (), ())
