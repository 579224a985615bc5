"""Supply in words, and what counts as more than a gate's days."""

from typing import Any

import pytest

from service.drafts import supplies
from service.drafts.canonical_json import dumps, load_object
from tests.contract.samples import dosage

UCUM = "http://unitsofmeasure.org"
CONTEXT: dict[str, Any] = {"supply_days": 7, "dose": {"strength_mg": 50}}


def days(value: object, code: str = "d", system: str = UCUM) -> dict[str, Any]:
    """Return a duration."""
    return {"value": value, "unit": "days", "system": system, "code": code}


def order(**supply: Any) -> dict[str, Any]:
    """Return a resource of 50 mg once a day with this supply, as it is read from stored bytes."""
    found = {"dosageInstruction": [dosage(50)], **({"dispenseRequest": supply} if supply else {})}
    return load_object(dumps(found))


KEPT = {"numberOfRepeatsAllowed": 0, "expectedSupplyDuration": days(7)}


@pytest.mark.parametrize(
    ("supply", "kept"),
    [
        (KEPT, True),
        ({**KEPT, "expectedSupplyDuration": days(1)}, True),
        ({**KEPT, "expectedSupplyDuration": days(1, "wk")}, True),
        ({**KEPT, "quantity": {"value": 7, "unit": "tablet"}}, True),
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
        ({**KEPT, "initialFill": {"quantity": {"value": 100}}}, False),
    ],
)
def test_only_what_keeps_to_the_days_needs_no_acknowledgement(supply: dict[str, Any], kept: bool) -> None:
    """A supply of at most seven days without repeats passes; any other, and what cannot be told, is acknowledged."""
    said = supplies.raised(order(**supply), CONTEXT)
    assert (said is None) is kept
    if said is not None:
        assert supplies.text(order(**supply).get("dispenseRequest")) in said


def test_a_quantity_counts_by_strength_and_daily_dose() -> None:
    """Fourteen tablets last seven days at two a day, and fourteen at one."""
    twice = {**order(**KEPT, quantity={"value": 14}), "dosageInstruction": [load_object(dumps(dosage(100)))]}
    assert supplies.raised(twice, CONTEXT) is None
    assert supplies.raised(order(**KEPT, quantity={"value": 14}), CONTEXT) is not None
    assert supplies.raised(order(**KEPT, quantity={"value": 7}), {"supply_days": 7, "dose": None}) is not None


def test_without_a_gates_limit_any_supply_passes() -> None:
    """Where no gate limits the supply nothing is asked."""
    assert supplies.raised(order(), {"dose": {"strength_mg": 50}}) is None


@pytest.mark.parametrize(
    ("supply", "words"),
    [
        (None, "not stated in this order"),
        (KEPT, "for 7 days, 0 repeats"),
        ({**KEPT, "quantity": {"value": 7, "unit": "tablet"}}, "7 tablets, for 7 days, 0 repeats"),
        ({"numberOfRepeatsAllowed": 2}, "quantity not stated, 2 repeats"),
        ({"initialFill": {}, "quantity": {"value": 3}}, "3, a first fill of its own, repeats not stated"),
    ],
)
def test_supply_in_words_states_what_is_there_and_what_is_not(supply: dict[str, Any] | None, words: str) -> None:
    """Quantity, days and repeats stand as the order has them."""
    assert supplies.text(supply) == words
