"""Every state of both programs' pages that a clinician can come to, by name, in an order in which they follow."""

import subprocess
import sys
from collections.abc import Iterator

from playwright.sync_api import Page

from conformance.report import html
from conformance.stage import environment
from tests.e2e.browser.ehr import ODD
from tests.e2e.browser.scene import (
    NURSE,
    Scene,
    follow,
    past_own_choice,
    prepare,
    reject,
    sign,
    until_it_says,
)
from tests.unit.test_reports import ALL

BUPROPION = "993541"  # RxNorm, as the formulary of the EHR has it
NOT_TAKEN = "The EHR has not taken it yet"


def desk(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    """Yield the EHR's own pages; ``number`` is that of the copied patients, another one for each walk."""
    page.goto(f"{home.ehr}/")
    yield "desk-front", page
    page.goto(f"{home.ehr}/charts/amara-osei-{number}")
    yield "desk-chart-nobody", page
    home.sign_in(page)
    yield "desk-front-signed-in", page
    home.open_chart(page, f"amara-osei-{number}")
    yield "desk-chart-options", page
    page.get_by_text("Override", exact=True).first.click()
    yield "desk-chart-override", page
    page.goto(f"{home.ehr}/charts/amara-osei-{number}/orders")
    yield "desk-orders", page
    page.locator("select[name=product]").select_option(BUPROPION)
    follow(page, page.get_by_role("button", name="Add, unsigned"))
    yield "desk-order-select", page
    follow(page, page.get_by_role("button", name="Review, to sign"))
    yield "desk-order-sign", page
    for name in ("daniel-okafor", "henrik-solberg", "leila-haddad", "piotr-zielinski"):
        home.open_chart(page, name)
        yield f"desk-chart-{name}", page
    home.open_chart(page, f"jonas-weber-{number}")
    past_own_choice(home.in_frame(page))
    yield "desk-framed", page
    page.goto(f"{home.ehr}/charts/nobody")
    yield "desk-not-found", page
    follow(page, page.get_by_role("button", name="Sign out"))
    page.goto(f"{home.ehr}/charts/amara-osei-{number}/orders")
    yield "desk-signed-out", page
    page.goto(f"{home.service}/launch?ehr=reference")
    yield "desk-login", page


def pages(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    """Yield the clinician's pages in windows of their own."""
    home.sign_in(page)
    home.open_chart(page, f"amara-osei-{number}")
    window = home.in_window(page)
    if window.get_by_role("heading", name="What would you do?").count():
        yield "page-own-choice", window
        past_own_choice(window)
    yield "page-options-switch", window
    follow(window, window.get_by_role("button", name="Ask a psychiatrist"))
    yield "page-referral", window
    follow(window, window.get_by_role("link", name="Back to the draft"))
    prepare(window)
    yield "page-order-acknowledge", window
    sign(window)
    window.get_by_role("heading", name="Signed").wait_for()
    yield "page-signed", window
    window.close()
    home.open_chart(page, f"jonas-weber-{number}")
    window = home.in_window(page)
    past_own_choice(window)
    yield "page-options-first", window
    window.locator("#weights select").nth(1).select_option(index=4)
    follow(window, window.get_by_role("button", name="Weigh again"))
    yield "page-weighed", window
    follow(window, window.get_by_role("link", name="Edit").first)
    yield "page-edit", window
    window.get_by_label("Each dose, mg").fill("900")
    follow(window, window.get_by_role("button", name="Check"))
    window.get_by_role("alert").wait_for()
    yield "page-edit-refused", window
    yield from _after(home, window, page, number)


def _after(home: Scene, window: Page, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    follow(window, window.get_by_role("link", name="Back, nothing changed"))
    past_own_choice(window)
    draft = window.url
    follow(window, window.get_by_role("link", name="a sheet in plain words"))
    yield "page-sheet", window
    for name in ("Deutsch", "Español"):
        follow(window, window.get_by_role("link", name=name))
        yield f"page-sheet-{name[:2].lower()}", window
    window.goto(draft)
    follow(window, window.get_by_role("link", name="record it"))
    yield "page-consent", window
    window.get_by_label("The patient agrees").check()
    window.get_by_label("The patient", exact=True).check()
    follow(window, window.get_by_role("button", name="Record it"))
    yield "page-consent-recorded", window
    follow(window, window.get_by_role("link", name="Back to the draft"))
    follow(window, window.get_by_role("contentinfo").get_by_role("link", name="Model card"))
    yield "page-model-card", window
    window.goto(draft)
    prepare(window)
    yield "page-order", window
    window.goto(draft)
    reject(window, "prefers-alternative")
    yield "page-rejected", window
    window.goto(f"{home.service}/review")
    yield "page-list-patient", window
    window.close()
    home.open_chart(page, "leila-haddad")
    window = home.in_window(page)
    yield "page-crisis", window
    window.close()
    home.sign_in(page, NURSE)
    home.open_chart(page, f"jonas-weber-{number + 1}")
    window = home.in_window(page)
    past_own_choice(window)
    yield "page-nurse", window
    window.goto(f"{home.service}/review/{'0' * 8}-0000-4000-8000-{'0' * 12}")
    yield "page-not-found", window
    window.close()
    page.context.clear_cookies(name="undersign_session")
    yield from _in_trouble(home, page, ODD + (number - 1) // 2)


def _in_trouble(home: Scene, page: Page, odd: int) -> Iterator[tuple[str, Page]]:
    """Yield what stands there when the login is too old, and when the EHR takes no order."""
    home.sign_in(page)
    home.open_chart(page, f"amara-osei-{odd}")
    window = home.in_window(page)
    past_own_choice(window)
    prepare(window)
    yield "page-step-up", window
    window.close()
    home.open_chart(page, f"jonas-weber-{odd}")
    window = home.in_window(page)
    past_own_choice(window)
    prepare(window)
    sign(window)
    until_it_says(window, NOT_TAKEN)
    window.get_by_text("Take the signature back").click()
    yield "page-signed-not-written", window
    window.goto(f"{home.service}/review")
    yield "page-list", window
    follow(window, window.get_by_role("button", name="Sign out"))
    yield "page-signed-out", window


def documents(home: Scene, page: Page, number: int = 0) -> Iterator[tuple[str, Page]]:
    """Yield the pages that are files, the same in every walk: an onboarding sheet and a report of conformance."""
    kept = home.config.with_name("onboarding.html")
    show = [sys.executable, "-m", "service.cli", "ehr", "show", "reference", "--html", kept, "--config", home.config]
    subprocess.run(show, check=True, stdout=subprocess.DEVNULL, env=environment())
    page.set_content(kept.read_text("utf-8"))
    yield "file-onboarding", page
    page.set_content(html.document(ALL, ()))
    yield "file-report", page
