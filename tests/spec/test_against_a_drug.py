"""What counts against a drug in this chart: not a ceiling that its dose keeps, nor the drug that it takes the place of.

And which gaps matter for this patient: an ECG and electrolytes where a risk is on record.
"""

from typing import Any

import pytest

from fhir_adapters.canonical import Adapted, FeatureVector
from recommender.assess import assess
from recommender.assessment import Assessment, Candidate, Reason, Severity
from recommender.catalog.rows import Rule
from recommender.ranker import model
from recommender.safety import rules
from recommender.step import offering
from tests.factories import adult, course, days_ago, diagnosis, feature, patient
from tests.spec.test_rules import JUDGED, K, by_id, fitting, subject

M = model.load()
MDD = diagnosis("mdd")
SERTRALINE = course("sertraline", start=days_ago(90), dose=100)
RISKS = sorted(K.triggers["lab", "qtc"].row.asked_with)


def judged(*facts: Any, vector: FeatureVector | None = None, **more: Any) -> Assessment:
    """Return the assessment of a depressed man of 45."""
    return assess(Adapted(patient(MDD, *facts, **more), vector or adult(), "test"), K, M)


def said(drug: str, *facts: Any, vector: FeatureVector | None = None, **more: Any) -> dict[str, Reason]:
    """Return what rules say of a drug, by rule."""
    found = rules.evaluate(drug, patient(MDD, *facts, **more), vector or adult(), K)
    return {one.reason.rule: one.reason for one in found}


CAPPING = [one for one in JUDGED if one.kind in ("age", "lab") and one.cap_mg is not None]


@pytest.mark.parametrize("rule", CAPPING, ids=by_id)
@pytest.mark.parametrize("current", [False, True])
def test_a_mere_ceiling_is_settled_by_the_dose(rule: Rule, current: bool) -> None:
    """A label's ceiling is told as settled of a candidate; what also advises against it, or is taken, is not."""
    beyond = 1.0 if rule.operator.startswith(">") else -1.0
    vector = fitting(rule, feature(K.triggers[rule.kind, rule.trigger].row.feature, (rule.value or 0) + beyond))
    found = rules.evaluate(subject(rule), patient(MDD), vector, K, current=current)
    own = next(one.reason for one in found if one.reason.rule == rule.id)
    assert own.settled is (rule.grounds == "label_dose" and not current)


@pytest.mark.parametrize(
    ("age", "drug", "counted"), [(78, "escitalopram", 0), (78, "citalopram", 0), (78, "paroxetine", 1)]
)
def test_an_old_patients_ceiling_does_not_push_a_drug_down(age: float, drug: str, counted: int) -> None:
    """At 78 escitalopram and citalopram have a ceiling and nothing against them, paroxetine has the Beers criteria."""
    found = judged(vector=adult(age=float(age)))
    candidate = next(one for one in found.candidates if one.ingredient == drug)
    assert any(one.severity == "warning" for one in candidate.reasons)
    assert offering.order(candidate)[1] == counted


def test_the_drug_that_is_replaced_counts_against_none_of_its_successors() -> None:
    """After sertraline an SSRI, an SNRI and bupropion have nothing against them: each is to replace it."""
    found = {one.ingredient: one for one in judged(SERTRALINE).candidates}
    for drug in ("escitalopram", "venlafaxine", "bupropion"):
        assert offering.order(found[drug])[1:3] == (0, 0)
        assert [one.message for one in found[drug].reasons if one.message.startswith("Replaces sertraline: taper")]


def test_only_what_may_be_offered_is_said_to_replace() -> None:
    """Nothing is replaced where nothing is taken, and a drug that is no choice of this step replaces nothing."""
    assert not [one for found in judged().candidates for one in found.reasons if one.rule == "SWITCH-REPLACES"]
    switched = {one.ingredient: [r.rule for r in one.reasons] for one in judged(SERTRALINE).candidates}
    assert switched["bupropion"].count("SWITCH-REPLACES") == 1
    assert not any("SWITCH-REPLACES" in switched[one] for one in ("sertraline", "zuranolone", "esketamine"))


def test_a_drug_that_is_no_antidepressant_is_not_replaced() -> None:
    """Tramadol beside an SSRI counts against it: a switch of the antidepressant does not end it."""
    found = {one.ingredient: one for one in judged(SERTRALINE, course("tramadol")).candidates}
    assert offering.order(found["escitalopram"])[1] > 0


def candidate(*severities: Severity, name: str = "drug", band: int | None = 1, utility: float = 0.2) -> Candidate:
    """Return a candidate with a reason of each of these severities."""
    reasons = tuple(Reason(f"R{place}", one, "said", "POLICY", verified=True) for place, one in enumerate(severities))
    return Candidate(name, None, "eligible", "none", reasons, utility=utility, band=band)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (candidate("warning", band=1), candidate(band=2)),
        (candidate(band=1), candidate(band=None)),
        (candidate("caution", "caution"), candidate("warning")),
        (candidate("monitor", utility=0.1), candidate("caution", utility=0.3)),
        (candidate(utility=0.3), candidate("monitor", utility=0.2)),
        (candidate(name="a"), candidate(name="b")),
    ],
    ids=["band", "no band", "warning", "caution", "utility", "name"],
)
def test_candidates_stand_by_band_then_by_what_speaks_against_them(first: Candidate, second: Candidate) -> None:
    """Band comes first, then warnings, then cautions, then utility, then the name."""
    assert offering.order(first) < offering.order(second)


def held(asked: str) -> Any:
    """Return the fact that a risk names: a problem, or a drug of a class."""
    kind, _, name = asked.partition(":")
    return diagnosis(name) if kind == "condition" else course(sorted(K.classes[name] & K.reviewed)[0])


@pytest.mark.parametrize("drug", ["citalopram", "escitalopram"])
@pytest.mark.parametrize("risk", RISKS)
def test_an_ecg_is_wanted_of_those_at_risk(drug: str, risk: str) -> None:
    """QTc, potassium and magnesium are wanted with each risk that the labels name, and come after the rest without."""
    gaps = [one for one in said(drug).values() if one.missing in ("QTc", "potassium", "magnesium")]
    assert {one.at_risk for one in gaps} == {False}
    wanted = [one for one in said(drug, held(risk)).values() if one.missing in ("QTc", "potassium", "magnesium")]
    assert {one.at_risk for one in wanted} == {True}


@pytest.mark.parametrize("name", ["conditions", "medications"])
def test_a_list_that_is_not_whole_may_hold_a_risk(name: str) -> None:
    """Without the problem list or the drugs nobody can say that there is no risk: the ECG is wanted."""
    gaps = said("citalopram", lists={name: "partial"}).values()
    assert all(one.at_risk for one in gaps if one.missing == "QTc")


def test_what_is_needed_before_the_first_dose_is_always_wanted() -> None:
    """The QTc before thioridazine is wanted of everybody."""
    gaps = [one for one in said("thioridazine").values() if one.missing == "QTc"]
    assert [(one.at_risk, one.blocks) for one in gaps] == [(True, True)]


@pytest.mark.parametrize(("facts", "first"), [((), False), ((diagnosis("bulimia_nervosa"),), True)])
def test_gaps_stand_in_the_order_in_which_they_matter(facts: tuple[Any, ...], first: bool) -> None:
    """An ECG that nobody wants of this patient is named last, one that is wanted before milder gaps."""
    found = judged(*facts)
    assert "escitalopram" in found.offered
    places = {words.split(" is ")[0]: place for place, words in enumerate(found.unknowns)}
    assert (places["QTc"] < places["systolic blood pressure"]) is first
    assert len(set(found.unknowns)) == len(found.unknowns)
