"""Treatment history and measurement: trials by dose and time, the fall of a score, the early signal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.canonical import MedicationCourse
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
    for value, rule in ((8.0, "GS18"), (9.0, "GS18"), (10.0, "GS20"), (17.0, "GS20")):
        known = adult(feature("phq9_total", value), feature("phq9_previous", 14.0, days_ago(40)))
        told = indications.plan(patient(diagnosis("mdd"), taken, *totals), known, K).steps_reason
        (found,) = [one for one in told if one.rule in ("GS18", "GS19", "GS20")]
        assert found.rule == rule
        assert f"18 of {days_ago(71)}" in found.message


@pytest.mark.parametrize(("days", "told"), [(13, False), (14, True), (27, True), (28, False)])
def test_the_early_signal_is_told_in_its_weeks(days: int, told: bool) -> None:
    """Less than a fifth better counts as an early signal from two weeks on, until the decision point."""
    chart = patient(diagnosis("mdd"), course("citalopram", start=days_ago(days), dose=20))
    known = adult(feature("phq9_total", 17.0, TODAY), feature("phq9_previous", 18.0, days_ago(60)))
    rules = {one.rule for one in indications.plan(chart, known, K).steps_reason}
    assert ("GS19" in rules, "GS20" in rules) == (told, days >= 28)
