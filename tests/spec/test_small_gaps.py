"""What is only asked: a clearance beside a normal filtration, and known facts before it."""

import pytest

from recommender.catalog import knowledge
from recommender.safety import rules
from tests.factories import adult, course, feature, patient

K = knowledge.load()


@pytest.mark.parametrize(("egfr", "severity", "limits"), [(90.0, "monitor", False), (89.0, "warning", True)])
def test_a_normal_filtration_makes_an_absent_clearance_a_note(egfr: float, severity: str, limits: bool) -> None:
    """From the policy's eGFR on, an absent creatinine clearance is noted and leaves no dose open."""
    found = rules.evaluate("desvenlafaxine", patient(), adult(feature("egfr", egfr)), K)
    asked = [one for one in found if one.reason.missing == "creatinine clearance"]
    assert [(one.reason.severity, bool(one.pending)) for one in asked] == [(severity, limits)]


@pytest.mark.parametrize("drug", ["lithium", "clozapine", "sertraline"])
def test_known_facts_come_before_what_is_only_asked(drug: str) -> None:
    """After what excludes, no missing input stands before a fact of the chart."""
    found = rules.evaluate(drug, patient(course("hydrochlorothiazide"), course("tramadol")), adult(), K)
    left = [one.reason.unknown for one in found if not one.reason.blocks]
    assert left == sorted(left)
    assert not left[0]
