"""What a clinician comes to when something changes under an open page, by name, with both programs live."""

import signal
import subprocess
import sys
from collections.abc import Iterator

from playwright.sync_api import Page

from conformance.stage import environment
from tests.e2e.browser.conftest import WAIT_MS
from tests.e2e.browser.scene import GENERALIST, Scene, acknowledge, follow, past_own_choice, prepare, sign

NOTE = "The patient slept badly on it last year"


def moments(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    """Yield each moment; ``number`` and the next are those of the copied patients, not met by another walk."""
    yield from _two_signers(home, page, number)
    yield from _back_and_twice(home, page, number + 1)
    yield from _two_tabs(home, page, number + 2)
    yield from _without_a_session(home, page, number + 2)
    yield from _without_the_ehr(home, page, number + 2)
    yield from _a_no_between(home, page, number + 2)
    yield from _a_stop_between(home, page, number + 3)


def ready(home: Scene, page: Page, patient: str) -> Page:
    """Go to the exact order of a patient's first option, and write a note."""
    window = home.options(page, patient)
    prepare(window)
    acknowledge(window)
    window.get_by_label("Note on your decision").fill(NOTE)
    return window


def _two_signers(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    patient = f"jonas-weber-{number}"
    window = ready(home, page, patient)
    assert page.context.browser
    other = page.context.browser.new_context().new_page()
    other.set_default_timeout(WAIT_MS)
    home.sign_in(other, GENERALIST)
    home.open_chart(other, patient)
    theirs = home.in_window(other)
    past_own_choice(theirs)
    prepare(theirs)
    sign(theirs)
    _send(window)
    yield "moment-another-signed", window
    follow(window, window.get_by_role("link", name="Open the draft"))
    yield "moment-another-signed-opened", window
    other.context.close()
    window.close()


def _back_and_twice(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    window = ready(home, page, f"jonas-weber-{number}")
    window.get_by_role("button", name="Sign this order").dblclick()
    window.get_by_role("heading", name="Signed").wait_for()
    window.wait_for_load_state("networkidle")
    yield "moment-signed-twice", window
    window.go_back()
    yield "moment-back-after-signing", window
    window.goto(f"{home.service}/review")
    yield "moment-list-after-signing", window
    window.close()


def _two_tabs(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    window = ready(home, page, f"jonas-weber-{number}")
    home.open_chart(page, f"amara-osei-{number}")
    other = home.in_window(page)
    _send(window)
    yield "moment-other-patient", window
    other.close()
    window.close()


def _without_a_session(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    window = ready(home, page, f"jonas-weber-{number}")
    page.context.clear_cookies(name="undersign_session")
    _send(window)
    yield "moment-session-ended", window
    home.open_chart(page, f"jonas-weber-{number}")
    again = home.in_window(page)
    follow(window, window.get_by_role("button", name="Send it once more"))
    yield "moment-signed-in-anew", window
    again.close()
    window.close()


def _without_the_ehr(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    window = ready(home, page, f"jonas-weber-{number}")
    home.signal_ehr(signal.SIGSTOP)
    try:
        _send(window)
    finally:
        home.signal_ehr(signal.SIGCONT)
    yield "moment-no-ehr", window
    window.close()


def _a_no_between(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    window = ready(home, page, f"jonas-weber-{number}")
    second = page.context.new_page()
    second.goto(window.url.partition("/order")[0] + "/consent")
    second.get_by_label("The patient does not want").check()
    second.get_by_label("The patient", exact=True).check()
    follow(second, second.get_by_role("button", name="Record it"))
    second.close()
    _send(window)
    yield "moment-consent-withdrawn", window
    follow(window, window.get_by_role("link", name="Open the draft"))
    yield "moment-consent-withdrawn-opened", window
    window.close()


def _a_stop_between(home: Scene, page: Page, number: int) -> Iterator[tuple[str, Page]]:
    window = ready(home, page, f"jonas-weber-{number}")
    _switch(home, "stop")
    try:
        _send(window)
        yield "moment-switched-off", window
        follow(window, window.get_by_role("link", name="Open the draft"))
        yield "moment-switched-off-opened", window
    finally:
        _switch(home, "start")
    window.close()


def _send(window: Page) -> None:
    follow(window, window.get_by_role("button", name="Sign this order"))


def _switch(home: Scene, act: str) -> None:
    command = [sys.executable, "-m", "service.cli", "switch", act, "drug:escitalopram", "--ehr", "reference"]
    told = ["--by", "Head of pharmacy", "--reason", "recall of a batch", "--config", str(home.config)]
    subprocess.run([*command, *told], check=True, stdout=subprocess.DEVNULL, env=environment())
