"""The EHR's own pages in a browser: cards as an EHR shows them, orders before and after signing, feedback."""

from playwright.sync_api import Page, expect

from tests.e2e.browser.scene import GENERALIST, NURSE, Scene, follow

BUPROPION, MIRTAZAPINE = "993541", "311725"  # RxNorm, as the formulary of the EHR has them


def choose(page: Page, product: str) -> None:
    """Choose a drug in order entry."""
    follow(page, page.get_by_role("link", name="Orders"))
    page.locator("select[name=product]").select_option(product)
    follow(page, page.get_by_role("button", name="Add, unsigned"))


def review(page: Page) -> None:
    """Ask for everything unsigned to be reviewed."""
    follow(page, page.get_by_role("button", name="Review, to sign"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Before you sign")


def test_the_hook_is_called_on_opening_a_chart_by_a_user_and_not_again_in_it(home: Scene, page: Page) -> None:
    """Nobody signed in: no card. On opening: one card. Coming back from the orders: the same card, not a new one."""
    home.open_chart(page, "amara-osei-1")
    expect(page.get_by_role("article")).to_have_count(0)
    follow(page, page.get_by_role("button", name=GENERALIST))
    card = page.get_by_role("article")
    expect(card).to_have_count(1)
    shown = card.get_attribute("id")
    follow(page, page.get_by_role("link", name="Orders"))
    follow(page, page.get_by_role("link", name="Summary"))
    assert card.get_attribute("id") == shown
    follow(page, page.get_by_role("button", name="Open the chart anew"))
    expect(card).to_have_count(1)
    assert card.get_attribute("id") != shown


def test_a_card_is_shown_with_all_that_cds_hooks_gives_it(home: Scene, page: Page) -> None:
    """Indicator in words, summary, detail as a table with bold words, links, suggestions, reasons, source."""
    home.sign_in(page)
    home.open_chart(page, "amara-osei-2")
    card = page.get_by_role("article")
    expect(card.get_by_role("heading").first).to_contain_text("For information. Depression, PHQ-9 17")
    expect(card.get_by_role("row")).to_have_count(4)
    expect(card.locator("strong").filter(has_text="Ruled out")).to_be_visible()
    assert "**" not in card.inner_text()
    expect(card.get_by_role("link", name="Compare and sign", exact=True)).to_be_visible()
    expect(card.locator("form.acts button")).to_have_count(3)
    card.get_by_text("Override", exact=True).first.click()
    assert card.get_by_label("Reason").locator("option").count() == 6
    expect(card).to_contain_text("Source: Undersign")


def test_an_accepted_suggestion_is_an_unsigned_order_until_it_is_signed(home: Scene, page: Page) -> None:
    """The service is told; the order stands in the record only after the review and the signature in the EHR."""
    patient, before = "jonas-weber-1", home.feedback("accepted")
    home.sign_in(page)
    home.open_chart(page, patient)
    follow(page, page.locator("form.acts button").first)
    expect(page.get_by_role("status")).to_contain_text("Nothing is ordered until you sign")
    expect(page.get_by_role("heading", name="Unsigned (1)")).to_be_visible()
    assert home.feedback("accepted") == before + 1
    assert home.orders(patient) == []
    review(page)
    follow(page, page.get_by_role("button", name="Sign this order"))
    expect(page.get_by_role("status")).to_contain_text("Signed by you: 1 order")
    (order,) = home.orders(patient)
    assert (order["intent"], order["requester"]["reference"]) == ("order", "Practitioner/dr-lindqvist")
    follow(page, page.get_by_role("link", name="Summary"))
    expect(page.get_by_role("article").locator(".fate")).to_contain_text("Accepted")
    expect(page.locator("form.acts")).to_have_count(0)


def test_keeping_the_present_plan_places_no_order(home: Scene, page: Page) -> None:
    """The suggestion without an action is accepted, told to the service, and the order list stays as it was."""
    before = home.feedback("accepted")
    home.sign_in(page)
    home.open_chart(page, "jonas-weber-2")
    follow(page, page.get_by_role("button", name="No change"))
    expect(page.locator(".fate")).to_contain_text("Accepted: No change")
    assert home.feedback("accepted") == before + 1
    expect(page.get_by_role("link", name="Orders", exact=True)).to_be_visible()


def test_an_override_is_told_with_its_reason(home: Scene, page: Page) -> None:
    """The card says what became of it, offers nothing more, and the service has counted one override more."""
    before = home.feedback("overridden")
    home.sign_in(page)
    home.open_chart(page, "jonas-weber-3")
    card = page.get_by_role("article")
    card.get_by_text("Override", exact=True).first.click()
    card.get_by_label("Reason").select_option("prefers-alternative")
    follow(page, card.get_by_role("button", name="Override"))
    expect(card.locator(".fate")).to_contain_text("Overridden: Patient prefers an alternative")
    expect(card.locator(".fate")).to_contain_text("The service was told")
    expect(card.get_by_role("button")).to_have_count(0)
    assert home.feedback("overridden") == before + 1


def test_a_critical_card_wants_a_reason_before_the_signature(home: Scene, page: Page) -> None:
    """A contraindication is told at choosing and before signing, and nothing is signed over it without a reason."""
    patient = "amara-osei-3"
    home.sign_in(page)
    home.open_chart(page, patient)
    choose(page, BUPROPION)
    expect(page.get_by_role("article")).to_contain_text("Seizure disorder")
    review(page)
    card = page.get_by_role("article")
    expect(card).to_contain_text("Critical")
    follow(page, page.get_by_role("button", name="Sign this order"))
    expect(page.get_by_text("Nothing was signed")).to_be_visible()
    assert home.orders(patient) == []
    page.go_back()
    card.get_by_label("Reason").select_option("risk-benefit-ratio")
    follow(page, card.get_by_role("button", name="Override"))
    follow(page, page.get_by_role("button", name="Sign this order"))
    expect(page.get_by_role("status")).to_contain_text("Signed by you")
    assert len(home.orders(patient)) == 1


def test_what_was_changed_after_the_review_is_not_signed(home: Scene, page: Page) -> None:
    """A signature over orders that another tab has changed since is refused, and they are reviewed again."""
    patient = "jonas-weber-4"
    home.sign_in(page)
    home.open_chart(page, patient)
    choose(page, MIRTAZAPINE)
    other = page.context.new_page()
    review(page)
    other.goto(f"{home.ehr}/charts/{patient}/orders")
    other.get_by_label("Each dose, mg").fill("45")
    follow(other, other.get_by_role("button", name="Change"))
    follow(page, page.get_by_role("button", name="Sign this order"))
    expect(page.get_by_text("review them again")).to_be_visible()
    assert home.orders(patient) == []


def test_a_form_of_a_closed_chart_does_nothing(home: Scene, page: Page) -> None:
    """With another chart open, a suggestion of the chart before cannot be accepted from an old tab."""
    before = home.feedback("accepted")
    home.sign_in(page)
    home.open_chart(page, "jonas-weber-5")
    other = page.context.new_page()
    home.open_chart(other, "jonas-weber-6")
    follow(page, page.locator("form.acts button").first)
    expect(page.get_by_text("Another chart is open now")).to_be_visible()
    assert home.feedback("accepted") == before


def test_a_nurse_prepares_and_does_not_sign(home: Scene, page: Page) -> None:
    """A nurse's order stays unsigned: the page offers no signature and says why, and a sent one is refused."""
    patient = "jonas-weber-7"
    home.sign_in(page, NURSE)
    home.open_chart(page, patient)
    choose(page, MIRTAZAPINE)
    review(page)
    expect(page.get_by_text("may not sign orders")).to_be_visible()
    expect(page.get_by_role("button", name="Sign this order")).to_have_count(0)
    page.locator("form[action$='/sign']").evaluate("form => { setTimeout(() => form.submit()) }")
    expect(page.get_by_text("U-REF-SIGNER")).to_be_visible()
    assert home.orders(patient) == []


def test_an_order_taken_off_the_list_is_gone(home: Scene, page: Page) -> None:
    """Nothing is left of a removed order, on the page and in the record."""
    patient = "jonas-weber-8"
    home.sign_in(page)
    home.open_chart(page, patient)
    choose(page, MIRTAZAPINE)
    follow(page, page.get_by_role("button", name="Remove"))
    expect(page.get_by_role("heading", name="Unsigned (0)")).to_be_visible()
    expect(page.get_by_role("button", name="Review, to sign")).to_have_count(0)
    assert home.orders(patient) == []
