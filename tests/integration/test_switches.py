"""Switches over real HTTP: pulled by the command while the service runs, met by the next call, on either store."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.cli import main
from service.settings import StoreSettings
from service.switches import records
from tests.contract.redis_process import RedisProcess
from tests.fixtures import prefetch
from tests.integration.fake_ehr import world
from tests.integration.running import BASE, PATH, held, running, settings

FEEDBACK = {"outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:45:00Z"}
SIGN = "/cds-services/psychotropic-order-sign"


@dataclass
class Site:
    """A running service and the command line beside it."""

    client: TestClient
    config: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def switch(self, *words: str, status: int = 0) -> Any:
        """Run ``undersign switch``, with a name and a reason where something is switched."""
        told = ["--by", "A. Person", "--reason", "a trial"] if words[0] not in ("list", "show") else []
        arguments = ["undersign", "switch", *words, *told, "--json", "--config", str(self.config)]
        self.monkeypatch.setattr("sys.argv", arguments)
        with pytest.raises(SystemExit) as ended:
            main()
        assert int(ended.value.code or 0) == status
        out = self.capsys.readouterr()
        return json.loads(out.out) if status == 0 else out.err

    def card(self, **change: Any) -> Any:
        """Return the card of a call that must be answered, None for none."""
        answer = self.client.post(PATH, json=prefetch.request(**change))
        assert answer.status_code == 200, answer.text
        return next(iter(answer.json()["cards"]), None)


@pytest.fixture(params=["sqlite", "redis"])
def site(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Site]:
    """The service over each store, and a configuration of the same store."""
    if request.param == "redis":
        with RedisProcess(tmp_path / "redis") as server:
            yield from _site(server.url, tmp_path, monkeypatch, capsys)
    else:
        yield from _site(f"sqlite:///{tmp_path}/undersign.db", tmp_path, monkeypatch, capsys)


def _site(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    store = StoreSettings(url=url, receipts=folder / "receipts.db")
    tenant = f'[[ehr]]\nid = "north"\nname = "North"\nfhir_base = "{BASE}"\n[ehr.cds_client]\nrequired = false\n'
    config = folder / "undersign.toml"
    config.write_text(f'[server]\ndevelopment = true\n[store]\nurl = "{url}"\n[sign]\nkey_file = "key.json"\n{tenant}')
    with running(settings(folder).model_copy(update={"store": store})) as client:
        yield Site(client, config, monkeypatch, capsys)


def code(answer: Any) -> str:
    """Return the stable code of a refusal."""
    return answer.json()["issue"][0]["details"]["coding"][0]["code"]


def too_much() -> Any:
    """Return a call about an order of citalopram above its ceiling."""
    order: Any = prefetch.citalopram() | {"status": "draft", "id": "d"}
    order["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 90
    body = prefetch.request(hook="order-sign")
    body["context"] |= {"draftOrders": prefetch.bundle(order)}
    return body


def drugs(card: Any) -> set[str]:
    """Return the drugs that a card suggests."""
    labels = [one["label"] for one in card["suggestions"] if one.get("actions")]
    return {
        found[1] for label in labels if (found := re.fullmatch(r"(?:Start|Switch to) (\w+) [\d.]+ mg a day", label))
    }


def test_a_stopped_tenant_is_503_and_feedback_is_still_taken(site: Site) -> None:
    """The next call is U-SWITCHED-OFF; feedback on what was shown is recorded; started again, calls are answered."""
    card = site.card()
    assert site.switch("stop", "tenant", "--ehr", "north")["changed"] is True
    for path, hook in ((PATH, "patient-view"), (SIGN, "order-sign")):
        body = prefetch.request(hook=hook)
        body["context"] |= {"draftOrders": prefetch.bundle()}
        answer = site.client.post(path, json=body)
        assert (answer.status_code, code(answer)) == (503, "U-SWITCHED-OFF")
    given = {"feedback": [{**FEEDBACK, "card": card["uuid"]}]}
    assert site.client.post(f"{PATH}/feedback", json=given).status_code == 200
    site.switch("start", "tenant", "--ehr", "north")
    assert site.client.post(PATH, json=prefetch.request()).status_code == 200


def test_a_stopped_model_is_503_for_options_and_leaves_the_checks_of_orders(site: Site) -> None:
    """patient-view says U-MODEL-OFF, order-sign still judges by rules."""
    site.switch("stop", "model", "--ehr", "all")
    answer = site.client.post(PATH, json=prefetch.request())
    assert (answer.status_code, code(answer)) == (503, "U-MODEL-OFF")
    (card,) = site.client.post(SIGN, json=too_much()).json()["cards"]
    assert "above" in card["summary"]


def test_a_stopped_drug_is_not_drafted_and_the_card_says_so(site: Site) -> None:
    """Its drafts end with the next evaluation, another drug takes its place, and the card names it."""
    before = drugs(site.card())
    stopped = sorted(before)[0]
    site.switch("stop", f"drug:{stopped}", "--ehr", "north")
    card = site.card()
    assert stopped not in drugs(card)
    assert drugs(card)
    assert f"**Not drafted:** {stopped} (" in card["detail"]
    assert "switched off at this site since" in card["detail"]
    assert held(site.client) == len(drugs(card))


@pytest.mark.parametrize("service", ["psychotropic-options", "all"])
def test_a_shadow_call_shows_and_holds_nothing_and_is_counted(site: Site, service: str) -> None:
    """The answer is an empty list, no draft is held, and the command says what the calls came to."""
    site.switch("shadow", service, "--ehr", "north")
    assert site.card() is None
    assert site.card(prefetch={**prefetch.values(), "scores": prefetch.bundle()}) is None
    assert held(site.client) == 0
    (counted,) = site.switch("show", "--ehr", "north")["shadow"]
    assert counted["evaluated"] == 2
    assert counted["outcomes"]["options"] == 1
    assert "undersign_cds_shadow_evaluations_total" in site.client.get("/metrics").text
    site.switch("shadow", service, "--off", "--ehr", "north")
    assert site.card()["suggestions"]


def test_an_answer_in_the_shadow_does_not_tell_what_it_came_to(site: Site) -> None:
    """With something to say and with nothing, body and headers are the same; only how long it took differs."""
    site.switch("shadow", "all", "--ehr", "north")
    calm = {**too_much(), "context": {**too_much()["context"], "draftOrders": prefetch.bundle()}}
    bodies, headers = [], []
    for body in (too_much(), calm):
        answer = site.client.post(SIGN, json=body)
        told = {name: value for name, value in answer.headers.items() if name != "server-timing"}
        bodies.append(answer.content)
        headers.append(told | {"server-timing": re.sub(r"[\d.]+", "", answer.headers["server-timing"])})
    assert bodies[0] == bodies[1]
    assert headers[0] == headers[1]
    assert headers[0]["server-timing"] == "total;dur="


def test_what_was_held_in_the_light_ends_in_the_shadow_when_the_chart_changes(site: Site) -> None:
    """Drafts of other facts are superseded although the card that would have said so is not shown."""
    assert site.card() is not None
    assert held(site.client) > 0
    site.switch("shadow", "all", "--ehr", "north")
    assert site.card() is None
    assert held(site.client) > 0
    assert site.card(prefetch={**prefetch.values(), "scores": prefetch.bundle()}) is None
    assert held(site.client) == 0


def test_one_service_in_the_shadow_leaves_the_others(site: Site) -> None:
    """order-sign goes on warning while patient-view is on trial."""
    site.switch("shadow", "psychotropic-options", "--ehr", "north")
    assert site.client.post(SIGN, json=too_much()).json()["cards"]


def test_every_change_is_in_the_audit_chain(site: Site) -> None:
    """The history names who, when and why, and the chain verifies."""
    site.switch("stop", "tenant", "--ehr", "north")
    site.switch("start", "tenant", "--ehr", "north")
    assert site.switch("stop", "model", "--ehr", "all")["ehr"] == "all"
    found = site.switch("show", "--ehr", "north")
    assert [one["event"] for one in found["history"]] == ["stopped", "started", "stopped"]
    assert {one["by"] for one in found["history"]} == {"A. Person"}
    assert [one["switch"] for one in found["acting"]] == ["model"]
    assert len(site.switch("list")) == 2
    services: Any = site.client.app.state.services  # type: ignore[attr-defined]
    assert site.client.portal is not None
    assert list(site.client.portal.call(services.store.verify)) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stop", "drug:sertralin", "--ehr", "north"), "U-SWITCH-SUBJECT"),
        (("shadow", "patient-view", "--ehr", "north"), "U-SWITCH-SUBJECT"),
        (("stop", "tenant", "--ehr", "nowhere"), "U-EHR-ID"),
        (("stop", "everything", "--ehr", "north"), "U-USAGE"),
        (("stop", "tenant"), "U-USAGE"),
    ],
)
def test_what_cannot_be_switched_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    """A misspelt drug, a hook for a service, no such tenant and no tenant at all change nothing."""
    for site in _site(f"sqlite:///{tmp_path}/undersign.db", tmp_path, monkeypatch, capsys):
        assert said in site.switch(*words, status=2)
        assert site.switch("list") == []


@pytest.mark.parametrize("subject", ["tenant", "drug:sertraline"])
def test_a_held_draft_of_what_is_stopped_is_not_signed(tmp_path: Path, subject: str) -> None:
    """Neither prepared nor, where it was prepared before, signed; what is signed already stays, and started again it
    can be signed."""

    async def run() -> None:
        async with world(tmp_path) as scene:
            draft = await scene.hold()
            shown = await scene.prepared(draft.id)
            await records.pull(scene.store, subject, "north", "A. Person", "a trial", pulled=True)
            for operation, parameters in (("prepare", []), ("sign", shown)):
                answer = await scene.post(draft.id, operation, *parameters)
                assert (answer.status_code, code(answer)) == (503, "U-SWITCHED-OFF")
            await records.pull(scene.store, subject, "north", "A. Person", "over", pulled=False)
            assert (await scene.post(draft.id, "sign", *shown)).status_code == 200

    asyncio.run(run())


def test_another_drug_stays_signable(tmp_path: Path) -> None:
    """Stopping citalopram, or another tenant, stops no sertraline here."""

    async def run() -> None:
        async with world(tmp_path) as scene:
            await records.pull(scene.store, "drug:citalopram", "north", "A. Person", "a trial", pulled=True)
            await records.pull(scene.store, "tenant", "south", "A. Person", "a trial", pulled=True)
            await scene.signed()

    asyncio.run(run())
