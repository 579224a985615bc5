"""CDS Hooks 2.0.1, ready for 3.0, requirement by requirement: docs/cds-hooks.md names the test of each."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from fhir.resources.R4B.medicationrequest import MedicationRequest
from starlette.testclient import TestClient

from conformance.reference_ehr.cards import problems
from service import settings_rules
from service.cds.discovery import services
from service.cds.lint import check_card
from service.errors import ConfigError
from service.settings import CdsClient, Ehr, Limits, Model, Server, Settings, Sign, StoreSettings
from tests.fixtures import prefetch
from tests.integration.running import BASE, ORIGIN, PATH, held, running, settings
from tests.integration.sockets import Reply, peer

PUBLIC = "http://127.0.0.1:8040"
SELECT, SIGN = "/cds-services/psychotropic-order-select", "/cds-services/psychotropic-order-sign"
PATHS = {"patient-view": PATH, "order-select": SELECT, "order-sign": SIGN}
# http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes, the trial-use code system of CDS Hooks 3.0.
HL7_REASONS = {
    *("action-unsuccessful", "action-performed-no-adverse-effect", "need-more-info", "expert-contradicts"),
    *("risk-benefit-ratio", "mitigate-risk-negative-outcome", "patient-contraindication", "prefers-alternative"),
    "too-costly-uncovered",
}
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One application for the tests that decide nothing, with no limit on its calls."""
    free = Limits(calls_per_second=1e6, burst=1_000_000)
    ehr = Ehr(
        id="north", name="North", fhir_base=BASE, origins=(ORIGIN,), cds_client=CdsClient(required=False), limits=free
    )
    with running(settings(tmp_path_factory.mktemp("requirements"), ehr=ehr)) as found:
        yield found


def draft(drug: str = "phenelzine", **more: Any) -> Json:
    """Return an order that is being written."""
    found: Json = {"resourceType": "MedicationRequest", "id": "a", "status": "draft", "intent": "order"}
    return {**found, "medicationCodeableConcept": {"text": drug}, **more}


def request(hook: str = "patient-view", *orders: Json, context: Json | None = None, **change: Any) -> Json:
    """Return a good request of a hook, with phenelzine being ordered unless orders are given."""
    body: Json = prefetch.request(**change) | {"hook": hook}
    if hook != "patient-view":
        written: Json = {"draftOrders": prefetch.bundle(*(orders or (draft(),)))}
        chosen = {"selections": ["MedicationRequest/a"]} if hook == "order-select" else {}
        body["context"] = {**body["context"], **written, **chosen}
    body["context"] = {**body["context"], **(context or {})}
    return body


def post(client: TestClient, body: Any, path: str | None = None) -> Any:
    """Call the service of a request's hook."""
    return client.post(path or PATHS[body["hook"]], json=body)


def refused(answer: Any, status: int, code: str) -> None:
    """Check a refusal: its status, and one OperationOutcome with the code."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/fhir+json"), answer.text
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert [c["code"] for c in outcome["issue"][0]["details"]["coding"]] == [code]


def cards(client: TestClient, body: Json) -> list[Json]:
    """Return the cards of a call that succeeds."""
    answer = post(client, body)
    assert answer.status_code == 200, answer.text
    return answer.json()["cards"]


# ---- transport and JSON


@pytest.mark.parametrize("base", ["http://ehr.north.example/fhir", "http://127.0.0.1:8050/fhir", "ftp://ehr.example"])
def test_production_speaks_https_only(base: str) -> None:
    """Outside development neither an EHR nor this service is addressed over plain http but on loopback."""
    ehr = Ehr(id="a", name="A", fhir_base=base, cds_client=CdsClient(issuer="i", jwks_file=Path("k"), audiences=("a",)))
    with pytest.raises(ConfigError):
        settings_rules.check(Settings(ehr=(ehr,)))


def test_answers_over_https_say_that_it_has_to_stay_so(tmp_path: Path) -> None:
    """With a public https address every answer carries Strict-Transport-Security."""
    store, sign = StoreSettings(url=f"sqlite:///{tmp_path}/u.db"), Sign(key_file=tmp_path / "k.json")
    found = Settings(server=Server(public_url="https://u.example", development=True), store=store, sign=sign)
    with running(found) as client:
        assert "max-age" in client.get("/cds-services").headers["strict-transport-security"]


def test_nothing_that_is_sent_is_empty(shown: tuple[TestClient, list[Json]]) -> None:
    """Neither discovery nor cards nor the answer to feedback hold null, "", [] or {} where it is not asked for."""
    client, both = shown
    assert problems({"cards": both}) == ()
    assert client.post(f"{PATH}/feedback", json={"feedback": [item(both[0])]}).content == b""
    assert cards(client, request("order-sign", draft("amoxicillin"))) == []
    listed = client.get("/cds-services").json()
    assert [one for service in listed["services"] for one in service.values() if one in (None, "", [], {})] == []


def test_suggested_resources_are_valid_fhir(client: TestClient) -> None:
    """Each suggested MedicationRequest is read by a strict model, as a draft proposal."""
    for hook in ("patient-view", "order-select"):
        (card,) = cards(client, request(hook))
        resources = [a["resource"] for s in card["suggestions"] for a in s.get("actions", [])]
        assert resources
        for one in resources:
            model = MedicationRequest.model_validate(one)
            assert (model.status, model.intent) == ("draft", "proposal")


# ---- discovery


def test_discovery_answers_always(client: TestClient, tmp_path: Path) -> None:
    """With a token of nobody, and without a tenant and the model off: 200, and the list of all three services."""
    assert client.get("/cds-services", headers={"Authorization": "Bearer x"}).status_code == 200
    store, sign = StoreSettings(url=f"sqlite:///{tmp_path}/u.db"), Sign(key_file=tmp_path / "k.json")
    with running(Settings(store=store, sign=sign, model=Model(enabled=False))) as alone:
        answer = alone.get("/cds-services")
    assert answer.status_code == 200
    assert len(answer.json()["services"]) == 3


def test_discovery_names_each_service_and_its_version(client: TestClient) -> None:
    """Each has hook, id, title, description and usage as texts, the specification's version, and no unknown key."""
    allowed = {"hook", "id", "title", "description", "usageRequirements", "prefetch", "version"}
    for service in client.get("/cds-services").json()["services"]:
        assert set(service) == allowed
        assert all(isinstance(service[name], str) for name in allowed - {"prefetch"})
        assert service["version"] == "2.0.1"


def test_each_listed_service_is_callable_at_its_id(client: TestClient) -> None:
    """POST to ``/cds-services/{id}`` answers each id of discovery, and 404 for another."""
    for service in client.get("/cds-services").json()["services"]:
        assert client.post(f"/cds-services/{service['id']}", json=request(service["hook"])).status_code == 200
    refused(client.post("/cds-services/other", json=request()), 404, "U-CDS-SERVICE")


# ---- request


@pytest.mark.parametrize("hook", PATHS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"hookInstance": None}, "U-CDS-REQUEST"),
        ({"hookInstance": "1"}, "U-CDS-REQUEST"),
        ({"hookInstance": "-" * 100_000 + "d1577c69dfbe44ad8d6da63e05e953b2"}, "U-CDS-REQUEST"),
        ({"context": None}, "U-CDS-CONTEXT"),
        ({"fhirAuthorization": {"access_token": "t"}}, "U-CDS-REQUEST"),
        ({"prefetch": []}, "U-CDS-REQUEST"),
    ],
)
def test_a_request_without_its_required_fields_is_refused(
    client: TestClient, hook: str, change: Json, code: str
) -> None:
    """hookInstance as a UUID, context, fhirServer beside fhirAuthorization, for each of the three hooks."""
    body = {name: value for name, value in (request(hook) | change).items() if value is not None}
    refused(post(client, body), 400, code)


@pytest.mark.parametrize("path", PATHS.values())
@pytest.mark.parametrize("hook", [None, 7, "", "PATIENT-VIEW", "order-dispatch"])
def test_a_request_without_a_hook_of_ours_is_refused(client: TestClient, path: str, hook: Any) -> None:
    """``hook`` has to be there, and has to be the one that is answered at the address, in its own spelling."""
    body = {name: value for name, value in {**request(), "hook": hook}.items() if value is not None}
    refused(client.post(path, json=body), 400, "U-CDS-HOOK" if isinstance(hook, str) else "U-CDS-REQUEST")


@pytest.mark.parametrize("hook", PATHS)
def test_optional_fields_may_be_left_out(client: TestClient, hook: str) -> None:
    """Without fhirServer and fhirAuthorization, and with a context of the least, each hook is answered."""
    assert len(cards(client, request(hook))) == 1


def test_plain_http_as_fhirserver_is_refused_outside_development(tmp_path: Path) -> None:
    """A tenant's base is https in production, so that an http fhirServer equals none."""
    ehr = Ehr(id="a", name="A", fhir_base="https://ehr.example/fhir", cds_client=CdsClient(required=False))
    with running(settings(tmp_path, ehr=ehr)) as client:
        refused(post(client, request(fhirServer="http://ehr.example/fhir")), 403, "U-EHR-FHIRSERVER")
        assert post(client, request(fhirServer="https://ehr.example/fhir")).status_code == 200


EXTRA: Json = {"com.example.timestamp": "2026-11-22", "nested": {"a": [1, None]}}


@pytest.mark.parametrize("hook", PATHS)
def test_extensions_and_unknown_fields_change_nothing(client: TestClient, hook: str) -> None:
    """Extensions in request and context, and fields of later versions, give the same card as without them."""
    plain, extended = request(hook), request(hook, context={"extension": EXTRA, "encounterId": "e1"})
    extended |= {"extension": EXTRA, "hookVersion": "2.0", "somethingNew": [1]}
    texts = [cards(client, one)[0]["detail"] for one in (plain, extended)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("hook", PATHS)
@pytest.mark.parametrize(
    ("context", "status", "code"),
    [
        ({"userId": "PractitionerRole/r"}, 200, ""),
        ({"encounterId": "e1"}, 200, ""),
        ({"userId": "Patient/p1"}, 403, "U-CDS-USER"),
        ({"userId": "RelatedPerson/r"}, 403, "U-CDS-USER"),
        ({"userId": "dr"}, 400, "U-CDS-CONTEXT"),
        ({"userId": None}, 400, "U-CDS-CONTEXT"),
        ({"patientId": None}, 400, "U-CDS-CONTEXT"),
        ({"patientId": 7}, 400, "U-CDS-CONTEXT"),
        ({"patientId": "Patient/p1"}, 400, "U-CDS-CONTEXT"),
        ({"patientId": ".."}, 400, "U-CDS-CONTEXT"),
        ({"patientId": "p1/../p2"}, 400, "U-CDS-CONTEXT"),
        ({"patientId": "p1%2f.."}, 400, "U-CDS-CONTEXT"),
        ({"userId": "Practitioner/.."}, 400, "U-CDS-CONTEXT"),
        ({"userId": "Device/d"}, 400, "U-CDS-CONTEXT"),
        ({"patientId": "other"}, 400, "U-PATIENT-MISMATCH"),
    ],
)
def test_the_context_of_each_hook(client: TestClient, hook: str, context: Json, status: int, code: str) -> None:
    """Practitioners and their roles are answered; another user, a full reference and another patient are not."""
    answer = post(client, request(hook, context=context))
    assert answer.status_code == 200 if status == 200 else refused(answer, status, code) is None


@pytest.mark.parametrize("other", [hook for hook in PATHS if hook != "patient-view"])
def test_a_hook_is_answered_at_its_own_address_only(client: TestClient, other: str) -> None:
    """A request posted to the service of another hook is 400, whatever it holds."""
    refused(post(client, request(other), PATH), 400, "U-CDS-HOOK")
    refused(post(client, request("patient-view"), PATHS[other]), 400, "U-CDS-HOOK")


# ---- prefetch


def _page(values: Json, key: str) -> None:
    values[key] = (values.get(key) or prefetch.bundle()) | {"link": [{"relation": "next", "url": f"{BASE}/X?page=2"}]}


def _total(values: Json, key: str) -> None:
    found = values.get(key) or prefetch.bundle()
    values[key] = found | {"total": len(found["entry"]) + 3}


SHAPES: dict[str, Callable[[Json, str], None]] = {
    "absent": lambda values, key: values.pop(key, None),
    "null": lambda values, key: values.__setitem__(key, None),
    "empty": lambda values, key: values.__setitem__(key, prefetch.bundle()),
    "empty without entry": lambda values, key: values.__setitem__(key, {"resourceType": "Bundle"}),
    "outcome": lambda values, key: values.__setitem__(key, OUTCOME),
    "paged": _page,
    "partial": _total,
}
LISTS = {
    template.key: template for template in services()["psychotropic-options"].templates if template.key != "patient"
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("key", LISTS)
def test_each_shape_of_each_prefetch_value(client: TestClient, key: str, shape: str) -> None:
    """Null and empty are "none on record"; what is absent, failed or partial is 412 where needed, else it is named."""
    values, template = prefetch.values(), LISTS[key]
    SHAPES[shape](values, key)
    answer = post(client, request(prefetch=values))
    failed = shape == "outcome" or (shape == "absent" and not template.decisive)
    if failed and (template.required or template.decisive):
        refused(answer, 412, "U-CDS-PREFETCH")
        assert f"prefetch.{key} (template {template.template}" in answer.text
        return
    assert answer.status_code == 200
    detail = "".join(card["detail"] for card in answer.json()["cards"])
    if shape in ("null", "empty", "empty without entry"):
        assert template.holds not in detail.partition("Not supplied:")[2].partition(".")[0]
    else:
        part = " (only in part)" if shape in ("paged", "partial") else ""
        assert f"{template.holds}{part}" in detail.partition("Not supplied:")[2]


@pytest.mark.parametrize("value", [None, OUTCOME, prefetch.bundle()])
def test_a_patient_that_is_none_is_never_guessed(client: TestClient, value: Any) -> None:
    """Null, an error or an empty list in place of the Patient give no card."""
    answer = post(client, request(prefetch=prefetch.values() | {"patient": value}))
    assert answer.status_code in (400, 412)
    assert "OperationOutcome" in answer.text


def test_prefetch_alone_and_the_ehr_alone_give_the_same_options(tmp_path: Path) -> None:
    """The drafts that come of a whole prefetch come of an empty one too, read with the lent token."""
    values = prefetch.values()
    kinds = {"Condition": "conditions", "MedicationRequest": "medications", "Observation": "scores"}

    def answer(path: str) -> Reply:
        kind = path.removeprefix("/fhir/").partition("?")[0]
        found = (
            values["patient"] if kind.startswith("Patient/") else values.get(kinds.get(kind, "")) or prefetch.bundle()
        )
        return Reply(body=json.dumps(found).encode())

    with peer(answer) as there:
        ehr = Ehr(id="north", name="North", fhir_base=there.base, cds_client=CdsClient(required=False))
        with running(settings(tmp_path, ehr=ehr)) as client:
            sent = cards(client, request(fhirServer=there.base))
            read = cards(client, request(fhirServer=there.base, prefetch={}))
    labels = [[one["label"] for one in found[0]["suggestions"]] for found in (sent, read)]
    assert labels[0] == labels[1]


# ---- FHIR access


@pytest.mark.parametrize(
    "scope",
    ["patient/*.rs", "patient/Observation.rs patient/Condition.rs", "patient/*.read", "user/*.r launch openid", ""],
)
def test_scopes_of_either_smart_version_are_taken(client: TestClient, scope: str) -> None:
    """fhirAuthorization with v2 or v1 scopes, a patient or none, and fields that are not known, is answered."""
    granted: Json = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": scope, "subject": "s"}
    for more in ({}, {"patient": "p1"}, {"extension": EXTRA}):
        assert cards(client, request(fhirServer=BASE, fhirAuthorization={**granted, **more}))


def test_a_lent_token_is_nowhere_after_the_call(tmp_path: Path) -> None:
    """Neither the store's files nor the log nor the answer hold the access token."""
    lent = {"access_token": "lent-secret-token", "token_type": "Bearer", "expires_in": 300, "scope": "", "subject": "s"}
    with running(settings(tmp_path)) as client, structlog.testing.capture_logs() as logs:
        good = post(client, request(fhirServer=BASE, fhirAuthorization=lent))
        bad = post(client, request(fhirServer=BASE, fhirAuthorization=lent, prefetch={}))
        files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert (good.status_code, bad.status_code) == (200, 412)
    for place in (good.text, bad.text, str(logs), files.decode("latin-1")):
        assert "lent-secret" not in place


def test_a_token_of_another_patient_is_refused(client: TestClient) -> None:
    """fhirAuthorization.patient that is not context.patientId is 403 for each hook."""
    lent = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "", "subject": "s", "patient": "x"}
    for hook in PATHS:
        refused(post(client, request(hook, fhirServer=BASE, fhirAuthorization=lent)), 403, "U-CDS-PATIENT")


@pytest.mark.parametrize("token", ["", "é", "\U0001f600", "a b", "a\r\nX-Name: b", "\x00", "t" * 20_000])
def test_a_token_that_no_header_can_carry_is_refused(client: TestClient, token: str) -> None:
    """What would become a header of ours is a Bearer token by its letters, or the call is 400 for each hook."""
    lent = {"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "", "subject": "s"}
    for hook in PATHS:
        call = request(hook, fhirServer=BASE, fhirAuthorization=lent, prefetch={})
        refused(post(client, call), 400, "U-CDS-REQUEST")


# ---- cards


def _child(values: Json) -> None:
    values["patient"]["birthDate"] = "2012-01-01"


def _denied(values: Json) -> None:
    text = (Path(__file__).parents[1] / "fixtures/fhir/consent_denied.json").read_text("utf-8")
    consents = [e["resource"] for e in json.loads(text)["entry"] if e["resource"]["resourceType"] == "Consent"]
    values["consents"] = prefetch.bundle(*(one | {"patient": {"reference": "Patient/p1"}} for one in consents))


def _hostile(values: Json) -> None:
    text = "![x](https://evil.example/p) <script>alert(1)</script> | **bold** [link](http://x)"
    values["conditions"]["entry"].append({"resource": prefetch.condition("h", "73211009", text)})
    order = prefetch.citalopram() | {"id": "h", "medicationCodeableConcept": {"text": text}}
    values["medications"]["entry"].append({"resource": order})


KINDS: dict[str, tuple[str, Callable[[Json], None]]] = {
    "options": ("patient-view", lambda values: None),
    "crisis": ("patient-view", lambda values: values.update(prefetch.values(item9=3))),
    "consent": ("patient-view", _denied),
    "too-little-data": ("patient-view", lambda values: values.__setitem__("scores", None)),
    "escalation": ("patient-view", _child),
    "options, hostile text": ("patient-view", _hostile),
    "order-selected": ("order-select", lambda values: None),
    "order-findings": ("order-sign", lambda values: None),
    "order-selected, hostile text": ("order-select", _hostile),
    "order-findings, hostile text": ("order-sign", _hostile),
    "crisis, order-select": ("order-select", lambda values: values.update(prefetch.values(item9=3))),
    "crisis, order-sign": ("order-sign", lambda values: values.update(prefetch.values(item9=3))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_card_keeps_every_rule(tmp_path: Path, kind: str) -> None:
    """Our linter and the reference EHR's own find no fault in any kind of card, nor is there ever more than one."""
    hook, change = KINDS[kind]
    values = prefetch.values()
    change(values)
    with running(settings(tmp_path)) as client:
        answer = post(client, request(hook, prefetch=values)).json()
    (card,) = answer["cards"]
    assert card["source"]["topic"]["code"] == kind.partition(",")[0]
    assert check_card(card, PUBLIC) == ()
    assert problems(answer) == ()
    assert set(answer) == {"cards"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_fields_of_each_kind_of_card(tmp_path: Path, kind: str) -> None:
    """Summary, indicator, source, uuid, links, suggestions and reasons have the forms that the standard gives them."""
    hook, change = KINDS[kind]
    values = prefetch.values()
    change(values)
    with running(settings(tmp_path)) as client:
        (card,) = post(client, request(hook, prefetch=values)).json()["cards"]
    assert 0 < len(card["summary"]) < 140
    assert card["indicator"] in ("info", "warning", "critical")
    assert card["source"]["url"].startswith(f"{PUBLIC}/")
    assert set(card["source"]) == {"label", "url", "topic"}
    assert set(card) <= {
        *("uuid", "summary", "indicator", "detail", "source", "suggestions", "selectionBehavior", "links"),
        "overrideReasons",
    }
    assert ("selectionBehavior" in card) is ("suggestions" in card)
    assert all("autolaunchable" not in link for link in card.get("links", []))
    assert all("actionSelectionBehavior" not in one for one in card.get("suggestions", []))
    actions = [action for one in card.get("suggestions", []) for action in one.get("actions", [])]
    assert all((action["type"], bool(action["description"])) == ("create", True) for action in actions)
    reasons = card.get("overrideReasons", [])
    assert all({"code", "system", "display"} == set(one) for one in reasons)
    assert {one["code"] for one in reasons} <= HL7_REASONS
    assert len(reasons) == {"patient-view": 5}.get(hook, 6) or not reasons


def test_nothing_to_say_is_an_empty_list_and_only_after_an_evaluation(client: TestClient) -> None:
    """A patient in remission gives 200 and no card; a chart that could not be read never does."""
    calm = prefetch.values()
    calm["scores"] = prefetch.bundle(
        prefetch.score("t", "44261-6", 2, "2026-11-03"), prefetch.score("i", "44260-8", 0, "2026-11-03")
    )
    assert cards(client, request(prefetch=calm)) == []
    del calm["scores"]
    refused(post(client, request(prefetch=calm)), 412, "U-CDS-PREFETCH")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", PATH, b"{", 400),
        ("POST", PATH, b'{"hook":"patient-view","hook":"x"}', 400),
        ("POST", PATH, b"[]", 400),
        ("POST", PATH, b" " * 2_100_000, 413),
        ("POST", "/cds-services/none", b"{}", 404),
        ("POST", f"{PATH}/feedback", b"{}", 400),
        ("GET", PATH, b"", 405),
        ("GET", "/cds-services/", b"", 404),
    ],
)
def test_each_refusal_is_an_outcome(client: TestClient, method: str, path: str, body: bytes, status: int) -> None:
    """Every answer that is not 2xx holds an OperationOutcome, as 3.0 asks."""
    answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


# ---- feedback


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[tuple[TestClient, list[Json]]]:
    """An application that has shown two cards of two hook instances."""
    with running(settings(tmp_path)) as found:
        first = cards(found, request())
        second = cards(found, request("order-sign", hookInstance="6bf5b2f9-0a4f-4ba5-9d0e-2b6a4a1b9a11"))
        yield found, [*first, *second]


def item(card: Json, **more: Any) -> Json:
    """Return an override of a card."""
    return {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:45:00Z", **more}


def test_feedback_on_several_cards_of_several_calls_is_taken(shown: tuple[TestClient, list[Json]]) -> None:
    """One body may hold several cards and the same card twice, and may come again."""
    client, both = shown
    body = {"feedback": [item(both[0]), item(both[1]), item(both[0])]}
    assert [client.post(f"{PATH}/feedback", json=body).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "more",
    [
        {"overrideReason": {"reason": {"code": "house-rule", "system": "https://ehr.example/reasons"}}},
        {"overrideReason": {"reason": {"code": "x"}, "userComment": "äöü"}},
        {"overrideReason": {"userComment": "not now"}},
        {"overrideReason": {"userComment": "x" * 10_000}},
        {"overrideReason": None, "acceptedSuggestions": None},
        {"outcomeTimestamp": "2026-11-22T10:45:00.123+01:00"},
        {"outcomeTimestamp": "2026-12-31t23:59:60z"},
        {"extension": EXTRA},
    ],
)
def test_feedback_in_the_ehrs_own_words_is_taken(shown: tuple[TestClient, list[Json]], more: Json) -> None:
    """Codes of the EHR's own list, without display, comments, fractions, zones, a leap second, extensions."""
    client, both = shown
    assert client.post(f"{PATH}/feedback", json={"feedback": [item(both[0], **more)]}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"feedback": []},
        {"feedback": {}},
        {"feedback": [{"outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:45:00Z"}]},
        {"feedback": [{"card": "x", "outcome": "ignored", "outcomeTimestamp": "2026-11-22T10:45:00Z"}]},
        {"feedback": [{"card": "x", "outcome": "accepted", "outcomeTimestamp": "2026-11-22T10:45:00Z"}]},
        {"feedback": [{"card": "x", "outcome": "overridden"}]},
        {"feedback": [{"card": "x", "outcome": "overridden", "outcomeTimestamp": "yesterday"}]},
        {"feedback": [{"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-11-22"}]},
        {"feedback": [{"card": "x", "outcome": "overridden", "outcomeTimestamp": "20261122T104500Z"}]},
        {"feedback": [{"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-W47-7T10:45:00Z"}]},
        {"feedback": [{"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-02-30T10:45:00Z"}]},
        {"feedback": [{"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-11-22T25:45:00Z"}]},
    ],
)
def test_feedback_without_its_required_fields_is_refused(client: TestClient, body: Json) -> None:
    """card, outcome, a time as RFC 3339 writes it, and what was accepted have to be there."""
    refused(client.post(f"{PATH}/feedback", json=body), 400, "U-CDS-FEEDBACK")


@pytest.mark.parametrize(
    "more",
    [
        {"outcome": "accepted", "acceptedSuggestions": [{"id": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"}]},
        {"overrideReason": {"userComment": "x" * 10_001}},
        {"overrideReason": {"reason": {"code": "x" * 257}}},
        {"overrideReason": {"reason": {"code": "x", "display": "x" * 257}}},
    ],
)
def test_feedback_that_cannot_be_kept_is_refused_whole(shown: tuple[TestClient, list[Json]], more: Json) -> None:
    """A suggestion that the card did not show, and text without end, are refused: nothing of the body is recorded."""
    client, both = shown
    body = {"feedback": [item(both[0]), item(both[0], **more)]}
    refused(client.post(f"{PATH}/feedback", json=body), 400, "U-CDS-FEEDBACK")
    assert held(client) == len(both[0]["suggestions"]) - 1


def test_feedback_on_another_tenants_card_is_unknown(tmp_path: Path) -> None:
    """Cards with drafts and without, a crisis card too, are 404 for the other hospital, as one that never was."""
    ours = settings(tmp_path)
    other = ours.ehr[0].model_copy(update={"id": "south", "fhir_base": f"{BASE}/south"})
    chart = prefetch.values(item9=3)
    with running(ours) as client:
        found = [*cards(client, request()), *cards(client, request("order-sign"))]
        found += cards(client, request(prefetch=chart))
        assert [client.post(f"{PATH}/feedback", json={"feedback": [item(one)]}).status_code for one in found] == [
            200
        ] * 3
    with running(ours.model_copy(update={"ehr": (other,)})) as client:
        for one in found:
            refused(client.post(f"{PATH}/feedback", json={"feedback": [item(one)]}), 404, "U-CDS-CARD")


def test_a_card_that_nobody_answers_for_stays(shown: tuple[TestClient, list[Json]]) -> None:
    """Without any feedback the same chart gives the same drafts: an ignored card is no decision."""
    client, both = shown
    again = cards(client, request())[0]
    assert [one["uuid"] for one in again["suggestions"][:-1]] == [one["uuid"] for one in both[0]["suggestions"][:-1]]


# ---- CORS


@pytest.mark.parametrize("path", [PATH, f"{PATH}/feedback", "/cds-services", "/cds-services/none"])
def test_browsers_of_listed_origins_may_call_each_path(client: TestClient, path: str) -> None:
    """Preflight and answer name the listed origin, never a star and never credentials; others get neither."""
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    good = client.options(path, headers={"Origin": ORIGIN, **ask})
    answer = client.post(path, content=b"{", headers={"Origin": ORIGIN, "Content-Type": "application/json"})
    for one in (good, answer):
        assert one.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-credentials" not in one.headers
    assert {"authorization", "content-type"} <= set(good.headers["access-control-allow-headers"].split(", "))
    listed = client.get("/cds-services", headers={"Origin": ORIGIN})
    called = client.post(PATH, json=request(), headers={"Origin": ORIGIN})
    for one in (listed, called):
        assert (one.status_code, one.headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert "Origin" in one.headers["vary"]
    for origin in ("https://evil.example", "null", f"{ORIGIN}.evil.example", ORIGIN.upper()):
        bad = client.options(path, headers={"Origin": origin, **ask})
        assert bad.status_code == 403
        assert "access-control-allow-origin" not in bad.headers
