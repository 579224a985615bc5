"""The whole story on one machine: a chart opens, drafts are held, a practitioner signs, the order is written.

Both programs are driven over HTTP only, and every line that is printed was read from their answers.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import httpx

from conformance.children import Children
from conformance.narrator import Narrator
from conformance.reference_ehr import dialects
from conformance.stage import Stage, set_up
from conformance.story import Story
from fhir_adapters.errors import UndersignError


def run(once: bool, port: int | None = None, out: TextIO | None = None, dialect: str | None = None) -> int:
    """Tell the story; with ``once`` end after it, else stay up until Ctrl-C or SIGTERM.

    ``port`` is the service's, a free one when None; ``dialect`` is how the EHR serves its charts, plain R4
    when None. Returns 0; 1 with one line that says what failed, and
    then the temporary folder with both logs is left; 130 when stopped before the end of the story.
    """
    narrator = Narrator(out or sys.stdout)
    folder, keep = Path(tempfile.mkdtemp(prefix="undersign-demo-")), False
    try:
        with _stoppable(), Children() as children, httpx.Client(timeout=30, trust_env=False) as http:
            _check(dialect)
            stage = set_up(folder, port, children, dialect)
            _play(narrator, stage, children, http, stay=not once)
    except KeyboardInterrupt:
        narrator.failed("U-DEMO-STOPPED: stopped before the end of the story; both programs are ended.")
        return 130
    except (UndersignError, httpx.HTTPError, LookupError, ValueError) as error:
        keep = any(folder.glob("*.log"))
        _explain(narrator, error, folder if keep else None)
        return 1
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _explain(narrator: Narrator, error: Exception, folder: Path | None) -> None:
    known = isinstance(error, UndersignError)
    kind = type(error).__name__
    what = str(error) if known else f"U-DEMO-ANSWER: an answer could not be had or read ({kind})"
    narrator.failed(f"{what.rstrip('.')}." + (f" The logs are in {folder}" if folder else ""))
    for line in getattr(error, "last_lines", ()):
        narrator.unbroken(line)


class UnknownDialect(UndersignError):
    """A dialect that the reference EHR does not speak."""


def _check(dialect: str | None) -> None:
    if dialect is not None and dialect not in dialects.names():
        known = ", ".join(dialects.names())
        raise UnknownDialect("U-DEMO-DIALECT", f"the reference EHR does not speak {dialect}; it speaks {known}")


def _play(narrator: Narrator, stage: Stage, children: Children, http: httpx.Client, *, stay: bool) -> None:
    narrator.title("Undersign, from an open chart to a signed order. Everyone in it is synthetic.")
    if stage.dialect:
        what = dialects.of(stage.dialect).what
        narrator.say(f"Charts come in the dialect {stage.dialect} ({what}); orders are written in R4.")
    started = time.monotonic()
    children.wait(http)
    narrator.say(f"A reference EHR and the service are up after {time.monotonic() - started:.1f} s.")
    if stay:
        _open_this(narrator, stage)
    Story(stage, http, narrator, _audit_line).tell()
    if stay:
        _stay(narrator, children)


def _open_this(narrator: Narrator, stage: Stage) -> None:
    narrator.say("Open this in a browser: the EHR, with its charts, cards and orders.")
    narrator.unbroken(f"{stage.ehr}/")
    narrator.say("The same story in the terminal, with one patient of it:")


def _stay(narrator: Narrator, children: Children) -> None:
    narrator.say("Both programs stay up. Ctrl-C ends them and removes everything.")
    try:
        while True:
            children.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        narrator.say("Stopped.")


def _audit_line(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run the audit command as an operator would; returns its status and what it printed."""
    found = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    return found.returncode, " ".join((found.stdout + found.stderr).split())


@contextmanager
def _stoppable() -> Generator[None]:
    """Let SIGTERM end the story as Ctrl-C does; signals can be set in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)
