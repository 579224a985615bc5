"""Plans for changing from one antidepressant to another: each row, the closest row, and what no row says."""

import json
from itertools import product

import pytest

from fhir_adapters.canonical import Adapted
from recommender.assess import assess
from recommender.catalog import knowledge
from recommender.dose import tapers
from recommender.dose.dose_rows import Taper
from recommender.serialize import assessment_json
from tests.factories import adult, course, days_ago, diagnosis, patient

K = knowledge.load()
ANTIDEPRESSANTS = sorted(name for name in K.drugs if K.in_class(name, "antidepressant"))
CHANGES = [row for row in K.doses.tapers if row.way != "stop"]


def one(old: str, new: str) -> tuple[str, str]:
    """Return the rule and the words of the plan for one change."""
    (found,) = tapers.switches((old,), new, K)
    return found.rule, found.plan


def members(name: str) -> list[str]:
    """Return the formulary drugs that a cell of the table means."""
    return [drug for drug in K.drugs if drug == name or K.in_class(drug, name)]


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row.id)
def test_every_row_is_the_plan_of_some_change(row: Taper) -> None:
    """Every row of the table is reached, and its words name both drugs or hold without them."""
    pairs = [(old, new) for old, new in product(members(row.old), members(row.new)) if old != new]
    reached = [(old, new) for old, new in pairs if one(old, new)[0] == row.id]
    assert reached
    for old, new in reached:
        words = one(old, new)[1]
        assert "{" not in words
        assert "_" not in words


@pytest.mark.parametrize(
    ("old", "new", "way", "words"),
    [
        ("sertraline", "escitalopram", "taper", "leave 2 to 3 days"),
        ("fluoxetine", "sertraline", "wash-out", "wait 4 to 7 days"),
        ("fluoxetine", "mirtazapine", "wash-out", "wait 4 to 7 days"),
        ("fluoxetine", "phenelzine", "wash-out", "5 weeks"),
        ("fluoxetine", "clomipramine", "wash-out", "14 to 21 days"),
        ("phenelzine", "sertraline", "wash-out", "14 days"),
        ("phenelzine", "clomipramine", "wash-out", "3 weeks"),
        ("venlafaxine", "sertraline", "direct", "the next day"),
        ("venlafaxine", "mirtazapine", "cross-taper", "75 mg less each week"),
        ("paroxetine", "mirtazapine", "cross-taper", "5 mg for a week"),
        ("clomipramine", "sertraline", "taper", "No cross-taper"),
        ("paroxetine", "clomipramine", "specialist", "pharmacist"),
        ("vortioxetine", "phenelzine", "wash-out", "21 days"),
    ],
)
def test_the_closest_row_is_the_plan(old: str, new: str, way: str, words: str) -> None:
    """A row that names the drug goes before one of its class, the present drug before the new one."""
    (found,) = tapers.switches((old,), new, K)
    assert (found.way, words in found.plan) == (way, True)


@pytest.mark.parametrize("old", ANTIDEPRESSANTS)
def test_what_no_row_says_goes_to_the_pharmacist(old: str) -> None:
    """Every change between two antidepressants has a plan with a source, or says that a pharmacist plans it."""
    for new in (name for name in ANTIDEPRESSANTS if name != old):
        (found,) = tapers.switches((old,), new, K)
        if found.way == "unknown":
            assert tapers.PHARMACIST in found.plan
            assert not found.verified
        else:
            assert found.source
            assert set(found.source.split("+")) <= set(K.sources)


@pytest.mark.parametrize("old", ANTIDEPRESSANTS)
def test_no_plan_overlaps_or_hurries_an_mao_inhibitor(old: str) -> None:
    """Between an MAO inhibitor and another antidepressant there is always a stop and a wait, never an overlap."""
    for new in (name for name in ANTIDEPRESSANTS if name != old):
        if K.in_class(old, "maoi") is K.in_class(new, "maoi"):
            continue
        (found,) = tapers.switches((old,), new, K)
        assert found.way in ("wash-out", "unknown")


def test_the_drug_itself_is_no_change() -> None:
    """A candidate that is taken already has no plan, and two present drugs have one each."""
    assert tapers.switches(("sertraline",), "sertraline", K) == ()
    found = tapers.switches(("sertraline", "mirtazapine", "sertraline"), "venlafaxine", K)
    assert [one.replaces for one in found] == ["sertraline", "mirtazapine"]


def test_the_plan_is_on_the_candidate_and_never_in_an_order() -> None:
    """A switch carries its plan on every option in words with its source, and no dosage instruction holds it."""
    chart = patient(diagnosis("mdd"), course("citalopram", start=days_ago(90), dose=20))
    adapted = Adapted(chart, adult(antidepressant_days=90.0), "test")
    found = assess(adapted, K, None)
    told = [one for one in found.candidates if one.switch]
    assert told
    assert all(one.switch[0].replaces == "citalopram" for one in told)
    shown = json.dumps(assessment_json(found, adapted)["candidates"])
    assert '"switch": [{"replaces": "citalopram"' in shown
    for draft in found.drafts:
        assert "taper" not in json.dumps(draft["dosageInstruction"])


def test_without_a_present_drug_there_is_no_plan() -> None:
    """A first antidepressant carries no plan of a change."""
    adapted = Adapted(patient(diagnosis("mdd")), adult(), "test")
    assert not any(one.switch for one in assess(adapted, K, None).candidates)
