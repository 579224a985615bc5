"""One browser and one scene a module; a fresh browser context, so no cookie of another test, for each test."""

import faulthandler
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.browser.scene import Scene, scene

_NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 90_000  # as ``WITHIN_S``
_ENDS_S = 1800


def chromium() -> str:
    """Return the browser of this machine; without one the tests are skipped, on a build server they fail."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "no Chromium on this machine: install the package chromium"
        )
    return found


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    """End a process whose test waits for the browser for ever, with where it stands; else a whole run would hang."""
    faulthandler.dump_traceback_later(_ENDS_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give the browser. It ends with the module: its event loop must not meet those of other tests."""
    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Give both programs; asked for after the browser, so that nothing starts where there is none."""
    with scene(tmp_path_factory.mktemp("scene")) as found:
        yield found


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Give one clinician's browser, 1280×800."""
    found = browser.new_context(viewport={"width": 1280, "height": 800})
    found.set_default_timeout(WAIT_MS)
    yield found
    found.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Give its first window."""
    return context.new_page()
