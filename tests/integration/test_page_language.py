"""A site that does not work in English: the page says once that it does, and the patient's sheet what is not in it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.page_world import JONAS, World, world

NOTES = {"de": "Diese Seite, die Namen der Arzneimittel", "es": "Esta página, los nombres de los medicamentos"}
NAMES = {"de": "Die Namen der Medikamente stehen hier auf Englisch", "es": "Los nombres de los medicamentos están aquí"}


@pytest.fixture(params=["en", "de", "es"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, World]]:
    """A site of each language."""
    with world(tmp_path, language=request.param) as found:
        yield request.param, found


def test_what_is_in_english_is_said_once_and_in_the_sites_language(site: tuple[str, World]) -> None:
    """Every page of a clinician has the note once, marked as of its language; an English site has none."""
    language, found = site
    draft = found.hold(JONAS)[0]
    found.sign_in(draft.id)
    for path in (f"/review/{draft.id}", "/review", f"/review/{draft.id}/edit", f"/review/{draft.id}/consent"):
        page = found.get(path).text
        assert [page.count(note) for note in NOTES.values()] == [int(one == language) for one in NOTES]
        if language != "en":
            assert re.search(rf'<p lang="{language}">{NOTES[language]}', page)


def test_the_sheet_says_that_drugs_are_named_in_english(site: tuple[str, World]) -> None:
    """The patient reads it in the sheet's language, whatever the site's is; the clinician's note is not on it."""
    _, found = site
    draft = found.hold(JONAS)[0]
    found.sign_in(draft.id)
    for language in ("en", "de", "es"):
        page = found.get(f"/review/{draft.id}/sheet?language={language}").text
        assert [page.count(note) for note in NAMES.values()] == [int(one == language) for one in NAMES]
        assert not any(note in page for note in NOTES.values())
        assert not re.search(r"knowledge 2026|model depression", page) or language == "en"
