"""The command line as its user reads it: one line on standard error with a code, and whole lines in a pipe."""

import json
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fhir_adapters.dialect.profile import shipped
from service.cli import main

FIXTURES = Path(__file__).parents[1] / "fixtures" / "fhir"
CHART = FIXTURES / "depressed_phq9_total.json"
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, without the settings of another service."""
    monkeypatch.chdir(tmp_path)
    for name in ("UNDERSIGN_CONFIG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def run(monkeypatch: pytest.MonkeyPatch, arguments: Sequence[object]) -> int:
    """Run ``undersign`` with arguments and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["undersign", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["nonsense"], 2, "U-USAGE: No such command 'nonsense'. Try --help."),
        (["drafts"], 2, "U-USAGE: a command is missing. Try --help."),
        (["assess"], 2, "U-USAGE: Missing argument 'FILE'. Try --help."),
        (["assess", "--bogus", "x"], 2, "U-USAGE: No such option: --bogus. Try --help."),
        (
            ["assess", "--now", "today", "x"],
            2,
            "U-USAGE: Invalid value for '--now': write the day as 2026-11-22. Try --help.",
        ),
        (
            ["demo", "--port", "80000"],
            2,
            "U-USAGE: Invalid value for '--port': Input should be less than or equal to 65535. Try --help.",
        ),
        (
            ["features", "gone.json"],
            1,
            "gone.json: U-FILE: the file could not be read (No such file or directory): check its path",
        ),
        (
            ["assess", "--preferences", "gone.json", CHART],
            2,
            "U-FILE: gone.json: the file could not be read (No such file or directory): check its path",
        ),
        (
            ["features", "--profile", "nope", CHART],
            2,
            f"U-PROFILE-UNKNOWN: no profile nope; shipped are {', '.join(shipped())}",
        ),
        (
            ["serve", "--config", "gone.toml"],
            2,
            "U-CONFIG-FILE: gone.toml: No such file or directory; give the right path with --config",
        ),
    ],
)
def test_wrong_use_is_one_line_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, arguments: list[object], status: int, line: str
) -> None:
    """Each mistake has its line with a code, and the status of a wrong use is 2."""
    assert run(monkeypatch, arguments) == status
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize("command", [["drafts", "list"], ["drafts", "expire"], ["audit", "verify"]])
def test_operators_commands_make_no_store(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path, command: list[str]
) -> None:
    """With a configuration whose store is not there, nothing is said to be in order and no file is made."""
    config = tmp_path / "undersign.toml"
    config.write_text('[store]\nurl = "sqlite:///gone.db"\n', "utf-8")
    assert run(monkeypatch, [*command, "--config", config]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("U-STORE-PATH: ")
    assert list(tmp_path.iterdir()) == [config]


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Listen on a port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_serving_on_a_taken_port_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path, taken_port: int
) -> None:
    """The port is tried before anything else is begun."""
    config = tmp_path / "undersign.toml"
    config.write_text("[server]\ndevelopment = true\n", "utf-8")
    assert run(monkeypatch, ["serve", "--config", config, "--port", taken_port]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"U-CONFIG-VALUE: port {taken_port} of 127.0.0.1: ")
    assert error.count("\n") == 1


def test_a_piped_assessment_has_whole_lines_without_colour(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """Each drug is one line with its dose, predictions say no band where there is none, nothing is coloured."""
    assert run(monkeypatch, ["assess", "--now", "2026-11-22", CHART]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "band None" not in told
    lines = told.splitlines()
    assert any(line.startswith("gate: open") for line in lines)
    offered = [line for line in lines if line.startswith("offered ")]
    assert len(offered) == 2
    assert all("mg a day" in line and "at most" in line for line in offered)


def test_every_excluded_drug_says_why(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """The line after an excluded drug names what excludes it, also where that is something not known."""
    run(monkeypatch, ["assess", "--now", "2026-11-22", CHART])
    lines = capsys.readouterr().out.splitlines()
    excluded = [n for n, line in enumerate(lines) if line.startswith("excluded ")]
    assert excluded
    assert all(lines[n + 1].startswith("    contraindicated: ") for n in excluded)


def test_a_closed_gate_shows_no_dose(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """Where drafting is closed the page names the gate and no drug to begin; the JSON has them all."""
    chart = FIXTURES / "man_without_lists.json"
    run(monkeypatch, ["assess", "--now", "2026-11-22", chart])
    told = capsys.readouterr().out
    assert "mg a day" not in told
    run(monkeypatch, ["assess", "--now", "2026-11-22", "--json", chart])
    whole = json.loads(capsys.readouterr().out)
    assert whole["gate"]["status"] != "open"
    assert f"each of the {len(whole['candidates'])} considered" in told


@pytest.mark.parametrize(
    "path", [[], ["serve"], ["assess"], ["drafts"], ["drafts", "show"], ["audit", "verify"], ["train"]]
)
def test_every_help_has_an_example(monkeypatch: pytest.MonkeyPatch, capsys: Output, path: list[str]) -> None:
    """It ends with status 0 and shows how the command is written."""
    assert run(monkeypatch, [*path, "--help"]) == 0
    assert f"Example: undersign {' '.join(path)}".rstrip() in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("default", "status"), [("opt-in", "consent-withheld"), ("opt-out", "open")])
def test_assess_follows_the_consent_default(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, default: str, status: str
) -> None:
    """Where no Consent is on file, opt-in withholds and opt-out lets be worked out; no other default is taken."""
    arguments = ["assess", "--json", "--now", "2026-11-22", CHART, "--consent-default"]
    run(monkeypatch, [*arguments, default])
    assert (json.loads(capsys.readouterr().out)["gate"]["status"] == "consent-withheld") is (status != "open")
    assert run(monkeypatch, [*arguments, "perhaps"]) == 2
