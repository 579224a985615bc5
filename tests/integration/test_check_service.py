"""The checks of a CDS service: ours passes all of them, and each is seen to fail on a service with its fault."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from conformance import har, runner
from conformance.checks import Result
from conformance.exchanges import Asked, Exchange, Replayed, Sender
from conformance.report import as_json
from conformance.session import Session
from conformance.suites.service import SUITE
from conformance.suites.service.probe import Probe
from tests.integration.checked_service import (
    BASE,
    CLIENT,
    KEY,
    ORIGIN,
    InMemory,
    Json,
    Spoil,
    each_card,
    each_service,
    each_suggestion,
    on,
    tenant,
    with_status,
)
from tests.integration.running import running, settings

NOW = datetime(2026, 11, 22, 10, 42, tzinfo=UTC)
OPTIONS = "/cds-services/psychotropic-options"
ABOUT = {"suite": "service", "target": BASE, "started": NOW.isoformat(), "seed": "s", "only": [], "signed": True}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """Our service with one tenant that asks for tokens."""
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    with running(settings(tmp_path, ehr=tenant(file))) as found:
        yield found


def judged(sender: Sender, *only: str) -> tuple[runner.Run, list[Exchange]]:
    """Run checks of the suite and return the run with what was exchanged."""

    async def story() -> tuple[runner.Run, list[Exchange]]:
        session = Session(BASE, sender, budget=400)
        probe = Probe(session, NOW, "s", CLIENT, lambda: NOW, ORIGIN)
        checks = list(runner.chosen(SUITE, only=only))
        run = await runner.run(SUITE, probe, checks, ABOUT, today=NOW.date())
        await session.close()
        return run, session.exchanges

    return asyncio.run(story())


def result(sender: Sender, check: str) -> Result:
    """Return what one check says."""
    (found,) = judged(sender, check)[0].results
    return found


def test_our_service_passes_every_check(client: TestClient) -> None:
    """No check fails or warns on our own service, and what is not tested is only what needs its real address."""
    run, _ = judged(InMemory(client))
    assert {r.check.id: r.told[0].message for r in run.results if r.verdict not in ("pass", "not-tested")} == {}
    assert [r.check.id for r in run.results if r.verdict == "not-tested"] == ["discovery.tls"]
    assert run.status == "passed"


def test_a_recording_is_judged_the_same_without_a_network(client: TestClient, tmp_path: Path) -> None:
    """The evidence file alone gives the same report, and holds no token and no name of a patient."""
    run, exchanges = judged(InMemory(client))
    file = tmp_path / "run.har"
    file.write_bytes(json.dumps(har.as_har(exchanges, ABOUT)).encode())
    text = file.read_text()
    assert "eyJ" not in text  # how every JWT begins
    assert "Papadakis" not in text
    again, _ = judged(Replayed(har.read(file)[0]))
    assert as_json.document(again) == as_json.document(run)


@pytest.mark.parametrize("check", [one.id for one in SUITE.checks])
def test_a_check_says_the_same_alone(client: TestClient, check: str) -> None:
    """No check leans on one before it: alone it passes as in the whole run."""
    assert result(InMemory(client), check).verdict in ("pass", "not-tested")


def _drop(*names: str) -> Spoil:
    return each_card(lambda card: {name: value for name, value in card.items() if name not in names})


def _hook(hook: str) -> Any:
    return lambda asked: f'"hook": "{hook}"'.encode() in asked.body


def _posted(*words: str) -> Any:
    return lambda asked: asked.method == "POST" and all(word.encode() in asked.body for word in words)


def _lacks(word: str) -> Any:
    return lambda asked: asked.url.endswith(OPTIONS) and word.encode() not in asked.body


def _header(name: str, value: str) -> Spoil:
    def spoil(_: Asked, answer: Exchange) -> Exchange:
        return replace(answer, headers={**answer.headers, name: value})

    return spoil


def _let_in(asked: Asked, answer: Exchange) -> Exchange:
    """Answer every refused token with cards: nobody looks at tokens."""
    return replace(answer, status=200, body=b'{"cards": []}') if answer.status == 401 else answer


def _numbered() -> Spoil:
    """Return what gives every draft another id each time."""
    count = iter(range(10_000))

    def change(one: Json) -> Json:
        action = one["actions"][0]
        resource = {**action["resource"], "id": f"draft-{next(count)}"}
        return {**one, "actions": [{**action, "resource": resource}]}

    return each_suggestion(change)


def _active(one: Json) -> Json:
    action = one["actions"][0]
    return {**one, "actions": [{**action, "resource": {**action["resource"], "status": "active", "intent": "order"}}]}


def _without_resource(one: Json) -> Json:
    return {**one, "actions": [{"type": "create", "description": "x"}]}


def _suggesting(card: Json) -> Json:
    resource = {"resourceType": "MedicationRequest", "status": "draft", "intent": "proposal"}
    action = {"type": "create", "description": "x", "resource": resource}
    return {**card, "suggestions": [{"label": "x", "uuid": "x", "actions": [action]}], "selectionBehavior": "any"}


GOOD = b'{"cards": []}'
FAULTS: list[tuple[str, str, Spoil]] = [
    ("discovery.answers", "fail", on("/cds-services", lambda found: found["services"])),
    ("discovery.json", "warn", _header("content-type", "text/html")),
    ("discovery.fields", "fail", each_service(description=None)),
    ("discovery.title", "warn", each_service(title=None)),
    ("discovery.unique-ids", "warn", each_service(id="psychotropic-options")),
    (
        "discovery.relative",
        "fail",
        each_service(prefetch={"patient": "https://ehr.example/Patient/{{context.patientId}}"}),
    ),
    (
        "discovery.tokens",
        "fail",
        each_service(prefetch={"orders": "MedicationRequest/{{context.draftOrders.entry.id}}"}),
    ),
    ("discovery.portable", "warn", each_service(prefetch={"conditions": "Condition?patient.name:exact=x"})),
    ("discovery.version", "warn", each_service(version="two")),
    ("discovery.no-empties", "fail", each_service(usageRequirements="")),
    ("calls.good", "fail", with_status(200, when=_posted("hookInstance"), body=b"[]")),
    ("calls.json", "fail", _header("content-type", "text/html")),
    ("calls.unknown-fields", "fail", with_status(400, when=_posted('"novel"'))),
    ("calls.extension", "fail", with_status(400, when=_posted('"extension"'))),
    ("calls.null-prefetch", "fail", with_status(400, when=_posted(": null"))),
    ("calls.unknown-prefetch", "fail", with_status(400, when=_posted('"unasked"'))),
    ("cards.attributes", "fail", each_card(lambda card: {**card, "summary": "x" * 140})),
    ("cards.uuid", "fail", _drop("uuid")),
    ("cards.uuid-once", "fail", each_card(lambda card: {**card, "uuid": "one"})),
    ("cards.source", "fail", each_card(lambda card: {**card, "source": {"label": "x", "url": "/model-card"}})),
    ("cards.suggestions", "fail", _drop("selectionBehavior")),
    (
        "cards.actions",
        "fail",
        each_suggestion(_without_resource),
    ),
    ("cards.links", "fail", each_card(lambda card: {**card, "links": [{"label": "x", "type": "absolute"}]})),
    ("cards.override-reasons", "fail", each_card(lambda card: {**card, "overrideReasons": [{"code": "x"}]})),
    ("cards.no-empties", "fail", each_card(lambda card: {**card, "detail": ""})),
    ("refusals.unknown-service", "fail", with_status(200, when=lambda asked: "no-such" in asked.url)),
    ("refusals.no-data", "fail", with_status(200, when=_lacks('"prefetch"'))),
    ("refusals.not-json", "fail", with_status(500, when=lambda asked: asked.body == b"{")),
    ("refusals.list", "fail", with_status(200, when=lambda asked: asked.body == b"[]")),
    ("refusals.no-instance", "fail", with_status(200, when=_lacks('"hookInstance"'))),
    ("refusals.no-context", "fail", with_status(200, when=_lacks('"context"'))),
    ("refusals.no-patient", "fail", with_status(200, when=_lacks('"patientId"'))),
    ("refusals.other-hook", "fail", with_status(200, when=_hook("order-sign"))),
    ("refusals.empty-patient", "fail", with_status(200, when=_posted('"patientId": ""'))),
    ("refusals.not-a-number", "fail", with_status(200, when=_posted("NaN"))),
    ("refusals.twice", "fail", with_status(200, when=_hook("order-sign"))),
    *[
        (f"tokens.{name}", "fail", _let_in)
        for name in (
            *("none", "alg-none", "symmetric", "altered", "expired", "no-end", "audience", "issuer"),
            *("unknown-key", "no-jti", "replay", "feedback"),
        )
    ],
    ("browsers.known", "fail", _header("access-control-allow-origin", "")),
    ("browsers.preflight", "fail", _header("access-control-allow-origin", "https://stranger.example")),
    ("browsers.errors", "fail", _header("access-control-allow-origin", "https://stranger.example")),
    ("feedback.overridden", "fail", with_status(400, when=_posted("local-7"))),
    ("feedback.repeated", "fail", with_status(409, when=_posted('"feedback"'))),
    ("feedback.unknown", "fail", with_status(200, when=_posted("00000000-0000-4000-8000"))),
    ("safety.other-patient", "fail", with_status(200, when=_posted("hookInstance"))),
    ("safety.other-token", "fail", with_status(200, when=_posted("fhirAuthorization"))),
    ("safety.drafts", "fail", each_suggestion(_active)),
    ("safety.system-actions", "fail", on(OPTIONS, lambda found: {**found, "systemActions": [{"type": "create"}]})),
    ("safety.same-drafts", "fail", _numbered()),
    ("safety.crisis", "fail", each_card(_suggesting)),
    ("safety.order-sign", "fail", with_status(200, when=_hook("order-sign"))),
]


@pytest.mark.parametrize(("check", "verdict", "spoil"), FAULTS, ids=[name for name, _, _ in FAULTS])
def test_a_check_fails_on_its_fault(client: TestClient, check: str, verdict: str, spoil: Spoil) -> None:
    """A service with the fault of a check does not pass it, and the check says what to do."""
    found = result(InMemory(client, spoil), check)
    assert found.verdict == verdict, found.told
    assert found.acts == ("integration-engineer" if check == "browsers.known" else "service-team")
    assert found.told[0].message


# Not spoiled: the address and the time are not the service's answer.
UNSPOILED = {"discovery.tls", "calls.time"}


def test_every_check_has_a_fault() -> None:
    """The table of faults names every check of the suite, so that none of them can only pass."""
    assert {name for name, _, _ in FAULTS} | UNSPOILED == {one.id for one in SUITE.checks}


def test_a_slow_service_is_warned_of(client: TestClient) -> None:
    """Answers of a second each are within no half second."""
    assert result(InMemory(client, lambda _, answer: replace(answer, took_ms=1000.0)), "calls.time").verdict == "warn"


def test_a_service_without_tls_is_a_finding_elsewhere(client: TestClient) -> None:
    """A plain http address that is not this machine's fails."""

    async def story() -> Result:
        session = Session("http://undersign.hospital.example", InMemory(client), budget=1)
        check = SUITE.find("discovery.tls")
        assert check is not None
        return await runner.judge(check, Probe(session, NOW, "s"))

    assert asyncio.run(story()).verdict == "fail"


def test_a_dead_service_is_broken_and_not_green() -> None:
    """Where nothing answers, checks are broken by the network, and the run could not be made."""

    class Dead:
        async def send(self, asked: Asked, number: int) -> Exchange:
            return Exchange(number, asked, "", 1.0, error="no connection")

        async def close(self) -> None:
            """Nothing is held."""

    run, _ = judged(Dead())
    assert run.status == "not-run"
    assert {r.acts for r in run.results if r.verdict == "broken"} == {"network"}
