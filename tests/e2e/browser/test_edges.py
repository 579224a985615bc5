"""What must not happen: two orders of one decision, one for the wrong patient, one after the session's end."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.browser.scene import (
    Scene,
    acknowledge,
    draft_of,
    elsewhere,
    follow,
    heading,
    past_own_choice,
    prepare,
    sign,
)
from tests.e2e.house import eventually


def test_two_tabs_that_sign_at_once_make_one_order(home: Scene, page: Page) -> None:
    """Both tabs stand before the same draft and both send their form: one order, and the other tab says so."""
    patient = "jonas-weber-1"
    first = home.options(page, patient)
    second = page.context.new_page()
    second.goto(first.url)
    for tab in (first, second):
        prepare(tab)
        acknowledge(tab)
    # A click waits for its page; two sent by the pages themselves are on their way together.
    for tab in (first, second):
        tab.evaluate("setTimeout(() => document.querySelector('form[action$=\"/sign\"]').requestSubmit(), 50)")
    for tab in (first, second):
        tab.wait_for_url(lambda url: not url.endswith("order") and "digest=" not in url)
    eventually(lambda: len(home.orders(patient)) == 1)
    second.goto(first.url.split("?")[0].removesuffix("/sign").removesuffix("/order"))
    expect(heading(second)).to_contain_text("Signed")
    assert len(home.orders(patient)) == 1


def test_two_tabs_on_alternatives_make_one_order(home: Scene, page: Page) -> None:
    """Each tab signs another alternative of the same decision: the second one is refused."""
    patient = "jonas-weber-2"
    first = home.options(page, patient)
    second = page.context.new_page()
    second.goto(first.url)
    prepare(first, 0)
    prepare(second, 1)
    sign(first)
    expect(heading(first)).to_contain_text("Signed")
    sign(second)
    expect(heading(second)).to_have_text("This draft is closed")
    eventually(lambda: len(home.orders(patient)) == 1)


def test_what_was_accepted_on_the_card_is_not_signed_on_the_page_as_well(home: Scene, page: Page) -> None:
    """The draft of the open page is accepted in the EHR: the signature comes too late, and one order is there."""
    patient = "jonas-weber-12"
    window = home.options(page, patient)
    prepare(window, 1)
    follow(page, page.locator("form.acts button").nth(1))
    expect(page.get_by_role("heading", name="Unsigned (1)")).to_be_visible()
    sign(window)
    expect(heading(window)).to_have_text("This draft is closed")
    follow(page, page.get_by_role("button", name="Review, to sign"))
    follow(page, page.get_by_role("button", name="Sign this order"))
    expect(page.get_by_role("status")).to_contain_text("Signed by you")
    assert len(home.orders(patient)) == 1


def test_beside_an_accepted_suggestion_no_alternative_is_signed(home: Scene, page: Page) -> None:
    """One option is accepted in the EHR while the page stands before the other: it is refused with what to do."""
    patient = "amara-osei-12"
    window = home.options(page, patient)
    prepare(window, 0)
    follow(page, page.locator("form.acts button").nth(1))
    expect(page.get_by_role("heading", name="Unsigned (1)")).to_be_visible()
    sign(window)
    expect(heading(window)).to_have_text("Another order is on its way")
    assert home.orders(patient) == []


def test_a_drug_that_was_ordered_meanwhile_is_not_ordered_again(home: Scene, page: Page) -> None:
    """The same drug is ordered in the EHR while the page is open: the signature is refused, and one order stands."""
    patient = "amara-osei-11"
    window = home.options(page, patient)
    prepare(window, 0)
    drug = window.locator(".lines dd").nth(1).inner_text().split()[0]
    follow(page, page.get_by_role("link", name="Orders"))
    found = page.locator("select[name=product] option").filter(has_text=drug).first.get_attribute("value")
    page.locator("select[name=product]").select_option(found)
    follow(page, page.get_by_role("button", name="Add, unsigned"))
    follow(page, page.get_by_role("button", name="Review, to sign"))
    critical = page.get_by_role("article").filter(has_text="Critical")
    asks = critical.filter(has=page.get_by_role("button", name="Override"))
    for _ in range(asks.count()):
        asks.first.get_by_label("Reason").select_option("risk-benefit-ratio")
        follow(page, asks.first.get_by_role("button", name="Override"))
    follow(page, page.get_by_role("button", name="Sign this order"))
    expect(page.get_by_role("status")).to_contain_text("Signed by you")
    sign(window)
    expect(window.get_by_text("U-ORDER-EXISTS")).to_be_visible()
    assert len(home.orders(patient)) == 1


def test_going_back_after_a_signature_signs_nothing_again(home: Scene, page: Page) -> None:
    """The browser's back button brings no form that could make a second order."""
    patient = "jonas-weber-3"
    window = home.options(page, patient)
    prepare(window)
    sign(window)
    expect(heading(window)).to_contain_text("Signed")
    window.go_back()
    expect(heading(window)).to_contain_text("Signed")
    assert window.get_by_role("button", name="Sign this order").count() == 0
    eventually(lambda: len(home.orders(patient)) == 1)


def _cookie_gone(home: Scene, context: BrowserContext) -> None:
    context.clear_cookies(name="undersign_session")


def _ended_elsewhere(home: Scene, context: BrowserContext) -> None:
    """The server forgets the session, and this browser still brings its cookie."""
    kept = [one for one in context.cookies() if one.get("name") == "undersign_session"]
    other = context.new_page()
    other.goto(f"{home.service}/review")
    follow(other, other.get_by_role("button", name="Sign out"))
    context.add_cookies([{**one, "url": home.service} for one in kept for _ in [one.pop("domain"), one.pop("path")]])


@pytest.mark.parametrize("end", [_cookie_gone, _ended_elsewhere])
def test_an_ended_session_signs_nothing(home: Scene, page: Page, end: Callable[[Scene, BrowserContext], None]) -> None:
    """What is sent after the session's end is answered by asking to sign in, and the draft is as it was."""
    patient = f"jonas-weber-{4 if end is _cookie_gone else 5}"
    window = home.options(page, patient)
    draft = draft_of(window)
    prepare(window)
    acknowledge(window)
    end(home, page.context)
    follow(window, window.get_by_role("button", name="Sign this order"))
    expect(heading(window)).to_contain_text("sign in")
    assert "Weber" not in window.locator("body").inner_text()
    assert home.status(draft) == "draft"
    assert home.orders(patient) == []


def test_a_page_over_another_patient_closes(home: Scene, page: Page) -> None:
    """Once the EHR has launched the next patient, the old window neither signs nor shows the old one."""
    old, new = "jonas-weber-6", "jonas-weber-7"
    window = home.options(page, old)
    draft = draft_of(window)
    prepare(window)
    acknowledge(window)
    home.open_chart(page, new)
    home.in_window(page)
    follow(window, window.get_by_role("button", name="Sign this order"))
    expect(heading(window)).to_have_text("Not the patient of this window")
    assert "Weber-6" not in window.locator("body").inner_text()
    window.goto(f"{home.service}/review/{draft}")
    assert "Weber-6" not in window.locator("body").inner_text()
    assert home.status(draft) == "draft"
    assert home.orders(old) == []


def test_the_frame_follows_the_chart(home: Scene, page: Page) -> None:
    """With the next chart the frame over the old patient is gone, and no way back shows one in the other's chart."""
    old, new = "jonas-weber-8", "jonas-weber-9"
    home.sign_in(page)
    home.open_chart(page, old)
    frame = home.in_frame(page)
    past_own_choice(frame)
    expect(frame.locator("body")).to_contain_text("Weber-8")
    home.open_chart(page, new)
    expect(page.locator("iframe")).to_have_count(0)
    frame = home.in_frame(page)
    past_own_choice(frame)
    expect(frame.locator("body")).to_contain_text("Weber-9")
    page.goto(f"{home.ehr}/charts/{old}/app")
    page.go_back()
    page.go_forward()
    expect(page.locator(".patient")).to_contain_text("Weber-8")
    frame = page.frame_locator("iframe")
    expect(heading(frame)).to_be_visible()
    expect(frame.locator("body")).not_to_contain_text("Weber-9")


def test_only_the_ehr_of_the_tenant_may_frame_the_page(home: Scene, page: Page) -> None:
    """A page of another origin gets an empty frame, with a session and without one."""
    window = home.options(page, "jonas-weber-10")
    address = window.url
    refused: list[str] = []
    window.on("console", lambda message: refused.append(message.text))
    with elsewhere(f"<iframe src='{address}'></iframe>") as other:
        window.goto(other)
        eventually(lambda: any("frame-ancestors" in text for text in refused) or window.wait_for_timeout(50))
        assert not any(frame.url.startswith(home.service) for frame in window.frames)
    page.goto(f"{home.ehr}/charts/jonas-weber-10")
    frame = home.in_frame(page)
    past_own_choice(frame)
    expect(frame.locator("body")).to_contain_text("AI draft, not an order")


def test_the_ehr_takes_no_form_of_another_site(home: Scene, page: Page) -> None:
    """Cookies reach every port of the machine; a form of another origin is refused all the same."""
    home.sign_in(page)
    home.open_chart(page, "jonas-weber-11")
    form = f"<form method=post action='{home.ehr}/charts/jonas-weber-11/again'><button>go</button></form>"
    with elsewhere(form) as other:
        page.goto(other)
        follow(page, page.get_by_role("button"))
        expect(page.get_by_text("U-REF-ORIGIN")).to_be_visible()
