"""From problem list and history to the step and the drugs that are considered."""

import pytest

from recommender.catalog import knowledge
from recommender.step import indications
from tests.factories import absent, adult, course, days_ago, diagnosis, patient

K = knowledge.load()
FIRST_LINE = {
    *("fluoxetine", "sertraline", "citalopram", "escitalopram", "paroxetine"),
    *("venlafaxine", "desvenlafaxine", "duloxetine", "levomilnacipran"),
    *("bupropion", "mirtazapine", "trazodone", "vilazodone", "vortioxetine"),
}


def test_every_antidepressant_is_considered() -> None:
    """All 30 antidepressants of the formulary are considered, the ones of a later step too."""
    plan = indications.plan(patient(diagnosis("mdd")), adult(), K)
    assert len(plan.considered) == 30
    assert {"amitriptyline", "phenelzine", "nefazodone", "esketamine", "zuranolone"} <= set(plan.considered)
    assert "doxepin_low_dose" not in plan.considered


def test_first_line_is_what_the_guideline_names_and_the_label_allows() -> None:
    """First line is the VA/DoD list without fluvoxamine, which is not labelled for depression."""
    assert indications.plan(patient(diagnosis("mdd")), adult(), K).first_line == FIRST_LINE


@pytest.mark.parametrize(
    ("courses", "step"),
    [
        ((), "start"),
        ((course("ibuprofen"),), "start"),
        ((course("citalopram"),), "switch"),
        ((course("citalopram", taking="ordered"),), "switch"),
        ((course("citalopram", taking="stopped", stop=days_ago(3)),), "start"),
        ((course("milnacipran"),), "switch"),
        ((course(classes=("ssri",), text="an SSRI"),), "switch"),
    ],
)
def test_a_present_antidepressant_makes_it_a_switch(courses: tuple[object, ...], step: str) -> None:
    """The step is a switch exactly while an antidepressant is taken or ordered."""
    plan = indications.plan(patient(*courses), adult(), K)  # pyright: ignore[reportArgumentType]
    assert plan.step == step
    assert bool(plan.current) is (step == "switch")


def test_conditions_carry_their_names_depression_first() -> None:
    """Active conditions that are treated are named once, depression first, past ones not at all."""
    chart = patient(diagnosis("gad"), diagnosis("mdd", "depression_unspecified"), diagnosis("ocd", active=False))
    expected = ("major-depressive-disorder", "generalised-anxiety-disorder")
    assert indications.plan(chart, adult(), K).conditions == expected


@pytest.mark.parametrize(
    ("score", "rules"),
    [
        (14.0, {"GS03", "GS13"}),
        (15.0, {"GS03", "GS14"}),
        (16.0, {"GS04", "GS14"}),
        (19.0, {"GS04", "GS14"}),
        (20.0, {"GS04", "GS15"}),
        (21.0, {"GS04", "GS05", "GS15"}),
    ],
)
def test_scale_bands_and_guideline_bands_stay_apart(score: float, rules: set[str]) -> None:
    """NICE splits at 16, VA/DoD above 20, the scale at 15 and 20: each says its own."""
    plan = indications.plan(patient(diagnosis("mdd")), adult(phq9_total=score), K)
    reasons = {reason.rule: reason for reason in plan.steps_reason}
    assert {rule for rule in reasons if K.guideline_steps and f"{score:g}" in reasons[rule].message} == rules


def test_an_unknown_start_of_the_present_drug_is_said() -> None:
    """Without the start of the present antidepressant the plan says that the trial cannot be judged."""
    chart = patient(course("citalopram"))
    asked = [one for one in indications.plan(chart, adult(), K).steps_reason if one.unknown]
    assert [one.missing for one in asked] == ["start of the present antidepressant"]
    known = indications.plan(chart, adult(antidepressant_days=63.0), K).steps_reason
    assert not any(one.unknown for one in known)


@pytest.mark.parametrize(
    ("earlier", "days", "trials"), [(1.0, 27.0, 1), (1.0, 28.0, 2), (0.0, None, 0), (None, 90.0, None)]
)
def test_trials_count_the_present_one_once_it_is_long_enough(
    earlier: float | None, days: float | None, trials: int | None
) -> None:
    """The present course counts from four weeks on; an unknown history has no count."""
    given = {"antidepressant_trials": earlier, "antidepressant_days": days}
    gaps = (absent(name) for name, value in given.items() if value is None)
    values = {name: value for name, value in given.items() if value is not None}
    assert indications.trials(patient(course("citalopram")), adult(*gaps, **values), K) == trials


@pytest.mark.parametrize(
    ("keys", "focus"),
    [
        ((), None),
        (("dysthymia",), None),
        (("gad",), "generalised-anxiety-disorder"),
        (("gad", "mdd"), "major-depressive-disorder"),
        (("insomnia", "gad"), "generalised-anxiety-disorder"),
        (("mdd", "schizophrenia"), "schizophrenia"),
        (("mania", "schizophrenia"), "bipolar-disorder"),
    ],
)
def test_the_first_in_the_order_is_planned_for(keys: tuple[str, ...], focus: str | None) -> None:
    """Of several treated conditions the first in the order of conditions.csv is planned for, and named first."""
    plan = indications.plan(patient(*(diagnosis(key) for key in keys)), adult(depression=False), K)
    assert (plan.focus.name if plan.focus else None) == focus
    if focus:
        assert plan.conditions[0] == focus


def test_depressions_history_is_told_and_takes_nothing_away() -> None:
    """Earlier antidepressants are told as trials on step and candidate; what may be offered stays the same."""
    earlier = course("sertraline", taking="stopped", start=days_ago(300), stop=days_ago(200), dose=100)
    plan = indications.plan(patient(diagnosis("mdd"), earlier), adult(), K)
    assert plan.first_line == FIRST_LINE
    assert [one.rule for one in plan.said["sertraline"]] == ["TRIAL-ADEQUATE"]
    assert "TRIAL-ADEQUATE" in {one.rule for one in plan.steps_reason}
