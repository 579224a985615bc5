"""What would change the order of the drugs is said by comparison with remission, never as a weight."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ranker.words import moves
from service.web import ranking_words

FELL = {"enter": [], "leave": ["vortioxetine"]}


def moved(outcome: str, weight: float, at: float, **more: Any) -> dict[str, Any]:
    """Return a change of the order as a draft's context keeps it."""
    return {"outcome": outcome, "weight": weight, "changes_at": at, "message": "It changes.", **FELL, **more}


@pytest.mark.parametrize(
    ("outcome", "weight", "at", "said"),
    [
        ("remission", 1.0, 0.64, "If remission counted about two thirds of what it counts now"),
        ("remission", 1.0, 1.4, "If remission counted more than it does now"),
        ("sedation", 0.0, -0.06, "Sedation does not count now: if it counted a little, less than a tenth as much"),
        ("sexual-dysfunction", 0.0, -0.18, "if it counted about a fifth as much as remission"),
        ("stopping", -0.5, -1.9, "counts half as much as remission now: if it counted about twice as much"),
        ("stopping", -0.5, -0.53, "if it counted a little more"),
        ("stopping", -0.5, -0.47, "if it counted a little less"),
    ],
)
def test_a_weight_is_said_by_comparison(outcome: str, weight: float, at: float, said: str) -> None:
    """Now and then are shares of remission in words; what rounds to the same words is a little more or less."""
    (text,) = ranking_words.sentences({"moved_by": [moved(outcome, weight, at)]})
    assert said in text
    assert text.endswith("vortioxetine would fall behind the best.")


@given(st.sampled_from(["remission", "stopping", "insomnia"]), st.floats(0.05, 2), st.floats(0, 2))
def test_no_sentence_holds_a_bare_number(outcome: str, weight: float, at: float) -> None:
    """Whatever the weights are, a clinician reads no decimal of a utility."""
    (text,) = ranking_words.sentences({"moved_by": [moved(outcome, weight, at)]})
    assert not re.search(r"\d", text)


def test_what_is_not_known_of_a_drug_stays_said() -> None:
    """A rate that was guessed for the change is told after it, in the recommender's own sentence."""
    one = moved("insomnia", 0, 0.2, message="It changes at 0.20. The rate on vortioxetine is not known here.")
    assert ranking_words.sentences({"moved_by": [one]})[0].endswith("The rate on vortioxetine is not known here.")


def test_what_was_never_measured_is_said_in_the_same_words() -> None:
    """A value that is not on file tells who would come level and who would fall behind, without bands."""
    message = f"CYP2D6 is not known. If it were poor, {moves(['sertraline'], ['paroxetine'])}."
    one = {"message": message, "enter": ["sertraline"], "leave": ["paroxetine"]}
    assert ranking_words.sentences({"unmeasured": [one]}) == [
        "CYP2D6 is not known. If it were poor, sertraline would come level with the best and paroxetine would fall "
        "behind the best."
    ]


def test_a_draft_of_an_earlier_release_keeps_its_own_words() -> None:
    """What was kept as a sentence is shown as it was kept."""
    assert ranking_words.sentences({"moved_by": ["a"], "unmeasured": ["b"], "differences": ["c"]}) == ["c", "a", "b"]
