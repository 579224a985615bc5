"""A service that links its cards by address and holds drafts for a while: the plain link, and a draft that ends."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.ahead import AHEAD
from tests.e2e.browser.scene import Scene, acknowledge, follow, prepare, scene

HELD_S = (
    300  # of the store's own clock, which goes ahead by as much: less than a sign-in may take, so that others still can
)


@pytest.fixture(scope="module")
def brief(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give a service whose clock can be put ahead."""
    lines = ("[hold]", f"expires_after_s = {HELD_S}")
    with scene(tmp_path_factory.mktemp("brief"), *lines, page_link="absolute", program="ahead") as found:
        yield found


def test_a_plain_link_asks_nobody_who_is_signed_in_at_the_ehr(brief: Scene, page: Page) -> None:
    """A card's address opens the page by the EHR's own session, for the user who is signed in there."""
    window = brief.options(page, "jonas-weber-2")
    assert window.url.startswith(f"{brief.service}/review/")
    expect(window.get_by_role("banner")).to_contain_text("Dr Astrid Lindqvist")


def test_an_expired_draft_is_not_signed(brief: Scene, page: Page) -> None:
    """The signature comes too late: the page says that the time is over and nothing was ordered."""
    patient = "jonas-weber-1"
    window = brief.options(page, patient)
    prepare(window)
    acknowledge(window)
    (brief.folder / AHEAD).write_text(str(HELD_S), "utf-8")
    follow(window, window.get_by_role("button", name="Sign this order"))
    expect(window.get_by_text("U-DRAFT-EXPIRED")).to_be_visible()
    follow(window, window.get_by_role("link", name="Open the draft"))
    expect(window.get_by_role("heading", level=1)).to_contain_text("Nothing was ordered")
    assert brief.orders(patient) == []
