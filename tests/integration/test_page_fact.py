"""A chart fact of a draft at its source: what was read, beside the entry as the EHR has it now."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.integration.page_world import AMARA, JONAS, World, world
from tests.integration.test_access_pages import PRESCRIBER, since

PHQ9 = f"Observation/{AMARA}-phq9-2"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[World]:
    """Return a world of its own."""
    with world(tmp_path) as found:
        yield found


def opened(scene: World) -> str:
    """Hold drafts on a chart, sign in and return the address of their page."""
    draft = scene.hold(AMARA)[0]
    scene.sign_in(draft.id)
    return f"/review/{draft.id}"


def changed(scene: World, reference: str, **elements: Any) -> None:
    """Change an entry in the EHR after it was read; an element that is None is taken out."""
    held = scene.ehr.store.read(reference)
    body = {**held.body, **elements}
    scene.ehr.store.update(reference, {name: of for name, of in body.items() if of is not None}, held.etag)


def words(page: str) -> str:
    """Return the text of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_every_chart_fact_leads_to_its_entry_in_the_ehr(scene: World) -> None:
    """Each listed fact has a link, and behind each stands the same entry with its address."""
    path = opened(scene)
    links = re.findall(r'id="fact-\d+"><a href="([^"]+)">([^<]+)</a>', scene.get(path).text)
    assert len(links) >= 4
    for href, what in links:
        page = scene.get(unescape(href))
        assert page.status_code == 200, href
        assert f"<h1>{what}" in page.text
        assert "Back to the draft" in page.text
        assert unescape(href).partition("of=")[2].replace("%2F", "/") in page.text


def test_the_entry_is_read_anew(scene: World) -> None:
    """What the EHR has now stands under what was read then, so that a corrected score is seen."""
    path = f"{opened(scene)}/fact?of={PHQ9}"
    assert "PHQ-9 total 17" in words(scene.get(path).text)
    changed(scene, PHQ9, valueInteger=9, valueQuantity=None)
    text = words(scene.get(path).text)
    assert "PHQ-9 total 17" in text
    assert "valueInteger 9" in text


@pytest.mark.parametrize("of", [f"Observation/{JONAS}-phq9-1", "Patient/../secret", "https://elsewhere.example/x", ""])
def test_only_a_fact_of_the_draft_is_read(scene: World, of: str) -> None:
    """An address that somebody wrote by hand reads nothing of the chart through this page."""
    answer = scene.get(f"{opened(scene)}/fact?of={of}")
    assert answer.status_code == 400
    assert "does not stand on that entry" in answer.text


def test_an_entry_that_is_gone_is_said_to_be(scene: World) -> None:
    """A fact that the EHR no longer gives is told, with what to do, and is never shown as if it stood."""
    path = f"{opened(scene)}/fact?of={PHQ9}"
    del scene.ehr.store._versions[PHQ9]
    text = words(scene.get(path).text)
    assert "The EHR does not give this entry now" in text
    assert "valueQuantity" not in text


@pytest.mark.parametrize("subject", [{"reference": f"Patient/{JONAS}"}, {"reference": "Patient/nobody"}])
def test_an_entry_of_another_patient_is_never_shown(scene: World, subject: Any) -> None:
    """An entry that was moved to another chart is refused, not shown under this patient's name."""
    path = f"{opened(scene)}/fact?of={PHQ9}"
    changed(scene, PHQ9, subject=subject)
    answer = scene.get(path)
    assert answer.status_code == 502
    assert "valueQuantity" not in answer.text


def test_who_looked_at_the_source_is_on_record(scene: World) -> None:
    """The page leaves one entry, as every page that shows something of a patient."""
    path = opened(scene)
    what = f"MedicationRequest/{path.rpartition('/')[2]}"
    assert since(scene, f"{path}/fact?of={PHQ9}", AMARA) == [(PRESCRIBER, "read", "fact", what)]


def test_nothing_is_read_before_the_choice_of_ones_own_or_without_a_session(scene: World) -> None:
    """Without a session, and where one's own choice is still owed, the link goes to the draft's page."""
    draft = scene.hold(AMARA)[0]
    path = f"/review/{draft.id}/fact?of={PHQ9}"
    assert scene.get(path).headers["location"] == f"/review/{draft.id}"
    scene.get(scene.authorize(scene.begin(ehr="reference", draft=draft.id)))
    assert scene.get(path).headers["location"] == f"/review/{draft.id}"
