"""A service that links its cards by address and holds drafts for a moment: the plain link, and a draft that ends."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser.scene import Scene, acknowledge, prepare, scene

HELD_S = 15  # long enough to come to the order on a busy machine


@pytest.fixture(scope="module")
def brief(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give a service that holds drafts for some seconds only."""
    with scene(
        tmp_path_factory.mktemp("brief"), "[hold]", f"expires_after_s = {HELD_S}", page_link="absolute"
    ) as found:
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
    window.wait_for_timeout(HELD_S * 1000)
    window.get_by_role("button", name="Sign this order").click()
    expect(window.get_by_text("U-DRAFT-EXPIRED")).to_be_visible()
    window.get_by_role("link", name="Open the draft").click()
    expect(window.get_by_role("heading", level=1)).to_contain_text("Nothing was ordered")
    assert brief.orders(patient) == []
