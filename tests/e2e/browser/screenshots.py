"""Pictures of every state at 1280×800 and 390×844, light and dark, and what each page weighs and takes to paint.

Run: ``python -m tests.e2e.browser.screenshots FOLDER``. Nothing is judged here: a person looks at the pictures.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.browser import moments, states
from tests.e2e.browser.accessibility import problems
from tests.e2e.browser.conftest import chromium
from tests.e2e.browser.scene import Scene, scene

SIZES = ((1280, 800), (390, 844))
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_PAINT = """() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const bytes = all.reduce((sum, one) => sum + one.transferSize, 0);
  return [Math.round(bytes / 102.4) / 10, Math.round(paint?.startTime ?? -1)];
}"""


def walk(home: Scene, browser: Browser, folder: Path) -> Iterator[str]:
    """Write the pictures; yield a line for each of the first walk, with weight, first paint and findings."""
    for number, (width, height) in enumerate(SIZES):
        for place, scheme in enumerate(SCHEMES):
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            copy = 1 + 4 * number + 2 * place  # 1, 3, 5, 7
            for name, page in _all(home, context.new_page(), copy):
                kept = folder / f"{name}-{width}-{scheme}.png"
                yield _line(page, kept)
            context.close()


def met(home: Scene, browser: Browser, folder: Path) -> Iterator[str]:
    """Write the pictures of what changes under an open page: wide by day, and in the dark on a phone."""
    for number, ((width, height), scheme) in enumerate(zip(SIZES, SCHEMES, strict=True)):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        for name, page in moments.moments(home, context.new_page(), 1 + 4 * number):
            yield _line(page, folder / f"{name}-{width}-{scheme}.png")
        context.close()


def _all(home: Scene, page: Page, copy: int) -> Iterator[tuple[str, Page]]:
    yield from states.documents(home, page)
    yield from states.desk(home, page, copy + 1)
    yield from states.pages(home, page, copy)


def _line(page: Page, kept: Path) -> str:
    page.wait_for_load_state()
    page.screenshot(path=kept, full_page=True)
    weight, paint = page.evaluate(_PAINT)
    return f"{kept.stem:44} {weight:6} KB {paint:5} ms  {'; '.join(problems(page))}"


def main() -> int:
    """Walk through all states; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for shots in (walk, met):
        with tempfile.TemporaryDirectory() as place, scene(Path(place)) as home, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            for line in shots(home, browser, folder):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
