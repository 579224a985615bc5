"""``undersign knowledge`` and a pack in the service, as an operator meets them."""

import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from service import bootstrap, settings_file
from service.cli import main
from tests.fixtures.packs import ABOUT, APPROVED, write

CHART = Path(__file__).parents[1] / "fixtures" / "fhir" / "depressed_phq9_total.json"
SOFTER = {"id": "SR001", "severity": "caution"}
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, without the settings of another service."""
    monkeypatch.chdir(tmp_path)
    for name in ("UNDERSIGN_CONFIG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run ``undersign`` with arguments and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["undersign", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def told(capsys: Output) -> dict[str, object]:
    """Return the JSON object that was printed."""
    return json.loads(capsys.readouterr().out)


def test_what_is_shipped_checks(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """The shipped tables end with status 0, and the page names the drafted drugs without colour or broken lines."""
    assert run(monkeypatch, "knowledge", "check") == 0
    page = capsys.readouterr().out
    assert "\x1b" not in page
    assert "every row fits every other" in page
    assert any("sertraline" in line and "escitalopram" in line for line in page.splitlines())


def test_a_pack_that_does_not_check_is_status_1_with_every_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    """Each fault is one line with its code, in JSON one entry; nothing else is printed."""
    write(tmp_path / "pack", safety_rules=[SOFTER, {"id": "SR002", "retired": "yes"}])
    assert run(monkeypatch, "knowledge", "check", "--pack", "pack") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["U-PACK-APPROVAL", "U-PACK-APPROVAL"]
    assert run(monkeypatch, "knowledge", "check", "--pack", "pack", "--json") == 1
    found = told(capsys)
    assert found["ok"] is False
    assert len(found["errors"]) == 2  # type: ignore[arg-type]


def test_what_a_pack_lets_through_is_listed_first(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    """The approved row stands under its own heading, with who approved it, before what is stricter."""
    lower = {"ingredient": "sertraline", "max_mg_day": "150"}
    write(tmp_path / "pack", safety_rules=[{**SOFTER, **APPROVED}], formulary=[lower])
    assert run(monkeypatch, "knowledge", "check", "--pack", "pack") == 0
    page = capsys.readouterr().out
    places = [page.index(text) for text in ("Lets more through", "severity contraindicated → caution", "Other changes")]
    assert places == sorted(places)
    assert "approved by Chief pharmacist, North Hospital on 2026-11-20" in page
    assert page.index("max_mg_day 200 → 150") > places[-1]


def test_a_recorded_version_can_be_compared_later(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    """An export is the tables to the last cell: it differs from nothing that is shipped, and from a pack likewise."""
    write(tmp_path / "pack", safety_rules=[{**SOFTER, **APPROVED}])
    assert run(monkeypatch, "knowledge", "export", "then.json") == 0
    capsys.readouterr()
    assert run(monkeypatch, "knowledge", "diff", "then.json", "shipped", "--json") == 0
    assert told(capsys)["changes"] == []
    assert run(monkeypatch, "knowledge", "diff", "then.json", "pack", "--json") == 0
    first = told(capsys)
    assert run(monkeypatch, "knowledge", "diff", "shipped", "pack", "--json") == 0
    assert told(capsys) == first
    assert [one["row"] for one in first["changes"]] == ["PACK-NORTH", "SR001"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["show", "sertralin"], "U-DRUG-UNKNOWN: no rule and no formulary row has sertralin; did you mean sertraline?"),
        (["diff", "shipped", "gone"], "U-KNOWLEDGE-FILE: gone: No such file or directory"),
        (["diff", "shipped", "list.json"], "U-KNOWLEDGE-FILE: list.json: not a file that knowledge export wrote"),
        (["diff", "shipped", "text.json"], "U-KNOWLEDGE-FILE: text.json: not a file that knowledge export wrote"),
        (["show", "sertraline", "--pack", "gone"], "U-PACK-FILE: gone: there is no such folder"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path, arguments: Sequence[str], line: str
) -> None:
    """Each mistake has its line with a code and status 2."""
    (tmp_path / "list.json").write_text('{"format": 1, "tables": {"gates": [1]}}', "utf-8")
    (tmp_path / "text.json").write_text("so so", "utf-8")
    assert run(monkeypatch, "knowledge", *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1


def test_a_drug_is_shown_on_whole_lines(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """In a pipe a rule is one line with severity, id, source and verification; JSON has the same rules."""
    assert run(monkeypatch, "knowledge", "show", "citalopram") == 0
    page = capsys.readouterr().out
    line = next(line for line in page.splitlines() if " SR035 " in line)
    assert line.strip().startswith("warning  SR035  age above 60")
    assert "at most" in line.lower() or "20 mg a day" in line
    assert line.endswith("]")
    assert run(monkeypatch, "knowledge", "show", "citalopram", "--json") == 0
    for rule in told(capsys)["rules"]:  # type: ignore[attr-defined]
        assert f" {rule['id']} " in page


def test_an_assessment_can_be_tried_with_a_pack(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    """With the pack the assessment says its version; a pack with a fault assesses nobody."""
    write(tmp_path / "good", formulary=[{"ingredient": "sertraline", "max_mg_day": "150"}])
    write(tmp_path / "bad", safety_rules=[SOFTER])
    assert run(monkeypatch, "assess", "--now", "2026-11-22", "--pack", "good", "--json", CHART) == 0
    assert told(capsys)["versions"]["knowledge"].endswith("+north@2026.1")  # type: ignore[index]
    assert run(monkeypatch, "assess", "--now", "2026-11-22", "--pack", "bad", CHART) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.partition(":")[0]) == ("", "U-PACK-APPROVAL")


def test_the_service_uses_the_pack_of_its_configuration(tmp_path: Path) -> None:
    """The pack's folder is relative to the configuration, and its name and version are in the service's knowledge."""
    write(tmp_path / "pack", {**ABOUT, "version": "7"}, formulary=[{"ingredient": "sertraline", "max_mg_day": "150"}])
    config = tmp_path / "undersign.toml"
    config.write_text('[knowledge]\npack = "pack"\n', "utf-8")
    services = bootstrap.build(settings_file.load(config))
    assert services.knowledge.version.endswith("+north@7")
    assert services.knowledge.drugs["sertraline"].max_mg == 150


def test_the_service_does_not_start_with_a_pack_that_does_not_check(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    """A rule softened without a name ends the start with its code before anything listens."""
    write(tmp_path / "pack", safety_rules=[SOFTER])
    (tmp_path / "undersign.toml").write_text('[knowledge]\npack = "pack"\n', "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert run(monkeypatch, "serve", "--port", port) == 2
    assert capsys.readouterr().err.startswith("U-PACK-APPROVAL: safety_rules.csv line 2: severity contraindicated")
