"""What is offered at which step, for every condition but adult depression, and how treatment history is read."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fhir_adapters import terminology
from fhir_adapters.canonical import Adapted, CanonicalPatient, FeatureVector, MedicationCourse
from recommender.assess import assess
from recommender.assessment import Assessment, Candidate
from recommender.catalog import knowledge, tables
from recommender.catalog.rows import StepRow
from recommender.errors import KnowledgeError
from recommender.plans import BY_MODEL, Plan
from recommender.ranker import model
from recommender.step import comorbidity, focus, guideline_ranking, indications
from recommender.step.step_rows import Estimate
from tests.factories import absent, adult, course, days_ago, diagnosis, feature, features, patient, score

K = knowledge.load()
M = model.load()
ICD = "http://hl7.org/fhir/sid/icd-10-cm|"
MANIA, DEPRESSED, REMISSION, UNCODED = (
    diagnosis("bipolar_disorder", code=f"{ICD}{code}") for code in ("F31.12", "F31.32", "F31.74", "F31.9")
)
KEYS = ("ocd", "ptsd", "panic", "sad", "gad", "adhd", "insomnia")
BY_KEY = {row.key: row.name for row in K.treated.values()}
SCORES: Mapping[str, Any] = {"gad7_total": 15.0, "isi_total": 20.0, "pcl5_total": 50.0}


def vector(**given_values: Any) -> FeatureVector:
    """Return a man of 45 without depression, with the scores that guidelines split by; None takes one away."""
    values = {"age": 45.0, "sex": "male", "depression": False, "antidepressant_trials": 0.0, **SCORES, **given_values}
    gone = [absent(name) for name, value in values.items() if value is None]
    return features(*gone, **{name: value for name, value in values.items() if value is not None})


def judged(*facts: Any, known: FeatureVector | None = None, **more: Any) -> Assessment:
    """Return the assessment of a patient with these facts."""
    return assess(Adapted(patient(*facts, **more), known or vector(), "base-r4"), K, M)


def planned(*facts: Any, known: FeatureVector | None = None) -> Plan:
    """Return the plan for a patient with these facts."""
    return indications.plan(patient(*facts), known or vector(), K)


def by_name(found: Assessment) -> Mapping[str, Candidate]:
    """Return the candidates by ingredient."""
    return {candidate.ingredient: candidate for candidate in found.candidates}


def past(name: str, days: int, dose: float | None = 100, ended: int = 100) -> MedicationCourse:
    """Return a course of so many days that ended so many days ago."""
    return course(name, taking="stopped", start=days_ago(ended + days), stop=days_ago(ended), dose=dose)


@pytest.mark.parametrize(
    ("facts", "offered"),
    [
        ((diagnosis("gad"),), {"escitalopram", "duloxetine"}),
        ((diagnosis("panic"),), {"sertraline", "venlafaxine"}),
        ((diagnosis("sad"),), {"sertraline", "venlafaxine"}),
        ((diagnosis("ptsd"),), {"sertraline", "paroxetine"}),
        ((diagnosis("ocd"),), {"fluoxetine", "fluvoxamine"}),
        ((diagnosis("insomnia"),), set[str]()),
        ((diagnosis("adhd"),), set[str]()),
        ((diagnosis("adhd"), past("methylphenidate", 60, 54), past("lisdexamfetamine", 60, 50)), set[str]()),
        ((diagnosis("gad"), course("sertraline", start=days_ago(100), dose=100)), {"escitalopram", "duloxetine"}),
        ((diagnosis("gad"), course("citalopram", start=days_ago(100), dose=20)), {"paroxetine", "duloxetine"}),
        ((diagnosis("gad"), diagnosis("panic")), {"paroxetine", "venlafaxine"}),
        ((MANIA,), set[str]()),
        ((diagnosis("schizophrenia"),), set[str]()),
    ],
    ids=lambda one: "+".join(fact.source.reference.partition("/")[2] for fact in one) if isinstance(one, tuple) else "",
)
def test_what_is_offered_to_whom(facts: Any, offered: set[str]) -> None:
    """Each condition and step offers what its label and a verified guideline row name, and each offer has a draft."""
    found = judged(*facts)
    assert set(found.offered) == offered
    assert len(found.drafts) == len(offered)


@pytest.mark.parametrize("key", KEYS)
def test_the_model_never_ranks_another_condition_and_the_candidate_says_so(key: str) -> None:
    """Outside adult depression no candidate has a prediction, and each ranked one says what ranked it."""
    found = judged(diagnosis(key))
    assert found.ranked_by.startswith("guideline order (")
    for one in found.candidates:
        said = [reason for reason in one.reasons if reason.rule == guideline_ranking.RULE]
        assert (one.predictions, one.utility) == (None, None)
        assert bool(said) is (one.band is not None)
        assert all("not by the learned model" in reason.message and reason.source for reason in said)


def test_depression_is_still_ranked_by_the_model() -> None:
    """A depressed adult gets predictions, no guideline lines and nothing named beside the offers."""
    found = judged(diagnosis("mdd"), diagnosis("gad"), known=adult())
    assert (found.ranked_by, found.named, found.focus) == (BY_MODEL, (), indications.DEPRESSION)
    assert by_name(found)[found.offered[0]].predictions


@pytest.mark.parametrize("key", ["gad", "panic", "sad", "ptsd", "ocd", "insomnia"])
def test_psychotherapy_is_said_and_stands_first_in_a_drafts_note(key: str) -> None:
    """Where psychotherapy comes before a drug, the steps say so and every draft's note begins with it."""
    found = judged(diagnosis(key))
    rows = [row for row in K.guideline_steps if row.kind == "psychotherapy" and row.condition == BY_KEY[key]]
    told = {reason.rule: reason.message for reason in found.step_reasons}
    assert rows
    assert {row.id for row in rows} <= told.keys()
    for draft in found.drafts:
        assert told[rows[0].id] in draft["note"][0]["text"][:400]


@pytest.mark.parametrize("key", KEYS)
def test_a_draft_is_for_its_condition(key: str) -> None:
    """A draft names the condition that it is for and the problem that says so."""
    for draft in judged(diagnosis(key), past("lisdexamfetamine", 60, 50), past("methylphenidate", 60, 54)).drafts:
        words = draft["reasonCode"][0]["text"].lower().replace(" ", "-")
        assert words == BY_KEY[key]
        assert draft["reasonReference"] == [{"reference": f"Condition/{key}"}]


STARTS = {
    ("panic", "sertraline"): 25,
    ("sad", "sertraline"): 25,
    ("ptsd", "sertraline"): 25,
    ("ocd", "sertraline"): 50,
    ("panic", "paroxetine"): 10,
    ("ocd", "paroxetine"): 20,
    ("panic", "fluoxetine"): 10,
    ("panic", "venlafaxine"): 37.5,
    ("gad", "venlafaxine"): 75,
}


@pytest.mark.parametrize(("key", "drug"), STARTS, ids=" ".join)
def test_a_draft_begins_with_the_conditions_own_dose(key: str, drug: str) -> None:
    """The starting dose is the one that a source gives for this condition, as sertraline 25 mg in panic disorder."""
    dose = by_name(judged(diagnosis(key)))[drug].dose
    assert dose is not None
    assert dose.start_mg_per_day == STARTS[key, drug]


@pytest.mark.parametrize(
    ("key", "drug", "rule"),
    [
        ("gad", "sertraline", "DRAFT-LABEL"),
        ("ptsd", "venlafaxine", "DRAFT-LABEL"),
        ("adhd", "dextroamphetamine", "DRAFT-LABEL"),
        ("gad", "buspirone", "DRAFT-CONDITION-DOSE"),
        ("adhd", "lisdexamfetamine", "DRAFT-SCHEDULE"),
        ("insomnia", "zolpidem", "DRAFT-SCHEDULE"),
        ("insomnia", "doxepin_low_dose", "DRAFT-GUIDELINE"),
        ("insomnia", "ramelteon", "DRAFT-GUIDELINE"),
        ("schizophrenia", "risperidone", "DRAFT-CONDITION"),
    ],
)
def test_why_a_drug_is_not_drafted_is_said(key: str, drug: str, rule: str) -> None:
    """A drug off its label, without a sourced dose for the condition, or controlled, is not draftable and says why."""
    found = by_name(judged(diagnosis(key)))[drug]
    assert found.verdict == "not-draftable"
    assert rule in {reason.rule for reason in found.reasons}


@pytest.mark.parametrize("level", ["no", "secondary"])
@pytest.mark.parametrize(("table", "rows"), [("indication_doses", "gad"), ("guideline_steps", BY_KEY["gad"])])
def test_an_unverified_dose_or_guideline_row_makes_no_draft(table: str, rows: str, level: str) -> None:
    """When the rows of a condition are unverified or seen second hand only, nothing is offered for it any more."""
    column = "indication" if table == "indication_doses" else "condition"
    read = {name: tables.read(name) for name in knowledge.NAMES}
    changed = tuple({**row, "verified": level} if row[column] == rows else row for row in read[table])
    other = knowledge.build({**read, table: changed}, terminology.load())
    plan = indications.plan(patient(diagnosis("gad")), vector(), other)
    assert plan.first_line == frozenset()
    assert indications.plan(patient(diagnosis("gad")), vector(), K).first_line


@pytest.mark.parametrize(
    ("key", "name", "least"), [("gad", "gad7_total", 10), ("insomnia", "isi_total", 15)], ids=["GAD-7", "ISI"]
)
@pytest.mark.parametrize("side", [-1, 0, 1], ids=["below", "at", "above"])
def test_a_mild_score_gets_no_drug(key: str, name: str, least: float, side: int) -> None:
    """Below the score from which the condition counts as moderate nothing is named; from it on something is."""
    found = judged(diagnosis(key), known=vector(**{name: least + side}))
    assert bool(found.named) is (side >= 0)
    assert found.step == ("start" if side >= 0 else "watch")


@pytest.mark.parametrize("status", ["missing", "stale", "conflicting", "refused"])
@pytest.mark.parametrize(("key", "name"), [("gad", "gad7_total"), ("insomnia", "isi_total")])
def test_an_unknown_severity_is_asked_for(key: str, name: str, status: str) -> None:
    """Where the guideline splits by a score that is not to be had, nothing is offered and the score is named."""
    known = replace(vector(), features={**vector().features, name: absent(name, status)})
    found = judged(diagnosis(key), known=known)
    assert (found.offered, found.named, found.step) == ((), (), "watch")
    assert [reason.missing for reason in found.step_reasons if reason.unknown]


def single(row: StepRow) -> bool:
    """Say whether a row has one test on one feature."""
    return row.reads in SCORES or row.reads in ("phq9_total", "substance_use")


KINDS = ("note", "band", "withhold", "continue")
MEASURED = [row for row in K.guideline_steps if single(row) and row.kind in KINDS and row.condition in BY_KEY.values()]


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: row.id)
def test_each_row_on_a_score_is_told_on_its_own_side_only(row: StepRow) -> None:
    """A step that reads a score is said exactly where its operator says, at and around each threshold."""
    key = next(one for one, name in BY_KEY.items() if name == row.condition)
    taken = [course("sertraline", start=days_ago(100), dose=100)] if row.step == "switch" else []
    limits = [float(one) for one in row.value.split(";")]
    low, high = limits[0], limits[-1]
    holds = {
        "<": lambda value: value < low,
        ">=": lambda value: value >= low,
        ">": lambda value: value > low,
        "between": lambda value: low <= value <= high,
    }[row.operator]
    for value in {limit + side for limit in limits for side in (-1, 0, 1) if limit + side >= 0}:
        known = adult() if row.condition == indications.DEPRESSION else vector()
        known = replace(known, features={**known.features, row.reads: feature(row.reads, value)})
        plan = indications.plan(patient(diagnosis(key), *taken), known, K)
        assert (row.id in {one.rule for one in plan.steps_reason}) is holds(value), value


@pytest.mark.parametrize(
    ("taken", "step"),
    [
        (course("sertraline", start=days_ago(100), dose=100), "switch"),
        (course("sertraline", start=days_ago(30), dose=100), "continue"),
        (course("sertraline", start=days_ago(100), dose=25), "optimise"),
        (course("sertraline", start=days_ago(100)), "continue"),
        (course("sertraline", dose=100), "continue"),
        (course(classes=("ssri",), text="an SSRI"), "continue"),
        (course("trazodone", start=days_ago(100), dose=50), "start"),
    ],
)
def test_a_present_drug_is_changed_only_after_an_adequate_trial(taken: MedicationCourse, step: str) -> None:
    """Too early, too low or not to be judged keeps the present drug; the reason stands first among the steps."""
    found = judged(diagnosis("gad"), taken)
    assert found.step == step
    assert bool(found.offered) is (step in ("start", "switch"))
    assert bool(found.named) is (step in ("start", "switch"))
    if step not in ("start", "switch"):
        assert found.step_reasons[0].rule.startswith("TRIAL-")


def test_the_present_drug_and_what_was_tried_are_not_offered_again() -> None:
    """An adequate trial, present or past, takes its drug out of the offers, and the candidate says why."""
    found = judged(
        diagnosis("gad"), course("sertraline", start=days_ago(100), dose=100), past("escitalopram", 90, 20, 110)
    )
    assert not {"sertraline", "escitalopram"} & set(found.offered)
    assert any(one.rule == "TRIAL-ADEQUATE" for one in by_name(found)["escitalopram"].reasons)
    assert found.named[-1] == "escitalopram"


@pytest.mark.parametrize(
    ("key", "drug", "trials", "failed"),
    [
        ("ocd", "clomipramine", 1, ("sertraline", "fluoxetine")),
        ("panic", "imipramine", 1, ("sertraline", "fluoxetine")),
        ("gad", "pregabalin", 2, ("escitalopram", "venlafaxine")),
        ("adhd", "atomoxetine", 2, ("methylphenidate", "lisdexamfetamine")),
        ("schizophrenia", "clozapine", 2, ("risperidone", "olanzapine")),
    ],
)
def test_a_later_line_is_reached_after_its_trials(key: str, drug: str, trials: int, failed: tuple[str, str]) -> None:
    """A drug of a later line has a line only from as many adequate trials on as its row asks for."""
    courses = [past(failed[0], 100, 300, 300), past(failed[1], 100, 300, 110)]
    for count in range(3):
        plan = planned(diagnosis(key), *courses[:count])
        assert (drug in plan.lines) is (count >= trials)
    unknown = past(failed[1], 100, None, 110)
    assert drug not in planned(diagnosis(key), courses[0], unknown).lines
    thin = patient(diagnosis(key), *courses, lists={"medications": "partial"})
    assert drug not in indications.plan(thin, vector(), K).lines


def test_a_substance_use_disorder_brings_atomoxetine_forward() -> None:
    """With a substance use disorder on record atomoxetine is reached without trials of stimulants."""
    assert "atomoxetine" in judged(diagnosis("adhd"), known=vector(substance_use=True)).named
    assert "atomoxetine" not in judged(diagnosis("adhd"), known=vector(substance_use=False)).named


@pytest.mark.parametrize(
    ("problem", "phase", "first"),
    [
        (MANIA, "bipolar-mania", "quetiapine"),
        (DEPRESSED, "bipolar-depression", "quetiapine"),
        (REMISSION, "bipolar-maintenance", "lithium"),
        (diagnosis("schizophrenia"), "schizophrenia", "aripiprazole"),
    ],
)
def test_bipolar_disorder_and_schizophrenia_are_named_and_routed(problem: Any, phase: str, first: str) -> None:
    """Their options are named in guideline order, a psychiatrist is told, and nothing is drafted."""
    found = judged(problem)
    plan = planned(problem)
    assert plan.focus is not None
    assert (found.gate.status, found.offered, found.drafts) == ("out-of-scope", (), ())
    assert (plan.focus.phase, found.named[0]) == (phase, first)
    assert "psychiatrist" in {one.to for one in found.escalations}
    assert all(one.verdict in ("not-draftable", "excluded") for one in found.candidates)


def test_an_uncoded_phase_names_no_drug() -> None:
    """Without a coded phase no drug is named for bipolar disorder, and the phase is asked for."""
    found = judged(UNCODED)
    assert (found.named, found.step) == ((), "watch")
    assert [one.missing for one in found.step_reasons if one.unknown] == ["phase of the bipolar disorder"]
    both = judged(MANIA, diagnosis("bipolar_disorder", code=f"{ICD}F31.32"))
    assert both.named == ()


@pytest.mark.parametrize(
    ("known", "facts"),
    [
        (vector(age=17.0), ()),
        (vector(sex="female", pregnancy_status="pregnant"), ()),
        (vector(phq9_item9=1.0), ()),
        (vector(), (diagnosis("breastfeeding"),)),
        (vector(), (diagnosis("schizoaffective"),)),
        (vector(), (score("cssrs_screener", "q5_plan_and_intent", 1),)),
    ],
)
@pytest.mark.parametrize(
    "problem", [MANIA, diagnosis("schizophrenia"), diagnosis("gad")], ids=["mania", "psychosis", "gad"]
)
def test_what_else_closes_the_gate_names_nothing(problem: Any, known: FeatureVector, facts: Any) -> None:
    """Youth, pregnancy, breastfeeding or a crisis leave no option named, offered or ranked, and no step told."""
    found = judged(problem, *facts, known=known)
    assert found.gate.status != "open"
    assert (found.named, found.offered, found.step_reasons, found.ranked_by) == ((), (), (), "")
    assert all(one.band is None for one in found.candidates)


def test_a_bipolar_depression_gets_no_antidepressant() -> None:
    """Depression beside bipolar disorder leaves every antidepressant excluded by the rule, and none named."""
    found = judged(DEPRESSED, diagnosis("mdd"), known=adult())
    antidepressants = {name for name in by_name(found) if K.in_class(name, "antidepressant")}
    assert len(antidepressants) > 20
    assert all(by_name(found)[name].verdict == "excluded" for name in antidepressants)
    assert not antidepressants & set(found.named)


def test_two_conditions_are_said_and_what_serves_both_comes_first() -> None:
    """With two anxiety disorders the plan says that it chose, and a drug labelled for both is offered first."""
    found = judged(diagnosis("gad"), diagnosis("panic"))
    assert found.conditions == ("panic-disorder", "generalised-anxiety-disorder")
    assert any(one.rule == "GS30" and "generalised anxiety disorder" in one.message for one in found.step_reasons)
    assert any(one.rule == "SERVES-BOTH" for one in by_name(found)[found.offered[0]].reasons)
    assert not any(one.rule == "SERVES-BOTH" for one in by_name(found)["sertraline"].reasons)


@pytest.mark.parametrize("key", KEYS)
def test_a_doubted_problem_is_no_focus(key: str) -> None:
    """A problem that the record leaves in doubt is planned for by nobody."""
    doubted = patient(diagnosis(key, certain=False))
    assert focus.focus_name(doubted, vector(), K) == "none"
    assert indications.plan(doubted, vector(), K).focus is None


def test_the_gate_reads_depressions_rows_for_depression_alone() -> None:
    """A patient with anxiety needs no PHQ-9; a depressed one still does, and so does one with neither."""
    assert judged(diagnosis("gad")).gate.status == "open"
    assert judged(diagnosis("gad"), known=vector(phq9_total=4.0)).gate.status == "open"
    assert judged(diagnosis("mdd"), known=adult(absent("phq9_total"))).gate.status == "insufficient-data"
    assert judged(diagnosis("mdd"), known=adult(phq9_total=4.0)).gate.status == "out-of-scope"
    assert judged(known=vector()).gate.status == "out-of-scope"


def estimate(drug: str, value: float, low: float, high: float) -> Estimate:
    """Return a made-up estimate in which lower is better."""
    basis = K.guideline_steps[0].basis
    return Estimate(f"E-{drug}", BY_KEY["gad"], drug, "made up", value, low, high, "lower", ranks=True, basis=basis)


@pytest.mark.parametrize(
    ("low", "bands"),
    [(-2.0, (1, 1)), (-1.01, (1, 1)), (-1.0, (1, 1)), (-0.99, (1, 2))],
    ids=["overlap", "little", "touching", "apart"],
)
def test_overlapping_intervals_share_a_band(low: float, bands: tuple[int, int]) -> None:
    """Two drugs of a line share a band exactly while their intervals touch; the better one is in the first."""
    made = {
        "escitalopram": (estimate("escitalopram", -2.0, -3.0, -1.0),),
        "duloxetine": (estimate("duloxetine", -0.5, low, 0.0),),
    }
    other = replace(K, steps=replace(K.steps, estimates={BY_KEY["gad"]: made}))
    plan = indications.plan(patient(diagnosis("gad")), vector(), other)
    candidates = [
        Candidate(name, None, "eligible", "none", ()) for name in ("duloxetine", "escitalopram", "paroxetine")
    ]
    found = {one.ingredient: one.band for one in guideline_ranking.ranked(candidates, plan, other)}
    assert (found["escitalopram"], found["duloxetine"]) == bands
    assert found["paroxetine"] == 1


def test_unverified_estimates_rank_nothing() -> None:
    """The figures for ADHD that nobody saw are shown as such and put no drug before another."""
    found = judged(diagnosis("adhd"))
    first, second = (by_name(found)[name] for name in ("lisdexamfetamine", "methylphenidate_er"))
    assert first.band == second.band == 1
    assert any(not one.verified for one in first.reasons if one.rule.startswith("NE"))


def test_every_condition_has_its_rows() -> None:
    """Each condition that is planned for has an initial drug, and each that is drafted for psychotherapy or ADHD."""
    kinds: dict[str, set[str]] = {}
    for row in K.guideline_steps:
        kinds.setdefault(row.condition, set()).add(row.kind)
    planned_for = {row.name for row in K.treated.values() if row.order is not None} - {"bipolar-disorder"}
    assert all("initial" in kinds[name] for name in planned_for | {one.phase for one in K.steps.phases})
    assert all("route" in kinds[row.name] for row in K.treated.values() if row.order and not row.drafting)


def test_what_is_general_knowledge_is_never_marked_seen() -> None:
    """No step, trial or estimate that rests on general knowledge alone is verified."""
    rows = [*K.guideline_steps, *K.steps.trials.values()]
    rows += [one for found in K.steps.estimates.values() for held in found.values() for one in held]
    assert not [row for row in rows if row.basis.source == "K" and row.basis.verified]


@pytest.mark.parametrize(
    ("table", "cells", "code"),
    [
        ("guideline_steps", {"condition": "melancholy"}, "U-KNOWLEDGE-TRIGGER"),
        ("guideline_steps", {"reads": "gad7_total&aura"}, "U-KNOWLEDGE-TRIGGER"),
        ("guideline_steps", {"reads": "gad7_total&trials", "operator": ">="}, "U-KNOWLEDGE-TRIGGER"),
        ("guideline_steps", {"line": "first"}, "U-KNOWLEDGE-VALUE"),
        ("guideline_steps", {"kind": "perhaps"}, "U-KNOWLEDGE-VALUE"),
        ("adequate_trials", {"condition": "melancholy"}, "U-KNOWLEDGE-TRIGGER"),
        ("adequate_trials", {"weeks": ""}, "U-KNOWLEDGE-VALUE"),
        ("condition_phases", {"condition": "melancholy"}, "U-KNOWLEDGE-TRIGGER"),
        ("network_estimates", {"drug": "unobtainium"}, "U-KNOWLEDGE-DRUG"),
        ("network_estimates", {"better": "perhaps"}, "U-KNOWLEDGE-VALUE"),
        ("network_estimates", {"condition": "melancholy"}, "U-KNOWLEDGE-TRIGGER"),
        ("conditions", {"drafting": "perhaps"}, "U-KNOWLEDGE-VALUE"),
        ("gates", {"focus": "melancholy"}, "U-KNOWLEDGE-TRIGGER"),
    ],
)
def test_step_rows_that_cannot_be_right_are_refused(table: str, cells: Mapping[str, str], code: str) -> None:
    """A row for a condition, drug, reading or direction that does not exist is refused at load."""
    read = {name: tables.read(name) for name in knowledge.NAMES}
    changed = ({**read[table][0], **cells}, *read[table][1:])
    with pytest.raises(KnowledgeError) as caught:
        knowledge.build({**read, table: changed}, terminology.load())
    assert caught.value.code == code


def test_the_plan_of_a_patient_without_any_problem_is_as_before() -> None:
    """A chart without a treated condition is planned as depression would be, and its gate stays closed."""
    chart: CanonicalPatient = patient()
    plan = indications.plan(chart, vector(), K)
    assert (plan.focus, plan.conditions, plan.by_guideline) == (None, (), False)


def test_a_label_that_names_a_condition_in_part_serves_it_not() -> None:
    """A drug serves a further condition that its label names whole, not one that it names for children only."""
    partly = {name: key for name, drug in K.drugs.items() for key, how in drug.indications.items() if how[:4] == "yes_"}
    assert partly["dextroamphetamine"] == "adhd"
    served = comorbidity.serves(["dextroamphetamine", "atomoxetine"], [BY_KEY["adhd"]], K)
    assert served == {"atomoxetine": (BY_KEY["adhd"],)}


@pytest.mark.parametrize(
    ("problem", "rule"), [(diagnosis("schizophrenia"), "GO05"), (DEPRESSED, "GO03")], ids=["GO05", "GO03"]
)
def test_a_condition_that_closes_is_told_once(problem: Any, rule: str) -> None:
    """Where the condition itself closes the gate, its guideline's word to the same person is not said again."""
    assert [one.rule for one in judged(problem).escalations if one.to == "psychiatrist"] == [rule]


def test_a_guidelines_word_is_told_beside_another_finding() -> None:
    """Where drafting is open, what the guideline says to a psychiatrist stands beside what a screen says."""
    told = judged(diagnosis("adhd"), known=vector(mdq_total=9.0)).escalations
    assert {"GE12", "GS269"} <= {one.rule for one in told if one.to == "psychiatrist"}
