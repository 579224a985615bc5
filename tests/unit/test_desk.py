"""The EHR's own pages without a browser: no service, a service that fails, any dialect, and what they refuse."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from conformance.reference_ehr import dialects
from conformance.reference_ehr.desk import orders
from conformance.reference_ehr.ehr import ReferenceEhr, build
from conformance.reference_ehr.server import create_app

ROOT, SERVICE = "http://127.0.0.1:18902", "http://127.0.0.1:18903"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MIRTAZAPINE = "311725"  # RxNorm, as the formulary of the EHR has it
DISCOVERY = {"services": [{"id": "one", "hook": "patient-view", "prefetch": {}}]}
CARD = {"summary": "s", "indicator": "info", "source": {"label": "x"}, "uuid": "c"}
Answer = Callable[[httpx.Request], httpx.Response]


def ehr(service: Answer | None = None, dialect: str = dialects.PLAIN) -> ReferenceEhr:
    """Return an EHR at noon whose service answers as ``service`` does; without it, one that has none."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(service)) if service else None
    return build(ROOT, SERVICE if service else None, clock=lambda: NOON, http=http, dialect=dialect)


def desk(found: ReferenceEhr, user: str | None = "dr-lindqvist") -> TestClient:
    """Return a browser that is signed in at the EHR, or at nothing."""
    client = TestClient(create_app(found), base_url=ROOT)
    if user is not None:
        assert client.post("/sign-in", data={"username": user}).status_code == 200
    return client


def answering(body: Any, status: int = 200) -> Answer:
    """Return a service that announces one hook and answers it so."""
    return lambda request: (
        httpx.Response(200, json=DISCOVERY) if request.method == "GET" else httpx.Response(status, json=body)
    )


def unreachable(request: httpx.Request) -> httpx.Response:
    """Answer nothing."""
    raise httpx.ConnectError("nobody", request=request)


def test_without_a_service_orders_are_still_written_and_signed() -> None:
    """The chart says that no decision support is connected; a drug is ordered, reviewed and signed all the same."""
    found = ehr()
    client = desk(found)
    assert "start with <code>--service URL</code>" in client.get("/charts/jonas-weber").text
    client.post("/charts/jonas-weber/orders", data={"product": MIRTAZAPINE})
    page = client.post("/charts/jonas-weber/review").text
    listed = page.partition('name="orders" value="')[2].partition('"')[0]
    assert "Signed by you: 1 order." in client.post("/charts/jonas-weber/sign", data={"orders": listed}).text
    (order,) = (
        one.body
        for one in found.store.all("MedicationRequest")
        if one.body["subject"]["reference"] == "Patient/jonas-weber"
    )
    assert (order["status"], order["intent"], order["authoredOn"]) == ("active", "order", "2026-11-22")


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (unreachable, "Decision support did not answer"),
        (answering({"issue": [{"details": {"text": "Not today."}}]}, 412), "status 412. Not today."),
        (answering({"cards": [{**CARD, "indicator": "hard-stop"}]}), "break CDS Hooks"),
        (answering({"cards": []}), "has nothing to say"),
        (answering([]), "break CDS Hooks"),
    ],
)
def test_a_service_that_fails_costs_its_advice_and_not_the_chart(service: Answer, said: str) -> None:
    """The page says in words what did not work, and shows the chart."""
    page = desk(ehr(service)).get("/charts/jonas-weber").text
    assert said in page
    assert "PHQ-9" in page


def test_markup_in_a_card_is_shown_and_does_nothing() -> None:
    """HTML in summary, detail, label or source comes out as text, and a link that is no web address not at all."""
    evil = "<script>alert(1)</script>"
    links = [{"label": evil, "url": "javascript:alert(1)", "type": "absolute"}]
    card = {**CARD, "summary": evil, "detail": f"**{evil}**", "source": {"label": evil}, "links": links}
    page = desk(ehr(answering({"cards": [card]}))).get("/charts/jonas-weber").text
    assert "<script" not in page
    assert "javascript:" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3


@pytest.mark.parametrize(
    ("user", "may"),
    [
        ("dr-lindqvist", True),
        ("dr-mensah", True),
        ("dr-aalto", False),
        ("dr-costa", False),
        ("nurse-ortiz", False),
    ],
)
def test_only_a_doctor_with_a_role_in_force_may_sign(user: str, may: bool) -> None:
    """The registry decides: an inactive role, one that has ended and a nurse's do not sign orders."""
    found = ehr()
    assert orders.may_sign(found, found.authorization.accounts[user], NOON.date()) is may


@pytest.mark.parametrize("dialect", dialects.names())
def test_the_order_page_lists_what_is_on_record_in_every_dialect(dialect: str) -> None:
    """The drug that the patient takes stands on the order page, unless the dialect keeps it in a statement only."""
    client = desk(ehr(dialect=dialect))
    pages = [client.get(f"/charts/daniel-okafor{part}") for part in ("", "/orders")]
    assert [page.status_code for page in pages] == [200, 200]
    assert any("Lithium carbonate" in page.text for page in pages)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"mg": "0", "times": "1", "days": "28"}, "A dose is up to"),
        ({"mg": "nan", "times": "1", "days": "28"}, "A dose is up to"),
        ({"mg": "15", "times": "9", "days": "28"}, "A dose is up to"),
        ({"mg": "15", "times": "1", "days": "400"}, "A dose is up to"),
        ({"mg": "fifteen", "times": "1", "days": "28"}, "are numbers"),
        ({}, "are numbers"),
    ],
)
def test_a_dose_that_is_none_is_refused(form: dict[str, str], said: str) -> None:
    """A dose out of bounds or no number is answered with 400 in words, and the order stays as it was."""
    found = ehr()
    client = desk(found)
    client.get("/charts/jonas-weber")
    page = client.post("/charts/jonas-weber/orders", data={"product": MIRTAZAPINE}).text
    order = page.partition('action="/charts/jonas-weber/orders/')[2].partition('"')[0]
    answer = client.post(f"/charts/jonas-weber/orders/{order}", data=form)
    assert (answer.status_code, said in answer.text) == (400, True)
    assert "15 mg by mouth once a day" in client.get("/charts/jonas-weber/orders").text


def test_a_suggestion_for_another_patient_is_not_accepted() -> None:
    """A card that would place an order in another chart is refused, and nothing is placed."""
    resource = {"resourceType": "MedicationRequest", "status": "draft", "intent": "proposal",
                "subject": {"reference": "Patient/amara-osei"}, "medicationCodeableConcept": {"text": "x"}}  # fmt: skip
    suggestion = {"label": "l", "uuid": "u", "actions": [{"type": "create", "description": "d", "resource": resource}]}
    card = {**CARD, "suggestions": [suggestion], "selectionBehavior": "at-most-one"}
    client = desk(ehr(answering({"cards": [card]})))
    client.get("/charts/jonas-weber")
    answer = client.post("/charts/jonas-weber/cards/c/accept", data={"suggestion": "0"})
    assert (answer.status_code, "no drug order for this patient" in answer.text) == (422, True)
    assert "Unsigned (0)" in client.get("/charts/jonas-weber/orders").text


def test_pages_let_nothing_in_from_outside() -> None:
    """No script may run, nothing but the app may be framed, and no other site may frame a chart."""
    policy = desk(ehr(answering({"cards": []}))).get("/charts/jonas-weber").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert f"frame-src 'self' {SERVICE};" in policy
    assert policy.endswith("frame-ancestors 'none'")


def test_who_is_signed_in_is_not_asked_again_unless_the_app_wants_a_new_login() -> None:
    """An app's login goes through at once with the time of the EHR's own; with prompt=login the EHR asks."""
    found = ehr(answering({"cards": []}))
    client = desk(found)
    asked = {
        "response_type": "code", "client_id": "undersign", "redirect_uri": f"{SERVICE}/callback", "scope": "openid",
        "state": "s", "aud": found.base, "code_challenge": "c", "code_challenge_method": "S256",
    }  # fmt: skip
    answer = client.get("/authorize", params=asked, follow_redirects=False)
    assert answer.headers["location"].startswith(f"{SERVICE}/callback?code=")
    assert "Who are you?" in client.get("/authorize", params={**asked, "prompt": "login"}).text
    assert "Who are you?" in desk(found, None).get("/authorize", params=asked).text
