"""The form for edits: which drafts it holds, and what it takes."""

from dataclasses import replace
from typing import Any

import pytest

from service.drafts.canonical_json import dumps, load_object
from service.drafts.records import Draft
from service.errors import BadRequest
from service.web import editing
from tests.contract import samples

UCUM = "http://unitsofmeasure.org"
DAYS = {"value": 7, "unit": "days", "system": UCUM, "code": "d"}
SUPPLY = {"quantity": {"value": 7, "unit": "tablet"}, "expectedSupplyDuration": DAYS, "numberOfRepeatsAllowed": 0}


def held(**changes: Any) -> Draft:
    """Return a draft with a supply."""
    return samples.held_draft(**{"dispenseRequest": SUPPLY, **changes})


def timed(**repeat: Any) -> list[dict[str, Any]]:
    """Return a dosage with other times."""
    return [samples.dosage(timing={"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", **repeat}})]


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"dispenseRequest": None}, True),
        ({"dosageInstruction": timed(frequency=4)}, True),
        ({"dosageInstruction": timed(boundsPeriod={"start": "2026-12-01"})}, True),
        ({"dosageInstruction": timed(frequency=5)}, False),
        ({"dosageInstruction": timed(frequencyMax=4)}, False),
        ({"dosageInstruction": timed(when=["HS"])}, False),
        ({"dosageInstruction": timed(boundsDuration=DAYS)}, False),
        ({"dosageInstruction": [samples.dosage(asNeededBoolean=True)]}, False),
        ({"dosageInstruction": [samples.dosage(sequence=1)]}, False),
        ({"dosageInstruction": [samples.dosage(), samples.dosage()]}, False),
        ({"dispenseRequest": {**SUPPLY, "validityPeriod": {"end": "2046-01-01"}}}, False),
        ({"dispenseRequest": {"expectedSupplyDuration": {**DAYS, "unit": "weeks", "code": "wk"}}}, False),
    ],
)
def test_the_form_holds_only_what_it_has_a_field_for(changes: dict[str, Any], holds: bool) -> None:
    """A draft with an element that no field shows is not edited on the form: it would be kept unseen."""
    assert (editing.fields(held(**changes)) is not None) is holds


def sent(draft: Draft, **fields: str) -> bytes:
    """Return the resource after the form was sent."""
    shown = editing.fields(draft)
    assert shown
    return editing.edited(draft, replace(shown, **fields))


@pytest.mark.parametrize("text", ["1.9", "2.5", "-1", "1e3", "many", "1000", " 2"])
@pytest.mark.parametrize("field", ["times", "repeats"])
def test_a_count_is_whole_or_refused(field: str, text: str) -> None:
    """What is no whole number is refused by a sentence that names the field, and never cut."""
    with pytest.raises(BadRequest, match="is no whole number") as caught:
        sent(held(), **{field: text})
    assert caught.value.code == "U-REQUEST"


def test_what_was_typed_is_what_is_edited() -> None:
    """Whole counts and decimals of a dose stand in the edit as they were typed."""
    found = load_object(sent(held(), times="2", repeats="3", each_mg="37.5"))
    assert found["dosageInstruction"][0]["timing"]["repeat"]["frequency"] == 2
    assert found["dispenseRequest"]["numberOfRepeatsAllowed"] == 3
    assert b'"value":37.5' in dumps(found)


def test_a_quantity_that_is_added_is_in_the_drafts_unit() -> None:
    """Where nothing was drafted to count, the form counts in the product's form."""
    draft = held(dispenseRequest=None)
    draft = replace(draft, context=dumps({"acknowledge": [], "dose": {"form": "capsule"}}))
    assert load_object(sent(draft, quantity="7"))["dispenseRequest"]["quantity"] == {"value": 7, "unit": "capsule"}
