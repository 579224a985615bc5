"""Instructions that follow each other."""

from typing import Any

import pytest

from service.drafts.order import dosage_steps
from service.errors import Unprocessable
from tests.contract.samples import dosage


def step(number: int | None, **bounds: Any) -> dict[str, Any]:
    """Return a step with what says how long it lasts."""
    repeat = {"frequency": 1, "period": 1, "periodUnit": "d", **bounds}
    return dosage(timing={"repeat": repeat}, **({} if number is None else {"sequence": number}))


def until(end: str, start: str | None = None) -> dict[str, Any]:
    """Return the period of a step."""
    return {"boundsPeriod": {"end": end} | ({"start": start} if start else {})}


WEEK = {"boundsDuration": {"value": 7, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}}
BEGINS = {"boundsPeriod": {"start": "2026-12-01"}}


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([step(None), step(None)], None),
        ([step(1), step(1)], None),
        ([step(1, **WEEK), step(2)], None),
        ([step(1, **WEEK), step(2, **WEEK), step(3)], None),
        ([step(2), step(1, **until("2026-12-01"))], None),
        ([step(1), step(2)], "U-ORDER-INCOMPLETE"),
        ([step(1, **WEEK), step(1), step(2)], "U-ORDER-INCOMPLETE"),
        ([step(9), step(2)], "U-ORDER-INCOMPLETE"),
        ([step(1, **BEGINS), step(2)], "U-ORDER-INCOMPLETE"),
        ([step(None), step(1, **WEEK), step(2)], None),
        ([step(1, **until("2026-12-01")), step(2, **BEGINS)], None),
        ([step(1, **until("2026-12")), step(2, **until("2026-12-31", "2026-12-15"))], None),
        ([step(1, **until("2026-12-31")), step(2, **BEGINS)], "U-ORDER-DOSE"),
        ([step(1, **until("2026-12-31", "2026-11-23")), step(2, **until("2026-12-31", "2026-11-23"))], "U-ORDER-DOSE"),
        ([step(1, **until("2026-11-30")), step(2, **until("2026-12-31")), step(3, **BEGINS)], "U-ORDER-DOSE"),
    ],
)
def test_steps_that_cannot_be_followed_are_refused(steps: list[dict[str, Any]], code: str | None) -> None:
    """A step that another follows says when it ends, and none begins before the one that it follows has ended."""
    if code is None:
        dosage_steps.check(steps)
        return
    with pytest.raises(Unprocessable) as caught:
        dosage_steps.check(steps)
    assert caught.value.code == code
