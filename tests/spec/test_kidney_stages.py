"""A recorded stage of chronic kidney disease, where no filtration was measured since, at each renal rule."""

from typing import Any

import pytest
from msgspec.structs import replace as changed

from fhir_adapters.canonical import FeatureVector
from recommender.assessment import Reason
from recommender.catalog import knowledge
from recommender.safety import chart as indexed
from recommender.safety import rules
from recommender.safety.triggers import kidney, measured
from tests.factories import absent, adult, days_ago, diagnosis, feature, patient

K = knowledge.load()
RENAL = [rule for rule in K.rules if rule.kind == "lab" and rule.trigger in kidney.FEATURES and rule.evaluable]
UNMEASURED = adult(absent("egfr"), absent("crcl"))


def said(rule_id: str, drug: str, vector: FeatureVector = UNMEASURED, **problems: Any) -> Reason | None:
    """Return what one rule says of a drug for a patient with these problems (key → when it began)."""
    chart = patient(*(diagnosis(key, onset=onset) for key, onset in problems.items()))
    found = (one.reason for one in rules.evaluate(drug, chart, vector, K))
    return next((one for one in found if one.rule == rule_id), None)


@pytest.mark.parametrize("stage", kidney.stages(), ids=lambda stage: stage.key)
@pytest.mark.parametrize("rule", RENAL, ids=lambda rule: rule.id)
def test_a_stage_answers_each_renal_rule_by_its_range(rule: Any, stage: kidney.Stage) -> None:
    """A rule holds where the whole range of the stage lies below its threshold, and asks where it may."""
    chart = indexed.chart(patient(diagnosis(stage.key, onset=days_ago(100))), UNMEASURED, K)
    found = measured.value(rule, chart, indexed.subject(rule.drug, chart))
    assert found.holds is (True if stage.below <= rule.value else None)
    assert found.found if found.holds else "on the problem list" in found.why


@pytest.mark.parametrize(
    ("drug", "rule_id"),
    [("venlafaxine", "SR093"), ("duloxetine", "SR101"), ("lithium", "SR160"), ("bupropion", "SR112")],
)
@pytest.mark.parametrize("key", ["ckd_stage_5", "ckd_esrd"])
def test_kidney_failure_counts_without_a_measurement(drug: str, rule_id: str, key: str) -> None:
    """With end-stage disease on the list and no eGFR on file the ceilings and exclusions for it hold, and say why."""
    found = said(rule_id, drug, UNMEASURED, **{key: None})
    assert found is not None
    assert not found.unknown
    assert "below 15" in found.message


def test_what_was_measured_since_counts() -> None:
    """An eGFR newer than the stage overrules it; an older one does not."""
    newer = adult(feature("egfr", 55.0, days_ago(10)))
    older = adult(feature("egfr", 55.0, days_ago(200)))
    assert said("SR101", "duloxetine", newer, ckd_stage_4=days_ago(100)) is None
    found = said("SR101", "duloxetine", older, ckd_stage_4=days_ago(100))
    assert found is not None
    assert not found.unknown


def test_a_measurement_against_kidney_failure_is_asked_about() -> None:
    """A normal eGFR beside end-stage disease is no answer: one of the two is wrong."""
    found = said("SR101", "duloxetine", adult(feature("egfr", 95.0, days_ago(10))), ckd_esrd=days_ago(100))
    assert found is not None
    assert found.unknown
    assert "does not agree" in found.message


def test_a_clearance_that_could_not_be_worked_out_says_what_is_wrong_with_the_creatinine() -> None:
    """A creatinine that was refused is named with its reason, and not said to be missing."""
    creatinine = changed(absent("creatinine", "refused"), reason="implausible")
    clearance = changed(absent("crcl"), reason="creatinine-refused")
    found = said("SR096", "desvenlafaxine", adult(creatinine, clearance))
    assert found is not None
    assert "was not worked out, creatinine could not be used (implausible)" in found.message
