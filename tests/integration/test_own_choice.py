"""A high-risk assessment asks for the clinician's own choice before its ranking opens; what was opened is recorded."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from service.drafts.records import AuditEntry
from tests.integration.page_world import AMARA, JONAS, NURSE, PSYCHIATRIST, World, world


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[World]:
    """Return a world of its own."""
    with world(tmp_path) as found:
        yield found


def _words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def _opened(scene: World, draft: str) -> list[AuditEntry]:
    entries: list[AuditEntry] = scene.call(scene.services.store.history, draft)
    return [entry for entry in entries if entry.detail.get("given", {}).get("page") == "review"]


def _enter(scene: World, draft: str, user: str = PSYCHIATRIST) -> str:
    """Sign in without saying anything first, and return the page of the draft."""
    scene.get(scene.authorize(scene.begin(ehr="reference", draft=draft), user))
    return scene.get(f"/review/{draft}").text


def test_nothing_of_the_ranking_is_seen_before_the_own_choice(scene: World) -> None:
    """The first page names no drafted drug, shows no figure and no way to sign; the choice opens the options."""
    drafts = scene.hold(AMARA)
    path = f"/review/{drafts[0].id}"
    first = _enter(scene, drafts[0].id)
    seen = re.sub(r"<select.*?</select>", "", first, flags=re.DOTALL)
    assert "What would you do?" in first
    for draft in drafts:
        assert draft.ingredient not in seen
    assert not re.search(r"prepare|in 10|in 100|/edit| checked>| selected>", seen)
    assert "citalopram 20 mg" in _words(first)
    assert scene.post(f"{path}/own", scene.csrf(path), own="drug", drug="bupropion").status_code == 303
    assert "Your own choice before the options: bupropion." in _words(scene.get(path).text)
    assert {entry.detail["given"]["own"] for one in drafts for entry in _opened(scene, one.id)} == {"drug:bupropion"}


@pytest.mark.parametrize("step", ["edit", "order", "sheet"])
def test_no_way_around_leads_to_the_options(scene: World, step: str) -> None:
    """Before the own choice neither another page nor the worklist shows an option, and nothing can be prepared."""
    draft = scene.hold(AMARA)[0].id
    _enter(scene, draft)
    assert scene.get(f"/review/{draft}/{step}").headers["location"] == f"/review/{draft}"
    csrf = scene.csrf(f"/review/{draft}")
    for act in ("prepare", "edit", "sign"):
        assert scene.post(f"/review/{draft}/{act}", csrf, digest="x").headers["location"] == f"/review/{draft}"
    listed = _words(scene.get("/review").text)
    assert "your own choice comes before the options" in listed
    assert "mirtazapine" not in listed


def test_each_practitioner_is_asked(scene: World) -> None:
    """One practitioner's choice does not open the ranking for another, and each is asked once."""
    draft = scene.hold(AMARA)[0].id
    _enter(scene, draft)
    scene.post(f"/review/{draft}/own", scene.csrf(f"/review/{draft}"), own="undecided")
    assert "What would you do?" not in scene.get(f"/review/{draft}").text
    scene.client.cookies.clear()
    assert "What would you do?" in _enter(scene, draft, NURSE)
    scene.client.cookies.clear()
    assert "What would you do?" not in _enter(scene, draft)


@pytest.mark.parametrize("sent", [{}, {"own": "drug"}, {"own": "drug", "drug": "aspirin-plus"}, {"own": "drug:"}])
def test_a_choice_that_nobody_offered_is_refused(scene: World, sent: dict[str, str]) -> None:
    """Without a choice, or with one that is not on the page, the ranking stays shut."""
    draft = scene.hold(AMARA)[0].id
    _enter(scene, draft)
    answer = scene.post(f"/review/{draft}/own", scene.csrf(f"/review/{draft}"), **sent)
    assert answer.status_code == 400
    assert "What would you do?" in scene.get(f"/review/{draft}").text


def test_a_usual_draft_opens_at_once_and_the_opening_is_recorded_once(scene: World) -> None:
    """A draft of no high risk needs no choice; who opened it is one entry of its history, however often it is read."""
    drafts = scene.hold(JONAS)
    assert "What would you do?" not in _enter(scene, drafts[0].id)
    scene.get(f"/review/{drafts[1].id}")
    for draft in drafts:
        (entry,) = _opened(scene, draft.id)
        assert entry.actor == "Practitioner/dr-lindqvist"


@pytest.mark.parametrize("looked", [(), ("sheet",), ("fact?of=Observation/jonas-weber-phq9-1", "sheet", "edit")])
def test_a_signature_says_which_pages_its_signer_opened(scene: World, looked: tuple[str, ...]) -> None:
    """Beside the options and the order: the pages that this person opened, none that somebody else did, and for how
    long."""
    first, second = scene.hold(JONAS)
    path = f"/review/{first.id}"
    _enter(scene, first.id, NURSE)
    scene.get(f"{path}/consent")
    scene.client.cookies.clear()
    _enter(scene, first.id)
    for page in looked:  # a page of either draft is a page of their assessment
        assert scene.get(f"/review/{second.id}/{page}").status_code == 200, page
    order = scene.post(f"{path}/prepare", scene.csrf(path)).headers["location"]
    fields = dict(re.findall(r'name="(csrf|digest)" value="([^"]+)"', scene.get(order).text))
    asked = re.findall(r'name="acknowledgement" value="(\d+)"', scene.get(order).text)
    answer = scene.post(f"{path}/sign", fields["csrf"], digest=fields["digest"], acknowledgement=asked)
    assert answer.status_code == 303, answer.text
    entries: list[AuditEntry] = scene.call(scene.services.store.history, first.id)
    (signed,) = [entry.detail["given"] for entry in entries if entry.event == "signed"]
    beside = [name for name in ("fact", "edit", "sheet") if any(page.startswith(name) for page in looked)]
    assert signed["shown"] == ["options", *beside, "order"]
    assert signed["dwell_s"] >= 0
