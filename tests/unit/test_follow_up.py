"""Follow-up reads: which Medications are read, where they go, and what happens when they cannot be."""

import asyncio
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import httpx
import pytest
import respx
from joserfc.jwk import ECKey

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.dialect.profile_file import FollowUp
from service.drafts.signature.signing import Signer
from service.ehr import follow_up
from service.ehr.client import EhrClient
from service.settings import Ehr, Settings

BASE = "https://ehr.example/fhir"
SIGNER = Signer(ECKey.generate_key("P-384"))
LIMITS = FollowUp(cap=60, batch=10)


def bundle(*resources: dict[str, Any]) -> bytes:
    """Return a searchset as an EHR sends it."""
    entries = [{"fullUrl": f"{BASE}/{one['resourceType']}/{one['id']}", "resource": one} for one in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}).encode()


def order(name: str, reference: str) -> dict[str, Any]:
    """Return a request that names its drug by reference."""
    return {"resourceType": "MedicationRequest", "id": name, "medicationReference": {"reference": reference}}


def medication(name: str) -> dict[str, Any]:
    """Return a Medication."""
    return {"resourceType": "Medication", "id": name, "code": {"text": "Sertraline 50 mg"}}


def followed(values: Mapping[str, bytes], limits: FollowUp = LIMITS, seconds: float = 2) -> dict[str, Any]:
    """Return the changed values, decoded."""

    async def inner() -> dict[str, bytes]:
        ehr = Ehr.model_validate({"id": "north", "name": "North", "fhir_base": BASE})
        client = EhrClient(ehr, SIGNER, Settings(ehr=(ehr,)))
        try:
            return await follow_up.with_medications(values, client, "t", limits, seconds)
        finally:
            await client.close()

    return {key: json.loads(value) for key, value in asyncio.run(inner()).items()}


def names(value: dict[str, Any]) -> list[str]:
    """Return the addresses of a Bundle's resources."""
    return [f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in value["entry"]]


@respx.mock
def test_a_missing_medication_is_read_once_and_included() -> None:
    """A Medication that two lists refer to is read once, with the user's token, into the first as an included entry."""
    route = respx.get(f"{BASE}/Medication/m1").respond(json=medication("m1"))
    statement = {
        "resourceType": "MedicationStatement",
        "id": "s",
        "medicationReference": {"reference": "Medication/m1"},
    }
    values = {
        "medications": bundle(order("a", "Medication/m1"), order("b", f"{BASE}/Medication/m1/_history/2")),
        "statements": bundle(statement),
    }
    found = followed(values)
    assert list(found) == ["medications"]
    assert found["medications"]["entry"][-1] == {"resource": medication("m1"), "search": {"mode": "include"}}
    assert (found["medications"]["total"], len(found["medications"]["entry"])) == (2, 3)
    assert route.call_count == 1
    assert route.calls.last.request.headers["authorization"] == "Bearer t"


@respx.mock
def test_r5_and_a_lone_resource() -> None:
    """A reference in R5's shape is followed, and a value that is one resource becomes a collection."""
    respx.get(f"{BASE}/Medication/m1").respond(json=medication("m1"))
    alone = {
        "resourceType": "MedicationRequest",
        "id": "a",
        "medication": {"reference": {"reference": "Medication/m1"}},
    }
    found = followed({"medications": json.dumps(alone).encode()})["medications"]
    assert (found["type"], names(found)) == ("collection", ["MedicationRequest/a", "Medication/m1"])


@pytest.mark.parametrize(
    "reference",
    [
        "#m1",
        "urn:uuid:0b2f7f70-0000-4000-8000-000000000001",
        "https://elsewhere.example/fhir/Medication/m1",
        "Substance/m1",
        "Medication/../Patient",
        "",
    ],
)
@respx.mock
def test_nothing_else_is_fetched(reference: str) -> None:
    """Contained ones, other servers, other types and what is no address are never asked for."""
    assert followed({"medications": bundle(order("a", reference))}) == {}


@respx.mock
def test_what_is_there_is_not_read() -> None:
    """A Medication in any of the lists, by its id or its fullUrl, is not asked for again."""
    values = {
        "medications": bundle(order("a", "Medication/m1"), order("b", f"{BASE}/Medication/m2"), medication("m2")),
        "statements": bundle(medication("m1")),
    }
    assert followed(values) == {}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(403),
        httpx.Response(500),
        httpx.Response(200, content=b"{"),
        httpx.Response(200, content=b'{"resourceType":"Medication","id":"m1","id":"m2"}'),
        httpx.Response(200, json=medication("another")),
        httpx.Response(200, json={"resourceType": "Patient", "id": "m1"}),
        httpx.ConnectError("down"),
    ],
)
@respx.mock
def test_what_cannot_be_read_costs_its_own_drug_only(answer: httpx.Response | Exception) -> None:
    """A read that fails or answers with something else leaves the list as it is, but for those that could be read."""
    respx.get(f"{BASE}/Medication/m1").mock(side_effect=[answer])
    respx.get(f"{BASE}/Medication/m2").respond(json=medication("m2"))
    found = followed({"medications": bundle(order("a", "Medication/m1"), order("b", "Medication/m2"))})
    assert names(found["medications"]) == ["MedicationRequest/a", "MedicationRequest/b", "Medication/m2"]


@respx.mock
def test_at_most_so_many_are_read() -> None:
    """No more than the profile's cap are read, those of the first requests."""
    respx.get(url__startswith=f"{BASE}/Medication/").mock(side_effect=_echo)
    orders = bundle(*(order(f"r{n}", f"Medication/m{n}") for n in range(5)))
    assert names(followed({"medications": orders}, FollowUp(cap=2, batch=1))["medications"])[5:] == [
        "Medication/m0",
        "Medication/m1",
    ]
    assert followed({"medications": orders}, FollowUp(cap=0)) == {}


@respx.mock
def test_no_more_than_a_batch_at_once_and_never_longer_than_the_time() -> None:
    """Reads run side by side up to the batch; when the time is over, what has not come is not waited for."""
    running, most, answered = 0, 0, 0

    async def two_of_them(request: httpx.Request) -> httpx.Response:
        nonlocal running, most, answered
        running += 1
        most = max(most, running)
        while most < 2 or answered == 2:  # noqa: ASYNC110 - the first two wait for each other, the others for ever
            await asyncio.sleep(0.001)
        running, answered = running - 1, answered + 1
        return _echo(request)

    respx.get(url__startswith=f"{BASE}/Medication/").mock(side_effect=two_of_them)
    orders = bundle(*(order(f"r{n}", f"Medication/m{n}") for n in range(6)))
    found = followed({"medications": orders}, FollowUp(cap=6, batch=2), seconds=1)
    assert most == 2
    assert len(names(found["medications"])) == 6 + 2
    assert followed({"medications": orders}, seconds=0) == {}


@respx.mock
def test_values_without_requests_are_left_alone() -> None:
    """Null, a list that cannot be read and a Bundle without entries ask for nothing."""
    assert followed({"medications": b"null", "statements": b'{"resourceType":"Bundle","entry":4}'}) == {}
    assert followed({"statements": b'{"resourceType":"Bundle","type":"searchset","x":"Reference"}'}) == {}


@respx.mock
def test_a_drug_that_was_read_is_known_and_one_that_was_not_is_named() -> None:
    """A drug named by reference only is resolved when its Medication could be read, else its reason stands."""
    respx.get(f"{BASE}/Medication/m1").respond(json=medication("m1"))
    respx.get(f"{BASE}/Medication/m2").respond(404)
    more = {"status": "active", "intent": "order", "subject": {"reference": "Patient/p1"}}
    orders = [order("a", "Medication/m1") | more, order("b", "Medication/m2") | more]
    sent = {"patient": b'{"resourceType":"Patient","id":"p1"}', "medications": bundle(*orders)}
    read = sent | {key: json.dumps(value).encode() for key, value in followed(sent).items()}
    courses = adapt_prefetch(read, "p1", date(2026, 11, 22)).patient.medications
    found = {course.source.reference: (course.ingredients, course.unresolved) for course in courses}
    assert found == {
        "MedicationRequest/a": (("sertraline",), None),
        "MedicationRequest/b": ((), "reference-not-found"),
    }


def _echo(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=medication(request.url.path.rpartition("/")[2]))
