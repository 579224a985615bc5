"""What an evidence file holds: no token ever, and by default nobody's name, address or number."""

import json

import pytest

from conformance import masking

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Sample", "given": ["Person"]}],
    "identifier": [{"system": "urn:mrn", "value": "123456"}],
    "telecom": [{"system": "phone", "value": "555-0100"}],
    "address": [{"line": ["1 Sample Street"], "postalCode": "02139"}],
    "birthDate": "1980-05-01",
    "text": {"status": "generated", "div": "<div>Person Sample</div>"},
}
OBSERVATION = {
    "resourceType": "Observation",
    "subject": {"reference": "Patient/p1", "display": "Person Sample"},
    "code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]},
    "valueQuantity": {"value": 17, "unit": "{score}"},
    "note": [{"text": "told by Person Sample"}],
}
WHO = ("Sample", "Person", "123456", "555-0100", "02139")


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: {"entry": [{"resource": one}]}, lambda one: [one]])
@pytest.mark.parametrize("resource", [PATIENT, OBSERVATION])
def test_nobody_is_named(resource: dict[str, object], wrap: object) -> None:
    """Names, numbers, addresses, narrative and notes are masked at any depth; codes, values and ids stay."""
    text = masking.body(json.dumps(wrap(resource)).encode(), keep_people=False)  # pyright: ignore[reportCallIssue]
    assert [word for word in WHO if word in text] == []
    assert ("1980-05-01" in text) if resource is PATIENT else ("44261-6" in text and "17" in text)


def test_broken_fhir_is_not_shown() -> None:
    """A body that was cut off in the middle may hold a name, so none of it is kept."""
    assert "Sample" not in masking.body(json.dumps(PATIENT).encode()[:-1], keep_people=False)


def test_lines_are_masked_one_by_one() -> None:
    """NDJSON stays NDJSON, each line masked."""
    text = masking.body(b"\n".join(json.dumps(one).encode() for one in (PATIENT, OBSERVATION)), keep_people=False)
    assert [json.loads(line)["resourceType"] for line in text.splitlines()] == ["Patient", "Observation"]
    assert "Sample" not in text


@pytest.mark.parametrize("keep", [True, False])
def test_a_token_never_stays(keep: bool) -> None:
    """Tokens in headers, answers and forms are masked even where people are kept."""
    assert "secret" not in str(masking.headers({"Authorization": "Bearer secret", "Set-Cookie": "s=secret"}))
    assert "secret" not in masking.body(b'{"access_token": "secret", "expires_in": 300}', keep_people=keep)
    form = b"grant_type=client_credentials&client_assertion=secret"
    assert masking.body(form, keep_people=keep) == "grant_type=client_credentials&client_assertion=masked"


def test_a_coding_keeps_its_code() -> None:
    """``code`` is a secret of OAuth beside no system, and the point of a Coding."""
    assert "44261-6" in masking.body(json.dumps(OBSERVATION).encode(), keep_people=False)
    assert "ac-1" not in masking.body(b'{"code": "ac-1", "state": "x"}', keep_people=False)


def test_people_are_kept_when_asked() -> None:
    """With the switch a body is as it was."""
    assert json.loads(masking.body(json.dumps(PATIENT).encode(), keep_people=True)) == PATIENT
