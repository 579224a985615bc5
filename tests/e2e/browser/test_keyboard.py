"""Every step of the clinician's page by the keyboard alone, with scripts switched off."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browser.conftest import WAIT_MS
from tests.e2e.browser.scene import Scene, heading
from tests.e2e.house import eventually

_MOST_STOPS = 160
_MOST_TRIES, _PARTS = 10, 6  # month, day, year, hour, minute, half of the day


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Give a window without scripts."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=False)
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


def opened(home: Scene, page: Page, patient: str) -> Page:
    """Open the page of a patient from the chart's card; what follows in it is done by keys."""
    home.sign_in(page)
    home.open_chart(page, patient)
    return home.in_window(page)


def reach(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so; fails where no key leads there."""
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        if name in _focused(page):
            return
    pytest.fail(f"no key leads to {name!r}")


def _focused(page: Page) -> str:
    """Return what has the focus as it is called: its legend, then its label or its own words.

    Asked by locators, each with its time limit: where scripts are off, ``evaluate`` after a navigation may never end.
    """
    focused = page.locator(":focus")
    if focused.count() != 1:
        return ""
    legend = _words(focused.locator("xpath=ancestor::fieldset[1]/legend"))
    identity = focused.get_attribute("id")
    labels = _words(page.locator(f"label[for='{identity}']")) if identity else ""
    said = labels or _words(focused.locator("xpath=ancestor::label[1]")) or focused.inner_text()
    return " ".join(f"{legend}: {said or focused.get_attribute('value') or ''}".split())


def _words(found: Locator) -> str:
    return " ".join(one.inner_text() for one in found.all())


def press(page: Page, name: str, key: str = "Enter") -> None:
    """Go to a box or a folded part and press it."""
    reach(page, name)
    page.keyboard.press(key)


def follow(page: Page, name: str) -> None:
    """Go to a button or link and press Enter, which leads to another page."""
    reach(page, name)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def write(page: Page, name: str, text: str) -> None:
    """Go to a field and write in place of what is there."""
    reach(page, name)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def choose(page: Page, name: str, option: str) -> None:
    """Go to a list and press the arrow until it stands on an option: typed letters count together for a second only."""
    reach(page, name)
    chosen = page.locator(":focus option:checked")
    for _ in range(page.locator(":focus option").count()):
        if (chosen.text_content() or "").strip().startswith(option):
            return
        page.keyboard.press("ArrowDown")
    pytest.fail(f"no arrow leads to {option!r}")


def write_time(page: Page, name: str, when: datetime) -> None:
    """Go to a field of date and time and type it part by part, anew where the browser was too slow to take it whole."""
    reach(page, name)
    for _ in range(_MOST_TRIES):
        for part in (f"{when:%m}", f"{when:%d}", f"{when:%Y}"):
            page.keyboard.type(part)
        page.keyboard.press("ArrowRight")  # a year may have six digits
        page.keyboard.type(f"{when:%I%M%p}")
        if page.locator(":focus").input_value() == f"{when:%Y-%m-%dT%H:%M}":
            return
        for _ in range(_PARTS):
            page.keyboard.press("ArrowLeft")
    pytest.fail(f"{name!r} does not take {when}")


def undecided(page: Page) -> None:
    """Answer the question what one would do oneself."""
    reach(page, "I would:")
    page.keyboard.press("ArrowUp")  # in a group of radio buttons the last one lies before the first
    expect(page.get_by_label("I have not decided")).to_be_checked()
    follow(page, "Keep it and open the options")


def test_an_option_is_read_weighed_edited_and_signed_by_keys(home: Scene, page: Page) -> None:
    """Own choice, folded parts, preferences, referral, later, edit, acknowledgement, note and signature."""
    patient = "amara-osei-1"
    window = opened(home, page, patient)
    undecided(window)
    folded = window.locator("#not-drafted p, #not-drafted li").first
    expect(folded).to_be_hidden()
    press(window, "Not drafted: every other drug")
    expect(folded).to_be_visible()
    choose(window, "Stops for side effects", "twice")
    follow(window, "Weigh again")
    assert "weight-adverse-event-stopping=2" in window.url
    follow(window, "Ask a psychiatrist")
    expect(window.get_by_text("Nothing was sent.")).to_be_visible()
    follow(window, "Back to the draft")
    follow(window, "Decide later")
    expect(heading(window)).to_have_text("Drafts and orders of this patient")
    follow(window, "Depression, PHQ-9")
    follow(window, "Edit")
    write(window, "Days", "14")
    follow(window, "Check, and read the order")
    expect(window.get_by_text("Edited.")).to_be_visible()
    assert window.locator("input[name=acknowledgement]").count() > 0
    for box in window.locator("input[name=acknowledgement]").all():
        press(window, "Read and weighed:", "Space")
        expect(box).to_be_checked()
    write(window, "Note on your decision", "written by keys")
    follow(window, "Sign this order")
    expect(heading(window)).to_contain_text("Signed")
    eventually(lambda: len(home.orders(patient)) == 1)
    assert home.orders(patient)[0]["dispenseRequest"]["expectedSupplyDuration"]["value"] == 14


def test_a_draft_is_rejected_by_keys(home: Scene, page: Page) -> None:
    """A tick, a reason, a comment, and the button."""
    window = opened(home, page, "jonas-weber-1")
    for name in ("escitalopram", "venlafaxine"):
        press(window, f"Reject: {name}", "Space")
    choose(window, "Reason", "Patient has contra")
    write(window, "Comment, if any", "by keys")
    follow(window, "Reject what is ticked")
    expect(window.get_by_text("Reason: Patient has contraindication to recommended action.")).to_have_count(2)


def test_the_sheet_and_a_patients_word_are_reached_by_keys(home: Scene, page: Page) -> None:
    """The sheet in another language, and from it the record of what the patient says."""
    window = opened(home, page, "jonas-weber-2")
    follow(window, "a sheet in plain words")
    follow(window, "Deutsch")
    expect(window.locator("article")).to_have_attribute("lang", "de")
    follow(window, "Record what the patient says about AI")
    press(window, "What was said:", "Space")
    press(window, "Who said it:", "Space")
    follow(window, "Record it")
    expect(window.get_by_text("The patient does not want AI suggestions. Said by the patient")).to_be_visible()
    follow(window, "Back to the draft")
    expect(heading(window)).to_have_text("Nothing was ordered of these drafts")


def test_a_risk_assessment_is_recorded_by_keys(home: Scene, page: Page) -> None:
    """When it was assessed, what follows, who sees the patient next, and the button."""
    window = opened(home, page, "leila-haddad")
    write_time(window, "Assessed on", datetime.now() - timedelta(minutes=2))
    press(window, "What follows for drafting:", "Space")
    choose(window, "Who sees the patient next", "I do")
    follow(window, "Record the assessment")
    expect(heading(window)).to_contain_text("Recorded")
