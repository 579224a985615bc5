"""The reference EHR's CDS Hooks client against a small CDS service that looks at what it gets."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from conformance.reference_ehr import cards
from conformance.reference_ehr.ehr import ReferenceEhr, build
from conformance.reference_ehr.server import create_app

ROOT, SERVICE = "http://127.0.0.1:18901", "http://127.0.0.1:18902"
TEMPLATES = {
    "patient": "Patient/{{context.patientId}}",
    "phq9": "Observation?patient={{context.patientId}}&code=http://loinc.org|44261-6",
    "encounter": "Encounter/{{context.encounterId}}",
    "wrong": "Observation?colour=red",
}
GOOD = {
    "uuid": "5f0d7c9e-0000-4000-8000-000000000001",
    "summary": "Two options to review, none chosen",
    "indicator": "info",
    "source": {"label": "A stub"},
    "selectionBehavior": "at-most-one",
    "suggestions": [
        {
            "label": "Sertraline 50 mg",
            "actions": [{"type": "create", "description": "Draft", "resource": {"resourceType": "MedicationRequest"}}],
        }
    ],
    "links": [{"label": "Open", "url": f"{SERVICE}/review/1", "type": "absolute"}],
}


class Stub:
    """A CDS service that keeps the requests it was sent and gives one prepared answer."""

    def __init__(self, answer: Any = None, status: int = 200) -> None:
        self.answer = {"cards": [GOOD]} if answer is None else answer
        self.status = status
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path == "/cds-services":
            service = {"hook": "patient-view", "id": "options", "description": "x", "prefetch": TEMPLATES}
            other = {"hook": "order-sign", "id": "sign", "description": "x"}
            return httpx.Response(200, json={"services": [service, other]})
        return httpx.Response(self.status, json=self.answer)


def _run(stub: Callable[[httpx.Request], httpx.Response], work: Callable[[ReferenceEhr], Any]) -> Any:
    async def go() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(stub)) as http:
            return await work(build(ROOT, SERVICE, http=http))

    return asyncio.run(go())


def test_opening_a_chart_calls_the_patient_view_service_with_its_prefetch() -> None:
    """Each key is what the same query gives; an unfillable key is left out, a failed one says so."""
    stub = Stub()
    (call,) = _run(stub, lambda ehr: ehr.cds.patient_view("dr-lindqvist", "amara-osei"))
    body = json.loads(stub.requests[1].content)
    assert (body["hook"], body["hookInstance"]) == ("patient-view", call.hook_instance)
    assert body["context"] == {"userId": "Practitioner/dr-lindqvist", "patientId": "amara-osei"}
    assert body["prefetch"]["patient"]["id"] == "amara-osei"
    assert body["prefetch"]["phq9"]["total"] == len(body["prefetch"]["phq9"]["entry"]) == 2
    assert body["prefetch"]["wrong"]["resourceType"] == "OperationOutcome"
    assert "encounter" not in body["prefetch"]
    assert (call.status, call.request_bytes, call.problems) == (200, len(stub.requests[1].content), ())


def test_every_call_carries_a_signed_token_for_exactly_its_address() -> None:
    """Discovery, hook and feedback have ES384 tokens with aud = the URL, and never the same jti."""
    stub = Stub()

    async def work(ehr: ReferenceEhr) -> KeySet:
        await ehr.cds.patient_view("dr-lindqvist", "amara-osei")
        item = {"card": GOOD["uuid"], "outcome": "accepted", "outcomeTimestamp": "2026-11-22T12:00:00Z"}
        assert await ehr.cds.feedback("options", [item]) == 200
        return ehr.keys.public

    keys = _run(stub, work)
    tokens = [jwt.decode(r.headers["authorization"][7:], keys, algorithms=["ES384"]) for r in stub.requests]
    assert [t.claims["aud"] for t in tokens] == [str(r.url) for r in stub.requests]
    assert len({t.claims["jti"] for t in tokens}) == 3
    for token in tokens:
        assert token.header["kid"]
        assert token.claims["iss"] == f"{ROOT}/fhir"
        assert 0 < token.claims["exp"] - token.claims["iat"] <= 300


def test_the_lent_token_opens_that_patient_only() -> None:
    """fhirAuthorization reads the patient in context and finds nobody else."""
    stub = Stub()

    async def work(ehr: ReferenceEhr) -> list[int]:
        await ehr.cds.patient_view("dr-lindqvist", "amara-osei")
        lent = json.loads(stub.requests[1].content)["fhirAuthorization"]
        assert (lent["patient"], lent["token_type"]) == ("amara-osei", "Bearer")
        headers = {"Authorization": f"Bearer {lent['access_token']}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(ehr)), base_url=ROOT) as http:
            paths = ("/fhir/Patient/amara-osei", "/fhir/Patient/jonas-weber")
            return [(await http.get(path, headers=headers)).status_code for path in paths]

    assert _run(stub, work) == [200, 404]


def test_a_refusal_is_passed_on_as_it_came() -> None:
    """A 412 with an OperationOutcome is no card and no crash."""
    stub = Stub({"resourceType": "OperationOutcome", "issue": []}, 412)
    (call,) = _run(stub, lambda ehr: ehr.cds.patient_view("dr-lindqvist", "amara-osei"))
    assert (call.status, call.problems, call.answer["resourceType"]) == (412, (), "OperationOutcome")


def _created(**changes: Any) -> dict[str, Any]:
    action = {"type": "create", "description": "y", "resource": {"resourceType": "Task"}, **changes}
    return {key: value for key, value in action.items() if value is not None}


APP_LINK = {"label": "x", "url": "https://a.example", "type": "absolute", "appContext": "y"}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"summary": "x" * 140}, "summary"),
        ({"summary": ""}, "summary"),
        ({"indicator": "hard-stop"}, "indicator"),
        ({"source": {"url": "https://a.example"}}, "source.label"),
        ({"selectionBehavior": "all"}, "selectionBehavior"),
        ({"detail": None}, "empty"),
        ({"suggestions": [{"label": "x", "actions": [_created(resource=None)]}]}, "whole resource"),
        ({"suggestions": [{"actions": [_created()]}]}, "label"),
        ({"links": [APP_LINK]}, "appContext"),
    ],
)
def test_a_card_that_breaks_a_requirement_is_named(change: dict[str, Any], part: str) -> None:
    """The good card has no fault; each change makes exactly one that names its place."""
    assert cards.problems({"cards": [GOOD]}) == ()
    found = cards.problems({"cards": [GOOD | change]})
    assert found
    assert part in " ".join(found)


@pytest.mark.parametrize("answer", [None, [], {"cards": None}, {"cards": {}}])
def test_an_answer_without_a_list_of_cards_is_a_fault(answer: Any) -> None:
    """Whatever else it holds."""
    assert cards.problems(answer) == ("The answer is not an object with a list of cards.",)


def test_system_actions_are_a_fault_and_an_empty_list_of_cards_is_none() -> None:
    """Nothing to say is allowed; acting without a person is not."""
    assert cards.problems({"cards": []}) == ()
    assert cards.problems({"cards": [], "systemActions": [{"type": "create"}]}) != ()
