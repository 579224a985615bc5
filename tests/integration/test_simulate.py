"""``undersign simulate``: the table, and FHIR that the adapters read back as the table has it."""

import csv
import json
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from conformance.reference_ehr import cohort as writer
from conformance.reference_ehr import dialects
from conformance.reference_ehr.cohort.export import written
from conformance.reference_ehr.dialects import envelopes
from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.facts import Reading
from fhir_adapters.reading import population
from fhir_adapters.reading.reader import Chart
from fhir_adapters.reading.told import assumed
from recommender.cohort import evidence as evidences
from recommender.cohort.columns import OUTCOMES, PATIENT_FEATURES
from recommender.cohort.course import WEEKS
from recommender.cohort.simulator import simulate
from recommender.cohort.table import Record, dictionary, records
from recommender.training.site import windows
from recommender.training.site.as_known import as_known
from recommender.training.site.episodes import NO_BASELINE, Episode, episode
from service.cli import main
from service.model_life.simulated import begun, person, write_fhir, write_table

TODAY = date(2026, 11, 22)
PATIENTS = 300
COHORT = simulate(evidences.load(), patients=PATIENTS, seed=5)
RECORDS = list(records(COHORT, "sim-5"))
FEATURES = (*PATIENT_FEATURES, "cyp2c19_phenotype")
NOT_CARRIED = {
    ("eclinicalworks-r4", "phq9_total"): "value-is-text",
    ("eclinicalworks-r4", "gad7_total"): "value-is-text",
    ("openemr-r4", "gad7_total"): "not-recorded",
}
"""What a dialect cannot carry of a simulated patient, with the reason that the adapters give. All else agrees."""


def run(monkeypatch: pytest.MonkeyPatch, arguments: Sequence[object]) -> int:
    """Run ``undersign simulate`` and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["undersign", "simulate", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def _charts(folder: Path, dialect: str) -> dict[str, Chart]:
    profile = profiles.load(dialect)
    found = population.charts(
        [folder], repairs=profile.repairs, assumed=assumed(profile.fhir_versions), notices=profile.notices
    )
    charts = [item.chart for item in found if isinstance(item.chart, Chart)]
    return {str(chart.patient.id): chart for chart in charts if chart.patient}


def _adapted(chart: Chart, dialect: str, day: date) -> Adapted:
    return adapt_chart(Reading(as_known(chart, day), profiles.load(dialect), terminology.load()), day)


@pytest.mark.parametrize("dialect", dialects.names())
def test_what_the_adapters_read_is_what_the_table_says(dialect: str, tmp_path: Path) -> None:
    """In every dialect each feature of 300 patients on the day of the start is the table's, but for what it loses."""
    write_fhir(COHORT, "sim-5", tmp_path, TODAY, dialect, writer, lambda _: None)
    charts = _charts(tmp_path / "fhir" / dialect, dialect)
    assert len(charts) == PATIENTS
    unlike: list[tuple[str, object, object]] = []
    for i, record in enumerate(RECORDS):
        found = _adapted(charts[str(record["patient"])], dialect, begun(i, TODAY)).features
        for name in FEATURES:
            feature = found.features[name]
            lost = (dialect, name) in NOT_CARRIED
            if lost and record[name] is not None:
                assert feature.reason == NOT_CARRIED[dialect, name]
            elif (feature.value if feature.status == "present" else None) != record[name]:
                unlike.append((name, record[name], feature))
    assert unlike == []


def test_the_course_of_treatment_is_in_the_export(tmp_path: Path) -> None:
    """PHQ-9 totals after the start, the drug begun and whether it was stopped are read back as the table has them."""
    write_fhir(COHORT, "sim-5", tmp_path, TODAY, "us-core-r4", writer, lambda _: None)
    charts = _charts(tmp_path / "fhir" / "us-core-r4", "us-core-r4")
    for i, record in enumerate(RECORDS):
        day = begun(i, TODAY)
        chart = charts[str(record["patient"])]
        patient = adapt_chart(Reading(chart, profiles.load("us-core-r4"), terminology.load()), TODAY).patient
        totals = {one.effective: one.value for one in patient.scales if (one.scale, one.part) == ("phq9", "total")}
        weeks = {day + timedelta(weeks=week): record[f"phq9_week_{week}"] for week in WEEKS}
        assert totals == {when: value for when, value in weeks.items() if value is not None}
        (course,) = [one for one in patient.medications if one.start == day]
        assert course.ingredients == (record["given"],)
        assert (course.stop is not None) == (record["stopping"] == 1)
        assert course.stop is None or course.stop < day + timedelta(weeks=8)


def test_a_site_finds_the_outcomes_of_the_table(tmp_path: Path) -> None:
    """What a site's own reader takes for an episode has drug, remission, response and stopping of the table."""
    write_fhir(COHORT, "sim-5", tmp_path, TODAY, "us-core-r4", writer, lambda _: None)
    charts, known = _charts(tmp_path / "fhir" / "us-core-r4", "us-core-r4"), frozenset(COHORT.drugs)
    for record in RECORDS:
        reading = Reading(charts[str(record["patient"])], profiles.load("us-core-r4"), terminology.load())
        found = episode(adapt_chart(reading, TODAY).patient, known, TODAY, windows.load())
        if record["phq9_total"] is None:
            assert found == NO_BASELINE
        else:
            assert isinstance(found, Episode)
            assert found.ingredient == record["given"]
            told = {name: record[name] for name in ("remission", "response", "stopping")}
            assert found.outcomes == {name: value for name, value in told.items() if value is not None}


def test_each_site_has_the_dialect_of_its_rows(tmp_path: Path) -> None:
    """Without a dialect for all, each patient is in the folder of the dialect that the table names."""
    write_fhir(COHORT, "sim-5", tmp_path, TODAY, None, writer, lambda _: None)
    for dialect in {str(record["ehr"]) for record in RECORDS}:
        theirs = {record["patient"] for record in RECORDS if record["ehr"] == dialect}
        assert set(_charts(tmp_path / "fhir" / dialect, dialect)) == theirs


def test_audit_groups_are_read_from_the_patient(tmp_path: Path) -> None:
    """Race and ethnicity that US Core carries differ between patients as the table's do."""
    write_fhir(COHORT, "sim-5", tmp_path, TODAY, "us-core-r4", writer, lambda _: None)
    charts = _charts(tmp_path / "fhir" / "us-core-r4", "us-core-r4")
    pairs = {
        (record["race"], record["ethnicity"], told.race, told.ethnicity)
        for i, record in enumerate(RECORDS)
        for told in [_adapted(charts[str(record["patient"])], "us-core-r4", begun(i, TODAY)).demographics]
    }
    assert len(pairs) == len({pair[:2] for pair in pairs}) == len({pair[2:] for pair in pairs})


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_the_table_holds_the_records(kind: str, tmp_path: Path) -> None:
    """A row of the file is the record, whatever the format, and a cell without a value is empty or left out."""
    path = write_table(COHORT, "sim-5", tmp_path, "csv" if kind == "csv" else "ndjson", lambda _: None)
    if kind == "csv":
        found: list[Record] = [
            {name: _number(cell) for name, cell in row.items() if cell}
            for row in csv.DictReader(path.read_text().splitlines())
        ]
    else:
        found = [json.loads(line) for line in path.read_text().splitlines()]
    assert found == [{name: value for name, value in record.items() if value is not None} for record in RECORDS]


def _number(cell: str) -> str | float:
    try:
        return float(cell)
    except ValueError:
        return cell


def test_the_dictionary_explains_every_column_in_order() -> None:
    """The data dictionary has the columns of the records, each with a meaning and a kind that its cells are of."""
    columns = dictionary(COHORT)
    assert [column.name for column in columns] == list(RECORDS[0])
    for column in columns:
        assert column.meaning
        cells = {record[column.name] for record in RECORDS} - {None}
        assert all(isinstance(cell, str) == (column.kind in ("text", "code")) for cell in cells), column.name
        if column.kind == "flag":
            assert cells <= {0.0, 1.0}


def test_the_table_does_not_tell_what_the_site_does_not_know() -> None:
    """No row has an outcome of PHQ-9 that was not taken, or a first total where severity is not on record."""
    for record in RECORDS:
        assert (record["phq9_week_8"] is None) == (record["remission"] is None) == (record["response"] is None)
        assert record["phq9_week_0"] == record["phq9_total"]
    assert any(record["remission"] is None for record in RECORDS)
    assert {name for name in RECORDS[0] if name in OUTCOMES} == set(OUTCOMES)


def test_the_command_writes_table_dictionary_fhir_and_how_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run leaves the files that its help names, and the same seed the same bytes."""
    for name in ("first", "again"):
        arguments = ["--patients", 40, "--seed", 9, "--fhir", "--now", "2026-11-22", "--out", tmp_path / name]
        assert run(monkeypatch, arguments) == 0
    files = {path.relative_to(tmp_path / "first"): path for path in (tmp_path / "first").rglob("*") if path.is_file()}
    assert {"patients.csv", "dictionary.csv", "simulation.json"} <= {str(path) for path in files}
    assert any(path.name == "Patient.ndjson" for path in files)
    for path, first in files.items():
        assert first.read_bytes() == (tmp_path / "again" / path).read_bytes(), path
    told = json.loads((tmp_path / "first" / "simulation.json").read_text())
    assert (told["patients"], told["seed"], told["evidence"]) == (40, 9, evidences.load().version)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--patients", 9], "U-SIMULATE-PATIENTS"),
        (["--patients", 20, "--fhir", "--dialect", "epic"], "U-SIMULATE-DIALECT"),
        (["--patients", 20, "--dialect", "epic-r4"], "U-SIMULATE-DIALECT"),
        (["--patients", 1_000_001], "U-SIMULATE-PATIENTS"),
        (["--patients", "many"], "U-USAGE"),
        (["--patients", 20, "--now", "0001-01-01"], "U-USAGE"),
        (["--patients", 20, "--missing", 2], "U-USAGE"),
        (["--patients", 20, "--format", "parquet"], "U-USAGE"),
    ],
)
def test_a_simulation_that_cannot_be_run_says_why(
    arguments: Sequence[object],
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wrong arguments end with status 2 and one line with a stable code, and leave nothing behind."""
    out = tmp_path / "out"
    assert run(monkeypatch, [*arguments, "--out", out]) == 2
    assert capsys.readouterr().err.startswith(f"{code}: ")
    assert not out.exists()


@pytest.mark.parametrize("made", ["occupied", "file"])
def test_a_folder_that_cannot_be_used_is_left_as_it_was(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with something in it, or a file in its place, is refused with U-SIMULATE-OUT and not touched."""
    out = tmp_path / "out"
    if made == "occupied":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    else:
        out.write_text("mine")
    assert run(monkeypatch, ["--patients", 20, "--out", out]) == 2
    assert capsys.readouterr().err.startswith("U-SIMULATE-OUT: ")
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


R4 = [name for name in dialects.names() if dialects.of(name).fhir_version == "R4"]


@pytest.mark.parametrize("dialect", R4)
def test_what_is_written_in_r4_is_r4(dialect: str) -> None:
    """Every resource of 40 patients in an R4 dialect is one that R4's own models take."""
    for i, record in enumerate(RECORDS[:40]):
        for resource in written(writer.Person(**person(record, i, begun(i, TODAY))), dialect):
            kind = str(resource["resourceType"])
            model = vars(import_module(f"fhir.resources.R4B.{kind.lower()}"))[kind]
            assert model.model_validate(json.loads(envelopes.dumped(resource))).id == resource["id"]


@pytest.mark.parametrize(
    ("dialect", "kind", "element", "listed"),
    [
        ("base-r4", "MedicationRequest", "statusReason", False),
        ("ips", "MedicationStatement", "statusReason", True),
        ("base-dstu2", "MedicationOrder", "reasonEnded", False),
        ("base-stu3", "MedicationRequest", None, False),
    ],
)
def test_why_a_drug_was_stopped_is_where_the_version_has_it(
    dialect: str, kind: str, element: str | None, listed: bool
) -> None:
    """A stop for an adverse event has its reason in the element of the FHIR version, and nowhere else."""
    number, record = next((i, r) for i, r in enumerate(RECORDS) if r["adverse-event-stopping"] == 1)
    chart = written(writer.Person(**person(record, number, begun(number, TODAY))), dialect)
    order = next(one for one in chart if one["resourceType"] == kind and str(one["id"]).endswith("-order"))
    reasons = {name: order[name] for name in ("statusReason", "reasonEnded") if name in order}
    assert list(reasons) == ([element] if element else [])
    for reason in reasons.values():
        assert isinstance(reason, list) == listed
        assert "sintol" in json.dumps(reason)


def test_an_empty_section_of_a_summary_says_so() -> None:
    """A summary of a patient whose problem list is not known has a section of problems that says in words why."""
    number, record = next((i, r) for i, r in enumerate(RECORDS) if r["anxiety_disorder"] is None)
    one = writer.Person(**person(record, number, begun(number, TODAY)))
    document = dialects.bundle(writer.chart(one, us=False), "ips")
    (problems,) = [part for part in document["entry"][0]["resource"]["section"] if part["title"] == "Problems"]
    assert "entry" not in problems
    assert "No information" in problems["text"]["div"]
