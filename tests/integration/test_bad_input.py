"""Bad input at the hook: a stable code in an OperationOutcome, and nothing held."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.fixtures import prefetch
from tests.integration.running import BASE, PATH, held, running, settings

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One application for the whole table: each row holds nothing, and the end says so."""
    with running(settings(tmp_path_factory.mktemp("bad"))) as found:
        yield found


def refused(client: TestClient, body: bytes, status: int, code: str, path: str = PATH) -> str:
    """Post a body, check the refusal, and return its text."""
    answer = client.post(path, content=body, headers=JSON)
    outcome = answer.json()
    assert (answer.status_code, outcome["resourceType"]) == (status, "OperationOutcome"), answer.text
    assert outcome["issue"][0]["details"]["coding"][0]["code"] == code
    assert held(client) == 0
    return str(outcome["issue"][0]["details"]["text"])


GOOD = json.dumps(prefetch.request()).encode()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "U-JSON-SYNTAX"),
        (GOOD[:-1], 400, "U-JSON-SYNTAX"),
        (GOOD[: len(GOOD) // 2], 400, "U-JSON-SYNTAX"),
        (b"hello", 400, "U-JSON-SYNTAX"),
        (GOOD.decode().encode("utf-16"), 400, "U-JSON-ENCODING"),
        (b'{"hook":"\xff"}', 400, "U-JSON-ENCODING"),
        (b'{"hook":"\\ud800"}', 400, "U-JSON-ENCODING"),
        (b'{"hook":"a","hook":"b"}', 400, "U-JSON-DUPLICATE-KEY"),
        (GOOD[:-1] + b',"hook":"patient-view"}', 400, "U-JSON-DUPLICATE-KEY"),
        (GOOD[:-1] + b',"x":NaN}', 400, "U-JSON-NUMBER"),
        (GOOD[:-1] + b',"x":-Infinity}', 400, "U-JSON-NUMBER"),
        (GOOD[:-1] + b',"x":1e999}', 400, "U-JSON-NUMBER"),
        (GOOD[:-1] + b',"x":' + b"[" * 65 + b"]" * 65 + b"}", 400, "U-JSON-DEPTH"),
        (b"[" * 100_000, 400, "U-JSON-DEPTH"),
        (b" " * 2_000_001, 413, "U-BODY-SIZE"),
        (b"[]", 400, "U-CDS-REQUEST"),
        (b"null", 400, "U-CDS-REQUEST"),
        (b"{}", 400, "U-CDS-REQUEST"),
    ],
)
def test_bytes_that_are_no_request_are_refused(client: TestClient, body: bytes, status: int, code: str) -> None:
    """Truncated, non-JSON, oversized, too deep, duplicate-keyed and non-finite bodies have their codes."""
    refused(client, body, status, code)


CONTEXT = {"patientId": "p1", "userId": "Practitioner/x"}
TOKEN = {
    "access_token": "secret-token",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "",
    "subject": "x",
}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"hook": None}, 400, "U-CDS-REQUEST"),
        ({"hook": "order-sign"}, 400, "U-CDS-HOOK"),
        ({"hookInstance": None}, 400, "U-CDS-REQUEST"),
        ({"hookInstance": "test"}, 400, "U-CDS-REQUEST"),
        ({"context": None}, 400, "U-CDS-CONTEXT"),
        ({"context": []}, 400, "U-CDS-CONTEXT"),
        ({"context": {"userId": "Practitioner/x"}}, 400, "U-CDS-CONTEXT"),
        ({"context": CONTEXT | {"patientId": ""}}, 400, "U-CDS-CONTEXT"),
        ({"context": CONTEXT | {"patientId": "Patient/p1"}}, 400, "U-CDS-CONTEXT"),
        ({"context": CONTEXT | {"patientId": "p1&_count=1"}}, 400, "U-CDS-CONTEXT"),
        ({"context": CONTEXT | {"userId": "dr"}}, 400, "U-CDS-CONTEXT"),
        ({"context": CONTEXT | {"userId": "Patient/p1"}}, 403, "U-CDS-USER"),
        ({"context": CONTEXT | {"patientId": "p2"}}, 400, "U-PATIENT-MISMATCH"),
        ({"prefetch": []}, 400, "U-CDS-REQUEST"),
        ({"prefetch": None}, 412, "U-CDS-PREFETCH"),
        ({"prefetch": {}}, 412, "U-CDS-PREFETCH"),
        ({"fhirAuthorization": TOKEN}, 400, "U-CDS-REQUEST"),
        ({"fhirServer": "http://169.254.169.254/latest"}, 403, "U-EHR-FHIRSERVER"),
        ({"fhirServer": BASE + "/"}, 403, "U-EHR-FHIRSERVER"),
        ({"fhirServer": BASE, "fhirAuthorization": TOKEN | {"patient": "p2"}}, 403, "U-CDS-PATIENT"),
        ({"fhirServer": BASE, "fhirAuthorization": TOKEN, "prefetch": {}}, 412, "U-CDS-PREFETCH"),
    ],
)
def test_a_request_against_the_contract_is_refused(
    client: TestClient, change: dict[str, Any], status: int, code: str
) -> None:
    """Each field that is missing, of the wrong shape or about another patient has its code."""
    text = refused(client, json.dumps(prefetch.request(**change)).encode(), status, code)
    assert "secret-token" not in text


def _second_patient(values: dict[str, Any]) -> None:
    values["conditions"]["entry"].append({"resource": {"resourceType": "Patient", "id": "p2"}})


def _foreign_resource(values: dict[str, Any]) -> None:
    values["scores"]["entry"][0]["resource"]["subject"] = {"reference": "Patient/p2"}


def _wrong_type(values: dict[str, Any]) -> None:
    values["patient"] = prefetch.citalopram()


def _number(values: dict[str, Any]) -> None:
    values["conditions"] = 7


def _no_patient(values: dict[str, Any]) -> None:
    values["patient"] = None


def _failed_search(values: dict[str, Any]) -> None:
    values["medications"] = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "x"}],
    }


def _no_scores(values: dict[str, Any]) -> None:
    del values["scores"]


def _too_many(values: dict[str, Any]) -> None:
    entry = {"resource": {"resourceType": "Basic", "id": "x"}}
    values["observations"] = {"resourceType": "Bundle", "type": "searchset", "entry": [entry] * 2001}


@pytest.mark.parametrize(
    ("spoil", "status", "code"),
    [
        (_second_patient, 400, "U-PATIENT-MISMATCH"),
        (_foreign_resource, 400, "U-PATIENT-MISMATCH"),
        (_wrong_type, 400, "U-FHIR-TYPE"),
        (_number, 400, "U-FHIR-TYPE"),
        (_no_patient, 412, "U-CDS-PREFETCH"),
        (_failed_search, 412, "U-CDS-PREFETCH"),
        (_no_scores, 412, "U-CDS-PREFETCH"),
        (_too_many, 400, "U-FHIR-ENTRIES"),
    ],
)
def test_a_prefetch_that_cannot_be_used_is_refused(
    client: TestClient, spoil: Callable[[dict[str, Any]], None], status: int, code: str
) -> None:
    """A second patient, wrong types, failed or missing keys and too many entries have their codes."""
    found = prefetch.values()
    spoil(found)
    refused(client, json.dumps(prefetch.request(prefetch=found)).encode(), status, code)


def test_412_names_key_template_and_search(client: TestClient) -> None:
    """A missing required key is named with its template and the search that would fill it, without the id."""
    found = prefetch.values()
    del found["conditions"]
    body = json.dumps(prefetch.request(prefetch=found)).encode()
    text = refused(client, body, 412, "U-CDS-PREFETCH")
    assert "prefetch.conditions" in text
    assert "Condition?patient={{context.patientId}}" in text
    assert "[fhirServer]/Condition?patient=[context.patientId]" in text
    assert "p1" not in text


def test_an_unknown_service_is_404(client: TestClient) -> None:
    """A service that is not listed is U-CDS-SERVICE, for calls and feedback."""
    refused(client, GOOD, 404, "U-CDS-SERVICE", "/cds-services/other")
    refused(client, b"{}", 404, "U-CDS-SERVICE", "/cds-services/other/feedback")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "U-PATH"),
        ("GET", PATH, 405, "U-METHOD"),
        ("POST", "/cds-services", 405, "U-METHOD"),
        ("PUT", "/healthz", 405, "U-METHOD"),
        ("GET", "/cds-services/", 404, "U-PATH"),
    ],
)
def test_wrong_paths_and_methods_are_operation_outcomes(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    """404 and 405 carry an OperationOutcome with a code like every other error."""
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == code


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json; charset=utf-16", "application/xml"])
def test_other_content_types_are_refused(client: TestClient, kind: str) -> None:
    """A body that does not call itself JSON in UTF-8 is not read."""
    answer = client.post(PATH, content=GOOD, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "U-BODY-TYPE"


def test_a_streamed_body_is_cut_off_at_the_limit(client: TestClient) -> None:
    """A body without Content-Length is refused as soon as it passes the limit, not after the last byte."""
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 100_000

    answer = client.post(PATH, content=endless(), headers=JSON)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"card": "x"},
        {"card": "x", "outcome": "liked", "outcomeTimestamp": "t"},
        {"card": "x", "outcome": "accepted", "outcomeTimestamp": "t"},
        {"card": 7, "outcome": "overridden", "outcomeTimestamp": "t"},
    ],
)
def test_feedback_of_the_wrong_shape_is_refused(client: TestClient, item: dict[str, Any]) -> None:
    """Feedback without card, outcome or timestamp, or accepted without suggestions, is U-CDS-FEEDBACK."""
    body = json.dumps({"feedback": [item]}).encode()
    refused(client, body, 400, "U-CDS-FEEDBACK", f"{PATH}/feedback")


def test_an_unforeseen_error_is_500_without_its_text(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash is an OperationOutcome U-INTERNAL, never an empty card, and its text stays inside."""

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("Jo Doe")

    monkeypatch.setattr("service.cds.patient_view.assess", crash)
    assert "Jo Doe" not in refused(client, GOOD, 500, "U-INTERNAL")
