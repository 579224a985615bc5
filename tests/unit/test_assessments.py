"""Procedures: a suicide risk assessment that a person made."""

from typing import Any

import pytest

from fhir_adapters.canonical import Measurement
from tests.fixtures.resources import PATIENT, SNOMED, Resource, adapted, concept

DAY, INSTANT = "2026-11-10", "2026-11-10T08:30:00+01:00"
RESULTS = "https://undersign.dev/fhir/CodeSystem/attestation-result"


def procedure(code: Resource | None = None, **fields: Any) -> Resource:
    """Return a completed assessment of suicide risk."""
    base: Resource = {"resourceType": "Procedure", "id": "p", "status": "completed", "subject": {"reference": PATIENT}}
    return {**base, "code": code or concept(SNOMED, "225337009"), **fields}


def read(**fields: Any) -> tuple[Measurement, ...]:
    """Return the measurements of a chart with this Procedure."""
    return adapted(procedure(**fields)).patient.measurements


def refused(**fields: Any) -> set[str]:
    """Return why this Procedure was not used."""
    return {one.reason for one in adapted(procedure(**fields)).patient.refusals}


@pytest.mark.parametrize(
    ("fields", "moment"),
    [
        ({"performedDateTime": DAY}, None),
        ({"performedDateTime": INSTANT}, "2026-11-10T07:30:00+00:00"),
        ({"performedPeriod": {"start": "2026-11-09", "end": DAY}}, None),
        ({"performedPeriod": {"start": DAY}}, None),
        ({"occurrenceDateTime": DAY}, None),
        ({"performedDateTime": DAY, "notDone": False}, None),
        ({"performedDateTime": DAY, "notPerformed": False}, None),
    ],
    ids=["day", "instant", "period", "begun", "R5", "STU3", "DSTU2"],
)
def test_a_completed_assessment_is_read_with_its_day(fields: Resource, moment: str | None) -> None:
    """A completed assessment is a fact with the day on which it ended, in every FHIR version."""
    (found,) = read(**fields)
    assert (found.key, found.value, str(found.effective), found.moment) == (
        "suicide_risk_assessment",
        "done",
        DAY,
        moment,
    )
    assert found.source.reference == "Procedure/p"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "not-done"}, "not-finished"),
        ({"status": "in-progress"}, "not-finished"),
        ({"status": "preparation"}, "not-finished"),
        ({"status": None}, "not-finished"),
        ({"notDone": True}, "not-finished"),
        ({"notPerformed": True}, "not-finished"),
        ({"performedDateTime": None}, "no-date"),
        ({"status": "entered-in-error"}, "status-entered-in-error"),
    ],
)
def test_what_was_not_done_or_has_no_day_is_no_assessment(fields: Resource, reason: str) -> None:
    """An assessment that was not completed, or not dated, is refused by name and never counts."""
    fields = {"performedDateTime": DAY, **fields}
    assert read(**fields) == ()
    assert reason in refused(**fields)


def test_another_procedure_says_nothing() -> None:
    """A Procedure of another code is neither a fact nor a refusal."""
    found = adapted(procedure(concept(SNOMED, "710824005"), performedDateTime=DAY)).patient
    assert (found.measurements, found.refusals) == ((), ())


@pytest.mark.parametrize(
    ("outcome", "value"),
    [
        (concept(RESULTS, "stays-closed"), "stays-closed"),
        (concept(RESULTS, "may-open"), "done"),
        (concept("urn:other", "stays-closed"), "done"),
    ],
)
def test_a_decision_to_keep_closed_is_kept(outcome: Resource, value: str) -> None:
    """The outcome that keeps drafting closed is the value; any other leaves the assessment as done."""
    (found,) = read(performedDateTime=DAY, outcome=outcome)
    assert found.value == value
