"""What a whole judgement of one drug reads like: order, wording, one reason for each gap."""

import pytest

from fhir_adapters.canonical import FeatureVector
from recommender.assessment import Reason
from recommender.catalog import knowledge
from recommender.safety import rules
from recommender.safety.findings import Finding, stricter
from tests.factories import adult, course, days_ago, diagnosis, patient, score

K = knowledge.load()


def judged(drug: str, *facts: object, vector: FeatureVector | None = None, current: bool = False) -> list[Reason]:
    """Return the reasons that all rules give for one drug."""
    chart = patient(*facts)  # pyright: ignore[reportArgumentType]
    return [one.reason for one in rules.evaluate(drug, chart, vector or adult(), K, current=current)]


def test_a_contraindication_comes_first_and_blocks() -> None:
    """Bupropion in seizure disorder is excluded by the first reason, with its chart fact and date."""
    first = judged("bupropion", diagnosis("seizure_disorder", onset=days_ago(2000)), course("ibuprofen"))[0]
    assert (first.rule, first.severity, first.blocks, first.unknown) == (
        "SR108",
        "contraindicated",
        True,
        False,
    )
    assert first.message == f"Seizure disorder (since {days_ago(2000)}), current or past: do not use bupropion."
    assert first.facts == ("Condition/seizure_disorder",)


def test_a_drug_already_taken_is_changed_not_ordered_again() -> None:
    """A candidate that is already taken is excluded with the advice to change the order."""
    first = judged("sertraline", course("sertraline"))[0]
    assert first.blocks
    assert first.message == "Sertraline, or what it holds, is already taken: change the existing order instead."


def test_a_current_drug_is_no_duplicate_of_itself() -> None:
    """Judging a current drug says nothing of duplicates when it is the only antidepressant."""
    found = {reason.rule for reason in judged("sertraline", course("sertraline"), current=True)}
    assert found.isdisjoint({"SR034", "SR330", "SR331"})


def test_the_antidepressant_to_be_replaced_is_named_once() -> None:
    """A switch says once which antidepressant it replaces, and not to combine them."""
    messages = [reason.message for reason in judged("sertraline", course("citalopram", dose=20.0))]
    assert messages.count("Replaces citalopram: taper plan needed, do not combine.") == 1
    assert not any("cross-taper" in message for message in messages)


def test_two_current_antidepressants_stay_a_warning() -> None:
    """Two antidepressants that are both taken are told as such, not as a replacement."""
    chart = (course("sertraline"), course("citalopram"))
    found = {reason.rule: reason.message for reason in judged("sertraline", *chart, current=True)}
    assert "cross-taper" in found["SR034"]


def test_one_nameless_drug_gives_one_reason() -> None:
    """A drug that could not be identified is asked about once, not by every interaction rule."""
    asked_for = [reason for reason in judged("sertraline", course()) if reason.missing == "medication list"]
    assert len(asked_for) == 1
    assert asked_for[0].message == (
        "Medication list holds one drug that could not be identified: ask before sertraline."
    )
    assert not asked_for[0].blocks


def test_lists_that_were_not_supplied_are_asked_for_once_each() -> None:
    """Without lists, each list is one reason, and nothing is excluded for it."""
    chart = patient(lists=dict.fromkeys(("conditions", "medications", "allergies"), "not-supplied"))
    found = [one.reason for one in rules.evaluate("sertraline", chart, adult(), K)]
    missing = [reason.missing for reason in found if reason.unknown]
    assert len(missing) == len(set(missing))
    assert {"problem list", "medication list", "allergy list"} <= set(missing)
    assert not any(reason.blocks for reason in found)


def test_only_a_measurement_wanted_before_the_first_dose_blocks_unseen() -> None:
    """A missing QTc excludes gepirone, whose label wants an ECG first, and not citalopram."""
    blocking = {drug: any(reason.blocks for reason in judged(drug)) for drug in ("gepirone", "citalopram")}
    assert blocking == {"gepirone": True, "citalopram": False}


def test_a_class_only_order_may_be_the_interacting_drug() -> None:
    """An order of which only the class is known makes the rules on members of that class unknown."""
    found = judged("sertraline", course(classes=("opioid",), text="opioid syrup"))
    reason = next(reason for reason in found if reason.missing == "opioid syrup")
    assert reason.unknown
    assert "tramadol" in reason.message


def test_a_current_dose_above_a_ceiling_is_said() -> None:
    """Citalopram 40 mg at 63 is told with the ceiling and with the dose on record."""
    found = judged("citalopram", course("citalopram", dose=40.0), vector=adult(age=63.0), current=True)
    message = next(reason.message for reason in found if reason.rule == "SR035")
    assert message == "Age 63: the ceiling for citalopram is 20 mg a day. The dose on record is 40 mg a day."


def test_a_current_dose_at_its_ceiling_is_not_above_it() -> None:
    """Citalopram 20 mg at 63 is told with the ceiling alone."""
    found = judged("citalopram", course("citalopram", dose=20.0), vector=adult(age=63.0), current=True)
    message = next(reason.message for reason in found if reason.rule == "SR035")
    assert message == "Age 63: the ceiling for citalopram is 20 mg a day."


def test_only_an_antidepressant_replaces_an_antidepressant() -> None:
    """Beside mirtazapine and venlafaxine, carbamazepine adds to the risk and replaces neither; sertraline does."""
    chart = (course("mirtazapine"), course("venlafaxine"))
    vector = adult(age=70.0)
    found = {
        drug: [one.message for one in judged(drug, *chart, vector=vector)] for drug in ("sertraline", "carbamazepine")
    }
    assert "Replaces mirtazapine and venlafaxine: taper plan needed, do not combine." in found["sertraline"]
    assert not any(message.startswith("Replaces") for message in found["carbamazepine"])
    assert any("check sodium before carbamazepine" in message for message in found["carbamazepine"])


def test_a_drug_is_not_washed_out_before_itself() -> None:
    """Phenelzine stopped last week stands in the way of sertraline and tranylcypromine, not of phenelzine."""
    chart = patient(course("phenelzine", taking="stopped", stop=days_ago(7)))
    drugs = ("sertraline", "tranylcypromine", "phenelzine")
    found = rules.evaluate_all(drugs, chart, adult(), K)
    told = {drug: any("Phenelzine" in one.reason.message for one in found[drug]) for drug in drugs}
    assert told == {"sertraline": True, "tranylcypromine": True, "phenelzine": False}


def test_an_undated_stop_of_a_wash_out_drug_blocks() -> None:
    """Phenelzine stopped on an unknown day excludes sertraline by asking for the day."""
    first = judged("sertraline", course("phenelzine", taking="stopped"))[0]
    assert (first.missing, first.unknown, first.blocks) == ("stop date of phenelzine", True, True)


def test_a_combination_counts_as_its_substances() -> None:
    """Bupropion is excluded while the combination with dextromethorphan is taken."""
    reasons = judged("bupropion", course("bupropion", "dextromethorphan"))
    assert {"SR115", "SR330"} <= {reason.rule for reason in reasons if reason.blocks}


def test_a_healthy_record_leaves_sertraline_without_any_known_reason() -> None:
    """A record with nothing wrong gives no known finding against sertraline."""
    measured = {"sodium": 140.0, "potassium": 4.2, "systolic_bp": 120.0, "qtc": 410.0}
    chart = (diagnosis("mdd"), score("mdq", "total", 0), course("lisinopril"))
    assert judged("sertraline", *chart, vector=adult(**measured)) == []


def test_a_planned_stop_still_counts_as_taken() -> None:
    """A course that stops tomorrow is active today."""
    chart = patient(course("phenelzine", taking="stopped", stop=days_ago(-1)))
    found = rules.evaluate("sertraline", chart, adult(), K)
    assert found[0].reason.rule == "SR001"


def test_a_stop_of_today_has_come() -> None:
    """A drug stopped today is taken no more; a wash-out of one day, as after linezolid, still holds tomorrow."""

    def rules_after(drug: str, days: int) -> set[str]:
        stopped = patient(course(drug, taking="stopped", stop=days_ago(days)))
        return {one.reason.rule for one in rules.evaluate("sertraline", stopped, adult(), K)}

    assert "SR049" not in rules_after("pimozide", 0)
    assert ["SR027" in rules_after("linezolid", days) for days in (0, 1, 2)] == [True, True, False]
    assert "SR027" in {reason.rule for reason in judged("sertraline", course("linezolid"))}


def test_all_candidates_together_say_what_each_says_alone() -> None:
    """Sharing answers between drugs of one patient changes no finding."""
    chart = patient(diagnosis("liver_disease"), course("fluoxetine"), course("ibuprofen"), course())
    together = rules.evaluate_all(list(K.drugs), chart, adult(sex="female"), K)
    for name, found in together.items():
        assert found == rules.evaluate(name, chart, adult(sex="female"), K)


@pytest.mark.parametrize(
    ("one", "other", "least"), [(20.0, 40.0, 20.0), (40.0, 20.0, 20.0), (None, 20.0, 20.0), (20.0, None, 20.0)]
)
def test_of_two_limits_the_lower_one_stays(one: float | None, other: float | None, least: float) -> None:
    """Two findings in one sentence keep the lower ceiling and the lower start, whichever comes first."""
    said = Reason("R", "warning", "one sentence", "POLICY", verified=True)
    found = stricter(Finding(said, one, start_mg_per_day=one), Finding(said, other, start_mg_per_day=other))
    assert (found.cap_mg_per_day, found.start_mg_per_day) == (least, least)
