"""Treatment history and measurement: trials by dose and time, the fall of a score, the early signal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.canonical import MedicationCourse, Refusal
from recommender.catalog import knowledge
from recommender.plans import Plan
from recommender.step import indications, treatment_history
from recommender.step.treatment_history import Trial
from tests.factories import TODAY, adult, course, days_ago, diagnosis, feature, features, patient, score

K = knowledge.load()
GAD = "generalised-anxiety-disorder"


def past(name: str, days: int, dose: float | None = 100, ended: int = 100) -> MedicationCourse:
    """Return a course of so many days that ended so many days ago."""
    return course(name, taking="stopped", start=days_ago(ended + days), stop=days_ago(ended), dose=dose)


def read(*courses: MedicationCourse) -> Trial:
    """Return the one trial of a patient with generalised anxiety who took these."""
    known = features(age=45.0, sex="male", depression=False, gad7_total=15.0)
    plan: Plan = indications.plan(patient(diagnosis("gad"), *courses), known, K)
    (found,) = plan.history.trials
    return found


NEEDED = K.steps.trials[GAD].weeks * 7


@pytest.mark.parametrize(
    ("courses", "adequacy", "missing"),
    [
        ((past("sertraline", 84, 50),), "adequate", None),
        ((past("sertraline", 83, 50),), "inadequate", None),
        ((past("sertraline", 84, 49),), "inadequate", None),
        ((past("sertraline", 84, None),), "unknown", "daily dose of sertraline"),
        ((past("sertraline", 20, None),), "inadequate", None),
        ((course("sertraline", taking="stopped", stop=days_ago(9), dose=50),), "unknown", "time on sertraline"),
        ((course("sertraline", taking="stopped", stop=days_ago(9), dose=25),), "inadequate", None),
        ((course("sertraline", taking="stopped", start=days_ago(99), dose=50),), "unknown", "time on sertraline"),
        ((course("sertraline", start=days_ago(84), dose=50),), "adequate", None),
        ((course("sertraline", start=days_ago(83), dose=50),), "inadequate", None),
        ((past("sertraline", 40, 50, 54), past("sertraline", 40, 50)), "adequate", None),
        ((past("sertraline", 40, 50, 45), past("sertraline", 40, 50)), "inadequate", None),
        ((past("sertraline", 60, 25, 40), past("sertraline", 60, 50)), "inadequate", None),
    ],
)
def test_a_trial_is_adequate_by_dose_and_time(
    courses: tuple[MedicationCourse, ...], adequacy: str, missing: str | None
) -> None:
    """A trial is adequate from the usual minimum for the weeks of the row on; what is not known is never guessed."""
    assert NEEDED == 84
    found = read(*courses)
    assert (found.adequacy, found.reason.missing) == (adequacy, missing)
    assert found.reason.unknown is (missing is not None)
    assert found.reason.facts


@pytest.mark.parametrize(("gap", "adequacy"), [(14, "adequate"), (15, "inadequate")])
def test_late_refills_join_into_one_trial(gap: int, adequacy: str) -> None:
    """Two courses of one drug count as one up to a gap of two weeks, and as two beyond."""
    second = course("sertraline", taking="stopped", start=days_ago(60), stop=days_ago(10), dose=50)
    first = course("sertraline", taking="stopped", start=days_ago(60 + gap + 40), stop=days_ago(60 + gap), dose=50)
    assert read(first, second).adequacy == adequacy


@given(days=st.integers(1, 400), more=st.integers(0, 400), dose=st.integers(5, 200), extra=st.integers(0, 100))
def test_longer_or_higher_never_makes_a_trial_less_adequate(days: int, more: int, dose: int, extra: int) -> None:
    """A trial that is adequate stays so when it lasts longer or its dose is higher."""
    rank = {"inadequate": 0, "unknown": 1, "adequate": 2}

    def rank_of(length: int, amount: float) -> int:
        held = treatment_history.history(
            patient(past("sertraline", length, amount, 5)),
            TODAY,
            K,
            drugs={"sertraline"},
            condition=GAD,
            indication="gad",
        )
        return rank[held.trials[0].adequacy]

    assert rank_of(days + more, dose + extra) >= rank_of(days, dose)


def test_a_fall_of_the_score_is_counted_from_before_the_treatment() -> None:
    """The fall is told from the last total before the present drug was begun, with both days."""
    taken = course("citalopram", start=days_ago(70), dose=20)
    totals = [score("phq9", "total", value, days_ago(day)) for value, day in ((20, 80), (18, 71), (14, 40))]
    for value, rule, step in (
        (8.0, "GS18", "optimise"),
        (9.0, "GS18", "optimise"),
        (10.0, "GS24", "optimise"),
        (13.5, "GS24", "optimise"),
        (13.6, "GS20", "switch"),
        (17.0, "GS20", "switch"),
    ):
        known = adult(feature("phq9_total", value), feature("phq9_previous", 14.0, days_ago(40)))
        plan = indications.plan(patient(diagnosis("mdd"), taken, *totals), known, K)
        (found,) = [one for one in plan.steps_reason if one.rule in ("GS18", "GS19", "GS20", "GS24")]
        assert (found.rule, plan.step) == (rule, step)
        assert f"18 of {days_ago(71)}" in found.message


@pytest.mark.parametrize(("days", "told"), [(13, False), (14, True), (27, True), (28, False)])
def test_the_early_signal_is_told_in_its_weeks(days: int, told: bool) -> None:
    """Less than a fifth better counts as an early signal from two weeks on, until the decision point."""
    chart = patient(diagnosis("mdd"), course("citalopram", start=days_ago(days), dose=20))
    known = adult(feature("phq9_total", 17.0, TODAY), feature("phq9_previous", 18.0, days_ago(60)))
    rules = {one.rule for one in indications.plan(chart, known, K).steps_reason}
    assert ("GS19" in rules, "GS20" in rules) == (told, days >= 28)


def planned(*facts: object, now: float = 17.0, then: float = 20.0, **fields: object) -> Plan:
    """Return the plan of a depressed patient whose PHQ-9 was ``then`` before and is ``now``."""
    known = adult(feature("phq9_total", now), feature("phq9_previous", then, days_ago(90)))
    return indications.plan(patient(diagnosis("mdd"), *facts, **fields), known, K)  # type: ignore[arg-type]


def denial(days: int | None) -> Refusal:
    """Return a statement, of so many days ago, that sertraline is not taken."""
    day = None if days is None else days_ago(days)
    return Refusal("MedicationStatement/s", "status", "not-taken", "taken.sertraline", day)


@pytest.mark.parametrize(
    ("dose", "now", "step", "switches"),
    [
        (100.0, 17.0, "switch", True),
        (25.0, 17.0, "optimise", False),
        (None, 17.0, "switch", True),
        (100.0, 12.0, "optimise", False),
        (200.0, 12.0, "switch", True),
        (100.0, 10.0, "optimise", False),
        (200.0, 10.0, "continue", False),
        (None, 10.0, "optimise", False),
        (None, 12.0, "optimise", False),
        (100.0, 4.0, "continue", False),
        (25.0, 4.0, "continue", False),
    ],
)
def test_a_present_antidepressant_is_kept_raised_or_changed(
    dose: float | None, now: float, step: str, switches: bool
) -> None:
    """Remission keeps it, a low dose or a response below the ceiling raises it; only then is it changed."""
    plan = planned(course("sertraline", start=days_ago(60), dose=dose), now=now)
    assert (plan.step, bool(plan.first_line)) == (step, switches)
    rules = {one.rule for one in plan.steps_reason}
    assert ("GS06" in rules, "GS22" in rules) == (step == "switch", step == "switch")
    assert ("TRIAL-INADEQUATE" in rules) is (dose == 25.0)


@pytest.mark.parametrize(("days", "denied"), [(1, True), (60, True), (None, True), (61, False)])
def test_a_drug_that_is_said_not_to_be_taken_had_no_trial(days: int | None, denied: bool) -> None:
    """A statement of the course's own time makes the trial unknown and is asked about; no earlier one does."""
    plan = planned(course("sertraline", start=days_ago(60), dose=100), refusals=(denial(days),))
    (trial,) = plan.history.trials
    assert trial.adequacy == ("unknown" if denied else "adequate")
    assert plan.step == ("watch" if denied else "switch")
    told = [one.missing for one in plan.steps_reason if one.rule == "TRIAL-UNKNOWN"]
    assert told == (["whether sertraline is taken"] if denied else [])


@pytest.mark.parametrize(("dose", "refusals", "number"), [(50, (), 2), (25, (), 1), (50, (denial(1),), 1)])
def test_only_a_trial_that_may_have_been_adequate_is_counted(
    dose: float, refusals: tuple[Refusal, ...], number: int
) -> None:
    """A present drug on a low dose, or not taken, is not one of the trials after which a psychiatrist is asked."""
    known = adult(antidepressant_trials=1.0, antidepressant_days=60.0)
    chart = patient(diagnosis("mdd"), course("sertraline", start=days_ago(60), dose=dose), refusals=refusals)
    assert treatment_history.trials(chart, known, K) == number


def test_a_drug_that_is_contraindicated_is_not_raised() -> None:
    """After a partial response a present drug that a rule excludes is changed, not raised."""
    known = adult(
        feature("phq9_total", 12.0), feature("phq9_previous", 20.0, days_ago(90)), feature("egfr", 20.0, days_ago(5))
    )
    chart = patient(diagnosis("mdd"), course("duloxetine", start=days_ago(60), dose=30))
    assert indications.plan(chart, known, K).step == "switch"


def test_an_anxiety_drug_that_is_not_taken_is_asked_about_too() -> None:
    """In generalised anxiety too nothing is proposed while a statement says that the present drug is not taken."""
    known = features(age=45.0, sex="male", depression=False, gad7_total=15.0)
    taken = course("sertraline", start=days_ago(100), dose=100)
    plan = indications.plan(patient(diagnosis("gad"), taken, refusals=(denial(1),)), known, K)
    assert (plan.step, plan.first_line) == ("watch", frozenset())
