"""Metamorphic laws of the recommender, from FHIR to the verdict: what no change of a chart may ever do."""

import json
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conformance.reference_ehr import dialects
from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted
from recommender.assess import assess
from recommender.assessment import SEVERITIES, Assessment, Dose, Reason
from recommender.catalog import knowledge
from recommender.dose import dosing
from recommender.ranker import model
from recommender.safety import rules
from recommender.safety.findings import Finding
from tests.fixtures.dialect_law import read
from tests.fixtures.resources import AS_OF, Resource
from tests.vignettes import charts, facts
from tests.vignettes.facts import Fact, Vignette

K = knowledge.load()
M = model.load()
DRUGS = tuple(K.drugs)
LAWFUL = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
THOROUGH = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Rules that hold because something is not there: a further fact may end them.
EXCUSED = frozenset(rule.id for rule in K.rules if rule.operator == "absent")


class Verdict(NamedTuple):
    """What is said of one drug: whether it is excluded, and how grave what is known against it is, 0 the gravest."""

    excluded: bool
    gravest: int
    known: frozenset[tuple[str, str]]
    asked: frozenset[str]


def verdict(found: tuple[Finding, ...]) -> Verdict:
    """Return the verdict of findings, rules on something absent left out."""
    told = [one.reason for one in found if one.reason.rule not in EXCUSED]
    known = frozenset((one.rule, one.severity) for one in told if not one.unknown)
    worst = min((SEVERITIES.index(one.severity) for one in told if not one.unknown), default=len(SEVERITIES))
    asked = frozenset(one.missing for one in told if one.missing)
    return Verdict(any(one.blocks for one in told), worst, known, asked)


def findings(adapted: Adapted) -> Mapping[str, tuple[Finding, ...]]:
    """Return what the rules say of every drug of the formulary."""
    return rules.evaluate_all(DRUGS, adapted.patient, adapted.features, K)


def judged(adapted: Adapted) -> Mapping[str, Verdict]:
    """Return the verdict on every drug of the formulary."""
    return {name: verdict(found) for name, found in findings(adapted).items()}


def options(found: Assessment) -> frozenset[str]:
    """Return the drugs that could be drafted."""
    return frozenset(one.ingredient for one in found.candidates if one.verdict in ("offered", "eligible"))


def doses(adapted: Adapted) -> Mapping[str, Dose]:
    """Return the doses of the drugs that have one."""
    made = {name: dosing.dose(name, found, adapted.features, K) for name, found in findings(adapted).items()}
    return {name: one for name, one in made.items() if isinstance(one, Dose)}


def of(person: str, chart: list[Fact], writings: list[int] | None = None) -> Adapted:
    """Return what the adapters make of a chart of facts."""
    return charts.adapted(facts.chart(person, chart, writings or ()))


def without(chart: list[Fact], fact: Fact) -> list[Fact]:
    """Return a chart without any other fact of the same id."""
    return [one for one in chart if (one.part, one.id) != (fact.part, fact.id)]


@THOROUGH
@given(facts.persons, facts.some(facts.COMMON), st.sampled_from(facts.GRAVE))
def test_a_grave_fact_never_adds_an_option_nor_lowers_a_severity(person: str, chart: list[Fact], fact: Fact) -> None:
    """A contraindicating problem, drug, allergy or value excludes no drug less, and warns of none more mildly."""
    base = without(chart, fact)
    before, after = judged(of(person, base)), judged(of(person, [*base, fact]))
    for name, was in before.items():
        assert after[name].excluded or not was.excluded, name
        assert after[name].gravest <= was.gravest, name


@LAWFUL
@given(facts.persons, facts.some(facts.COMMON), st.sampled_from(facts.GRAVE))
def test_a_grave_fact_never_makes_a_drug_draftable(person: str, chart: list[Fact], fact: Fact) -> None:
    """What could be drafted with a grave fact could be drafted without it."""
    base = without(chart, fact)
    before, after = (assess(of(person, one), K, M) for one in (base, [*base, fact]))
    assert options(after) <= options(before)
    assert after.gate.status != "open" or before.gate.status == "open"


@LAWFUL
@given(facts.persons, facts.some(facts.COMMON), st.sampled_from(facts.GRAVE))
@example("man 45", [facts.GENES[0]], facts.GENES[1])  # a joint row without a dose once undid the dose of one gene
def test_a_grave_fact_never_raises_a_dose(person: str, chart: list[Fact], fact: Fact) -> None:
    """Neither the start nor the ceiling of a drug is higher with a grave fact than without it."""
    base = without(chart, fact)
    before, after = doses(of(person, base)), doses(of(person, [*base, fact]))
    for name in before.keys() & after.keys():
        assert after[name].max_mg_per_day <= before[name].max_mg_per_day, name
        assert after[name].start_mg_per_day <= before[name].start_mg_per_day, name


@LAWFUL
@given(
    facts.persons,
    facts.some(facts.GRAVE, 3),
    facts.some((*facts.MILD_DRUGS, *facts.USUAL_LABS), 3),
)
def test_a_milder_fact_never_hides_a_graver_reason(person: str, grave: list[Fact], mild: list[Fact]) -> None:
    """Every grave reason of a chart is still told when usual drugs and normal values stand beside it."""
    held = {one.id for one in grave if one.part == "labs"}
    beside = [one for one in mild if one.id not in held]
    before, after = judged(of(person, grave)), judged(of(person, [*grave, *beside]))
    for name, was in before.items():
        told = {one for one in was.known if one[1] in ("contraindicated", "warning")}
        assert told <= after[name].known, name


@THOROUGH
@given(facts.persons, facts.some((*facts.GRAVE, *facts.USUAL_LABS), 6), st.lists(st.integers(0, 2), max_size=6))
def test_the_same_fact_written_otherwise_is_judged_alike(person: str, chart: list[Fact], writings: list[int]) -> None:
    """Units (mmol/L, meq/L, mg/dL, kPa, pounds), ICD or SNOMED, product code, ingredient or brand change no verdict."""
    plain, other = of(person, chart), of(person, chart, writings)
    assert judged(plain) == judged(other)
    one, two = assess(plain, K, M), assess(other, K, M)
    assert (one.gate.status, one.offered, options(one)) == (two.gate.status, two.offered, options(two))


@LAWFUL
@given(facts.persons, facts.some(facts.COMMON, 4), st.sampled_from(facts.GRAVE_PROBLEMS))
def test_a_problem_of_today_speaks_no_softer_than_one_of_the_past(person: str, chart: list[Fact], one: Fact) -> None:
    """An active problem excludes and warns at least as a resolved one does."""
    base = facts.chart(person, without(chart, one))
    past = {"is": one.writings[0], "status": "resolved", "since": 900}
    resolved = {**base, "problems": {**base["problems"], one.id: past}}
    active = {**base, "problems": {**base["problems"], one.id: {**past, "status": "active"}}}
    before, after = judged(charts.adapted(resolved)), judged(charts.adapted(active))
    for name, was in before.items():
        assert after[name].excluded or not was.excluded, name
        assert after[name].gravest <= was.gravest, name


def shuffled(vignette: Vignette, seed: int) -> dict[str, bytes]:
    """Return the prefetch of a vignette with every list in another order and every resource under another id."""
    chance = random.Random(seed)
    found: dict[str, bytes] = {}
    for name, raw in charts.prefetch(vignette).items():
        read_back = json.loads(raw)
        entries: list[Resource] = read_back.get("entry", [])
        chance.shuffle(entries)
        for entry in entries:
            entry["resource"]["id"] = f"x{chance.randrange(10**9)}"
        found[name] = json.dumps(read_back).encode()
    return found


@LAWFUL
@given(facts.persons, facts.some(facts.COMMON, 8), st.integers(0, 10**6))
def test_the_order_and_names_of_entries_change_nothing(person: str, chart: list[Fact], seed: int) -> None:
    """Any order of the lists and any ids of the resources lead to the same verdicts, options and people told."""
    vignette = facts.chart(person, chart)
    plain = charts.adapted(vignette)
    other = adapt_prefetch(shuffled(vignette, seed), "p1", AS_OF)
    assert judged(plain) == judged(other)
    one, two = assess(plain, K, M), assess(other, K, M)
    assert (one.gate, one.escalations, one.offered) == (two.gate, two.escalations, two.offered)


@LAWFUL
@given(facts.persons, facts.some(facts.COMMON, 4), st.sampled_from((*facts.GRAVE_LABS, *facts.USUAL_LABS)))
def test_a_value_that_is_gone_is_asked_for(person: str, chart: list[Fact], lab: Fact) -> None:
    """Where a removed value ends an exclusion, it was the reason itself, and the drug now asks for it."""
    base = without(chart, lab)
    before, after = findings(of(person, [*base, lab])), findings(of(person, base))
    for name in DRUGS:
        ended = [one.reason for one in before[name] if one.reason.blocks]
        if not ended or any(one.reason.blocks for one in after[name]):
            continue
        assert all(_stands_on(one, lab) for one in ended), name
        assert any(one.reason.missing for one in after[name]), name


def _stands_on(reason: Reason, lab: Fact) -> bool:
    return any(fact.rpartition("/")[2] == lab.writings[0][0] for fact in reason.facts)


# Days that must have passed, from labels (sources as in tests/vignettes/wash_outs.toml): stopped, started, days.
WASH_OUTS = (
    ("phenelzine 15 MG Oral Tablet", "sertraline", 14),
    ("phenelzine 15 MG Oral Tablet", "venlafaxine", 14),
    ("tranylcypromine 10 MG Oral Tablet", "bupropion", 14),
    ("isocarboxazid 10 MG Oral Tablet", "mirtazapine", 14),
    ("phenelzine 15 MG Oral Tablet", "lisdexamfetamine", 14),
    ("phenelzine 15 MG Oral Tablet", "atomoxetine", 14),
    ("fluoxetine 20 MG Oral Capsule", "phenelzine", 35),
    ("fluoxetine 20 MG Oral Capsule", "thioridazine", 35),
    ("vortioxetine 10 MG Oral Tablet", "tranylcypromine", 21),
    ("sertraline 50 MG Oral Tablet", "phenelzine", 14),
    ("desvenlafaxine 50 MG Extended Release Oral Tablet", "phenelzine", 7),
    ("bupropion hydrochloride 100 MG Oral Tablet", "phenelzine", 14),
)


@pytest.mark.parametrize(("stopped", "started", "days"), WASH_OUTS, ids=lambda one: str(one).split()[0])
def test_time_alone_never_ends_a_wash_out_early(stopped: str, started: str, days: int) -> None:
    """With every day that passes the same chart excludes until the label's days are over, then never again."""
    vignette = {"person": "man 45", "drugs": {"stopped": {"is": stopped, "since": 400, "stopped": 0}}}
    raw = charts.prefetch(vignette)
    excluded = [_washed(raw, started, passed) for passed in range(days + 15)]
    assert all(excluded[:days])
    assert sorted(excluded, reverse=True) == excluded
    assert not excluded[-1]


def _washed(raw: dict[str, bytes], started: str, passed: int) -> bool:
    """Say whether the stopped drug itself excludes ``started`` so many days later."""
    adapted = adapt_prefetch(raw, "p1", AS_OF + timedelta(days=passed))
    found = rules.evaluate(started, adapted.patient, adapted.features, K)
    return any(one.reason.blocks and any("stopped" in fact for fact in one.reason.facts) for one in found)


OTHERS = tuple(name for name in dialects.names() if name != dialects.PLAIN)


def resources(vignette: Vignette) -> list[Resource]:
    """Return the resources of a vignette as one list."""
    bundles = (json.loads(raw) for raw in charts.prefetch(vignette).values())
    return [entry["resource"] for one in bundles for entry in one.get("entry", [{"resource": one}])]


@LAWFUL
@given(facts.persons, facts.some(facts.GRAVE, 4), st.sampled_from(OTHERS))
def test_no_dialect_turns_an_exclusion_into_a_silent_option(person: str, chart: list[Fact], dialect: str) -> None:
    """A drug that plain R4 excludes is excluded in every dialect, or something is asked that was known; no dialect
    knows a grave reason that plain R4 does not."""
    written = resources(facts.chart(person, chart))
    plain, other = judged(read(written)), judged(read(written, dialect))
    for name, was in plain.items():
        assert other[name].excluded or not was.excluded or other[name].asked - was.asked, (dialect, name)
        grave = {one for one in other[name].known if one[1] in ("contraindicated", "warning")}
        assert grave <= was.known, (dialect, name)
