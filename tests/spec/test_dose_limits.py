"""Every rule that limits a dose, on both sides of its threshold and without its input. Generated from the tables."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fhir_adapters.canonical import CanonicalPatient, Feature, FeatureVector
from recommender.assessment import Dose, Reason
from recommender.catalog import knowledge
from recommender.catalog.rows import Rule
from recommender.dose import dose_words, dosing
from recommender.safety import rules
from tests.factories import absent, adult, course, days_ago, diagnosis, feature, patient
from tests.spec.test_dosing import dosed, drafted, whole
from tests.spec.test_rules import given as interacting

K = knowledge.load()
EVERY = sorted(K.drugs)


def limited(rule: Rule) -> Sequence[str]:
    """Return the drugs that may be drafted and that the rule judges."""
    return [name for name in EVERY if rule in K.rules_of[name] and isinstance(dosed(name), Dose)]


def acts(rule: Rule) -> bool:
    """Say whether a rule does something to a dose."""
    adjusted = K.doses.adjustments.get(rule.id)
    return rule.cap_mg is not None or (
        adjusted is not None and bool(adjusted.start_mg or adjusted.factor or adjusted.interval)
    )


LIMITING = [(rule, drug) for rule in K.rules if rule.evaluable and acts(rule) for drug in limited(rule)]
MEASURED = [(rule, drug) for rule, drug in LIMITING if rule.kind in ("age", "lab")]
CALLED = [f"{rule.id}-{drug}" for rule, drug in MEASURED]


def measured(rule: Rule, side: int) -> FeatureVector:
    """Return an adult whose value is below, at or above the threshold of a rule."""
    name = K.triggers[rule.kind, rule.trigger].row.feature
    step = 1.0 if rule.kind == "age" else 0.01
    return adult(feature(name, (rule.value or 0) + side * step))


def alone(rule: Rule, drug: str, chart: CanonicalPatient, vector: FeatureVector) -> Dose | Reason:
    """Return the dose that this one rule leaves, without the formulary's own limits of age."""
    finding = [one for one in rules.evaluate(drug, chart, vector, K) if one.reason.rule == rule.id]
    return dosing.dose(drug, finding, adult(), K)


@pytest.mark.parametrize(("rule", "drug"), MEASURED, ids=CALLED)
@pytest.mark.parametrize("side", [-1, 0, 1], ids=["below", "at", "above"])
def test_each_measured_limit_holds_on_its_own_side_only(rule: Rule, drug: str, side: int) -> None:
    """A dose is lowered exactly on the side of the threshold that the rule names, and the rule is named once."""
    holds = {">": side > 0, ">=": side >= 0, "<": side < 0, "<=": side <= 0}[rule.operator]
    usual, found = drafted(drug), alone(rule, drug, patient(), measured(rule, side))
    if isinstance(found, Reason):
        assert holds
        return
    whole(found, drug)
    assert [words.partition(":")[0] for words in found.adjusted_by].count(rule.id) == int(holds and lowers(rule, drug))
    if not holds:
        assert (found.start_mg_per_day, found.max_mg_per_day) == (usual.start_mg_per_day, usual.max_mg_per_day)


def lowers(rule: Rule, drug: str) -> bool:
    """Say whether a rule lowers the start or the ceiling of a drug at all."""
    row, adjusted = K.drugs[drug], K.doses.adjustments.get(rule.id)
    most, start = row.max_mg or 0, row.start_mg or 0
    part = adjusted.factor if adjusted and adjusted.factor else 1.0
    begun = adjusted.start_mg if adjusted and adjusted.start_mg else start
    return (rule.cap_mg or most) < most or part < 1 or begun < start


@pytest.mark.parametrize(("rule", "drug"), LIMITING, ids=[f"{rule.id}-{drug}" for rule, drug in LIMITING])
def test_each_limit_is_obeyed_and_said_with_its_chart_fact(rule: Rule, drug: str) -> None:
    """Where a rule holds, no dose is above what it allows, and the words carry what was found in the chart."""
    chart, vector = holding(rule)
    found = dosed(drug, chart, vector)
    if isinstance(found, Reason):
        assert found.rule in ("DRAFT-ORDERABLE", "DRAFT-INTERVAL")
        return
    adjusted, row = K.doses.adjustments.get(rule.id), K.drugs[drug]
    if rule.cap_mg is not None:
        assert found.max_mg_per_day <= rule.cap_mg
    if adjusted and adjusted.start_mg is not None:
        assert found.start_mg_per_day <= adjusted.start_mg
    if adjusted and adjusted.factor is not None:
        assert found.max_mg_per_day <= round((row.max_mg or 0) * adjusted.factor, 3)
        assert found.start_mg_per_day <= (row.start_mg or 0) * adjusted.factor
    assert len(set(found.adjusted_by)) == len(found.adjusted_by)


def holding(rule: Rule) -> tuple[CanonicalPatient, FeatureVector]:
    """Return a chart in which the rule holds."""
    if rule.kind in ("age", "lab"):
        return patient(), measured(rule, {">": 1, ">=": 0, "<": -1, "<=": 0}[rule.operator])
    if rule.kind == "drug":
        return patient(course(interacting(rule)[0])), adult()
    if rule.kind == "sex":
        return patient(), adult(sex=rule.trigger)
    if rule.trigger in K.doses.child_pugh.triggers:
        severe, mild = (adult(bilirubin_total=b, albumin=a, inr=i) for b, a, i in ((4.0, 2.5, 2.5), (1.0, 4.0, 1.0)))
        both = (diagnosis(code="http://snomed.info/sct|389026000"), diagnosis(code="http://snomed.info/sct|13920009"))
        grade = "C" in K.doses.child_pugh.triggers[rule.trigger]
        return patient(diagnosis("cirrhosis"), *both), severe if grade else mild
    key = K.triggers[rule.kind, rule.trigger].row.conditions
    return (patient(diagnosis(key[0])) if key else patient()), adult()


def test_an_unknown_age_is_dosed_as_old() -> None:
    """Without an age the lower ceiling of later life holds, and says so."""
    found = drafted("citalopram", None, adult(absent("age")))
    assert found.max_mg_per_day == 20
    assert found.adjusted_by[0].startswith("SR035: age is not on file, so the careful dose holds")
    assert drafted("nortriptyline", None, adult(absent("age"))).adjusted_by[0].startswith("FORMULARY: age is not known")


def test_an_unknown_kidney_lowers_nothing_and_is_asked_for() -> None:
    """A missing creatinine clearance leaves the dose, and the draft says what it would change."""
    found = drafted("levomilnacipran")
    assert found.max_mg_per_day == 120
    words = "Creatinine clearance is not on file: below 60 mL/min the ceiling is 80 mg a day; below 30 mL/min"
    assert any(one.startswith(words) for one in found.pending)
    assert not drafted("levomilnacipran", None, adult(crcl=90.0)).pending


@pytest.mark.parametrize(("rule", "drug"), MEASURED, ids=CALLED)
def test_a_missing_measurement_is_careful_or_pending(rule: Rule, drug: str) -> None:
    """Where a limit's input is missing, the dose is named as careful or as waiting, never silently the usual one."""
    name = K.triggers[rule.kind, rule.trigger].row.feature
    found = rules.evaluate(drug, patient(), adult(absent(name)), K)
    held = [one for finding in found for one in finding.pending if one.rule.id == rule.id]
    assert len(held) == 1
    dose = dosed(drug, patient(), adult(absent(name)))
    if isinstance(dose, Dose) and not held[0].careful:
        assert any(dose_words.case(held[0]) in words for words in dose.pending)


def test_kidney_keys_are_not_mixed() -> None:
    """A rule on creatinine clearance does not read an eGFR, nor the other way round."""
    assert drafted("desvenlafaxine", None, adult(egfr=10.0)).max_mg_per_day == 100
    assert drafted("venlafaxine", None, adult(crcl=90.0)).max_mg_per_day == 225


@pytest.mark.parametrize(
    ("labs", "codes", "graded"),
    [
        ({"bilirubin_total": 4.0, "albumin": 2.5, "inr": 2.5}, (), "C"),
        ({"bilirubin_total": 1.0, "albumin": 4.0, "inr": 1.0}, (), "not C"),
        ({"bilirubin_total": 1.0, "albumin": 4.0}, ("http://snomed.info/sct|389026000",), "open"),
        ({"bilirubin_total": 4.0, "albumin": 2.5}, ("http://snomed.info/sct|389026000",), "C"),
        ({"bilirubin_total": 2.5, "albumin": 3.0, "inr": 2.0}, ("http://snomed.info/sct|389026000",), "B or C"),
        ({}, (), "open"),
    ],
    ids=["severe", "normal", "no INR", "no INR, settled", "middling", "nothing"],
)
def test_child_pugh_is_graded_only_where_the_points_decide(
    labs: dict[str, float], codes: tuple[str, ...], graded: str
) -> None:
    """A class holds only when the least and the most possible points agree; else what is missing is asked for."""
    chart = patient(diagnosis("cirrhosis"), *(diagnosis(code=code) for code in codes))
    found = {one.reason.rule: one.reason for one in rules.evaluate("lurasidone", chart, adult(**labs), K)}
    severe = found.get("SR252")
    known = severe is not None and not severe.unknown
    assert known is (graded == "C")
    if graded == "not C":
        assert severe is None
    if graded == "open":
        asked = next(one for one in found.values() if one.unknown and one.missing == "Child-Pugh class")
        assert "ascites" in asked.message or "inr" in asked.message
    either = {one.reason.rule: one.reason for one in rules.evaluate("desvenlafaxine", chart, adult(**labs), K)}.get(
        "SR098"
    )
    assert (either is not None and not either.unknown) is (graded in ("C", "B or C"))


def test_without_liver_disease_nothing_is_graded() -> None:
    """Abnormal laboratory values alone, without liver disease on a whole problem list, give no Child-Pugh class."""
    found = rules.evaluate("lurasidone", patient(), adult(bilirubin_total=4.0, albumin=2.5, inr=2.5), K)
    assert not {"SR251", "SR252"} & {one.reason.rule for one in found}


@pytest.mark.parametrize("status", ["stale", "conflicting", "refused"])
def test_a_value_that_cannot_be_used_is_no_value(status: str) -> None:
    """A creatinine clearance that is stale, conflicting or refused is pending like a missing one."""
    unusable: Feature = absent("crcl", status, days_ago(900))
    assert drafted("desvenlafaxine", None, adult(unusable)).pending


@pytest.mark.parametrize("drug", EVERY)
def test_the_order_of_the_products_changes_no_dose(drug: str) -> None:
    """Start, ceiling and what is said are the same in whatever order the strengths are listed."""
    turned = replace(K, orderables={**K.orderables, drug: K.orderables[drug][::-1]})
    found, other = dosing.dose(drug, (), adult(), K), dosing.dose(drug, (), adult(), turned)
    if isinstance(found, Dose):
        assert isinstance(other, Dose)
        assert replace(other, orderable="", orderable_name="", form="") == replace(
            found, orderable="", orderable_name="", form=""
        )
    else:
        assert other == found
