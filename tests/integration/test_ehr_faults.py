"""A hook call over an EHR that is slow, dead, paging, limiting or redirecting: it ends and says what it missed."""

import asyncio
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import uvicorn
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.children import free_ports
from conformance.reference_ehr.ehr import ReferenceEhr, build
from conformance.reference_ehr.server import create_app
from service.cds import discovery
from service.ehr import prefetch
from service.settings import CdsClient, Ehr, Server, Settings, Sign, StoreSettings
from tests.fixtures import prefetch as chart
from tests.integration.running import PATH, running

PATIENT, USER = "jonas-weber", "Practitioner/dr-lindqvist"
REQUIRED = ("patient", "conditions", "medications", "scores")
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}


@dataclass
class Faulty:
    """The reference EHR behind faults: by the type that is asked for, or ``*`` for all."""

    app: ASGIApp
    faults: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[str] = field(default_factory=list[str])
    gone: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the EHR does, unless a fault is set."""
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or not path.startswith("/fhir/"):
            await self.app(scope, receive, send)
            return
        kind = path.split("/")[2]
        fault = self.faults.get(kind, self.faults.get("*", ""))
        self.asked.append(kind)
        if fault == "page":
            query = {**dict(parse_qsl(scope["query_string"].decode())), "_count": "1"}
            scope = {**scope, "query_string": urlencode(query).encode()}
        while fault == "slow" and not self.gone.is_set():  # noqa: ASYNC110 - the event is another thread's
            await asyncio.sleep(0.02)
        if fault in ("half", "stall"):
            await self._broken(fault, send)
            return
        answer = self._answer(fault, kind)
        await (answer or self.app)(scope, receive, send)

    async def _broken(self, fault: str, send: Send) -> None:
        """Send the head of an answer and some of it; then hang up, or say nothing more."""
        length = [(b"content-type", b"application/fhir+json"), (b"content-length", b"4000")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b'{"resourceType":"Bundle",', "more_body": True})
        while fault == "stall" and not self.gone.is_set():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
        raise ConnectionAbortedError

    def budget_s(self) -> float:
        """Return how long the service waits: ample, but for what never comes; less than an EHR asks for with 429."""
        found = set(self.faults.values())
        if found & {"slow", "stall"} and "*" in self.faults:
            return 0.5
        return 1.9 if found & {"slow", "stall", "429"} else 60

    def _answer(self, fault: str, kind: str) -> Response | None:
        match fault:
            case "500":
                return JSONResponse(OUTCOME, 500)
            case "403":
                return JSONResponse(OUTCOME, 403)
            case "404" | "400" | "401" | "501":
                return JSONResponse(OUTCOME, int(fault))
            case "undeclared":
                rest = {"mode": "server", "resource": [{"type": "Patient"}]}
                return JSONResponse({"resourceType": "CapabilityStatement", "rest": [rest]})
            case "429":
                return JSONResponse(OUTCOME, 429, {"Retry-After": "1"})
            case "redirect":
                return RedirectResponse(f"/elsewhere/{kind}", 307)
            case "outcome":
                return JSONResponse(OUTCOME)
            case "text":
                return PlainTextResponse("the EHR is down for maintenance")
            case "six" | "three":
                allowed = 6 if fault == "six" else 3
                return JSONResponse(OUTCOME, 429) if len(self.asked) > allowed else None
            case _:
                return None


@dataclass
class Scene:
    """The running EHR, its faults, and the service before it."""

    ehr: ReferenceEhr
    faulty: Faulty
    client: TestClient

    def call(self, *sent: str, path: str = PATH, **change: Any) -> Any:
        """Call a hook with a lent token; ``sent`` are the prefetch keys that come with it."""
        lent = self.ehr.authorization.access_token(
            "cds-service", USER, "patient/*.rs", timedelta(minutes=5), {"patient": PATIENT}
        )
        authorization = {"access_token": lent, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs"}
        body = chart.request(
            context={"patientId": PATIENT, "userId": USER},
            fhirServer=self.ehr.base,
            fhirAuthorization=authorization | {"subject": "cds-service", "patient": PATIENT},
            prefetch=dict.fromkeys(sent),
        )
        body["context"] |= change.pop("context", {})
        prefetch.BUDGET_S = self.faulty.budget_s()  # the fixture puts it back
        return self.client.post(path, json=body | change)


@contextmanager
def _served(app: ASGIApp, port: int) -> Generator[None]:
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    yield
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """An EHR on loopback and the service before it."""
    monkeypatch.setattr(prefetch, "BUDGET_S", prefetch.BUDGET_S)
    (port,) = free_ports(1)
    ehr = build(f"http://127.0.0.1:{port}", clock=lambda: chart.NOW)
    faulty = Faulty(create_app(ehr))
    tenant = Ehr(id="north", name="North", fhir_base=ehr.base, cds_client=CdsClient(required=False))
    store, sign = StoreSettings(url=f"sqlite:///{tmp_path}/undersign.db"), Sign(key_file=tmp_path / "key.json")
    found = Settings(server=Server(development=True), store=store, sign=sign, ehr=(tenant,))
    with _served(faulty, port), running(found) as client:
        yield Scene(ehr, faulty, client)
        faulty.gone.set()


def text(answer: Any) -> str:
    """Return the words of a refusal."""
    return str(answer.json()["issue"][0]["details"]["text"])


def test_an_ehr_without_faults_gives_a_card_from_nothing_sent(scene: Scene) -> None:
    """With no prefetch at all everything is read, and nothing is said to be lacking."""
    (card,) = scene.call().json()["cards"]
    assert card["suggestions"]
    assert "Not supplied" not in card["detail"]


@pytest.mark.parametrize("fault", ["slow", "500", "403", "429", "redirect", "outcome", "text", "half", "stall"])
def test_an_ehr_that_gives_nothing_is_412_with_every_key_named(scene: Scene, fault: str) -> None:
    """Whatever ails the whole EHR, the call ends while it lasts, with the keys and searches that are wanted."""
    scene.faulty.faults["*"] = fault
    answer = scene.call()
    assert answer.status_code == 412
    assert [key for key in REQUIRED if f"prefetch.{key} " not in text(answer)] == []
    assert "[fhirServer]/Patient/[context.patientId]" in text(answer)


def test_a_dead_ehr_is_412(scene: Scene) -> None:
    """An EHR whose port nobody answers gives the same refusal."""
    dead = scene.client.app.state.services.clients["north"]  # type: ignore[attr-defined]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead._base = dead._base.copy_with(port=taken.getsockname()[1])
    assert scene.call().status_code == 412


@pytest.mark.parametrize("fault", ["slow", "500", "403", "429", "redirect", "outcome", "half", "stall"])
@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("AllergyIntolerance", "allergies"),
        ("FamilyMemberHistory", "family history"),
        ("QuestionnaireResponse", "answers"),
    ],
)
def test_one_search_that_fails_is_named_on_the_card(scene: Scene, fault: str, kind: str, holds: str) -> None:
    """A list that is not needed costs its own line: the card comes, and says that it was not supplied."""
    scene.faulty.faults[kind] = fault
    answer = scene.call()
    assert answer.status_code == 200
    (card,) = answer.json()["cards"]
    assert f"{holds}" in card["detail"].partition("Not supplied:")[2]


@pytest.mark.parametrize(
    "fault", ["slow", "500", "501", "400", "401", "403", "404", "429", "redirect", "half", "stall"]
)
def test_consents_that_cannot_be_read_stop_the_call(scene: Scene, fault: str) -> None:
    """A refusal that was not readable is never taken for none."""
    scene.faulty.faults["Consent"] = fault
    answer = scene.call()
    assert answer.status_code == 412
    assert "prefetch.consents" in text(answer)
    assert "prefetch.patient" not in text(answer)


@pytest.mark.parametrize(("fault", "status"), [("404", 200), ("400", 200), ("501", 200), ("401", 412), ("403", 412)])
def test_a_type_that_the_ehr_does_not_have_stops_nothing(scene: Scene, fault: str, status: int) -> None:
    """A search for consents that is not served means that this EHR keeps none only where it declares none."""
    scene.faulty.faults |= {"Consent": fault, "metadata": "undeclared"}
    assert scene.call().status_code == status


def test_pages_of_one_are_read_to_the_end(scene: Scene) -> None:
    """An EHR that gives one entry a page gives the same drafts as one that gives them all, and nothing is lacking."""
    whole = [one["label"] for one in scene.call().json()["cards"][0]["suggestions"]]
    scene.faulty.faults["*"] = "page"
    (card,) = scene.call().json()["cards"]
    assert [one["label"] for one in card["suggestions"]] == whole
    assert "Not supplied" not in card["detail"]


def test_an_allowance_goes_to_what_is_needed_first(scene: Scene) -> None:
    """An EHR that takes six requests gives a card: what is required was asked for first, the rest is named."""
    scene.faulty.faults["*"] = "six"
    (card,) = scene.call().json()["cards"]
    assert "allergies" in card["detail"].partition("Not supplied:")[2]


def test_an_allowance_that_runs_out_names_what_was_left(scene: Scene) -> None:
    """An EHR that takes three requests costs the required searches that came too late, by name, and no others."""
    scene.faulty.faults["*"] = "three"
    answer = scene.call()
    assert answer.status_code == 412
    assert "prefetch.consents" in text(answer)
    assert "prefetch.patient " not in text(answer)


def test_what_was_sent_needs_no_ehr(scene: Scene) -> None:
    """A call that brings every key but the required ones asks the EHR for those alone."""
    scene.call(*(one.key for one in discovery.templates() if not one.required))
    assert set(scene.faulty.asked) == {"Patient", "Condition", "MedicationRequest", "Observation"}


@pytest.mark.parametrize("fault", ["slow", "500", "429", "redirect", "half", "stall"])
@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_an_order_meets_an_ailing_ehr_with_412_and_never_with_silence(scene: Scene, hook: str, fault: str) -> None:
    """An order whose chart could not be read is no order that nothing speaks against."""
    scene.faulty.faults["*"] = fault
    order = {"resourceType": "MedicationRequest", "id": "a", "medicationCodeableConcept": {"text": "sertraline"}}
    orders = {"draftOrders": chart.bundle(order), "selections": ["MedicationRequest/a"]}
    answer = scene.call(path=f"/cds-services/psychotropic-{hook}", hook=hook, context=orders)
    assert answer.status_code == 412
    assert "prefetch.medications " in text(answer)
