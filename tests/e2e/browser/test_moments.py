"""What changes under an open page is answered by a page of its own: what holds, what to do, and the typed note."""

from playwright.sync_api import Page, expect

from tests.e2e.browser.accessibility import problems, violations
from tests.e2e.browser.moments import NOTE, moments
from tests.e2e.browser.scene import Scene, heading

# Each moment: its heading, what else stands there, and whether the typed note does.
SAID = {
    "moment-another-signed": ("Already signed", "Open it to see who signed it", True),
    "moment-another-signed-opened": ("Signed: Start", "Signed by Dr Kofi Mensah", False),
    "moment-signed-twice": ("Signed: Start", "Signed by Dr Astrid Lindqvist", False),
    "moment-back-after-signing": ("Signed: Start", "Signed by Dr Astrid Lindqvist", False),
    "moment-list-after-signing": ("Drafts and orders of this patient", "No draft waits", False),
    "moment-other-patient": ("Not the patient of this window", "Another patient was opened", True),
    "moment-session-ended": ("Please sign in again", "in a new window", True),
    "moment-signed-in-anew": ("This page is out of date", "Send it once more, as Dr Astrid Lindqvist", True),
    "moment-no-ehr": ("The EHR did not answer", "Send it once more", True),
    "moment-consent-withdrawn": ("This draft is closed", "Open the draft", True),
    "moment-consent-withdrawn-opened": ("Nothing was ordered", "The patient has said no", False),
    "moment-switched-off": ("Switched off at this site", "Open the draft", True),
    "moment-switched-off-opened": ("Depression, PHQ-9", "Switched off at this site since", False),
}


def test_each_moment_says_what_holds_and_loses_nothing(home: Scene, page: Page) -> None:
    """Heading, next step and note are there, axe finds nothing, and only signatures made orders."""
    met: list[str] = []
    for name, window in moments(home, page, 1):
        head, then, keeps = SAID[name]
        expect(heading(window), name).to_contain_text(head)
        expect(window.locator("main"), name).to_contain_text(then)
        assert (NOTE in window.locator("main").inner_text()) == keeps, name
        assert [*problems(window), *violations(window)] == [], name
        met.append(name)
    assert met == list(SAID)
    assert [len(home.orders(f"jonas-weber-{number}")) for number in (1, 2, 3, 4)] == [1, 1, 0, 0]
