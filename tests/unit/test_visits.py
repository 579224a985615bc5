"""Reasons of visits and flags: what is read of them, for how long, and what never follows from them."""

from typing import Any

import pytest

from fhir_adapters.canonical import Diagnosis
from tests.fixtures.resources import ICD10CM, SNOMED, adapted, concept

ATTEMPT = concept(SNOMED, "82313006", "Suicide attempt")
WITHDRAWAL = concept(ICD10CM, "F10.231", "Alcohol dependence with withdrawal delirium")
SUBJECT = {"reference": "Patient/p1"}


def visit(status: str = "finished", start: str = "2026-11-10", reason: Any = ATTEMPT, **period: str) -> Any:
    """Return an Encounter with one reason."""
    base = {"resourceType": "Encounter", "id": "e1", "status": status, "subject": SUBJECT, "reasonCode": [reason]}
    return {**base, "period": {"start": start, **period}}


def flag(text: str, status: str = "active", **period: str) -> Any:
    """Return a Flag in words."""
    base = {"resourceType": "Flag", "id": "f1", "status": status, "subject": SUBJECT, "code": {"text": text}}
    return {**base, "period": period} if period else base


def told(*resources: Any) -> list[tuple[tuple[str, ...], bool]]:
    """Return the keys of the diagnoses and whether they are active."""
    return [(one.keys, one.active) for one in diagnoses(*resources)]


def diagnoses(*resources: Any) -> tuple[Diagnosis, ...]:
    """Return the diagnoses of a chart of these resources."""
    return adapted(*resources).patient.diagnoses


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (visit(), [(("suicide_attempt",), True)]),
        (visit(start="2026-08-24"), [(("suicide_attempt",), True)]),
        (visit(start="2026-08-23"), [(("suicide_attempt",), False)]),
        (visit(start="2026-01-05", end="2026-11-01"), [(("suicide_attempt",), True)]),
        (visit("in-progress", start="2026-01-05"), [(("suicide_attempt",), True)]),
        ({**visit(), "period": {}}, [(("suicide_attempt",), True)]),
        (visit(start="soon"), [(("suicide_attempt",), True)]),
        (visit("planned"), []),
        (visit("cancelled"), []),
        (visit("entered-in-error"), []),
        (visit(reason={"text": "wants to end it all"}), [(("self_harm_unread",), True)]),
        (visit(reason={"text": "denies suicidal thoughts"}), []),
        (visit(reason=concept(ICD10CM, "F33.1", "Major depressive disorder, recurrent, moderate")), []),
        (visit(reason=concept(ICD10CM, "Z00.00", "General adult medical examination")), []),
        (flag("High suicide risk"), [(("self_harm_unread",), True)]),
        (flag("High suicide risk", "inactive"), [(("self_harm_unread",), False)]),
        (flag("High suicide risk", start="2024-01-01", end="2026-11-21"), [(("self_harm_unread",), False)]),
        (flag("Latex allergy"), []),
    ],
)
def test_only_what_must_not_be_passed_over_is_read_of_a_visit(one: Any, expected: Any) -> None:
    """A reason or a flag counts by its keys, as present for the days of its key, and never where it did not happen."""
    assert told(one) == expected


def test_what_somebody_came_for_is_never_certain() -> None:
    """A reason of a visit is a doubted problem with the day of the visit and the Encounter as its source."""
    (found,) = diagnoses(visit(reason=WITHDRAWAL))
    assert "alcohol_withdrawal" in found.keys
    assert not found.certain
    assert str(found.onset) == "2026-11-10"
    assert (found.source.reference, found.source.path) == ("Encounter/e1", "reasonCode")


def test_a_visit_is_no_problem_list() -> None:
    """A chart with a visit alone has no problem list, and an unreadable visit takes nothing from one."""
    assert adapted(visit()).patient.lists["conditions"] == "not-supplied"
    broken = {**visit(), "reasonCode": "fever"}
    listed = {"resourceType": "Condition", "id": "c1", "subject": SUBJECT, "code": {"text": "Asthma"}}
    found = adapted(listed, broken).patient
    assert found.lists["conditions"] == "supplied"
    assert "visits" not in found.lists
    assert [one.reference for one in found.refusals if one.reason == "unreadable"] == ["Encounter/e1"]


DAY = {"start": "2026-11-10"}


@pytest.mark.parametrize(
    ("status", "elements"),
    [
        ("finished", {"patient": SUBJECT, "reason": [ATTEMPT], "period": DAY}),
        ("finished", {"subject": SUBJECT, "reason": [ATTEMPT], "period": DAY}),
        ("completed", {"subject": SUBJECT, "reason": [{"value": [{"concept": ATTEMPT}]}], "actualPeriod": DAY}),
    ],
    ids=["DSTU2", "STU3", "R5"],
)
def test_other_versions_write_their_reasons_elsewhere(status: str, elements: Any) -> None:
    """DSTU2 names the subject patient, STU3 has the reason as concepts, R5 inside of values: all are read."""
    base = {"resourceType": "Encounter", "id": "e1", "status": status}
    assert told({**base, **elements}) == [(("suicide_attempt",), True)]


@pytest.mark.parametrize("one", [visit(), flag("High suicide risk")], ids=["Encounter", "Flag"])
def test_what_is_read_of_a_restricted_visit_stays_restricted(one: Any) -> None:
    """The security labels of visits and flags are inherited by what is made of them."""
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    restricted = {**one, "meta": {"security": [{"system": system, "code": "R"}]}}
    assert [label.code for label in adapted(restricted).patient.labels] == ["R"]
