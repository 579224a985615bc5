"""WCAG 2.2 AA of every state, as far as a program can see it, on screens and on paper; the checks see their faults."""

import re
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Page, PdfMargins, expect

from tests.e2e.browser import states
from tests.e2e.browser.accessibility import problems, stops, violations
from tests.e2e.browser.scene import Scene, follow, prepare

Walk = Callable[[Scene, Page, int], Iterator[tuple[str, Page]]]
MOST_BYTES = 200_000
_WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, one) => sum + one.decodedBodySize, 0)"""
WHOLE = "<title>t</title><main><h1>h</h1>{}</main>"
FAULTS: dict[str, tuple[str, str]] = {
    "a field without a label": (WHOLE.format("<input style='border-color:#000'>"), "textbox without a name"),
    "a button without words": (WHOLE.format("<button></button>"), "button without a name"),
    "faint text": (WHOLE.format("<p style='color:#999'>faint</p>"), "contrast 2.8"),
    "a faint field": (WHOLE.format("<label>a<input style='border:1px solid #ddd'></label>"), "border contrast"),
    "a skipped heading": (WHOLE.format("<h3>three</h3>"), "heading skips a level"),
    "no main landmark": ("<title>t</title><h1>h</h1>", "not exactly one main"),
    "an id twice": (WHOLE.format("<p id=a></p><p id=a></p>"), "id twice"),
    "a label that is not there": (WHOLE.format("<p aria-labelledby=b></p>"), "names nothing"),
    "a picture without words": (WHOLE.format("<svg width=9 height=9></svg>"), "picture without a text"),
    "a frame without a title": (WHOLE.format("<iframe></iframe>"), "frame without a title"),
    "a table heading without scope": (WHOLE.format("<table><tr><th>a</table>"), "heading without scope"),
    "small targets side by side": (
        WHOLE.format("<button style='width:9px;height:9px;padding:0'>a</button><button>b</button>"),
        "target 9×9",
    ),
    "sideways scrolling": (WHOLE.format("<p style='width:3000px'>wide</p>"), "scrolls sideways"),
}


@pytest.mark.parametrize(("html", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_the_checks_find_what_they_are_for(page: Page, html: str, said: str) -> None:
    """Each fault is found by its own words, and a page without it has none of them."""
    page.set_content(f"<!doctype html><html lang=en>{html}")
    assert any(said in one for one in problems(page)), problems(page)
    page.set_content(f"<!doctype html><html lang=en>{WHOLE.format('<p>plain</p>')}")
    assert problems(page) == []


def test_a_focus_that_cannot_be_seen_is_found(page: Page) -> None:
    """A button without an outline is named, one with an outline is not."""
    page.set_content("<button style='outline:none'>dark</button><button style='outline:2px solid'>lit</button>")
    assert stops(page, 2) == ["unseen dark", "seen lit"]


WIDE, PHONE, NARROW = (1280, 800), (390, 844), (320, 640)  # 320 pixels are 1280 at 400 % zoom


@pytest.mark.parametrize(("walk", "number"), [(states.desk, 1), (states.pages, 4), (states.documents, 0)])
def test_every_state_keeps_what_a_program_can_check(
    home: Scene, context: BrowserContext, walk: Walk, number: int
) -> None:
    """No page breaks a rule of axe or a check of ours, nor weighs over 200 KB: wide by day, in the dark on a phone.

    It is looked at once more at 400 % zoom. Files are tables of addresses, so of them axe alone is asked.
    """
    found: dict[str, list[str]] = {}
    ours = (lambda _: []) if walk is states.documents else problems
    for name, shown in walk(home, context.new_page(), number):
        shown.wait_for_load_state()
        weight: int = shown.evaluate(_WEIGHT)
        found[name] = [f"weighs {weight} bytes"] if weight > MOST_BYTES else []
        found[name] += [*ours(shown), *violations(shown)]
        _turn(shown, "dark", PHONE)
        found[name] += [f"dark phone: {one}" for one in (*ours(shown), *violations(shown))]
        _turn(shown, "dark", NARROW)
        found[name] += [f"at 320: {one}" for one in ours(shown)]
        _turn(shown, "light", WIDE)
    assert len(found) > 1
    assert {name: said for name, said in found.items() if said} == {}


def _turn(shown: Page, scheme: Literal["light", "dark"], size: tuple[int, int]) -> None:
    shown.emulate_media(color_scheme=scheme)
    shown.set_viewport_size({"width": size[0], "height": size[1]})


def test_axe_finds_what_it_is_for(page: Page) -> None:
    """A label that is missing and text that is faint are violations, and a plain page has none."""
    page.set_content(f"<!doctype html><html lang=en>{WHOLE.format('<input><p style=color:#aaa>faint</p>')}")
    found = " ".join(violations(page))
    assert "label" in found
    assert "color-contrast" in found
    page.set_content(f"<!doctype html><html lang=en>{WHOLE.format('<p>plain</p>')}")
    assert violations(page) == []


@pytest.mark.parametrize("patient", ["amara-osei-10", "jonas-weber-10"])
def test_the_decision_is_on_one_screen(home: Scene, page: Page, patient: str) -> None:
    """At 1280×800 nothing has to be scrolled between the patient's name and the last way to decide."""
    window = home.options(page, patient)
    ends = {
        name: window.locator(name).evaluate_all("all => all.map(e => e.getBoundingClientRect().bottom)")
        for name in (".patient", ".option .button, .option button", ".reject", ".later", ".decide")
    }
    assert {name: found for name, found in ends.items() if not found or max(found) > 800} == {}
    assert window.evaluate("scrollY") == 0


def test_nothing_serious_is_folded_away(home: Scene, page: Page) -> None:
    """Every contraindication and warning of the options is in sight when the page opens."""
    window = home.options(page, "amara-osei-10")
    serious = window.locator(".options :is(.contraindicated, .warning)")
    assert serious.count() >= 3
    for one in serious.all():
        expect(one).to_be_visible()


def test_the_keyboard_alone_is_enough_to_see_where_one_is(home: Scene, page: Page) -> None:
    """On chart, orders, options and exact order each stop of the Tab key shows its focus."""
    window = home.options(page, "amara-osei-11")
    for place in ("chart", "options", "orders", "order"):
        shown = page if place in ("chart", "orders") else window
        if place == "orders":
            follow(page, page.get_by_role("link", name="Orders"))
        elif place == "order":
            prepare(window)
        found = stops(shown)
        assert len(found) > 3, place
        assert [one for one in found if one.startswith("unseen")] == [], place


EDGES: PdfMargins = {"top": "12mm", "bottom": "12mm", "left": "12mm", "right": "12mm"}


def printed(page: Page) -> int:
    """Return how many sheets of A4 the page takes."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(format="A4", margin=EDGES)))


def test_the_patients_sheet_is_two_pages_at_most(home: Scene, page: Page) -> None:
    """In each language the sheet is on two sides of one paper, without links, buttons or a menu."""
    window = home.options(page, "jonas-weber-1")
    follow(window, window.get_by_role("link", name="a sheet in plain words"))
    for language in ("en", "de", "es"):
        window.goto(f"{window.url.split('?')[0]}?language={language}")
        expect(window.locator("article")).to_have_attribute("lang", language)
        assert 1 <= printed(window) <= 2
    window.emulate_media(media="print")
    expect(window.locator("article h1")).to_be_visible()
    assert window.locator("a, button").filter(visible=True).count() == 0


def test_the_options_print_with_what_they_stand_on_and_no_form(home: Scene, page: Page) -> None:
    """Four pages at most: the patient, every option and picture and each folded plan, and nothing to press."""
    window = home.options(page, "amara-osei-1")
    assert 1 <= printed(window) <= 4
    window.emulate_media(media="print")
    expect(window.locator(".patient")).to_be_visible()
    for kind in (".option h2", "svg.picture"):
        assert window.locator(kind).count() > 0, kind
        for one in window.locator(kind).all():
            expect(one).to_be_visible()
    expect(window.locator("details.change p").first).to_be_visible()
    assert window.locator("button, select, input, .button").filter(visible=True).count() == 0
