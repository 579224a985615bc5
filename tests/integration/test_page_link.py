"""A card's smart link, from the hook's answer through the EHR's launch to the page."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.cds.lint import check_card
from tests.integration.page_world import JONAS, PSYCHIATRIST, PUBLIC, World, world


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose cards link by SMART launch."""
    with world(tmp_path_factory.mktemp("page_link"), page_link="smart") as found:
        yield found


def card_of(scene: World, patient: str) -> dict[str, Any]:
    """Open a chart in the EHR and return the card that it shows."""
    (called,) = scene.call(scene.ehr.cds.patient_view, PSYCHIATRIST, patient)
    assert called.problems == ()
    (card,) = called.answer["cards"]
    assert check_card(card, PUBLIC) == ()
    return card


def follow(scene: World, link: dict[str, str], patient: str) -> Any:
    """Launch from the link as the EHR does, and return the callback's answer."""
    assert (link["type"], link["url"]) == ("smart", f"{PUBLIC}/launch")
    address = scene.ehr.authorization.launch("undersign", patient, PSYCHIATRIST, link["appContext"])
    assert address.partition("?")[0] == link["url"]
    return scene.launch(patient, app_context=link["appContext"])


def test_a_smart_link_leads_to_the_page_of_its_draft(scene: World) -> None:
    """The first link of a card of options opens that draft after the EHR's launch, and the page is the patient's."""
    card = card_of(scene, JONAS)
    draft = card["suggestions"][0]["uuid"]
    assert draft not in card["links"][0]["appContext"]
    answer = follow(scene, card["links"][0], JONAS)
    assert answer.headers["location"] == f"/review/{draft}"
    page = scene.get(answer.headers["location"])
    assert page.status_code == 200
    assert "Jonas Weber" in page.text


def test_a_smart_link_of_a_crisis_leads_to_where_it_is_recorded(scene: World) -> None:
    """The link of a crisis card opens the page of its flag."""
    card = card_of(scene, "leila-haddad")
    answer = follow(scene, card["links"][0], "leila-haddad")
    assert answer.headers["location"].startswith("/crisis/")
    assert scene.get(answer.headers["location"]).status_code == 200


def test_two_cards_of_one_draft_hand_over_different_seals(scene: World) -> None:
    """What is handed over cannot be told apart or guessed from an earlier one."""
    first, second = (card_of(scene, JONAS)["links"][0]["appContext"] for _ in range(2))
    assert first != second
