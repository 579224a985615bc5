"""The OpenAPI document against the application: no request, good or bad, gets an answer that it does not promise."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.cds.lint import check_card
from service.settings import CdsClient, Ehr, Limits
from tests.fixtures import prefetch
from tests.integration import running

PUBLIC = "http://127.0.0.1:8040"
FUZZED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
KINDS = st.sampled_from(["application/json", "application/fhir+json", "application/json; charset=utf-8"])
OTHER_KINDS = KINDS | st.sampled_from(["", "text/plain", "application/xml", "application/json; charset=utf-16"])
AUTHORIZATION = st.none() | st.sampled_from(
    ["", "Bearer", "Bearer a.b.c", "Basic eDp5", "Bearer eyJhbGciOiJub25lIn0.e30."]
)
HOOKS = {
    "psychotropic-options": prefetch.request(),
    "psychotropic-order-select": prefetch.request(hook="order-select"),
    "psychotropic-order-sign": prefetch.request(hook="order-sign"),
}
for _name in ("psychotropic-order-select", "psychotropic-order-sign"):
    _draft = prefetch.citalopram() | {"status": "draft", "id": "d"}
    HOOKS[_name]["context"] = {
        **HOOKS[_name]["context"], "draftOrders": prefetch.bundle(_draft), "selections": ["MedicationRequest/d"]
    }  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One application for all examples."""
    free = Ehr(
        id="north",
        name="North",
        fhir_base=running.BASE,
        cds_client=CdsClient(required=False),
        limits=Limits(calls_per_second=1e6, burst=1_000_000),
    )
    with running.running(running.settings(tmp_path_factory.mktemp("openapi"), ehr=free)) as found:
        yield found


@pytest.fixture(scope="module")
def card(client: TestClient) -> str:
    """The uuid of a card that was shown."""
    return client.post(running.PATH, json=prefetch.request()).json()["cards"][0]["uuid"]


@pytest.fixture(scope="module")
def document(client: TestClient) -> Any:
    """The document as it is served."""
    return client.get("/openapi.json").json()


def of_schema(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that a schema of the document allows."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of([of_schema({**schema, "type": one}) for one in kind])
    if kind == "array":
        return st.lists(of_schema(schema.get("items", {})), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "object":
        known = {name: of_schema(inner) for name, inner in schema.get("properties", {}).items()}
        needed = {name: known.pop(name) for name in schema.get("required", []) if name in known}
        more = st.dictionaries(st.text(), ANY_JSON, max_size=2)
        return st.builds(lambda a, b: {**a, **b}, more, st.fixed_dictionaries(needed, optional=known))
    return _scalar(kind, schema)


def _scalar(kind: Any, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if kind == "string" and "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    formats = {"uuid": st.uuids().map(str), "date-time": st.datetimes().map(lambda t: f"{t.isoformat()}Z")}
    if kind == "string":
        return formats.get(schema.get("format", ""), st.text())
    return st.none() if kind == "null" else ANY_JSON


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """Return a copy of a good body in which one part is replaced, removed or repeated."""
    whole: Any = {"body": deepcopy(value)}
    node: Any = whole
    key: Any = "body"
    while isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 4)):
        node = node[key]
        key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
    match draw(st.sampled_from(["replace", "remove", "repeat"])):
        case "remove" if node is not whole:
            del node[key]
        case "repeat" if isinstance(node, list):
            node.append(node[key])
        case _:
            node[key] = draw(ANY_JSON)
    return whole["body"]


def check(document: Any, path: str, method: str, answer: Any) -> None:
    """Compare an answer with what the document promises of the operation."""
    promised = document["paths"][path][method]["responses"]
    assert answer.status_code < 500, answer.text
    assert str(answer.status_code) in promised, (path, answer.status_code, answer.text[:300])
    kinds = promised[str(answer.status_code)].get("content", {})
    assert answer.content or not kinds
    assert not answer.content or answer.headers["content-type"].partition(";")[0] in kinds
    if answer.status_code >= 400:
        outcome = answer.json()
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["details"]["coding"][0]["code"].startswith("U-")


def test_every_operation_documents_its_refusals(document: Any) -> None:
    """Each operation that takes a body promises 400, 401 and 413, and every refusal is an OperationOutcome."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            if "requestBody" in operation:
                assert {"400", "401", "413"} <= set(operation["responses"]), path
            for status, promised in operation["responses"].items():
                assert int(status) < 300 or list(promised["content"]) == ["application/fhir+json"]
    assert "HTTPValidationError" not in json.dumps(document)


@FUZZED
@given(st.data())
def test_any_request_gets_a_documented_answer(client: TestClient, document: Any, data: st.DataObject) -> None:
    """Whatever path values, body, content type and token are sent, no answer is a 5xx or undocumented."""
    operations = [(path, method) for path, found in document["paths"].items() for method in found]
    path, method = data.draw(st.sampled_from(operations))
    operation = document["paths"][path][method]
    address = path
    for parameter in operation.get("parameters", []):
        value = data.draw(of_schema(parameter["schema"]) | st.from_regex(r"[A-Za-z0-9.$-]{1,70}", fullmatch=True))
        address = address.replace(f"{{{parameter['name']}}}", quote(str(value), safe=""))
    content = b""
    if "requestBody" in operation:
        (media,) = operation["requestBody"]["content"].values()
        sent = data.draw(of_schema(media["schema"]) | ANY_JSON)
        content = data.draw(st.just(json.dumps(sent).encode()) | st.binary(max_size=64))
    headers = {"Content-Type": data.draw(KINDS | OTHER_KINDS)}
    if authorization := data.draw(AUTHORIZATION):
        headers["Authorization"] = authorization
    answer = client.request(method.upper(), address, content=content, headers=headers)
    if "U-PATH" not in answer.text and "U-METHOD" not in answer.text:  # values may spell another route
        check(document, path, method, answer)


@pytest.mark.parametrize("service", HOOKS)
@FUZZED
@given(st.data())
def test_a_good_call_with_one_part_changed_is_answered_or_refused(
    client: TestClient, document: Any, service: str, data: st.DataObject
) -> None:
    """One part of a good hook request replaced, removed or repeated gives clean cards or a coded refusal."""
    body = data.draw(changed(HOOKS[service]))
    answer = client.post(f"/cds-services/{service}", json=body)
    check(document, "/cds-services/{service_id}", "post", answer)
    for card in answer.json().get("cards", []):
        assert check_card(card, PUBLIC) == ()


@FUZZED
@given(st.data())
def test_feedback_of_any_shape_is_answered(client: TestClient, document: Any, card: str, data: st.DataObject) -> None:
    """Feedback with one part changed is 200, 400 or 404, and never a crash."""
    item = {
        "card": card,
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-22T10:45:00Z",
        "overrideReason": {"reason": {"code": "x", "system": "https://ehr.example"}, "userComment": "no"},
    }
    answer = client.post(f"{running.PATH}/feedback", json=data.draw(changed({"feedback": [item]})))
    check(document, "/cds-services/{service_id}/feedback", "post", answer)
