"""Supply in words, and what counts as more than a gate's days."""

from typing import Any

import pytest

from service.drafts.canonical_json import dumps, load_object
from service.drafts.order import supplies
from tests.contract.samples import dosage

UCUM = "http://unitsofmeasure.org"
CONTEXT: dict[str, Any] = {"supply_days": 7, "dose": {"strength_mg": 50}}


def days(value: object, code: str = "d", system: str = UCUM) -> dict[str, Any]:
    """Return a duration."""
    words = {"d": "days", "wk": "weeks", "mo": "months"}
    return {"value": value, "unit": words.get(code, code), "system": system, "code": code}


def order(**supply: Any) -> dict[str, Any]:
    """Return a resource of 50 mg once a day with this supply, as it is read from stored bytes."""
    found = {"dosageInstruction": [dosage(50)], **({"dispenseRequest": supply} if supply else {})}
    return load_object(dumps(found))


TABLETS = {"value": 7, "unit": "tablet"}
DRAFTED = order(quantity=TABLETS)
KEPT = {"numberOfRepeatsAllowed": 0, "expectedSupplyDuration": days(7)}


@pytest.mark.parametrize(
    ("supply", "kept"),
    [
        (KEPT, True),
        ({**KEPT, "expectedSupplyDuration": days(1)}, True),
        ({**KEPT, "expectedSupplyDuration": days(1, "wk")}, True),
        ({**KEPT, "quantity": TABLETS}, True),
        ({**KEPT, "validityPeriod": {"end": "2026-12-01"}}, True),
        ({}, False),
        ({"numberOfRepeatsAllowed": 0}, False),
        ({"expectedSupplyDuration": days(7)}, False),
        ({**KEPT, "numberOfRepeatsAllowed": 1}, False),
        ({**KEPT, "expectedSupplyDuration": days(8)}, False),
        ({**KEPT, "expectedSupplyDuration": days(7.5)}, False),
        ({**KEPT, "expectedSupplyDuration": days(1, "mo")}, False),
        ({**KEPT, "expectedSupplyDuration": days(7, "day")}, False),
        ({**KEPT, "expectedSupplyDuration": days(7, system="urn:other")}, False),
        ({**KEPT, "expectedSupplyDuration": days(0)}, False),
        ({**KEPT, "expectedSupplyDuration": days("7")}, False),
        ({**KEPT, "quantity": {"value": 8, "unit": "tablet"}}, False),
        ({**KEPT, "quantity": {"unit": "tablet"}}, False),
        ({**KEPT, "quantity": {"value": 7}}, False),
        ({**KEPT, "quantity": {"value": 7, "unit": "bottle of 100 tablets"}}, False),
        ({**KEPT, "quantity": {"value": 7, "unit": "tablets"}}, False),
        ({**KEPT, "quantity": {"value": 7, "unit": "g", "system": UCUM, "code": "g"}}, False),
        ({**KEPT, "quantity": {**TABLETS, "system": UCUM, "code": "{bottle}"}}, False),
        ({**KEPT, "quantity": {**TABLETS, "comparator": ">"}}, False),
        ({**KEPT, "expectedSupplyDuration": {**days(7), "unit": "months"}}, False),
        ({**KEPT, "expectedSupplyDuration": {**days(7), "unit": "weeks"}}, False),
        ({**KEPT, "expectedSupplyDuration": {**days(7), "comparator": ">"}}, False),
    ],
)
def test_only_what_keeps_to_the_days_needs_no_acknowledgement(supply: dict[str, Any], kept: bool) -> None:
    """At most seven days in the draft's own unit without repeats pass; any other, and what cannot be told, is
    acknowledged."""
    said = supplies.raised(order(**supply), CONTEXT, DRAFTED)
    assert (said is None) is kept
    if said is not None:
        assert supplies.text(order(**supply).get("dispenseRequest")) in said


def test_a_quantity_counts_by_strength_and_daily_dose() -> None:
    """Fourteen tablets last seven days at two a day, and fourteen at one."""
    fourteen = {**TABLETS, "value": 14}
    twice = {**order(**KEPT, quantity=fourteen), "dosageInstruction": [load_object(dumps(dosage(100)))]}
    assert supplies.raised(twice, CONTEXT, DRAFTED) is None
    assert supplies.raised(order(**KEPT, quantity=fourteen), CONTEXT, DRAFTED) is not None
    unknown = {"supply_days": 7, "dose": None}
    assert supplies.raised(order(**KEPT, quantity=TABLETS), unknown, DRAFTED) is not None


def test_without_a_gates_limit_any_supply_passes() -> None:
    """Where no gate limits the supply nothing is asked."""
    assert supplies.raised(order(), {"dose": {"strength_mg": 50}}, DRAFTED) is None


@pytest.mark.parametrize(
    ("form", "unit", "counted"), [("capsule", "capsule", True), ("capsule", "tablet", False), (None, "unit", True)]
)
def test_a_draft_without_a_quantity_counts_in_its_product(form: str | None, unit: str, counted: bool) -> None:
    """Where nothing was drafted to count, a quantity counts in the product's own form alone."""
    context = {"supply_days": 7, "dose": {"strength_mg": 50, "form": form}}
    said = supplies.raised(order(**KEPT, quantity={"value": 7, "unit": unit}), context, order())
    assert (said is None) is counted


@pytest.mark.parametrize("context", [{}, {"supply_days": 7}, {"supply": {"days": 28, "repeats": 0}}])
def test_another_unit_is_asked_once(context: dict[str, Any]) -> None:
    """Seven bottles for seven tablets are one point to acknowledge, whether a limit speaks of them or none does."""
    bottles = order(**KEPT, quantity={"value": 7, "unit": "bottle of 100"})
    (said,) = supplies.asked(bottles, {"dose": {"strength_mg": 50}, **context}, DRAFTED)
    assert "7 “bottle of 100”" in said


@pytest.mark.parametrize(
    ("supply", "words"),
    [
        (None, "not stated in this order"),
        (KEPT, "for 7 days, 0 repeats"),
        ({**KEPT, "quantity": TABLETS}, "7 tablets, for 7 days, 0 repeats"),
        (
            {**KEPT, "quantity": {"value": 7, "unit": "g", "system": "urn:x", "code": "k"}},
            "7 “g” (k of urn:x), for 7 days, 0 repeats",
        ),
        (
            {**KEPT, "validityPeriod": {"start": "2026-11-22", "end": "2046-01-01"}},
            "for 7 days, 0 repeats, valid from 2026-11-22, valid until 2046-01-01",
        ),
        ({"numberOfRepeatsAllowed": 2}, "quantity not stated, 2 repeats"),
        ({"quantity": {"value": 3}}, "3, repeats not stated"),
    ],
)
def test_supply_in_words_states_what_is_there_and_what_is_not(supply: dict[str, Any] | None, words: str) -> None:
    """Quantity, days and repeats stand as the order has them."""
    assert supplies.text(supply) == words
