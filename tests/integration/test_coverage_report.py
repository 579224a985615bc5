"""``undersign features --coverage``: as its user types it, and over every folder of the corpus."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fhir_adapters.errors import InputError
from fhir_adapters.survey.coverage import OUTCOMES
from fhir_adapters.vector.schema import FEATURES
from service.cli import main
from service.coverage.report import coverage_of
from tests.fixtures.fhir import Json, condition, observation, patient, request

CORPUS = Path(os.environ.get("UNDERSIGN_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
FOLDERS = sorted(path.name for path in CORPUS.iterdir() if path.is_dir()) if CORPUS.is_dir() else ["none"]
PROFILES = {
    "ips-samples": "ips",
    "au-core-examples": "au-core",
    "isik-medikation": "isik",
    "isik-basis": "isik",
    "nhs-eps": "uk-core",
    "smart-stu3": "base-stu3",
    "smart-stu3-pro": "base-stu3",
    "synthea-stu3": "base-stu3",
    "synthea-dstu2": "base-dstu2",
    "hl7-dstu2-examples": "base-dstu2",
    "hl7-stu3-examples": "base-stu3",
    "hl7-r5-examples": "base-r5",
}
NOBODY = {"smart-dstu2-xml"}  # XML, which is not read
LOCAL: Json = {"coding": [{"system": "urn:north:lab", "code": "NA-S", "display": "Sodium"}]}
Output = pytest.CaptureFixture[str]


def run(monkeypatch: pytest.MonkeyPatch, arguments: Sequence[object]) -> int:
    """Run ``undersign`` with arguments and return its exit status."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr(sys, "argv", ["undersign", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Return an export of two patients: one in a file, one a resource a file in a folder; with a broken file."""
    (tmp_path / "one.json").write_text(json.dumps([patient(), observation(), condition(), request()]))
    folder = tmp_path / "two"
    folder.mkdir()
    other: Json = {"subject": {"reference": "Patient/p2"}}
    for name, resource in {"p": patient(id="p2"), "o": observation(code=LOCAL, **other)}.items():
        (folder / f"{name}.json").write_text(json.dumps(resource))
    (tmp_path / "broken.json").write_text("{")
    return tmp_path


def test_the_report_counts_patients_of_files_and_of_folders(
    export: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """JSON has each feature by outcome and the line to paste; a file that cannot be read gives status 1."""
    assert run(monkeypatch, ["features", "--coverage", export, "--now", "2026-11-22", "--json"]) == 1
    out, err = capsys.readouterr()
    report: dict[str, Any] = json.loads(out)
    assert report["patients"] == 2
    assert report["unread"] == {"U-JSON-SYNTAX": 1}
    assert "broken.json: U-JSON-SYNTAX: " in err
    assert list(report["features"]) == [spec.name for spec in FEATURES]
    sodium = report["features"]["sodium"]["outcomes"]
    assert list(sodium) == list(OUTCOMES)
    assert {outcome: count for outcome, count in sodium.items() if count} == {"fed": 1, "uncoded": 1}
    assert [one["line"] for one in report["suggestions"]] == [
        "urn:north:lab,NA-S,http://loinc.org,2951-2,equivalent,Sodium"
    ]


def test_the_page_in_a_pipe_is_plain(export: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """The page has the patients, the features by group and the line, and no colour."""
    (export / "broken.json").unlink()
    assert run(monkeypatch, ["features", "--coverage", export, "--now", "2026-11-22"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in out
    assert out.startswith("2 patients read with base-r4 on 2026-11-22\n")
    assert 'urn:north:lab,NA-S,http://loinc.org,2951-2,equivalent,"1 patient, 1 more fed: Sodium"' in out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--coverage", "gone"], "U-FILE: gone is no folder that can be opened: check its path"),
        (
            ["--coverage", "empty"],
            "U-FHIR-NO-PATIENT: no patient under empty: it needs FHIR as .json or .ndjson",
        ),
        (["--coverage", "empty", "x.json"], "U-USAGE: Invalid value: name either files or --coverage DIR. Try --help."),
        ([], "U-USAGE: Invalid value: name either files or --coverage DIR. Try --help."),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, arguments: list[str], line: str
) -> None:
    """A folder that is not there or holds nobody is one line with a code, and status 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert run(monkeypatch, ["features", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{line}\n")


def test_the_help_has_an_example(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """The command's help says what --coverage does and how it is typed."""
    assert run(monkeypatch, ["features", "--help"]) == 0
    assert "--coverage exports/" in " ".join(capsys.readouterr().out.split())


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus: set UNDERSIGN_CORPUS to its folder")
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_of_the_corpus_has_a_report(folder: str, capsys: Output) -> None:
    """No public file breaks the report: each feature of each patient has one outcome, and each line can be written."""
    nobody = folder in NOBODY
    with pytest.raises(InputError, match="no patient under") if nobody else nullcontext():
        coverage_of(CORPUS / folder, PROFILES.get(folder, "us-core-r4"), date(2026, 11, 22), as_json=True)
    if nobody:
        return
    report = json.loads(capsys.readouterr().out)
    counts = {sum(feature["outcomes"].values()) for feature in report["features"].values()}
    assert counts == {report["patients"]}
    assert all("\n" not in one["line"] for one in report["suggestions"])
