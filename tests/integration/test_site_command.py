"""``undersign train --site`` from exported FHIR: an update and its way back, and exports that are refused."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from recommender.ranker import manifest as manifests
from recommender.ranker import model as models
from recommender.training.site import reasons, record
from service.cli import main

Json = dict[str, Any]
Output = pytest.CaptureFixture[str]
AT = ["--profile", "base-r4", "--site-id", "north", "--now", "2026-11-22"]
PHQ9, GAD7 = "44261-6", "70274-6"


def run(*arguments: object) -> int:
    """Run ``undersign`` and return its exit status."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["undersign", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the export of a simulated site whose truth differs."""
    out = tmp_path_factory.mktemp("site") / "cohort"
    how = ["--sites", 1, "--truth", "shifted", "--missing", 0, "--fhir", "--dialect", "base-r4", "--now", "2026-11-22"]
    assert run("simulate", "--patients", 3000, "--seed", 3, "--out", out, *how) == 0
    return out / "fhir" / "base-r4"


def test_an_export_updates_the_model_and_is_rolled_back(export: Path, tmp_path: Path, capsys: Output) -> None:
    """What the gates let through is in force until it is rolled back; where fairness is not judged nothing changes."""
    shipped, store = models.load().manifest.digest, tmp_path / "store"
    assert run("train", "--site", export, *AT, "--out", store) == 0
    told = capsys.readouterr()
    (updated,) = record.read(store)
    assert told.out == f"updated: {store / updated.folder} is in force\n"
    assert "stopping" in updated.changes
    assert "remission" not in updated.changes
    assert "fairness not judged" in told.err
    manifest = models.load(store / updated.folder).manifest
    assert manifest.update is not None
    assert any("fairness not judged" in one for one in manifest.update.gates["remission recalibrate"])
    assert run("train", "--rollback", "--out", store) == 0
    assert record.in_force(store)[0].manifest.digest == shipped
    assert run("train", "--rollback", "--out", store) == 2
    assert "U-RECORD-EMPTY" in capsys.readouterr().err


def _lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _whose(resource: Json) -> str:
    named = resource.get("subject") or resource.get("patient") or {"reference": f"Patient/{resource['id']}"}
    return named["reference"].rpartition("/")[2]


def _part(export: Path, out: Path, patients: int, change: Callable[[list[Json]], None]) -> Path:
    """Write the export of the first patients, changed; returns its folder."""
    kept = {one["id"] for one in _lines(export / "Patient.ndjson")[:patients]}
    out.mkdir()
    for path in sorted(export.glob("*.ndjson")):
        found = [one for one in _lines(path) if path.stem == "Medication" or _whose(one) in kept]
        change(found)
        (out / path.name).write_text("".join(json.dumps(one) + "\n" for one in found), "utf-8")
    return out


def _totals(found: Sequence[Json], code: str) -> list[Json]:
    return [one for one in found if code in [coding.get("code") for coding in one.get("code", {}).get("coding", ())]]


def _never_better(found: list[Json]) -> None:
    for one in _totals(found, PHQ9):
        one["valueQuantity"]["value"] = 20


def _gad7_tells(found: list[Json]) -> None:
    better = {_whose(one) for one in _totals(found, PHQ9) if one["valueQuantity"]["value"] < 5}
    for one in _totals(found, GAD7):
        one["valueQuantity"]["value"] = 1 if _whose(one) in better else 20


def _as_it_is(_: list[Json]) -> None: ...


def _doubled(found: list[Json]) -> None:
    found += list(found)


def _twice_written(found: list[Json]) -> None:
    people = [one for one in found if one["resourceType"] == "Patient"]
    found += [{**one, "birthDate": "1950-01-01"} for one in people[:1]]


def _one_identifier(found: list[Json]) -> None:
    people = [one for one in found if one["resourceType"] == "Patient"]
    for one in people[1:2]:
        one["identifier"] = people[0]["identifier"]


@pytest.mark.parametrize(
    ("patients", "change", "line"),
    [
        (20, _doubled, "U-SITE-DUPLICATE: 20 Patients stand in the export again"),
        (20, _twice_written, "U-SITE-DUPLICATE: 1 Patients stand in the export again"),
        (20, _one_identifier, "U-SITE-DUPLICATE: 1 Patients stand in the export again"),
        (20, _as_it_is, "U-SITE-FEW: "),
        (900, _never_better, "U-SITE-CLASS: 0 patients with remission"),
        (900, _gad7_tells, "U-SITE-LEAK: "),
    ],
)
def test_an_export_that_nothing_may_be_learned_from(
    export: Path, tmp_path: Path, capsys: Output, patients: int, change: Callable[[list[Json]], None], line: str
) -> None:
    """Each is refused by its code, says what to do, and leaves no store."""
    site, store = _part(export, tmp_path / "export", patients, change), tmp_path / "store"
    assert run("train", "--site", site, *AT, "--out", store) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(line)
    assert not store.exists()


def test_a_model_of_another_schema_is_refused(tmp_path: Path, capsys: Output) -> None:
    """A model whose manifest names another feature schema is not used, and the line says what to do."""
    shipped = models.load().manifest
    place = files("recommender") / "models" / models.NAME
    for file in shipped.files.values():
        (tmp_path / file.path).write_bytes((place / file.path).read_bytes())
    other = manifests.sealed(replace(shipped, schema="1+000000000000"))
    (tmp_path / manifests.FILE).write_bytes(manifests.encode(other))
    assert run("audit-fairness", "--patients", 2000, "--model", tmp_path) == 2
    assert capsys.readouterr().err.startswith("U-MODEL-SCHEMA: ")


@pytest.mark.parametrize(
    ("held", "more"), [("notes.txt", []), ("notes.txt", ["--force"]), ("manifest.json", []), ("record.jsonl", [])]
)
def test_a_folder_in_use_is_not_trained_into(tmp_path: Path, capsys: Output, held: str, more: list[str]) -> None:
    """Training refuses a folder that holds anything, but a model of its own with --force, and writes nothing."""
    (tmp_path / held).write_text("kept")
    assert run("train", "--patients", 500, "--out", tmp_path, *more) == 2
    assert capsys.readouterr().err.startswith("U-MODEL-OUT: ")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train", "--out", "m", "--scheduler", "tcp://a:1"], "add --engine dask"),
        (["features", "--json", "--scheduler", "tcp://a:1", "x"], "add --engine dask"),
        (["train", "--out", "m", "--rollback", "--force"], "--force is for training anew"),
        (["evaluate", "--seeds", "105..101"], "write 101..105"),
    ],
)
def test_options_that_would_do_nothing_are_refused(arguments: list[str], line: str, capsys: Output) -> None:
    """An option that would be ignored is a usage error that says what to write."""
    assert run(*arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("U-USAGE: ")
    assert line in told


WEIGHTS = [
    ('{"weight": 1}', "U-PREFERENCES-KEY", "“weight”"),
    ('{"stopping": "a"}', "U-PREFERENCES-VALUE", "“stopping”"),
    ('{"stopping": true}', "U-PREFERENCES-VALUE", "“stopping”"),
    ('{"stopping": -101}', "U-PREFERENCES-VALUE", "“stopping”"),
    ('{"stopping": NaN}', "U-PREFERENCES-VALUE", "“stopping”"),
    ('{"stopping": 1e999}', "U-PREFERENCES-VALUE", "“stopping”"),
    ('{"stopping": 1' + "0" * 400 + "}", "U-PREFERENCES-VALUE", "“stopping”"),
    ("[]", "U-PREFERENCES", "one JSON object"),
]


@pytest.mark.parametrize(("text", "code", "named"), WEIGHTS)
def test_a_wrong_weight_is_named(tmp_path: Path, capsys: Output, text: str, code: str, named: str) -> None:
    """An unknown outcome and a weight that is no number from -100 to 100 have codes of their own, and are named."""
    (tmp_path / "weights.json").write_text(text)
    assert run("assess", "--preferences", tmp_path / "weights.json", tmp_path / "gone.json") == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{code}: ")
    assert named in told


def test_every_reason_for_leaving_out_is_explained() -> None:
    """Each reason is told with what it means, and the page on site updates names it."""
    page = (Path(__file__).parents[2] / "docs" / "site-update.md").read_text("utf-8")
    for reason, meaning in reasons.MEANING.items():
        assert reasons.said(reason, 3) == f"3 left out: {reason} ({meaning})"
        assert f"`{reason}`" in page
