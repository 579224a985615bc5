"""Drugs known by name that nobody considered when the classes were written: rules that look for classes must ask."""

import pytest

from recommender.assessment import Reason
from recommender.catalog import knowledge
from recommender.safety import rules
from tests.factories import adult, course, days_ago, patient

K = knowledge.load()


def asked(drug: str, *facts: object) -> list[str]:
    """What is asked of the medication list before this drug."""
    chart = patient(*facts)  # pyright: ignore[reportArgumentType]
    found: list[Reason] = [one.reason for one in rules.evaluate(drug, chart, adult(), K)]
    return [one.message for one in found if one.missing == "medication list"]


def test_a_drug_that_nobody_reviewed_is_asked_about_by_name() -> None:
    """Moclobemide is in no class here, so that a class rule cannot say that sertraline is safe beside it."""
    assert asked("sertraline", course("moclobemide")) == [
        "Medication list holds moclobemide, whose drug classes are not known here: ask before sertraline."
    ]


def test_a_reviewed_drug_is_not_asked_about() -> None:
    """Lisinopril was considered, and a list of it alone leaves no question."""
    assert "lisinopril" in K.reviewed
    assert asked("sertraline", course("lisinopril")) == []


def test_unknown_and_unreviewed_drugs_are_told_in_one_sentence() -> None:
    """One reason names both kinds."""
    assert asked("sertraline", course(), course("metformin"), course("ropinirole")) == [
        "Medication list holds one drug that could not be identified and metformin and ropinirole, "
        "whose drug classes are not known here: ask before sertraline."
    ]


def test_one_unreviewed_ingredient_of_two_is_enough() -> None:
    """A combination with an ingredient that nobody considered is asked about."""
    assert len(asked("sertraline", course("lisinopril", "metformin"))) == 1


def test_a_class_known_from_the_code_needs_no_review() -> None:
    """A course whose code told its classes is judged by them."""
    assert asked("sertraline", course("metformin", classes=("acei_arb",))) == []


@pytest.mark.parametrize(("stopped", "reasons"), [(5, 1), (400, 0)])
def test_an_unreviewed_drug_counts_for_the_longest_wash_out(stopped: int, reasons: int) -> None:
    """A drug stopped days ago may still matter; one stopped a year ago does not."""
    past = course("moclobemide", taking="stopped", start=days_ago(900), stop=days_ago(stopped))
    assert len(asked("sertraline", past)) == reasons
