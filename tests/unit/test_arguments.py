"""For and against, and the figures side by side: what counts as an argument, and what is never made one."""

from typing import Any

import pytest

from recommender.catalog import knowledge
from service.web import arguments, outcomes

NEAR = {"p": 0.21, "low": 0.15, "high": 0.28}
FAR = {"p": 0.45, "low": 0.38, "high": 0.52}
SEIZURES = "Seizure disorder: do not use bupropion."


def context(**predictions: Any) -> dict[str, Any]:
    """Return a draft's context with predictions by outcome."""
    return {"predictions": {name.replace("_", "-"): found for name, found in predictions.items()}}


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        (context(sedation=NEAR), context(sedation=FAR), ["Sedation: 21 in 100 (15 to 28), on b 45 in 100 (38 to 52)."]),
        (context(sedation=FAR), context(sedation=NEAR), []),
        (
            context(remission=FAR),
            context(remission=NEAR),
            ["Remission: 45 in 100 (38 to 52), on b 21 in 100 (15 to 28)."],
        ),
        (context(remission=NEAR), context(remission=FAR), []),
        (context(sedation=NEAR), context(sedation={**FAR, "low": 0.28}), []),
        (context(sedation=NEAR), context(), []),
        (context(), context(sedation=FAR), []),
    ],
)
def test_only_an_interval_that_is_wholly_better_speaks_for_a_drug(own: Any, other: Any, said: list[str]) -> None:
    """Overlapping intervals and missing figures are no argument; the better side depends on the outcome."""
    assert arguments.ahead("a", {"a": own, "b": other}) == said


def test_the_rows_that_speak_are_rows_of_the_knowledge() -> None:
    """Each named guideline row exists, so that a renamed row cannot fall silent."""
    rows = {row.id for row in knowledge.load().guideline_steps}
    named = {rule for rule in (*arguments.FOR_A_DRUG, *arguments.FOR_NO_CHANGE) if not rule.startswith("TRIAL-")}
    assert named <= rows


def test_chart_facts_that_speak_carry_their_resource_and_day() -> None:
    """A step's reason is told with what the chart resource behind it says; unknown ones are not told."""
    said = {"rule": "GS20", "severity": "none", "message": "No response.", "source": "G-PHQ", "verified": True}
    kept = {
        "step_reasons": [{**said, "facts": ["Observation/1"]}, {**said, "rule": "TRIAL-ADEQUATE", "unknown": True}],
        "cited": {"Observation/1": {"what": "PHQ-9 total 17", "date": "2026-11-03"}},
    }
    (point,) = arguments.for_a_drug(kept)
    (cite,) = point.cites
    assert (cite.what, cite.day, cite.reference) == ("PHQ-9 total 17", "3 Nov 2026", "Observation/1")
    assert arguments.for_no_change(kept) == []


def test_drugs_that_one_fact_excludes_stand_together() -> None:
    """The reason is said once for all drugs that it excludes."""
    out = [
        {"ingredient": name, "message": f"Seizure disorder: do not use {name}."}
        for name in ("bupropion", "dextromethorphan_bupropion")
    ]
    (one,) = arguments.ruled_out({"ruled_out": out})
    assert (one.why, one.drugs, one.cites) == ("Seizure disorder", "bupropion, dextromethorphan bupropion", ())


@pytest.mark.parametrize(("message", "cited"), [(SEIZURES, ["Condition/2"]), ("Another: reason.", [])])
def test_what_rules_a_drug_out_is_tied_to_its_chart_fact(message: str, cited: list[str]) -> None:
    """A drug that is ruled out carries the resources of that very reason, never those of another one."""
    reason = {"severity": "contraindicated", "message": message, "source": "S", "facts": ["Condition/2"]}
    kept = {
        "ruled_out": [{"ingredient": "bupropion", "message": SEIZURES}],
        "not_drafted": [{"ingredient": "bupropion", "reason": reason}],
    }
    (one,) = arguments.ruled_out(kept)
    assert [cite.reference for cite in one.cites] == cited


def test_every_option_has_the_same_rows_and_unknown_is_said() -> None:
    """One layout for all options: what one of them lacks is \"not known\" without a bar, no change is not estimated."""
    found = outcomes.figures([context(remission=NEAR, sedation=FAR), context(remission=NEAR)])
    assert [[row.name for row in rows] for rows in found.of] == [
        ["Remission", "Stops for side effects", "Sedation"]
    ] * 3
    assert [rows[2].words for rows in found.of] == ["45 in 100 (38 to 52)", "not known", "not estimated"]
    assert [bool(rows[2].bar) for rows in found.of] == [True, False, False]
    assert found.most == 60
    assert found.nowhere == ["sexual dysfunction", "weight gain", "nausea or gut upset", "insomnia"]
