"""The hook over HTTP: from a chart to a card whose drafts are held, and back by feedback."""

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from service.cds.cards import no_change_id
from service.cds.lint import check_card
from service.drafts.canonical_json import digest
from service.drafts.records import Prepared, Signature
from service.settings import Cards, CdsClient, Ehr, Limits, Model
from tests.fixtures import prefetch
from tests.integration.running import BASE, ORIGIN, PATH, held, running, settings

PUBLIC = "http://127.0.0.1:8040"


@pytest.fixture(scope="module")
def module_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One application for the tests that read only."""
    with running(settings(tmp_path_factory.mktemp("module"))) as found:
        yield found


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """An application of its own."""
    with running(settings(tmp_path)) as found:
        yield found


def cards(client: TestClient, **change: Any) -> list[dict[str, Any]]:
    """Return the cards of a call that succeeds."""
    answer = client.post(PATH, json=prefetch.request(**change))
    assert answer.status_code == 200, answer.text
    return answer.json()["cards"]


def ids(card: dict[str, Any]) -> list[str]:
    """Return the draft ids of a card's suggestions."""
    return [s["uuid"] for s in card["suggestions"] if s.get("actions")]


def feedback(client: TestClient, **item: Any) -> int:
    """Send one item of feedback and return the status."""
    body = {"feedback": [{"outcomeTimestamp": "2026-11-22T10:45:00Z", **item}]}
    return client.post(f"{PATH}/feedback", json=body).status_code


def test_discovery_lists_the_services(module_client: TestClient) -> None:
    """GET /cds-services answers one service a hook, each with an id of its own, also when a token is sent."""
    answer = module_client.get("/cds-services", headers={"Authorization": "Bearer x.y.z"})
    assert answer.status_code == 200
    listed = answer.json()["services"]
    assert {s["hook"]: s["id"] for s in listed} == {
        "patient-view": "psychotropic-options",
        "order-select": "psychotropic-order-select",
        "order-sign": "psychotropic-order-sign",
    }
    assert all(s["prefetch"] for s in listed)


def test_a_chart_gives_one_clean_card_with_held_drafts(client: TestClient) -> None:
    """One call gives one card that passes the linter, and its drafts are in the store when it arrives."""
    (card,) = cards(client)
    assert check_card(card, PUBLIC) == ()
    assert 1 <= len(ids(card)) <= 2
    assert held(client) == len(ids(card))
    for suggestion in card["suggestions"][:-1]:
        resource = suggestion["actions"][0]["resource"]
        assert resource["id"] == suggestion["uuid"]
        assert (resource["status"], resource["intent"]) == ("draft", "proposal")
        assert resource["subject"] == {"reference": "Patient/p1"}


def test_the_same_chart_gives_the_same_drafts(client: TestClient) -> None:
    """Opening the chart again holds nothing new."""
    first, second = cards(client)[0], cards(client)[0]
    assert ids(first) == ids(second)
    assert held(client) == len(ids(first))


def test_entry_order_changes_nothing(client: TestClient) -> None:
    """The same facts in another order give the same drafts."""
    (first,) = cards(client)
    turned = prefetch.values()
    turned["scores"]["entry"].reverse()
    (second,) = cards(client, prefetch=turned)
    assert ids(first) == ids(second)


def test_a_new_fact_supersedes_the_drafts(client: TestClient) -> None:
    """A new score gives new drafts, and the old ones end."""
    (first,) = cards(client)
    changed = prefetch.values()
    changed["scores"]["entry"].append({"resource": prefetch.score("t3", "44261-6", 20, "2026-11-20")})
    (second,) = cards(client, prefetch=changed)
    assert not set(ids(first)) & set(ids(second))
    assert held(client) == len(ids(second))


def test_a_positive_answer_on_self_harm_gives_a_crisis_card_and_ends_the_drafts(client: TestClient) -> None:
    """A crisis card holds no suggestion, and the drafts of before are no longer held."""
    cards(client)
    (card,) = cards(client, prefetch=prefetch.values(item9=3))
    assert card["indicator"] == "critical"
    assert "suggestions" not in card
    assert held(client) == 0


def test_an_assessment_recorded_in_the_chart_opens_drafting_again(client: TestClient) -> None:
    """A finished suicide risk assessment after the positive answer gives options with warnings; one before it none."""
    concept = {"coding": [{"system": "http://snomed.info/sct", "code": "225337009"}]}
    made = {"resourceType": "Procedure", "id": "a", "status": "completed", "code": concept}
    made |= {"subject": {"reference": "Patient/p1"}}
    topics: list[str] = []
    for day in ("2026-01-05", "2026-11-21"):
        chart = prefetch.values(item9=1)
        chart["procedures"] = prefetch.bundle(made | {"performedDateTime": f"{day}T09:00:00Z"})
        topics += [card["source"]["topic"]["code"] for card in cards(client, prefetch=chart)]
    assert topics == ["crisis", "options"]


def test_withheld_consent_gives_no_drug(client: TestClient) -> None:
    """A denied Consent gives a card that names no drug, and ends the drafts of before."""
    cards(client)
    denied = prefetch.values()
    text = (Path(__file__).parents[1] / "fixtures/fhir/consent_denied.json").read_text()
    consents = [e["resource"] for e in json.loads(text)["entry"] if e["resource"]["resourceType"] == "Consent"]
    denied["consents"] = prefetch.bundle(*(c | {"patient": {"reference": "Patient/p1"}} for c in consents))
    (card,) = cards(client, prefetch=denied)
    assert "consent" in card["summary"]
    assert "citalopram" not in json.dumps(card)
    assert held(client) == 0


def test_a_child_is_out_of_scope(client: TestClient) -> None:
    """For a patient under 18 nothing is drafted."""
    child = prefetch.values()
    child["patient"]["birthDate"] = "2012-01-01"
    assert all("suggestions" not in card for card in cards(client, prefetch=child))
    assert held(client) == 0


def test_unknown_fields_and_extensions_are_tolerated(client: TestClient) -> None:
    """Fields that the standard does not know, and extensions, change nothing."""
    assert cards(client, extension={"com.example": {"x": 1}}, somethingNew=[1])


@pytest.mark.parametrize("outcome", ["accepted", "overridden"])
def test_feedback_becomes_part_of_the_drafts_history(client: TestClient, outcome: str) -> None:
    """Feedback moves the card's drafts, is taken twice, and signs nothing; what was accepted is held no more."""
    (card,) = cards(client)
    item: dict[str, Any] = {"card": card["uuid"], "outcome": outcome}
    if outcome == "accepted":
        item["acceptedSuggestions"] = [{"id": ids(card)[0]}]
    else:
        item["overrideReason"] = {"reason": {"code": "house-rule", "system": "https://ehr.example"}}
    assert feedback(client, **item) == 200
    assert feedback(client, **item) == 200
    assert held(client) == (len(ids(card)) - 1 if outcome == "accepted" else 0)


def test_an_overridden_card_is_not_shown_again(client: TestClient) -> None:
    """After an override the same chart gives no card; no draft of it comes back."""
    (card,) = cards(client)
    feedback(client, card=card["uuid"], outcome="overridden")
    assert cards(client) == []
    assert held(client) == 0


def test_no_change_taken_ends_the_drafts(client: TestClient) -> None:
    """Accepting "no change" is a decision on the card's drafts."""
    (card,) = cards(client)
    taken = [{"id": no_change_id(card["uuid"])}]
    assert feedback(client, card=card["uuid"], outcome="accepted", acceptedSuggestions=taken) == 200
    assert cards(client) == []


def test_feedback_on_one_unknown_card_changes_nothing(client: TestClient) -> None:
    """When one card of several is unknown the whole body is refused, and the known card's drafts stay."""
    (card,) = cards(client)
    items = [
        {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:45:00Z"},
        {"card": prefetch.HOOK_INSTANCE, "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:45:00Z"},
    ]
    answer = client.post(f"{PATH}/feedback", json={"feedback": items})
    assert answer.status_code == 404
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "U-CDS-CARD"
    assert held(client) == len(ids(card))


def test_where_a_site_wants_it_an_overridden_card_comes_back(tmp_path: Path) -> None:
    """With the suppression switched off the next opening holds new drafts; the declined ones stay declined."""
    with running(settings(tmp_path, cards=Cards(suppress_overridden=False))) as client:
        (first,) = cards(client)
        feedback(client, card=first["uuid"], outcome="overridden")
        (second,) = cards(client)
        assert not set(ids(first)) & set(ids(second))
        assert cards(client)[0]["suggestions"][0]["uuid"] in ids(second)
        assert held(client) == len(ids(second))


@pytest.mark.parametrize("changed", [False, True])
def test_an_order_on_its_way_gives_no_second_prescription(client: TestClient, changed: bool) -> None:
    """While the chart cannot show a signed order, neither the same nor new facts give options, and a card says why."""
    (card,) = cards(client)
    draft = ids(card)[0]
    order = b'{"resourceType":"MedicationRequest"}'
    store = client.app.state.services.store  # type: ignore[attr-defined]

    async def sign() -> None:
        shown = Prepared(draft, 1, digest(order), "Practitioner/x", order, "o1", (), prefetch.NOW)
        await store.prepare(draft, 1, shown, None)
        signature = Signature(draft, 1, digest(order), "Practitioner/x", "o1", order, "h..s", b"{}", prefetch.NOW)
        await store.sign(signature, write_back=False, detail={})

    assert client.portal is not None
    client.portal.call(sign)
    before = held(client)
    values = prefetch.values()
    if changed:
        values["scores"]["entry"].append({"resource": prefetch.score("t3", "44261-6", 20, "2026-11-20")})
    (said,) = cards(client, prefetch=values)
    assert said["source"]["topic"]["code"] == "order-pending"
    assert "suggestions" not in said
    assert held(client) == before == 0


def test_a_tenant_that_needs_a_token_gets_one_card_a_token(tmp_path: Path) -> None:
    """A signed call is answered once; without its token, or with it again, it is 401."""
    key = ECKey.generate_key("P-384", {"kid": "k"}, auto_kid=False)
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    tenant = Ehr(
        id="north",
        name="North Hospital",
        fhir_base=BASE,
        cds_client=CdsClient(issuer=BASE, jwks_file=file, audiences=(f"{PUBLIC}{PATH}",)),
    )
    at = int(prefetch.NOW.timestamp())
    claims = {"iss": BASE, "aud": f"{PUBLIC}{PATH}", "iat": at, "exp": at + 300, "jti": "one"}
    token = jwt.encode({"alg": "ES384", "kid": "k"}, claims, key, algorithms=["ES384"])
    with running(settings(tmp_path, ehr=tenant)) as client:
        body = prefetch.request()
        assert client.post(PATH, json=body).status_code == 401
        first = client.post(PATH, json=body, headers={"Authorization": f"Bearer {token}"})
        assert first.status_code == 200
        again = client.post(PATH, json=body, headers={"Authorization": f"Bearer {token}"})
        assert again.status_code == 401
        assert again.headers["www-authenticate"] == "Bearer"
        assert "replay" not in again.text
        assert "seen" not in again.text
        assert held(client) == len(ids(first.json()["cards"][0]))


def test_calls_beyond_the_limit_are_429(tmp_path: Path) -> None:
    """A tenant that calls more often than its limit is told to slow down."""
    tenant = Ehr(
        id="north",
        name="North",
        fhir_base=BASE,
        cds_client=CdsClient(required=False),
        limits=Limits(calls_per_second=0.001, burst=1),
    )
    with running(settings(tmp_path, ehr=tenant)) as client:
        assert client.post(PATH, json=prefetch.request()).status_code == 200
        answer = client.post(PATH, json=prefetch.request())
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"


def test_the_model_switched_off_is_503_not_silence(tmp_path: Path) -> None:
    """Without the model a call is 503 with an OperationOutcome, never an empty list."""
    with running(settings(tmp_path, model=Model(enabled=False))) as client:
        answer = client.post(PATH, json=prefetch.request())
        assert answer.status_code == 503
        assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "U-MODEL-OFF"
        assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize("path", ["/cds-services", "/nothing-here"])
def test_cors_names_the_origin_on_answers_and_errors(module_client: TestClient, path: str) -> None:
    """An allowed origin is named on every answer, errors too; another origin never is."""
    allowed = module_client.get(path, headers={"Origin": ORIGIN})
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "Origin" in allowed.headers["vary"]
    other = module_client.get(path, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_preflights_are_answered_for_listed_origins_only(module_client: TestClient) -> None:
    """A preflight of a listed origin allows authorization, content-type and x-csrf-token; others are 403."""
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = module_client.options(PATH, headers={"Origin": ORIGIN, **ask})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-headers"] == "authorization, content-type, x-csrf-token"
    refused = module_client.options(PATH, headers={"Origin": "https://evil.example", **ask})
    assert refused.status_code == 403
    assert refused.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/.well-known/jwks.json", "/model-card"])
def test_operations_answer_with_security_headers(module_client: TestClient, path: str) -> None:
    """Each operations path answers 200 with nosniff, no-referrer and a content security policy."""
    answer = module_client.get(path)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_published_key_is_public(module_client: TestClient) -> None:
    """The key set holds no private part."""
    (key,) = module_client.get("/.well-known/jwks.json").json()["keys"]
    assert key["kty"] == "EC"
    assert "d" not in key


def test_the_model_card_is_a_page_or_json(module_client: TestClient) -> None:
    """/model-card is HTML for a browser and JSON by Accept, with the same limits in both."""
    page = module_client.get("/model-card", headers={"Accept": "text/html"})
    data = module_client.get("/model-card", headers={"Accept": "application/json"}).json()
    assert page.headers["content-type"].startswith("text/html")
    assert data["not_for"]
    assert "It makes no order" in page.text
    assert all(limit in html.unescape(page.text) for limit in data["limits"])


def test_the_model_card_has_every_source_attribute(module_client: TestClient) -> None:
    """All 44 source attributes are in the JSON and on the page, and what is blank says so in words."""
    data = module_client.get("/model-card", headers={"Accept": "application/json"}).json()
    page = module_client.get("/model-card", headers={"Accept": "text/html"}).text
    assert len(data["attributes"]) == 44
    assert page.count('<dd class="blank">') == sum(not one["value"] for one in data["attributes"])
    assert "External validation on patients: none." in page


def test_calls_are_counted_by_outcome(client: TestClient) -> None:
    """The metrics count a call with a card under its topic and a refused one under its code."""
    cards(client)
    client.post(PATH, json=prefetch.request(hook="order-sign"))
    text = client.get("/metrics").text
    assert 'undersign_cds_calls_total{outcome="options",service="psychotropic-options"}' in text
    assert 'undersign_cds_calls_total{outcome="U-CDS-HOOK",service="psychotropic-options"}' in text
    assert "p1" not in text.replace("http1", "")
