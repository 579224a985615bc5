"""What the pages offer to whom: no step that is refused afterwards, and what is not known yet is said."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html import unescape
from pathlib import Path

import pytest

from service.errors import EhrFailed
from service.settings import Supervision
from tests.integration.page_world import AMARA, JONAS, NURSE, PSYCHIATRIST, World, world

OFFERED = "Read the exact order, to sign it"
SPECIALIST = "http://snomed.info/sct|80584001"  # Psychiatrist
Start = Callable[..., World]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a world with settings of the tenants."""
    with ExitStack() as opened:
        yield lambda **more: opened.enter_context(world(tmp_path, **more))


def _page(scene: World, patient: str, user: str = PSYCHIATRIST) -> str:
    draft = scene.hold(patient)[0]
    scene.sign_in(draft.id, user)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", scene.get(f"/review/{draft.id}").text)).split())


def test_a_nurse_is_offered_no_signature_and_told_why(start: Start) -> None:
    """Neither the order nor its edit nor a referral is offered; rejecting and deciding later are."""
    page = _page(start(), AMARA, NURSE)
    assert page.count("the EHR has no active role for you that may prescribe") == 2
    assert OFFERED not in page
    assert "Ask a psychiatrist" not in page
    assert "Reject what is ticked" in page
    assert "Decide later" in page


def test_a_prescriber_is_offered_every_draft(start: Start) -> None:
    """Both drafts may be opened for signing, and nothing is said of a role."""
    page = _page(start(), JONAS)
    assert page.count(OFFERED) == 2
    assert "role" not in page
    assert "did not say yet whether you may prescribe" not in page


def test_a_role_that_the_ehr_did_not_tell_is_asked_later(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """An EHR that fails at the sign-in closes nothing: the drafts are offered, and that the role is asked is said."""

    async def silent(reference: str, token: str | None) -> None:
        raise EhrFailed("U-EHR-UNREACHABLE", "nobody answers")

    scene = start()
    monkeypatch.setattr(scene.services.clients["reference"], "practitioner_may_prescribe", silent)
    page = _page(scene, JONAS)
    assert page.count(OFFERED) == 2
    assert "did not say yet whether you may prescribe" in page


@pytest.mark.parametrize(
    ("leaves", "patient", "offered"),
    [("all", AMARA, 2), ("uncomplicated", AMARA, 1), ("uncomplicated", JONAS, 2), ("none", JONAS, 0)],
)
def test_what_a_site_leaves_to_specialists_is_offered_to_them_alone(
    start: Start, leaves: str, patient: str, offered: int
) -> None:
    """Without a specialist's role the page offers what the site's supervision leaves, and says who signs the rest."""
    scene = start(supervision=Supervision(others_sign=leaves, specialist_role_codes=(SPECIALIST,)))  # pyright: ignore[reportArgumentType]
    page = _page(scene, patient, "dr-mensah")
    assert page.count(OFFERED) == offered
    assert page.count("Left to a specialist at this site") == 2 - offered
