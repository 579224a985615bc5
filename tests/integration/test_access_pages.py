"""Who looked at a patient on the clinician's pages: each that shows something leaves an entry before it is made."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.drafts.audit import chain_faults
from service.drafts.canonical_json import dumps
from service.drafts.records import AuditEntry
from service.drafts.trail import access
from service.errors import Unavailable
from tests.integration.page_world import AMARA, JONAS, NURSE, PSYCHIATRIST, World, world
from tests.integration.test_crisis import LEILA, path_of, signed_in
from tests.integration.test_crisis import opened as crisis_card

PRESCRIBER = f"Practitioner/{PSYCHIATRIST}"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[World]:
    """Return a world of its own."""
    with world(tmp_path) as found:
        yield found


def looked(scene: World, patient: str = JONAS) -> list[AuditEntry]:
    """Return the entries of accesses to a patient, whose chain is whole."""

    async def read() -> list[AuditEntry]:
        store, now = scene.services.store, scene.services.clock()
        found = await access.of_patient(store, "reference", f"Patient/{patient}", now, 1)
        assert chain_faults(found) == []
        return found

    return scene.call(read)


def told(entry: AuditEntry) -> tuple[str, str, str, str]:
    """Return who did what on which page, and to what."""
    said = entry.detail
    return entry.actor, entry.event, said.get("name", ""), said.get("what", said.get("query", ""))


def since(scene: World, path: str, patient: str = JONAS) -> list[tuple[str, str, str, str]]:
    """Open a page and return what it left."""
    before = len(looked(scene, patient))
    assert scene.get(path).status_code == 200, path
    return [told(entry) for entry in looked(scene, patient)[before:]]


def test_each_page_of_a_draft_leaves_one_entry(scene: World) -> None:
    """Review, the order to be signed, the form, the sheet and the consent: each names itself and what it shows."""
    draft = scene.hold(JONAS)[0]
    scene.sign_in(draft.id)
    what = f"MedicationRequest/{draft.id}"
    assert since(scene, f"/review/{draft.id}") == [(PRESCRIBER, "read", "review", what)]
    order = scene.post(f"/review/{draft.id}/prepare", scene.csrf(f"/review/{draft.id}")).headers["location"]
    assert since(scene, order) == [(PRESCRIBER, "read", "order", what)]
    for name in ("edit", "sheet"):
        assert since(scene, f"/review/{draft.id}/{name}") == [(PRESCRIBER, "read", name, what)]
    consent = [(PRESCRIBER, "read", "consent", f"Patient/{JONAS}")]
    assert since(scene, f"/review/{draft.id}/consent") == consent
    assert since(scene, "/review") == [(PRESCRIBER, "searched", "list", "review")]
    assert all(entry.detail["way"] == "page" for entry in looked(scene))


def test_the_page_of_a_launch_leaves_entries_of_its_patient(scene: World) -> None:
    """The list of a launch and its consent page tell of the one patient, drafts or none."""
    scene.launch(AMARA)
    assert since(scene, "/review", AMARA) == [(PRESCRIBER, "searched", "list", "review")]
    assert since(scene, "/consent", AMARA) == [(PRESCRIBER, "read", "consent", f"Patient/{AMARA}")]
    assert looked(scene, JONAS) == []


def test_the_list_leaves_an_entry_for_each_patient_on_it(scene: World) -> None:
    """Two patients wait, two chains have the look at the list, and neither says anything of the other."""
    scene.hold(JONAS)
    scene.hold(AMARA)
    scene.sign_in()
    assert scene.get("/review").status_code == 200
    for patient, other in ((JONAS, AMARA), (AMARA, JONAS)):
        (entry,) = looked(scene, patient)
        assert told(entry) == (PRESCRIBER, "searched", "list", "review")
        assert other not in dumps(entry.detail).decode()


def test_the_crisis_page_leaves_an_entry(scene: World) -> None:
    """Who opened what a person must look into is there, beside who was shown the card."""
    path = path_of(crisis_card(scene))
    signed_in(scene, path)
    assert since(scene, path, LEILA) == [(PRESCRIBER, "read", "crisis", f"Patient/{LEILA}")]


def test_a_form_that_is_refused_leaves_an_entry_of_what_it_shows_again(scene: World) -> None:
    """What stands against an edit is shown with the draft: another look at it."""
    draft = scene.hold(JONAS)[0]
    scene.sign_in(draft.id)
    path = f"/review/{draft.id}/edit"
    csrf, before = scene.csrf(path), len(looked(scene))
    assert scene.post(path, csrf, version=str(draft.version), dose="banana").status_code in (400, 422)
    assert [told(entry)[1:3] for entry in looked(scene)[before:]] == [("read", "edit")]


def test_a_window_of_another_patient_leaves_a_refusal(scene: World) -> None:
    """A session launched for one patient that asks for another's draft, page by page, is in the other's chain."""
    draft = scene.hold(JONAS)[0]
    scene.launch(AMARA)
    for path in ("", "/order", "/edit", "/sheet", "/consent"):
        before = len(looked(scene))
        answer = scene.get(f"/review/{draft.id}{path}")
        assert (answer.status_code, "U-SESSION-PATIENT" in answer.text) == (403, True), path
        (entry,) = looked(scene)[before:]
        assert (entry.event, entry.detail["code"], entry.actor) == ("refused", "U-SESSION-PATIENT", PRESCRIBER)
        assert entry.detail["interaction"] == "read"
    before, csrf = len(looked(scene)), scene.csrf("/consent")
    for step in ("prepare", "sign", "reject", "revoke", "refer", "own", "edit", "consent"):
        assert scene.post(f"/review/{draft.id}/{step}", csrf).status_code == 403, step
    refused = looked(scene)[before:]
    assert {(one.event, one.detail["interaction"]) for one in refused} == {("refused", "operation")}
    assert len(refused) == 8


def test_the_session_is_told_apart_and_neither_cookie_nor_token_is_kept(scene: World) -> None:
    """Two sign-ins give two digests; nothing that a browser or the EHR's token holds is in any entry."""
    draft = scene.hold(JONAS)[0]
    secrets: list[str] = []
    for user in (PSYCHIATRIST, NURSE):
        scene.client.cookies.clear()
        scene.sign_in(draft.id, user)
        secrets += [value for _, value in scene.client.cookies.items()]
        assert scene.get(f"/review/{draft.id}").status_code == 200
    entries = looked(scene)
    assert {entry.actor for entry in entries} == {PRESCRIBER, f"Practitioner/{NURSE}"}
    by_session = {entry.detail["session"]: entry.actor for entry in entries}
    assert len(by_session) == 2
    everything = dumps([entry.detail for entry in entries]).decode()
    assert not any(secret in everything for secret in secrets)


def test_no_page_is_shown_that_could_not_be_recorded(scene: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store cannot keep the entry every page is 503 with the store's code, and names no patient."""
    draft = scene.hold(JONAS)[0]
    scene.sign_in(draft.id)
    order = scene.post(f"/review/{draft.id}/prepare", scene.csrf(f"/review/{draft.id}")).headers["location"]

    async def full(*_: Any, **__: Any) -> None:
        raise Unavailable("U-STORE-FULL", "the store's disk is full; free space, nothing was recorded")

    monkeypatch.setattr(scene.services.store, "enter", full)
    pages = ["/review", f"/review/{draft.id}", order]
    pages += [f"/review/{draft.id}/{name}" for name in ("edit", "sheet", "consent")]
    for path in pages:
        answer = scene.get(path)
        assert (answer.status_code, "U-STORE-FULL" in answer.text) == (503, True), path
        assert "Weber" not in answer.text
