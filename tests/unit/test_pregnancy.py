"""What makes pregnancy something to ask: tests, due dates, older records."""

from typing import Any

import pytest

from tests.fixtures.resources import ICD10CM, LOINC, SNOMED, adapted, concept, condition, observation, quantity

WOMAN = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1997-03-12"}
PREGNANT, NOT_PREGNANT = concept(SNOMED, "77386006"), concept(SNOMED, "60001007")


def status(*resources: Any, person: Any = WOMAN) -> tuple[str, object]:
    """Return the status of the feature, and its value or reason."""
    found = adapted(*resources, person=person).features.features["pregnancy_status"]
    return found.status, found.value or found.reason


def recorded(day: str, code: Any) -> Any:
    """Return a coded pregnancy status of a day."""
    return observation(f"s{day}", "82810-3", day, valueCodeableConcept=code)


def hcg(day: str, **value: Any) -> Any:
    """Return a pregnancy test of a day."""
    return observation(f"t{day}", "2118-8", day, **value)


def hormone(day: str, amount: float, unit: str = "m[IU]/mL", **value: Any) -> Any:
    """Return a quantitative hCG of a day."""
    return observation(f"h{day}", "19080-1", day, valueQuantity=quantity(amount, unit) | value)


def due(day: str, recorded_on: str = "2026-10-01") -> Any:
    """Return an estimated delivery date."""
    return observation(f"d{day}", "11778-8", recorded_on, valueDateTime=day)


TEST, DUE, EARLIER = "positive-pregnancy-test-on-file", "delivery-date-ahead", "pregnancy-recorded-some-months-ago"
HORMONE = "pregnancy-hormone-found"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([hcg("2026-11-17", valueString="Positive")], ("refused", TEST)),
        ([hcg("2026-11-17", valueCodeableConcept=concept(LOINC, "LA6576-8"))], ("refused", TEST)),
        ([hcg("2026-11-17", valueCodeableConcept=concept(SNOMED, "10828004"))], ("refused", TEST)),
        ([hcg("2026-11-17", valueString="Negative")], ("missing", "not-recorded")),
        (
            [hcg("2026-11-01", valueString="Positive"), hcg("2026-11-17", valueString="Negative")],
            ("missing", "not-recorded"),
        ),
        ([hcg("2025-11-17", valueString="Positive")], ("missing", "not-recorded")),
        ([hcg("2026-11-17", valueString="Positive"), recorded("2026-11-10", NOT_PREGNANT)], ("refused", TEST)),
        (
            [hcg("2026-11-10", valueString="Positive"), recorded("2026-11-17", NOT_PREGNANT)],
            ("present", "not_pregnant"),
        ),
        ([hcg("2026-11-10", valueString="Positive"), recorded("2026-11-17", PREGNANT)], ("present", "pregnant")),
        ([hormone("2026-11-17", 5)], ("refused", HORMONE)),
        ([hormone("2026-11-17", 12500, "[IU]/L")], ("refused", HORMONE)),
        ([hormone("2026-11-17", 4.9)], ("missing", "not-recorded")),
        ([hormone("2026-11-17", 5, comparator="<")], ("missing", "not-recorded")),
        ([hormone("2026-11-01", 12500), hormone("2026-11-17", 2)], ("missing", "not-recorded")),
        ([hormone("2026-11-10", 300), recorded("2026-11-17", NOT_PREGNANT)], ("present", "not_pregnant")),
        ([hormone("2025-11-10", 12500)], ("missing", "not-recorded")),
        ([due("2027-04-10")], ("refused", DUE)),
        ([due("2027")], ("refused", DUE)),
        ([due("2026-10-30")], ("missing", "not-recorded")),
        ([due("2027-04-10"), recorded("2026-11-17", NOT_PREGNANT)], ("present", "not_pregnant")),
        ([recorded("2026-08-01", PREGNANT)], ("refused", EARLIER)),
        ([recorded("2025-08-01", PREGNANT)], ("stale", "older-than-60-days")),
        ([condition("c", concept(ICD10CM, "O15.9"))], ("refused", "problem-of-pregnancy-or-after-it")),
        ([condition("c", concept(ICD10CM, "O99.340"))], ("present", "pregnant")),
        ([condition("c", concept(ICD10CM, "O99.345"))], ("missing", "not-recorded")),
    ],
)
def test_what_hints_at_a_pregnancy_leaves_it_unsettled(resources: list[Any], expected: tuple[str, str]) -> None:
    """A hint makes the status unusable by name until a status of a later day, and is no pregnancy by itself."""
    beside = observation("o", "2951-2", "2026-11-01")
    assert status(beside, *resources) == expected


def test_no_hint_counts_for_a_man() -> None:
    """A positive test in a man's record leaves pregnancy not applicable."""
    man = {**WOMAN, "gender": "male"}
    assert status(hcg("2026-11-17", valueString="Positive"), person=man) == ("missing", "not-applicable")
