"""``undersign check adapter``: samples in every form, the line to paste, golden files, changed samples."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conformance import kinds, runner
from conformance.checks import Result, Verdict
from conformance.exchanges import Replayed
from conformance.reference_ehr import dialects, patients
from conformance.reference_ehr.dialects.envelopes import dumped
from conformance.report import schema
from conformance.session import Session
from conformance.suites.adapter import SUITE, samples
from conformance.suites.adapter.mutations import MUTATIONS
from conformance.suites.adapter.probe import Probe
from conformance.suites.adapter.samples import Sample
from service.cli import main
from tests.fixtures.fhir import Json, allergy, condition, medication, observation, patient, request
from tests.integration.checked_ehr import NOW

DAY = "2026-11-22"
Output = pytest.CaptureFixture[str]
PEOPLE = patients.load(date.fromisoformat(DAY))
CHART: list[Json] = [
    patient(),
    observation(),
    condition(),
    request(),
    allergy(),
    observation("phq", code={"coding": [{"system": "http://loinc.org", "code": "44261-6"}]}, valueInteger=14)
    | {"valueQuantity": None},
]
CHART[-1].pop("valueQuantity")


def local(code: str, display: str) -> Json:
    """Return a concept of a laboratory's own."""
    return {"coding": [{"system": "urn:north:lab", "code": code, "display": display}]}


def unit(text: str, value: float = 139, code: str = "2951-2") -> Json:
    """Return a result in a unit as a site writes it."""
    coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
    return observation(f"u{code}", code=coded, valueQuantity={"value": value, "unit": text})


def written(folder: Path, *charts: Sequence[Json]) -> Path:
    """Write each chart into a file, and return the folder."""
    folder.mkdir(exist_ok=True)
    for number, chart in enumerate(charts):
        (folder / f"chart-{number}.json").write_text(json.dumps(list(chart)))
    return folder


def judged(folder: Path, *only: str, profile: str = "base-r4", **more: Any) -> tuple[runner.Run, Probe]:
    """Run checks of the suite over a folder and return the run with its probe."""
    options = {"profile": profile, "samples": folder, "update": False, "mutate": False, "day": DAY, **more}
    probe: Probe = kinds.adapter().probe(Session("", Replayed(()), budget=0), NOW, "s", options)
    checks = list(runner.chosen(SUITE, only=only))
    about = {"suite": "adapter", "target": profile}
    return asyncio.run(runner.run(SUITE, probe, checks, about, today=NOW.date())), probe


def result(folder: Path, check: str, **more: Any) -> Result:
    """Return what one check says."""
    (found,) = judged(folder, check, **more)[0].results
    return found


@pytest.fixture
def undersign(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return ``undersign`` as its user types it."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["undersign", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


# ---- samples


def _bundle(chart: Sequence[Json]) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in chart]}


def _searchset(chart: Sequence[Json], kind: str) -> Json:
    return _bundle([one for one in chart if one["resourceType"] == kind]) | {"type": "searchset"}


def _prefetch(chart: Sequence[Json]) -> Json:
    keys = {"conditions": "Condition", "medications": "MedicationRequest", "allergies": "AllergyIntolerance"}
    values = {key: _searchset(chart, kind) for key, kind in keys.items()}
    return {"patient": chart[0], **values, "observations": _searchset(chart, "Observation")}


FORMS: dict[str, dict[str, str]] = {
    "a Bundle": {"one.json": json.dumps(_bundle(CHART))},
    "a list": {"one.json": json.dumps(CHART)},
    "NDJSON of one patient": {"one.ndjson": "\n".join(map(json.dumps, CHART))},
    "NDJSON by type": {f"{n}.ndjson": json.dumps(one) for n, one in enumerate(CHART)},
    "a resource a file": {f"{n}.json": json.dumps(one) for n, one in enumerate(CHART)},
    "prefetch values": {"one.json": json.dumps(_prefetch(CHART))},
    "a hook call": {
        "one.json": json.dumps({"hook": "patient-view", "context": {"patientId": "p1"}, "prefetch": _prefetch(CHART)})
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_a_sample_is_read_in_each_form(form: str, tmp_path: Path) -> None:
    """The same patient feeds the same features whatever the form of the sample."""
    for name, text in FORMS[form].items():
        (tmp_path / name).write_text(text)
    _, probe = judged(tmp_path, "samples.read")
    ((_, _, adapted),) = probe.readable()
    features = {name: one.value for name, one in adapted.features.features.items() if one.status == "present"}
    assert {"age", "sodium", "phq9_total", "depression", "medication_count"} <= features.keys()
    assert (features["sodium"], features["phq9_total"]) == (139, 14)


@pytest.mark.parametrize("dialect", dialects.names())
def test_the_reference_charts_are_read_in_every_dialect(dialect: str, tmp_path: Path) -> None:
    """Every dialect's samples are read, and no change of them becomes another value."""
    for person in PEOPLE[:4]:
        (tmp_path / f"{person.id}.json").write_bytes(dumped(dialects.bundle(person.resources, dialect)))
    run, _ = judged(tmp_path, "samples.read", "mutated", profile=dialect, mutate=True)
    assert {one.check.id: one.told for one in run.results if one.verdict not in ("pass", "not-tested")} == {}
    assert sum(one.verdict == "pass" for one in run.results) > 10


def test_two_patients_of_one_export_are_two_samples(tmp_path: Path) -> None:
    """In an export by type each patient is one sample, with the Medications that its orders refer to."""
    drug = {"medicationReference": {"reference": "Medication/d1"}}
    other: Json = {"subject": {"reference": "Patient/p2"}}
    order = {name: value for name, value in request("m1", **drug).items() if name != "medicationCodeableConcept"}
    chart = [patient(), patient(id="p2"), order, observation("o2", **other), medication()]
    (tmp_path / "all.ndjson").write_text("\n".join(map(json.dumps, chart)))
    _, probe = judged(tmp_path, "samples.read")
    assert [one.sample.name for one in probe.ones()] == ["p1", "p2"]
    (_, _, first), (_, _, second) = probe.readable()
    assert [one.ingredients for one in first.patient.medications] == [("sertraline",)]
    assert second.features.number("sodium") == 139


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "U-JSON-SYNTAX"),
        ('{"a": 1}', "U-FHIR-TYPE"),
        (json.dumps([observation(), condition(subject={"reference": "Patient/p9"})]), "U-FHIR-NO-PATIENT"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_code(text: str, code: str, tmp_path: Path) -> None:
    """A file that is no sample is a finding with its code, and the others are judged."""
    (written(tmp_path, CHART) / "bad.json").write_text(text)
    run, _ = judged(tmp_path, "samples")
    told = next(one for one in run.results if one.check.id == "samples.read").told
    assert [one.got for one in told if one.verdict == "fail"] == [code]
    assert next(one for one in run.results if one.check.id == "samples.decisive").verdict == "pass"


def test_an_empty_folder_is_never_green(tmp_path: Path) -> None:
    """Without a sample nothing is tested, and the run says so."""
    (tmp_path / "chart.xml").write_text("<Patient/>")
    run, _ = judged(tmp_path)
    assert run.status == "not-run"
    assert "1 other files" in run.results[0].told[0].message


# ---- findings: check, samples, verdict, and what the fix says

FINDINGS: dict[str, tuple[str, list[Json], Verdict, str]] = {
    "no PHQ-9 in words": ("samples.decisive", [*CHART[:5], {**CHART[5], "valueString": "fourteen"}], "fail", ""),
    "a list with holes": ("samples.lists", [*CHART, request("m2", subject=7)], "warn", "mend what makes the hole"),
    "a path left out": ("samples.paths", [*CHART, observation("x", status="odd", valueString="?")], "warn", "a status"),
    "a feature not fed": ("samples.features", [patient(), unit("")], "warn", "unit"),
    "a local drug": (
        "codes.drugs", [*CHART, request("m2", medicationCodeableConcept=local("S-50", "zz"))], "warn",
        "urn:north:lab,S-50,",
    ),
    "a local problem": (
        "codes.problems", [*CHART, condition("c2", code=local("D1", "zz"))], "warn", "urn:north:lab,D1,http://snomed.info/sct,",
    ),
    "a local result": (
        "codes.observations", [*CHART, observation("o2", code=local("NA-S", "Sodium"))], "warn",
        "urn:north:lab,NA-S,http://loinc.org,2951-2,equivalent,Sodium",
    ),
    "a unit written nearly so": ("units.known", [patient(), unit("mmols/Ltr")], "warn", '"mmols/Ltr" = "mmol/L"'),
    "a unit that looks like two": ("units.known", [patient(), unit("mval/L", 2.4, "17861-6")], "warn", "find out what"),
    "a unit like none": ("units.known", [patient(), unit("mval/ltr", 70, "8867-4")], "warn", "find out what"),
    "no unit": ("units.known", [patient(), unit("")], "warn", "no profile can tell"),
    "another unit's number": ("units.plausible", [patient(), unit("mmol/L", 139_000)], "fail", "another unit's number"),
}  # fmt: skip
FINDINGS["no PHQ-9 in words"][1][-1].pop("valueInteger")


@pytest.mark.parametrize("case", FINDINGS)
def test_a_finding_says_what_to_do(case: str, tmp_path: Path) -> None:
    """Each check fails on a sample with its fault, and names the line to paste or what has to be found out."""
    check, chart, verdict, fix = FINDINGS[case]
    found = result(written(tmp_path, chart), check)
    assert found.verdict == verdict, found.told
    worst = [one for one in found.told if one.verdict == verdict]
    assert all(one.fix for one in worst)
    assert any(fix in one.fix for one in worst), worst


@pytest.mark.parametrize("case", ["a local result", "a unit written nearly so"])
def test_a_pasted_line_mends_its_finding(case: str, tmp_path: Path) -> None:
    """With the suggested line pasted where it says, the same samples have no finding."""
    check, chart, _, _ = FINDINGS[case]
    folder = written(tmp_path / "samples", chart)
    fix = result(folder, check).told[0].fix.partition(": ")[2]
    profile = tmp_path / "site.toml"
    head = 'name = "site"\nextends = "base-r4"\n'
    if fix.startswith('"'):
        profile.write_text(f"{head}[units.sodium]\n{fix}\n")
    else:
        (tmp_path / "map.csv").write_text(
            f"source_system,source_code,target_system,target_code,relationship,source\n{fix}\n"
        )
        profile.write_text(f'{head}maps = ["map.csv"]\n')
    assert result(folder, check, profile=str(profile)).verdict == "pass"


def test_a_unit_that_a_person_must_find_out_is_no_line(tmp_path: Path) -> None:
    """What several units may be named as is never among the lines, for the pulse has one unit and this is not it."""
    folder = written(tmp_path, [patient(), unit("mval/ltr", 70, "8867-4")])
    _, probe = judged(folder, "units")
    assert probe.survey().lines() == []
    assert [one.got for one in result(folder, "units.known").told] == ["mval/ltr"]


# ---- golden files


def test_golden_files_are_written_and_kept_to(tmp_path: Path) -> None:
    """What was written is kept to on any later day; a change is told feature by feature, and kept by writing anew."""
    folder, kept = written(tmp_path / "samples", CHART), tmp_path / "golden"
    assert result(folder, "golden", golden=kept).verdict == "warn"  # a sample without a golden file
    assert result(folder, "golden", golden=kept, update=True).verdict == "pass"
    assert result(folder, "golden", golden=kept, day="2031-01-01").verdict == "pass"
    written(folder, [*CHART[:1], observation(valueQuantity={"value": 7.7, "unit": "mmol/L"}), *CHART[2:]])
    changed = result(folder, "golden", golden=kept)
    assert changed.verdict == "fail"
    assert next((one.path, one.expected, one.got) for one in changed.told) == (
        "sodium", "139 mmol/L", "refused: implausible",
    )  # fmt: skip
    assert result(folder, "golden", golden=kept, update=True).verdict == "pass"
    assert result(folder, "golden", golden=kept).verdict == "pass"


def test_a_profile_that_loses_something_is_seen(tmp_path: Path) -> None:
    """The same samples with another profile: the golden files tell what is read no more."""
    folder, kept = written(tmp_path / "samples", [*CHART[:1], unit("mmols/Ltr")]), tmp_path / "golden"
    site = tmp_path / "site.toml"
    site.write_text('name = "site"\nextends = "base-r4"\n[units.sodium]\n"mmols/Ltr" = "mmol/L"\n')
    assert result(folder, "golden", golden=kept, update=True, profile=str(site)).verdict == "pass"
    told = result(folder, "golden", golden=kept).told
    assert [(one.path, one.got) for one in told][:1] == [("sodium", "refused: unit-unknown")]


def test_a_sample_that_cannot_be_read_stands_in_the_report(undersign: Callable[..., int], tmp_path: Path) -> None:
    """The page and the JSON name it with its code, beside the samples that can be read."""
    (written(tmp_path / "samples", CHART) / "bad.json").write_text("{")
    arguments = ("check", "adapter", "base-r4", "--samples", tmp_path / "samples", "--out", tmp_path / "out")
    assert undersign(*arguments) == 1
    assert "U-JSON-SYNTAX" in (tmp_path / "out/adapter.html").read_text()
    found = schema.read((tmp_path / "out/adapter.json").read_bytes())
    assert found.facts is not None
    assert [(one.name, one.verdict) for one in found.facts.samples] == [
        ("bad.json", "unreadable"), ("chart-0.json", "whole"),
    ]  # fmt: skip


def test_what_is_no_golden_file_is_refused(tmp_path: Path) -> None:
    """A broken golden file is one clear error, never a sample without one."""
    folder, kept = written(tmp_path / "samples", CHART), tmp_path / "golden"
    kept.mkdir()
    (kept / "chart-0.golden.json").write_text('{"format": 1}')
    (told,) = result(folder, "golden", golden=kept).told
    assert (told.verdict, "fault of this program" in told.message) == ("broken", False)
    assert "U-CHECK-GOLDEN" in told.message


# ---- changed samples


@pytest.mark.parametrize("check", [f"mutated.{one.id}" for one in MUTATIONS])
def test_a_change_that_is_not_noticed_is_found(check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters that read a wrong payload as if it were right fail the check of each way of being wrong."""
    folder = written(tmp_path, CHART)
    mutation = next(one for one in MUTATIONS if check.endswith(f".{one.id}"))
    assert result(folder, check, mutate=True).verdict == "pass"
    read, times = Sample.read, count(1)

    def careless(sample: Sample, profile: Any, day: date, value: Any = None) -> Any:
        """Read what was sent before somebody changed it; where that is no fault, read other numbers each time."""
        if value is None or mutation.must == "gone":
            return read(sample, profile, day)
        more = next(times)
        return read(sample, profile, day, [_with_more(one, more) for one in samples.resources(sample.value)])

    monkeypatch.setattr(Sample, "read", careless)
    found = result(folder, check, mutate=True)
    assert (found.verdict, found.acts) == ("fail", "undersign"), found.told
    assert "chart-0.json" in found.told[0].fix


def _with_more(one: Json, more: int) -> Json:
    quantity = one.get("valueQuantity")
    return {**one, "valueQuantity": {**quantity, "value": quantity["value"] + more / 10}} if quantity else one


def test_a_shrug_is_not_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is gone without a reason and without a refusal fails: silence looks like nothing on record."""
    folder, read = written(tmp_path, CHART), Sample.read

    def silent(sample: Sample, profile: Any, day: date, value: Any = None) -> Any:
        reading, adapted = read(sample, profile, day, value)
        if value is None:
            return reading, adapted
        bare = {name: msgspec.structs.replace(one, reason=None) for name, one in adapted.features.features.items()}
        vector = type(adapted.features)(adapted.features.patient, day, adapted.features.schema, bare)
        return reading, type(adapted)(adapted.patient, vector, adapted.profile)

    monkeypatch.setattr(Sample, "read", silent)
    assert result(folder, "mutated.no-unit", mutate=True).verdict == "fail"


def test_every_check_has_a_test_in_which_it_fails() -> None:
    """No check can only pass."""
    shown = {check for check, *_ in FINDINGS.values()} | {"samples.read", "golden.kept"}
    assert shown | {f"mutated.{one.id}" for one in MUTATIONS} == {one.id for one in SUITE.checks}


# ---- the command


def test_the_command_writes_a_report_without_requests(
    undersign: Callable[..., int], tmp_path: Path, capsys: Output
) -> None:
    """The report names each sample and what is left out, holds no value, and no recording is written."""
    folder = written(tmp_path / "samples", CHART, [patient(), unit("mmols/Ltr")])
    status = undersign("check", "adapter", "base-r4", "--samples", folder, "--out", tmp_path / "out", "--now", DAY)
    assert status == 0, capsys.readouterr().out
    report = json.loads((tmp_path / "out/adapter.json").read_text())
    assert [one["name"] for one in report["facts"]["samples"]] == ["chart-0.json", "chart-1.json"]
    assert {"path": "Observation.valueQuantity", "reason": "unit-unknown", "tells": "sodium", "count": 1} in report[
        "facts"
    ]["left_out"]
    assert report["facts"]["coverage"]["lines"][0]["line"] == '"mmols/Ltr" = "mmol/L"'
    assert "<code>chart-1.json</code>" in (tmp_path / "out/adapter.html").read_text()
    assert schema.read((tmp_path / "out/adapter.json").read_bytes()).suite == "adapter"
    assert not (tmp_path / "out/adapter.har").exists()
    assert "1980-05-17" not in (tmp_path / "out/adapter.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--samples", "nowhere"], "U-CHECK-SAMPLES"),
        (["--samples", ".", "--update-golden"], "U-CHECK-SAMPLES"),
        (["--samples", ".", "--only", "no.such"], "U-CHECK-UNKNOWN"),
    ],
)
def test_wrong_usage_is_one_line_with_a_code(
    undersign: Callable[..., int], capsys: Output, arguments: Sequence[str], code: str
) -> None:
    """What cannot be run ends with one line on standard error."""
    assert undersign("check", "adapter", "base-r4", *arguments) != 0
    assert code in capsys.readouterr().err
