"""The whole story over HTTP, as a newcomer runs it: both programs, a card, a signature, an order in the EHR."""

import io
import re
import subprocess
import sys

import httpx
import pytest

from conformance import story
from conformance.demo import run
from conformance.stage import environment
from tests.e2e.house import WITHIN_S


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than a newcomer would: a machine may be slow."""
    monkeypatch.setattr(story, "WRITTEN_WITHIN_S", WITHIN_S)


def test_the_story_ends_with_one_signed_order_and_a_whole_audit_chain() -> None:
    """It ends with status 0, shows the refusals, and leaves one draft with the address of its page."""
    out = io.StringIO()
    status = run(once=True, out=out)
    told = out.getvalue()
    assert status == 0, told
    assert [line[0] for line in told.splitlines() if re.match(r"\d  ", line)] == list("1234567")
    for code in ("U-SIGNER-INACTIVE", "U-SIGNER-ROLE", "U-DRAFT-SIGNED"):
        assert code in told
    assert re.search(r"http://127\.0\.0\.1:\d+/review/[0-9a-f-]{36}\n", told)
    assert "\x1b" not in told


@pytest.mark.parametrize("dialect", ["base-dstu2", "openmrs-r4"])
def test_the_story_is_the_same_in_another_dialect(dialect: str) -> None:
    """A chart in DSTU2, or with contained drugs and local codes, ends with the same signed order in R4."""
    out = io.StringIO()
    status = run(once=True, out=out, dialect=dialect)
    told = out.getvalue()
    assert status == 0, told
    assert f"Charts come in the dialect {dialect}" in told
    assert "Citalopram 20 mg tablet, since" in told


def test_a_dialect_that_nobody_speaks_is_refused_before_anything_starts() -> None:
    """An unknown dialect ends the demo at once and names those that there are."""
    out = io.StringIO()
    assert run(once=True, out=out, dialect="epik") == 1
    assert "U-DEMO-DIALECT" in out.getvalue()
    assert "epic-r4" in out.getvalue()


def test_the_demo_that_stays_says_first_what_to_open() -> None:
    """Before the first step stands the address of the EHR's pages, which answers with the charts."""
    command = [sys.executable, "-m", "service.cli", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as demo:
        assert demo.stdout is not None
        told: list[str] = []
        try:
            for line in demo.stdout:
                told.append(line)
                if re.match(r"\d  ", line):
                    break
            (address,) = re.findall(r"^ +(http://127\.0\.0\.1:\d+/)$", "".join(told), re.MULTILINE)
            page = httpx.get(address, trust_env=False, timeout=WITHIN_S)
            assert (page.status_code, "Amara Osei" in page.text) == (200, True)
        finally:
            demo.terminate()
    assert any("Open this" in line for line in told)
