"""Antidepressants that are taken for something else: by the order's reason, by brand, or perhaps by a low dose."""

import pytest
from msgspec.structs import replace

from fhir_adapters.canonical import MedicationCourse
from recommender.catalog import knowledge
from recommender.safety import other_use, rules
from recommender.step import indications, treatment_history
from tests.factories import adult, course, days_ago, diagnosis, patient

K = knowledge.load()


def taken(*drugs: str, dose: float | None = None, words: tuple[str, ...] = (), **fields: object) -> MedicationCourse:
    """Return a course of 300 days, with what the order says that it is for."""
    return replace(course(*drugs, start=days_ago(300), dose=dose), taken_for=words, **fields)


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (taken("sertraline", dose=100), None),
        (taken("sertraline", dose=25), None),
        (taken("amitriptyline", dose=74), False),
        (taken("amitriptyline", dose=75), None),
        (taken("amitriptyline"), None),
        (taken("trazodone", dose=50), False),
        (taken("trazodone", dose=50, words=("Depression",), reasons=("mdd",)), None),
        (taken("amitriptyline", dose=100, words=("Migraine",)), True),
        (taken("duloxetine", dose=60, words=("Fibromyalgia",)), True),
        (taken("sertraline", dose=100, words=("Panic disorder",), reasons=("panic",)), None),
        (taken("sertraline", dose=100, words=("Hot flushes", "Depression"), reasons=("mdd",)), None),
        (taken("trazodone", dose=150, words=("Insomnia",), reasons=("insomnia",)), True),
        (taken("bupropion", dose=300, text="Zyban 150 mg SR"), True),
        (taken("bupropion", dose=300, text="12 HR bupropion hydrochloride 150 MG [Zyban]"), True),
        (taken("bupropion", dose=300, text="Wellbutrin 150 mg"), None),
        (taken("bupropion", "naltrexone"), True),
        (taken("safinamide", dose=50), True),
        (taken("selegiline", dose=1.25, text="Zelapar 1.25 mg"), True),
        (taken("phenelzine", dose=60), None),
    ],
)
def test_what_an_antidepressant_is_taken_for(one: MedicationCourse, told: bool | None) -> None:
    """A reason on the order decides; without one a brand or combination does, and a low dose is only a question."""
    use = other_use.of(one, K)
    assert (use.told if use else None) == told
    chart = patient(diagnosis("mdd"), one)
    plan = indications.plan(chart, adult(), K)
    low = one.dose_mg_per_day is not None and one.dose_mg_per_day < 60
    assert plan.step == ("start" if told is not None else "optimise" if low else "switch")
    said = [reason for reason in plan.steps_reason if reason.rule == "OTHER-USE"]
    assert [reason.unknown for reason in said] == ([] if told is None else [not told])
    assert bool(treatment_history.antidepressants(chart, adult(), K)) is (told is None)
    assert bool([trial for trial in plan.history.trials if trial.present]) is (
        told is None and len(one.ingredients) == 1
    )


def test_an_mao_inhibitor_for_parkinsons_disease_still_excludes() -> None:
    """Safinamide is no present antidepressant, and no antidepressant that it forbids is offered in its place."""
    chart = patient(diagnosis("mdd"), taken("safinamide", dose=50))
    found = {one.reason.rule: one.reason for one in rules.evaluate("sertraline", chart, adult(), K)}
    assert (found["SR001"].severity, found["SR001"].blocks) == ("contraindicated", True)


def test_it_still_counts_for_every_interaction() -> None:
    """Two serotonergic antidepressants are a warning that names both, never a replacement of the one for migraine."""
    chart = patient(diagnosis("mdd"), taken("amitriptyline", dose=10, words=("Migraine",)))
    found = {one.reason.rule: one.reason for one in rules.evaluate("escitalopram", chart, adult(), K)}
    assert found["SR034"].severity == "warning"
    assert not found["SR034"].message.startswith("Replaces")
    assert not found["SR034"].settled


def test_a_past_low_dose_is_an_inadequate_trial_and_a_past_cessation_aid_none() -> None:
    """Amitriptyline 10 mg in the past had too low a dose; bupropion for smoking was no trial of a depression."""
    low = course("amitriptyline", taking="stopped", start=days_ago(400), stop=days_ago(100), dose=10)
    zyban = replace(low, ingredients=("bupropion",), dose_mg_per_day=300.0, text="Zyban 150 mg SR")
    trials = indications.plan(patient(diagnosis("mdd"), low, zyban), adult(), K).history.trials
    assert [(one.drug, one.adequacy) for one in trials] == [("amitriptyline", "inadequate")]
