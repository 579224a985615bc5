"""A live service and a live EHR, and what a clinician does with both in a browser."""

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
from playwright.sync_api import FrameLocator, Locator, Page

from conformance.children import Children
from conformance.practitioner import FhirClient, Json, sign_in
from conformance.stage import Stage, build, start_ehr, start_service
from tests.e2e.house import WITHIN_S, eventually

PSYCHIATRIST, GENERALIST, NURSE = "Dr Astrid Lindqvist", "Dr Kofi Mensah", "Camila Ortiz"
CLIENT, REDIRECT = "reference-ehr-script", "http://127.0.0.1/callback"
Shown = Page | FrameLocator
"""Where the clinician's page is: in a window of its own, or in a frame of the chart."""


class Scene:
    """The two programs; what the EHR's record and the service's hold say is asked over HTTP."""

    def __init__(self, stage: Stage, http: httpx.Client, children: Children) -> None:
        self.ehr, self.service, self._stage, self._http = stage.ehr, stage.service, stage, http
        self.config, self.folder, self._children = stage.config, stage.folder, children

    def signal_ehr(self, number: int) -> None:
        """Send the EHR's process a signal: one that stops it lets it answer nothing until it is continued."""
        self._children.signal("ehr", number)

    def orders(self, patient: str) -> list[Json]:
        """Return the EHR's active orders of a patient that were placed since the chart was made."""
        token = sign_in(self._http, self._stage.ehr_base, CLIENT, REDIRECT, "dr-lindqvist")
        found = FhirClient(self._http, self._stage.ehr_base, token).search(
            f"MedicationRequest?patient={patient}&status=active"
        )
        return [one for one in found if not one["id"].startswith(patient)]

    def status(self, draft: str) -> str:
        """Return the FHIR status of a draft."""
        token = sign_in(self._http, self._stage.ehr_base, CLIENT, REDIRECT, "dr-lindqvist")
        return FhirClient(self._http, f"{self.service}/fhir", token).read(f"MedicationRequest/{draft}")["status"]

    def feedback(self, outcome: str) -> float:
        """Return how much feedback of this outcome the service has counted."""
        text = self._http.get(f"{self.service}/metrics").text
        found = re.search(rf'undersign_\w*feedback\w*\{{outcome="{outcome}"\}} ([\d.]+)', text)
        return float(found[1]) if found else 0.0

    # In the EHR

    def sign_in(self, page: Page, user: str = PSYCHIATRIST) -> None:
        """Choose a user on the EHR's first page, in place of who is signed in there."""
        page.goto(f"{self.ehr}/")
        if page.get_by_role("button", name="Sign out").count():
            follow(page, page.get_by_role("button", name="Sign out"))
        follow(page, page.get_by_role("button", name=user))

    def open_chart(self, page: Page, patient: str) -> None:
        """Open a chart, which calls the hook."""
        page.goto(f"{self.ehr}/charts/{patient}")

    def in_window(self, page: Page) -> Page:
        """Follow the first link of the chart's card in a window of its own; returns the window."""
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="in a new window").first.click()
        # A new window is there before its page is, at first with none.
        opened.value.locator("main h1").first.wait_for()
        opened.value.wait_for_load_state()
        return opened.value

    def in_frame(self, page: Page) -> FrameLocator:
        """Follow the first link of the chart's card inside the chart."""
        follow(page, page.locator(".card .links .button").first)
        return page.frame_locator("iframe")

    def options(self, page: Page, patient: str) -> Page:
        """Sign in, open a chart and follow its card to the options, in a window of their own."""
        self.sign_in(page)
        self.open_chart(page, patient)
        window = self.in_window(page)
        past_own_choice(window)
        return window


# On the clinician's page


def follow(shown: Shown, what: Locator) -> None:
    """Press what leads to another page, and return once that page has loaded.

    A click alone may return while the old page still stands: what is read or printed then is of either, or fails.
    """
    frame = shown.main_frame if isinstance(shown, Page) else shown.owner.element_handle().content_frame()
    assert frame is not None
    with frame.expect_navigation():
        what.click()


def past_own_choice(shown: Shown) -> None:
    """Answer the question what one would do oneself, where the page asks it before it shows the options."""
    shown.locator("h1").first.wait_for()
    if shown.get_by_role("heading", name="What would you do?").count():
        shown.get_by_label("I have not decided").check()
        follow(shown, shown.get_by_role("button", name="Keep it and open the options"))
        shown.locator(".options").wait_for()


def draft_of(window: Page) -> str:
    """Return the id of the draft in the window's address."""
    found = re.search(r"/review/([0-9a-f-]{36})", window.url)
    assert found, window.url
    return found[1]


def prepare(shown: Shown, number: int = 0) -> None:
    """Go to the exact order of an option."""
    follow(shown, shown.get_by_role("button", name="Read the exact order").nth(number))
    shown.get_by_role("heading", name="The order that will be signed").wait_for()


def acknowledge(shown: Shown) -> None:
    """Tick every point that has to be read and weighed."""
    for box in shown.locator("input[name=acknowledgement]").all():
        box.check()


def sign(shown: Shown) -> None:
    """Send the order on the page with all of it acknowledged, and go to what the service answers."""
    acknowledge(shown)
    follow(shown, shown.get_by_role("button", name="Sign this order"))


def reject(shown: Shown, reason: str) -> None:
    """Reject all drafts on the page with a reason's code."""
    form = shown.locator("form.reject")
    for box in form.get_by_role("checkbox").all():
        box.check()
    form.locator("select[name=reason]").select_option(reason)
    follow(shown, form.get_by_role("button", name="Reject"))


def heading(shown: Shown) -> Locator:
    """Return the first heading of the page's content."""
    return shown.locator("main h1").first


def until_it_says(window: Page, text: str) -> None:
    """Load the page anew until it says so: for what happens behind it."""
    eventually(lambda: window.reload() and window.get_by_text(text).count())


@contextmanager
def elsewhere(body: str) -> Generator[str]:
    """Serve one page of another origin on this machine; gives its address."""
    raw = f"<!doctype html><title>elsewhere</title>{body}".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def scene(folder: Path, *lines: str, page_link: str = "smart", program: str = "patient") -> Generator[Scene]:
    """Start both programs in ``folder``; ``lines`` are further ones of the service's configuration.

    ``page_link`` says how cards link to the page: as a SMART launch, or (``absolute``) by its address; ``program``
    says which module of ``tests.e2e`` is the service.
    """
    with Children() as children, httpx.Client(timeout=WITHIN_S, trust_env=False) as http:
        stage = build(folder)
        written = stage.config.read_text("utf-8").replace("write_back", f'page_link = "{page_link}"\nwrite_back')
        stage.config.write_text("\n".join([written, *lines]), "utf-8")
        start_ehr(stage, children, [sys.executable, "-m", "tests.e2e.browser.ehr"])
        start_service(stage, children, [sys.executable, "-m", f"tests.e2e.{program}"])
        children.wait(http)
        yield Scene(stage, http, children)
