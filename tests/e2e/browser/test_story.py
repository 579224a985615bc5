"""The whole story in a browser: a chart opens, its card leads to the page, and a practitioner decides there."""

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser.conftest import WAIT_MS
from tests.e2e.browser.ehr import ODD
from tests.e2e.browser.scene import (
    GENERALIST,
    NURSE,
    PSYCHIATRIST,
    Scene,
    draft_of,
    follow,
    heading,
    past_own_choice,
    prepare,
    reject,
    sign,
    until_it_says,
)
from tests.e2e.browser.states import NOT_TAKEN
from tests.e2e.house import eventually


def posts(window: Page) -> list[str]:
    """Return the addresses that forms of this window are sent to from now on."""
    sent: list[str] = []
    window.on("request", lambda asked: sent.append(asked.url) if asked.method == "POST" else None)
    return sent


def test_a_card_leads_to_one_signed_order_in_the_chart(home: Scene, page: Page) -> None:
    """Chart, card, options, exact order, signature: the EHR then lists that order once, as written back."""
    patient = "jonas-weber-1"
    window = home.options(page, patient)
    expect(window.get_by_text("AI draft, not an order")).to_be_visible()
    drug = window.locator(".option h2").first.inner_text().split()[1]
    prepare(window)
    sign(window)
    expect(heading(window)).to_contain_text("Signed")
    eventually(lambda: len(home.orders(patient)) == 1)
    page.goto(f"{home.ehr}/charts/{patient}/orders")
    row = page.get_by_role("row").filter(has_text=drug)
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Dr Astrid Lindqvist")
    expect(row).to_contain_text("Written by Undersign after signature")


def test_nothing_is_chosen_before_the_practitioner_chooses(home: Scene, page: Page) -> None:
    """No option, no acknowledgement and no reason is ticked or chosen when the page opens."""
    window = home.options(page, "amara-osei-1")
    assert window.locator("main input[type=checkbox]").count() > 0
    assert window.locator("main input:checked").count() == 0
    assert window.locator("select[name=reason]").input_value() == ""
    prepare(window)
    assert window.locator("input[name=acknowledgement]").count() > 0
    assert window.locator("main input:checked").count() == 0


def test_an_order_is_not_signed_before_every_point_is_acknowledged(home: Scene, page: Page) -> None:
    """The browser holds the form back, and the service refuses it where a browser does not."""
    patient = "amara-osei-2"
    window = home.options(page, patient)
    prepare(window)
    sent, button = posts(window), window.get_by_role("button", name="Sign this order")
    assert window.locator("input[name=acknowledgement]").count() > 0
    button.click()
    assert sent == []
    window.locator("form").filter(has=button).evaluate("form => { form.noValidate = true }")
    follow(window, button)
    expect(window.get_by_text("U-ACKNOWLEDGE")).to_be_visible()
    assert len(sent) == 1
    assert home.orders(patient) == []


def test_a_switch_is_signed_with_what_was_acknowledged(home: Scene, page: Page) -> None:
    """A switch whose points are ticked is signed; the page says that it stopped nothing."""
    patient = "amara-osei-3"
    window = home.options(page, patient)
    prepare(window)
    assert window.locator("input[name=acknowledgement]").count() > 0
    sign(window)
    expect(heading(window)).to_contain_text("Signed")
    expect(window.get_by_text("This page stopped nothing")).to_be_visible()
    eventually(lambda: len(home.orders(patient)) == 1)


def test_weights_move_the_order_and_change_no_draft(home: Scene, page: Page) -> None:
    """Other weights of the patient give another statement on the page, and the draft stays what it was."""
    window = home.options(page, "jonas-weber-2")
    before = window.locator("#weights [role=status]").inner_text()
    labels = window.locator(".option h2").all_inner_texts()
    window.locator("#weights select").nth(1).select_option(index=4)
    follow(window, window.get_by_role("button", name="Weigh again"))
    expect(window.locator("#weights [role=status]")).not_to_have_text(before)
    assert window.locator(".option h2").all_inner_texts() == labels
    assert home.status(draft_of(window)) == "draft"


def test_rejected_drafts_are_closed_with_their_reason(home: Scene, page: Page) -> None:
    """After a rejection the page says so, nothing is left to sign, and nothing is in the EHR."""
    patient = "jonas-weber-3"
    window = home.options(page, patient)
    draft = draft_of(window)
    reject(window, "prefers-alternative")
    expect(window.get_by_role("button", name="Read the exact order")).to_have_count(0)
    assert home.status(draft) == "cancelled"
    assert home.orders(patient) == []


def test_an_edited_order_is_judged_again_and_signed_as_edited(home: Scene, page: Page) -> None:
    """A dose above the ceiling is refused on the page; an allowed one is shown as edited and signed."""
    patient = "jonas-weber-4"
    window = home.options(page, patient)
    follow(window, window.get_by_role("link", name="Edit").first)
    dose = window.get_by_label("Each dose, mg")
    dose.fill("900")
    follow(window, window.get_by_role("button", name="Check"))
    expect(window.get_by_role("alert")).to_contain_text("Not taken")
    window.get_by_label("Days").fill("14")
    dose.fill("5")
    follow(window, window.get_by_role("button", name="Check"))
    if window.get_by_role("alert").count():
        pytest.fail(window.get_by_role("alert").inner_text())
    expect(window.get_by_text("Edited.")).to_be_visible()
    sign(window)
    eventually(lambda: len(home.orders(patient)) == 1)
    (order,) = home.orders(patient)
    assert order["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] == 5
    assert order["dispenseRequest"]["expectedSupplyDuration"]["value"] == 14


def test_a_crisis_opens_only_after_a_person_has_assessed_the_risk(home: Scene, page: Page) -> None:
    """The card offers no drug; once an assessment is recorded, the chart opened anew offers drafts with a warning."""
    home.sign_in(page)
    home.open_chart(page, "leila-haddad")
    card = page.get_by_role("article")
    expect(card).to_contain_text("Critical")
    expect(card.get_by_role("button")).to_have_count(0)
    window = home.in_window(page)
    expect(window.get_by_text("No drug is suggested")).to_be_visible()
    # The service has no zone of this site: it reads the time in the machine's.
    window.get_by_label("Assessed on").fill(f"{datetime.now() - timedelta(minutes=2):%Y-%m-%dT%H:%M}")
    window.get_by_label("Drafting may open again").check()
    window.get_by_label("Who sees the patient next").select_option("self")
    follow(window, window.get_by_role("button", name="Record the assessment"))
    expect(heading(window)).to_contain_text("Recorded")
    follow(page, page.get_by_role("button", name="Open the chart anew"))
    expect(card.get_by_role("button").first).to_be_visible()
    expect(card).to_contain_text("First.")


@pytest.mark.parametrize("framed", [False, True])
def test_a_nurse_reads_and_cannot_sign(home: Scene, page: Page, framed: bool) -> None:
    """A nurse is offered no signature and told why; what is sent all the same is refused, and nothing is ordered."""
    patient = f"jonas-weber-{5 + framed}"
    home.sign_in(page, NURSE)
    home.open_chart(page, patient)
    shown = home.in_frame(page) if framed else home.in_window(page)
    past_own_choice(shown)
    expect(shown.get_by_text("the EHR has no active role for you that may prescribe")).to_have_count(2)
    expect(shown.get_by_role("button", name="Read the exact order")).to_have_count(0)
    shown.locator("form.reject").evaluate(
        "form => { form.action = form.action.replace('/reject', '/prepare'); setTimeout(() => form.submit()) }"
    )
    expect(shown.get_by_text("U-SIGNER-ROLE")).to_be_visible()
    assert home.orders(patient) == []


def test_a_general_practitioner_signs_where_the_rules_allow_it(home: Scene, page: Page) -> None:
    """A general practitioner opens the page in the frame of the chart, signs there, and the order is in the EHR."""
    patient = "jonas-weber-7"
    home.sign_in(page, GENERALIST)
    home.open_chart(page, patient)
    frame = home.in_frame(page)
    past_own_choice(frame)
    prepare(frame)
    sign(frame)
    expect(heading(frame)).to_contain_text("Signed")
    eventually(lambda: len(home.orders(patient)) == 1)
    assert home.orders(patient)[0]["requester"]["reference"] == "Practitioner/dr-mensah"


def test_the_story_needs_no_script(home: Scene, browser: Browser) -> None:
    """With scripts switched off a chart is opened, a draft read and signed, and another one rejected."""
    context = browser.new_context(java_script_enabled=False)
    try:
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        window = home.options(page, "jonas-weber-8")
        prepare(window)
        sign(window)
        expect(heading(window)).to_contain_text("Signed")
        home.open_chart(page, "jonas-weber-9")
        other = home.in_window(page)
        draft = draft_of(other)
        reject(other, "too-costly-uncovered")
        assert home.status(draft) == "cancelled"
    finally:
        context.close()


def test_the_own_choice_comes_first_and_stays_beside_the_options(home: Scene, page: Page) -> None:
    """A high-risk assessment shows no option before the clinician's own choice, and that choice afterwards."""
    home.sign_in(page)
    home.open_chart(page, "amara-osei-4")
    window = home.in_window(page)
    expect(heading(window)).to_have_text("What would you do?")
    expect(window.locator(".option")).to_have_count(0)
    sent, button = posts(window), window.get_by_role("button", name="Keep it and open the options")
    button.click()
    assert sent == []  # the browser asks for an answer
    window.get_by_label("start, change to or add a drug").check()
    window.get_by_label("Which drug").select_option("sertraline")
    follow(window, button)
    assert len(sent) == 1
    expect(window.get_by_text("Your own choice before the options: sertraline.")).to_be_visible()
    expect(window.locator(".option")).to_have_count(3)


def test_a_referral_is_a_draft_and_the_options_stay_held(home: Scene, page: Page) -> None:
    """Asking a psychiatrist makes a referral to be ordered in the EHR: nothing is sent, and the draft is as it was."""
    window = home.options(page, "amara-osei-5")
    draft = draft_of(window)
    follow(window, window.get_by_role("button", name="Ask a psychiatrist"))
    expect(window.get_by_text("Nothing was sent.")).to_be_visible()
    follow(window, window.get_by_role("link", name="Back to the draft"))
    expect(window.get_by_role("button", name="Read the exact order")).to_have_count(2)
    assert home.status(draft) == "draft"


def test_a_patients_no_withdraws_the_drafts_and_silences_the_chart(home: Scene, page: Page) -> None:
    """A no is recorded from the sheet: the drafts are withdrawn, and the chart opened anew offers nothing."""
    patient = "jonas-weber-10"
    window = home.options(page, patient)
    draft = draft_of(window)
    expect(page.locator("form.acts")).not_to_have_count(0)
    follow(window, window.get_by_role("link", name="a sheet in plain words"))
    expect(window.locator("article")).to_have_attribute("lang", "en")
    follow(window, window.get_by_role("link", name="Record what the patient says about AI"))
    window.get_by_label("The patient does not want").check()
    window.get_by_label("The patient", exact=True).check()
    follow(window, window.get_by_role("button", name="Record it"))
    expect(window.get_by_text("The patient does not want AI suggestions. Said by the patient")).to_be_visible()
    assert home.status(draft) == "cancelled"
    follow(window, window.get_by_role("link", name="Back to the draft"))
    expect(window.get_by_role("button", name="Read the exact order")).to_have_count(0)
    follow(page, page.get_by_role("button", name="Open the chart anew"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("form.acts")).to_have_count(0)


def test_a_high_risk_draft_is_signed_right_after_a_new_sign_in(home: Scene, page: Page) -> None:
    """With a sign-in of this morning nothing can be signed; after a new one the same draft is."""
    patient = f"amara-osei-{ODD}"
    window = home.options(page, patient)
    prepare(window)
    expect(window.get_by_role("button", name="Sign this order")).to_be_disabled()
    follow(window, window.get_by_role("link", name="Sign in again"))
    follow(window, window.get_by_role("link", name=PSYCHIATRIST))
    prepare(window)
    expect(window.get_by_role("button", name="Sign this order")).to_be_enabled()
    sign(window)
    expect(heading(window)).to_contain_text("Signed")
    eventually(lambda: len(home.orders(patient)) == 1)


def test_a_signature_is_taken_back_while_the_ehr_has_nothing(home: Scene, page: Page) -> None:
    """An order that the EHR does not take can be taken back on its page, and none comes of it."""
    patient = f"jonas-weber-{ODD}"
    window = home.options(page, patient)
    draft = draft_of(window)
    prepare(window)
    sign(window)
    until_it_says(window, NOT_TAKEN)
    window.get_by_text("Take the signature back").click()
    window.get_by_label("Why").fill("the patient has changed her mind")
    follow(window, window.get_by_role("button", name="Take it back"))
    expect(window.get_by_text("Nothing was ordered of it").first).to_be_visible()
    expect(window.get_by_role("button", name="Take it back")).to_have_count(0)
    assert home.status(draft) == "cancelled"
    assert home.orders(patient) == []
