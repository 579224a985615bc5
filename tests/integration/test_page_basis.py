"""What the review page stands on, the patient's sheet and the worklist, over HTTP."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from service.drafts.records import Draft, State
from service.web import record
from tests.integration.page_world import AMARA, JONAS, World, world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for the tests that decide nothing."""
    with world(tmp_path_factory.mktemp("basis")) as found:
        yield found


@pytest.fixture
def scene(shared: World) -> World:
    """That world, with a browser that was never here."""
    shared.client.cookies.clear()
    return shared


def _review(scene: World, patient: str) -> tuple[Draft, str]:
    draft = scene.hold(patient)[0]
    scene.sign_in(draft.id)
    return draft, scene.get(f"/review/{draft.id}").text


def _words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_every_picture_has_a_text_alternative_and_no_style_of_its_own(scene: World) -> None:
    """Each drawing is an image with a name, without scripts, inline style or another host."""
    _, page = _review(scene, AMARA)
    drawn = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len([one for one in drawn if 'class="picture"' in one]) == 3
    for one in drawn:
        assert re.match(r'<svg class="\w+" viewBox="[0-9. ]+" role="img" aria-label="[^"]+">', one)
        assert not re.search(r"<script|<style|\s(style|on[a-z]+|href)=", one)
    alternatives = unescape(" ".join(re.findall(r'aria-label="([^"]+)"', page)))
    for said in ("PHQ-9: 19 on", "Response is 9.5 or less", "citalopram 20 mg a day, from", "CYP2C19 not tested"):
        assert said in alternatives


def test_every_cited_fact_is_listed_with_its_resource_in_the_tenants_ehr(scene: World) -> None:
    """Each mark of a chart fact leads to its entry, which names value, day and address in the tenant's own EHR."""
    _, page = _review(scene, AMARA)
    marks, entries = set(re.findall(r'href="#(fact-\d+)"', page)), set(re.findall(r'id="(fact-\d+)"', page))
    assert marks == entries
    assert len(marks) >= 4
    words = _words(page)
    assert re.search(r"PHQ-9 total 17, \d+ \w+ 20\d\d https://ehr.example/fhir/Observation/amara-osei-phq9-2", words)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_change_is_marked_beside_what_is_taken_now(scene: World) -> None:
    """Each drug column says what is new and what it ends, the last one what stays; the tie of both drugs is said
    once, above them."""
    _, page = _review(scene, AMARA)
    words = _words(page)
    assert words.count("Ends citalopram 20 mg a day, by hand in the EHR") == 2
    assert "Stays Citalopram since" in words
    assert "New nothing" in words
    assert words.count("as good as tied: preferences decide") == 1
    assert ": neither is first." not in words
    assert "Ruled out: bupropion" in words
    assert "Seizure disorder" in words
    started = _words(_review(scene, JONAS)[1])
    assert "Ends" not in started


def test_what_would_change_the_order_is_on_the_page(scene: World) -> None:
    """Where the learned ranker made the order, the page says by comparison what would change it, without a weight."""
    _, page = _review(scene, AMARA)
    found = re.search(r"<summary>What made the order.*?</details>", page, re.DOTALL)
    assert found
    said = _words(found[0])
    assert "does not count now: if it counted" in said
    assert "would fall behind the best" in said
    assert not re.search(r"weight|band|\d\.\d", said)


def test_every_drug_without_a_draft_has_its_reason_and_its_source(scene: World) -> None:
    """Each considered drug stands once, in an option or in the folded list, in plain words with a source by name."""
    draft, page = _review(scene, AMARA)
    context = record.read(draft.context)
    found = re.search(r'<details id="not-drafted".*?</details>', page, re.DOTALL)
    assert found
    items = re.findall(r"<li[^>]*><b>(.*?)</b>:(.*?)</li>", found[0], re.DOTALL)
    named = [name for drugs, _ in items for name in drugs.split(", ")]
    assert sorted(named) == sorted(one["ingredient"].replace("_", " ") for one in context["not_drafted"])
    assert {"bupropion", "esketamine", "sertraline"} <= set(named)
    assert not {"mirtazapine", "paroxetine", "citalopram"} & set(named)
    for _, said in items:
        assert "<small>" in said or "nothing more against it on record" in said
    text = _words(found[0])
    assert not re.search(r"\b[A-Z]{1,4}-[A-Z]{2,}|\bSR\d+|DRAFT-|\d{4}-\d\d-\d\d", text), text
    assert f"({len(named)})" in text
    assert '<a href="#not-drafted">' in page


def test_what_all_options_share_is_no_reason_of_another_drug(scene: World) -> None:
    """That the present drug is replaced holds of every switch: it tells no other drug from those that are drafted."""
    _, page = _review(scene, AMARA)
    found = re.search(r'<details id="not-drafted".*?</details>', page, re.DOTALL)
    assert found
    assert "Replaces citalopram" not in found[0]


def test_the_sheet_is_for_this_patient_alone(scene: World) -> None:
    """The sheet names the choices and what the program did not do; it has the page's own doors."""
    draft, page = _review(scene, AMARA)
    assert re.search(r'href="/review/[0-9a-f-]+/sheet"', page)
    words = _words(scene.get(f"/review/{draft.id}/sheet").text)
    for said in (
        "It did not decide. It cannot order a medicine.",
        "mirtazapine , 15 mg, once a day",
        "Change nothing for now (citalopram)",
        "You can say no",
        "for Amara Osei",
    ):
        assert said in words
    assert "Neutrophil" not in words
    scene.client.cookies.clear()
    assert scene.get(f"/review/{draft.id}/sheet").status_code == 303
    scene.launch(JONAS)
    refused = scene.get(f"/review/{draft.id}/sheet")
    assert (refused.status_code, "U-SESSION-PATIENT" in refused.text) == (403, True)
    assert "Amara" not in refused.text


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ("parked", "It stopped and is not tried again"),
        ("mismatch", "The EHR holds something else"),
        ("write-failed", "The EHR has not taken it yet"),
    ],
)
def test_an_order_in_trouble_stands_first_with_what_to_do(
    scene: World, monkeypatch: pytest.MonkeyPatch, state: State, what: str
) -> None:
    """A signed order that is not in the EHR as signed is named above what is held, with the way to it."""
    draft = scene.hold(AMARA)[0]
    find = scene.services.store.find

    async def troubled(*, states: Sequence[State] | None = None, **asked: Any) -> Sequence[Draft]:
        if states is not None and state in states:
            return [replace(draft, state=state)]
        return await find(states=states, **asked)

    monkeypatch.setattr(scene.services.store, "find", troubled)
    scene.sign_in()
    page = scene.get("/review").text
    words = _words(page)
    assert words.index("Signed, and not in the EHR as signed (1)") < words.index("Nothing here is an order")
    assert what in words
    assert f'href="/review/{draft.id}"' in page


@pytest.mark.parametrize(
    ("state", "head", "what"),
    [
        ("write-failed", "Signed, and not in the EHR as signed (1)", "Do not order it a second time"),
        ("signed", "Decided, not in force yet (1)", "It waits to be written"),
        ("awaiting-ehr-signature", "Decided, not in force yet (1)", "It is not in force yet"),
        ("confirmed", "In the EHR", "read back unchanged"),
    ],
)
def test_a_patients_list_never_hides_an_order(
    scene: World, monkeypatch: pytest.MonkeyPatch, state: State, head: str, what: str
) -> None:
    """Where nothing is left to decide, the list of the patient tells where the order is."""
    draft = scene.hold(JONAS)[0]

    async def alone(*, states: Sequence[State] | None = None, **_: Any) -> Sequence[Draft]:
        return [replace(draft, state=state)] if states is not None and state in states else []

    monkeypatch.setattr(scene.services.store, "find", alone)
    scene.launch(JONAS)
    words = _words(scene.get("/review").text)
    assert "No draft waits for a decision on this patient." in words
    assert words.index(head) < words.index(what)
    assert ("Open the chart again" in words) == (state == "confirmed")


def test_the_worklist_says_how_urgent_a_draft_is(scene: World) -> None:
    """Each row has its urgency, since when it is held and when it ends."""
    scene.hold(AMARA)
    scene.sign_in()
    page = scene.get("/review").text
    assert re.search(r'data-label="Urgency">(<strong>)?(Now|Today|Routine)', page)
    assert 'data-label="Ends"' in page
