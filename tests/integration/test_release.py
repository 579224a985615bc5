"""An operator's word on a write-back that stopped: what is shown to do, what is refused, what the audit keeps."""

import asyncio
import json
import re
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from service.cli import main
from service.drafts import advice, operators
from service.drafts.records import AuditEntry, Draft
from service.drafts.signature.signing import Signer
from service.drafts.sqlite.store import SqliteStore
from service.drafts.states import STATES
from service.ehr import modes, writeback
from service.ehr.delivery import Mismatch
from service.errors import BadRequest, Conflict, EhrFailed, NotFound, ServiceError
from service.settings import Ehr
from tests.contract.samples import START, Clock, hold_one, sign_one
from tests.integration.fake_ehr import World, world

T = TypeVar("T")
BY, WHY = "On-call pharmacist", "the scope was granted at 10:40"


def play(path: Path, story: Callable[[World, Clock], Awaitable[T]], **tenant: Any) -> T:
    """Run a story in a fresh world with a clock that moves when told."""
    clock = Clock()

    async def run() -> T:
        async with world(path, clock, **tenant) as scene:
            return await story(scene, clock)

    return asyncio.run(run())


async def stopped(scene: World, clock: Clock, *faults: str | None, rounds: int = 1) -> Draft:
    """Sign an order and write it back with these faults."""
    scene.ehr.faults = list(faults)
    draft = await scene.signed()
    for _ in range(rounds):
        await writeback.once(scene.services)
        clock.forward(400)
    return await scene.store.read(draft.id)


async def release(scene: World, draft: Draft, word: Any, by: str = BY, reason: str = WHY) -> str:
    """Release a draft as the command does; returns its state."""
    clients = scene.services.clients
    return (await operators.release_draft(scene.store, draft.id, word, by, reason, clients.get)).state


async def refused(act: Awaitable[object], kind: type[ServiceError] = Conflict) -> str:
    """Return the code that an act is refused with."""
    with pytest.raises(kind) as caught:
        await act
    return caught.value.code


def test_a_parked_order_is_written_once_its_cause_is_gone(tmp_path: Path) -> None:
    """A retry is due at once, searched for first, and ends in one order, confirmed, with the operator in the chain."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await stopped(scene, clock, "400")
        assert draft.state == "parked"
        assert await release(scene, draft, "released") == "signed"
        await writeback.once(scene.services)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert len(scene.ehr.of("MedicationRequest")) == 1
        words = [entry for entry in await scene.store.history(draft.id) if entry.actor == f"operator:{BY}"]
        assert [entry.event for entry in words] == ["released"]
        assert "10:40" not in json.dumps(dict(words[0].detail))
        assert await scene.store.verify() == ()

    play(tmp_path, story)


def test_two_matches_are_not_retried_away(tmp_path: Path) -> None:
    """While the EHR holds both, a retry stops again; with one marked as entered in error it is confirmed."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await stopped(scene, clock, "duplicate")
        assert draft.state == "mismatch"
        await release(scene, draft, "released")
        await writeback.once(scene.services)
        assert (await scene.store.read(draft.id)).state == "mismatch"
        scene.ehr.of("MedicationRequest")[0]["status"] = "entered-in-error"
        await release(scene, draft, "released")
        await writeback.once(scene.services)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert len(scene.ehr.of("MedicationRequest")) == 2

    play(tmp_path, story)


def test_an_order_that_was_never_sent_is_dropped_without_asking(tmp_path: Path) -> None:
    """A signed order that nobody has taken, or that failed before anything was sent, is revoked with the EHR down."""

    async def story(scene: World, clock: Clock) -> None:
        signed = await scene.signed()
        scene.ehr.down = True
        await writeback.once(scene.services)
        draft = await scene.store.read(signed.id)
        assert draft.state == "write-failed"
        assert await release(scene, draft, "revoked") == "revoked"
        clock.forward(4000)
        assert await scene.store.claim(60) is None
        assert scene.ehr.of("MedicationRequest") == []

    play(tmp_path, story)


@pytest.mark.parametrize("mode", ["sign-and-write", "document-only"])
def test_an_order_that_the_ehr_holds_is_not_dropped(tmp_path: Path, mode: str) -> None:
    """After an answer that was lost the EHR is asked: what it holds is not revoked, and what it cannot say neither."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await stopped(scene, clock, "commit-then-drop")
        assert draft.state == "write-failed"
        assert await refused(release(scene, draft, "revoked")) == "U-RELEASE-WRITTEN"
        scene.ehr.down = True
        assert await refused(release(scene, draft, "revoked"), EhrFailed) == "U-EHR-UNREACHABLE"
        assert (await scene.store.read(draft.id)).state == "write-failed"

    play(tmp_path, story, write_back=mode)


@pytest.mark.parametrize(("mode", "now"), [("sign-and-write", "document-only"), ("document-only", "sign-and-write")])
def test_what_was_sent_in_another_mode_is_looked_for_in_that(tmp_path: Path, mode: str, now: str) -> None:
    """After a change of the mode an order that the EHR holds as the other kind is not dropped."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await stopped(scene, clock, "commit-then-drop")
        client = scene.services.clients["north"]
        client.ehr = Ehr.model_validate({**client.ehr.model_dump(), "write_back": now})
        scene.ehr.granted = lambda: "system/Patient.r"
        assert await refused(release(scene, draft, "revoked"), EhrFailed) == "U-EHR-SCOPE"
        scene.ehr.granted = lambda: f"{modes.SCOPES[mode]} {modes.SCOPES[now]}"
        assert await refused(release(scene, draft, "revoked")) == "U-RELEASE-WRITTEN"

    play(tmp_path, story, write_back=mode)


def test_a_token_that_is_refused_after_the_create_is_no_proof(tmp_path: Path) -> None:
    """An attempt that ends in U-EHR-TOKEN after the order was sent is searched for before it is dropped."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        search = scene.ehr._search

        def refusing(kind: str, params: dict[str, str]) -> httpx.Response:
            if not scene.ehr.of("MedicationRequest"):
                return search(kind, params)
            scene.ehr.refuse_tokens = True
            return httpx.Response(401)

        scene.ehr.faults = ["empty"]
        scene.ehr._search = refusing
        await writeback.once(scene.services)
        history = await scene.store.history(draft.id)
        assert history[-1].detail["given"]["code"] == "U-EHR-TOKEN"
        scene.ehr._search, scene.ehr.refuse_tokens = search, False
        found = await scene.store.read(draft.id)
        assert await refused(release(scene, found, "revoked")) == "U-RELEASE-WRITTEN"

    play(tmp_path, story)


def test_an_order_that_the_ehr_does_not_hold_is_dropped(tmp_path: Path) -> None:
    """After failed attempts the EHR is searched, and where nothing is found the order is revoked."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await stopped(scene, clock, "drop", "503", rounds=2)
        assert await release(scene, draft, "revoked") == "revoked"
        scene.ehr.faults = []
        clock.forward(4000)
        assert not await writeback.once(scene.services)

    play(tmp_path, story)


def test_what_a_tenant_that_is_gone_may_hold_is_not_dropped(tmp_path: Path) -> None:
    """Without its [[ehr]] nobody can ask, so an order that was sent is U-RELEASE-UNKNOWN."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await stopped(scene, clock, "503")
        act = operators.release_draft(scene.store, draft.id, "revoked", BY, WHY, lambda _: None)
        assert await refused(act) == "U-RELEASE-UNKNOWN"

    play(tmp_path, story)


def test_two_in_the_ehr_are_no_reason_to_drop(tmp_path: Path) -> None:
    """Where the search finds more than one order, dropping stops with a mismatch."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await stopped(scene, clock, "commit-then-drop")
        (held,) = scene.ehr.of("MedicationRequest")
        scene.ehr.put({**held, "id": "second"})
        with pytest.raises(Mismatch):
            await release(scene, draft, "revoked")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("by", "reason"),
    [("", WHY), ("  ", WHY), (BY, ""), ("x" * 81, WHY), (BY, "x" * 501), ("\x1b[2Jx", WHY), (BY, "\u202eno")],
)
def test_a_word_has_a_name_and_a_reason(tmp_path: Path, by: str, reason: str) -> None:
    """Without a name or a reason of bearable length nothing is released: U-RELEASE-BY."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await stopped(scene, clock, "400")
        assert await refused(release(scene, draft, "released", by, reason), BadRequest) == "U-RELEASE-BY"
        assert (await scene.store.read(draft.id)).state == "parked"

    play(tmp_path, story)


def test_unknown_and_unsigned_drafts_are_not_released(tmp_path: Path) -> None:
    """A draft that is not there is U-DRAFT-UNKNOWN, one without a write-back U-OUTBOX-UNKNOWN."""

    async def story(scene: World, clock: Clock) -> None:
        held = await scene.hold()
        assert await refused(release(scene, held, "released"), NotFound) == "U-OUTBOX-UNKNOWN"
        act = operators.release_draft(scene.store, "no-such", "released", BY, WHY, scene.services.clients.get)
        assert await refused(act, NotFound) == "U-DRAFT-UNKNOWN"

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("400", "check our scopes"),
        ("duplicate", "more than one order"),
        ("wrong-dose", "tell the prescriber now"),
        ("drop:identifier", "loses identifiers"),
    ],
)
def test_what_stopped_says_what_to_do(tmp_path: Path, fault: str, words: str) -> None:
    """Each stopped write-back has steps that fit its code and end in a release of this very draft."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await stopped(scene, clock, fault)
        to_do = (await operators.show_draft(scene.store, draft.id))["to_do"]
        assert words in " ".join(to_do)
        assert f"drafts release {draft.id} --" in " ".join(to_do)

    play(tmp_path, story)


def test_what_goes_on_by_itself_has_nothing_to_do() -> None:
    """Without a failed attempt only parked and mismatched drafts ask for a person, every one, whatever its code."""
    asked = {state for state in STATES if advice.steps(state, (), "id")}
    assert asked == {"parked", "mismatch"}


CONFIG = """
[server]
development = true
[store]
url = "sqlite:///drafts.db"
[[ehr]]
id = "north"
name = "North"
fhir_base = "http://127.0.0.1:9/fhir"
write_back = "sign-and-write"
[ehr.cds_client]
required = false
"""


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run ``undersign drafts`` with arguments and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["undersign", "drafts", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


async def _parked(file: Path, code: str = "U-EHR-REFUSED") -> str:
    store = SqliteStore(file)
    await store.open()
    try:
        draft = await hold_one(store)
        await sign_one(store, draft)
        entry = await store.claim(60)
        assert entry is not None
        await store.finish(entry, "parked", {"code": code, "status": 403})
        return draft.id
    finally:
        await store.close()


def test_the_commands_find_show_and_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is parked is listed by its state, shown with what to do, and released once, by one word with a name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNDERSIGN_CONFIG", raising=False)
    Path("undersign.toml").write_text(CONFIG, "utf-8")
    Signer.load_or_create(tmp_path / "undersign-signing-key.json")
    draft = asyncio.run(_parked(tmp_path / "drafts.db"))
    word = ("--by", BY, "--reason", WHY)

    assert command(monkeypatch, "list", "--state", "mismatch", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert command(monkeypatch, "list", "--state", "parked", "--state", "mismatch", "--json") == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == [draft]
    assert command(monkeypatch, "list", "--state", "stuck") == 2
    assert "stuck is no state" in capsys.readouterr().err
    assert command(monkeypatch, "show", draft) == 0
    assert "to do 1: the EHR refuses it" in capsys.readouterr().out
    for wrong in ((), ("--retry", "--drop")):
        assert command(monkeypatch, "release", draft, *wrong, *word) == 2
        assert "say one of --retry, --resolved and --drop" in capsys.readouterr().err
    assert command(monkeypatch, "release", draft, "--retry", "--reason", WHY) == 2
    assert "--by" in capsys.readouterr().err
    assert command(monkeypatch, "release", draft, "--retry", *word) == 0
    assert capsys.readouterr().out == f"signed  {draft}\n"
    assert command(monkeypatch, "release", draft, "--resolved", *word) == 2
    assert capsys.readouterr().err.startswith("U-DRAFT-STATE: ")


def entry(event: str, **given: Any) -> AuditEntry:
    """Return the entry of an attempt that ended."""
    return AuditEntry("d", 1, START, event, "Device/undersign", {"given": given}, "", "")


def test_every_failed_attempt_says_what_to_do() -> None:
    """A code that no row has leads to the page of codes, whether it is tried again or has stopped."""
    for state in ("write-failed", "parked", "mismatch"):
        (first, *_) = advice.steps(state, [entry(state, code="U-NEW")], "id")
        assert "docs/errors.md" in first
    for code in ("U-EHR-PAGES", "U-EHR-SIZE", "U-EHR-NEXT-LINK"):
        (first, *_) = advice.steps("write-failed", [entry("write-failed", code=code)], "id")
        assert "ask its operators" in first


@pytest.mark.parametrize("code", ["U-EHR-REFUSED", "U-EHR-MODE", "U-STORE-RESTORED", "U-NEW"])
def test_a_step_can_be_run_as_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    """The command that a step names releases the order, without anything to be added."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNDERSIGN_CONFIG", raising=False)
    Path("undersign.toml").write_text(CONFIG, "utf-8")
    draft = asyncio.run(_parked(tmp_path / "drafts.db", code))
    assert command(monkeypatch, "show", draft) == 0
    told = capsys.readouterr().out
    found = re.search(r"undersign drafts (release \S+ --retry --by \S+ --reason \S+)", told)
    assert found
    assert command(monkeypatch, *shlex.split(found[1])) == 0
    assert capsys.readouterr().out == f"signed  {draft}\n"
