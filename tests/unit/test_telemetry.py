"""Logs hold allow-listed keys only; metrics hold no patient's value."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from service import telemetry


def lines(monkeypatch: pytest.MonkeyPatch, write: object) -> list[dict[str, object]]:
    """Return the log lines that ``write`` leaves on standard error."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        telemetry.configure("info")
        write()  # type: ignore[operator]
    finally:
        root.handlers[:], root.level = handlers, level
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_key_outside_the_list_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown key does not reach the log; its place is taken by a count."""
    found = lines(monkeypatch, lambda: telemetry.log().info("evaluated", ehr="north", patient="Jo Doe", phq9=21))
    assert found[0]["ehr"] == "north"
    assert found[0]["dropped"] == 2
    assert "Jo Doe" not in json.dumps(found)
    assert not {"patient", "phq9"} & set(found[0])


def as_at_start(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a logger be as a new process has it: a server that ran in this one may have silenced it."""
    for logger in (logging.getLogger(name), logging.getLogger(name.partition(".")[0])):
        for attribute, value in (("level", logging.NOTSET), ("disabled", False), ("propagate", True), ("handlers", [])):
            monkeypatch.setattr(logger, attribute, value)
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]


def test_an_exception_is_named_by_type_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of an exception, which may quote a chart, is not logged."""

    def fail() -> None:
        try:
            raise ValueError("patient Jo Doe")
        except ValueError:
            telemetry.log().exception("unforeseen error")

    found = lines(monkeypatch, fail)
    assert found[0]["error"] == "ValueError"
    assert str(found[0]["where"]).startswith(__name__)
    assert "Jo Doe" not in json.dumps(found)


@pytest.mark.parametrize("name", ["httpx", "some.package", "uvicorn.error"])
def test_a_librarys_words_are_not_logged(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A library's line keeps its logger and level; with an exception, or from any but uvicorn, no text."""

    def say() -> None:
        try:
            raise KeyError("Jo Doe")
        except KeyError:
            logging.getLogger(name).error("GET /Patient/%s", "Jo Doe", exc_info=True)

    as_at_start(monkeypatch, name)
    found = lines(monkeypatch, say)
    assert found[0]["logger"] == name
    assert "Jo Doe" not in json.dumps(found)


def test_uvicorns_life_cycle_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that say where the server listens are kept."""
    as_at_start(monkeypatch, "uvicorn.error")
    found = lines(monkeypatch, lambda: logging.getLogger("uvicorn.error").info("Uvicorn running"))
    assert found[0]["event"] == "Uvicorn running"


def test_request_lines_of_the_client_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """httpx's line for each request, which holds a URL with ids, is not written."""
    assert lines(monkeypatch, lambda: logging.getLogger("httpx").info("GET /Patient/1")) == []


def test_the_exposition_has_every_metric() -> None:
    """Calls, times, drafts, signatures and write-backs are all exposed."""
    text = telemetry.exposition().decode()
    for name in ("cds_calls", "cds_call_seconds", "drafts_held", "signatures", "write_backs", "errors"):
        assert f"# TYPE undersign_{name}" in text


def test_counts_of_several_processes_are_added(tmp_path: Path) -> None:
    """With PROMETHEUS_MULTIPROC_DIR set, one process exposes what the others counted."""
    code = "from service import telemetry\ntelemetry.SIGNATURES.inc()\nprint(telemetry.exposition().decode())\n"
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    run = [subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True) for _ in "ab"]
    assert "undersign_signatures_total 1.0" in run[0].stdout
    assert "undersign_signatures_total 2.0" in run[1].stdout
