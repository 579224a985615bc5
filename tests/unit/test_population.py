"""Many patients from files and folders: whose everything is, and what is said of what is nobody's."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_adapters.reading import population, reader
from fhir_adapters.reading.opened import MAX_ENTRIES
from fhir_adapters.reading.population import Progress
from fhir_adapters.reading.reader import Chart
from tests.fixtures import fhir
from tests.fixtures.fhir import Json, bundle, raw

Write = Callable[[str, Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes JSON, or a list as NDJSON, to a path in a folder of its own."""

    def written(name: str, value: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = value if isinstance(value, list) else [value]
        path.write_bytes(b"\n".join(map(raw, lines)) if name.endswith(".ndjson") else raw(value))
        return path

    return written


def _of(patient: str, make: Callable[..., Json], **changes: Any) -> Json:
    key = "patient" if "patient" in make() else "subject"
    return make(f"{make.__name__}-{patient}", **{key: {"reference": f"Patient/{patient}"}}, **changes)


def _found(*paths: Path, **options: Any) -> dict[str, Chart | str]:
    items = list(population.charts(paths, **options))
    assert len({item.name for item in items}) == len(items)
    return {Path(one.name).name: one.chart if isinstance(one.chart, Chart) else one.chart.code for one in items}


def _charts(found: dict[str, Chart | str]) -> Iterator[tuple[str, Chart]]:
    for name, chart in found.items():
        assert isinstance(chart, Chart), f"{name}: {chart}"
        yield name, chart


def _export(write: Write) -> Path:
    """Write a bulk export of two patients, one type a file."""
    people = ("a", "b")
    write("Patient.ndjson", [fhir.patient(id=one) for one in people])
    write("Observation.000.ndjson", [_of(one, fhir.observation) for one in people])
    write("Observation.001.ndjson", [_of(one, fhir.observation, id=f"second-{one}") for one in people])
    drug = {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/d1"}}
    write("MedicationRequest.ndjson", [_of(one, fhir.request, **drug) for one in people])
    write("Encounter.ndjson", [{"resourceType": "Encounter", "id": "e"}])
    return write("Medication.ndjson", [fhir.medication("d1"), fhir.medication("d2")]).parent


def test_a_bundle_a_patient(write: Write, tmp_path: Path) -> None:
    """Each file with a Patient and something about that patient is read as that file alone is."""
    for name in ("a", "b"):
        write(f"{name}.json", bundle(fhir.patient(id=name), _of(name, fhir.observation), _of("c", fhir.observation)))
    write("practitioners.json", bundle({"resourceType": "Practitioner", "id": "x"}))
    found = dict(_charts(_found(tmp_path)))
    assert found == {name: reader.read((tmp_path / name).read_bytes()) for name in ("a.json", "b.json")}
    assert [one.reason for chart in found.values() for one in chart.refusals] == ["subject-another-patient"] * 2


def test_a_bulk_export(write: Write) -> None:
    """NDJSON by type is grouped by subject, and Medications are found by every patient's orders."""
    for name, chart in _charts(_found(_export(write))):
        assert chart.patient is not None
        assert chart.patient.id == name
        assert [one.id for one in chart.observations] == [f"observation-{name}", f"second-{name}"]
        (order,) = chart.medication_requests
        assert reader.medication_of(chart, reader.reference_of(order), "Medication/d1") is not None
        assert (chart.refusals, chart.lists["allergies"]) == ((), "not-supplied")


def test_files_by_name_belong_together(write: Write) -> None:
    """The files of an export give the same charts when they are named one by one, in any order."""
    folder = _export(write)
    named = _found(*sorted(folder.iterdir(), reverse=True))
    assert named == _found(folder)
    assert list(named) == ["a", "b"]


def test_a_folder_of_single_resources_a_patient(write: Write, tmp_path: Path) -> None:
    """Single resources and saved searches in one folder a patient give one chart a folder."""
    for name in ("a", "b"):
        write(f"{name}/patient.json", fhir.patient(id=name))
        write(f"{name}/observation.json", fhir.observation(subject={}) if name == "a" else _of(name, fhir.observation))
        write(f"{name}/orders.json", bundle(_of(name, fhir.request), type="searchset", total=2))
    found = dict(_charts(_found(tmp_path)))
    assert sorted(found) == ["a", "b"]
    assert all(chart.lists["medications"] == "partial" for chart in found.values())
    assert [len(found[name].observations) for name in ("a", "b")] == [0, 1]
    assert [one.reason for one in found["a"].refusals] == ["subject-unresolved"]


def test_one_folder_of_single_resources(write: Write, tmp_path: Path) -> None:
    """Single resources of several patients in one folder are grouped by whom they name, in whatever way."""
    number = {"system": "urn:system", "value": "7"}
    write("1.json", fhir.patient(id="a", identifier=[number]))
    write("2.json", fhir.patient(id="b"))
    write("3.json", bundle(fhir.patient(id="c"), type="searchset"))
    named = {"a": {"identifier": number}, "b": {"reference": "https://x.example/Patient/b"}, "c": {}, "d": {}}
    for name in "cd":
        named[name] = {"reference": f"Patient/{name}/_history/2"}
    for name, subject in named.items():
        write(f"observation-{name}.json", fhir.observation(name, subject=subject))
    found = dict(_charts(_found(tmp_path)))
    assert {name: [one.id for one in chart.observations] for name, chart in found.items()} == {
        one: [one] for one in "abcd"
    }
    assert [chart.patient.birthDate if chart.patient else "" for chart in found.values()] == ["1980-05-17"] * 3 + [None]


def test_the_urn_of_a_bundle_names_its_patient(write: Write, tmp_path: Path) -> None:
    """In a Bundle of several patients a subject by urn finds its Patient."""
    several = bundle(*(fhir.patient(id=one) for one in "ab"), *(fhir.observation(one) for one in "ab"))
    for place, urn in enumerate(("urn:uuid:1", "urn:uuid:2")):
        several["entry"][place]["fullUrl"] = urn
        several["entry"][place + 2]["resource"]["subject"] = {"reference": urn}
    write("several.json", several)
    found = dict(_charts(_found(tmp_path)))
    assert {name: [one.id for one in chart.observations] for name, chart in found.items()} == {"a": ["a"], "b": ["b"]}


@pytest.mark.parametrize(
    ("subject", "people", "code"),
    [
        ({"display": "Ann"}, ("a", "b"), "U-FHIR-NO-PATIENT"),
        (None, ("a", "b"), "U-FHIR-NO-PATIENT"),
        ({"reference": "Group/1"}, ("a", "b"), "U-FHIR-NO-PATIENT"),
        (None, ("a",), ""),
    ],
)
def test_what_names_nobody(write: Write, tmp_path: Path, subject: Any, people: tuple[str, ...], code: str) -> None:
    """What names nobody is the one patient's where there is one, and else an error of its own, never dropped."""
    write("Patient.ndjson", [fhir.patient(id=one) for one in people])
    write("Observation.ndjson", [fhir.observation(subject=subject)])
    found = _found(tmp_path)
    assert [one for one in found.values() if isinstance(one, str)] == ([code] if code else [])
    charts = [one for one in found.values() if isinstance(one, Chart)]
    assert [len(one.observations) for one in charts] == ([0, 0] if code else [1])


def test_a_file_that_cannot_be_read_costs_no_other(write: Write, tmp_path: Path) -> None:
    """A broken file, and one that is none, are errors by name; what they held is then not supplied."""
    folder = _export(write)
    (folder / "Condition.ndjson").write_bytes(raw(_of("a", fhir.condition)) + b"\n{")
    (folder / "Consent.json").write_bytes(b"[]")
    found = _found(folder, tmp_path / "none.json")
    errors = {name: one for name, one in found.items() if isinstance(one, str)}
    assert errors == {"Condition.ndjson": "U-JSON-SYNTAX", "Consent.json": "U-FHIR-TYPE", "none.json": "U-FILE"}
    assert {one.lists["conditions"] for one in found.values() if isinstance(one, Chart)} == {"not-supplied"}


def test_an_entry_that_needs_care_is_grouped_like_any(write: Write, tmp_path: Path) -> None:
    """A resource that must be mended reaches its patient, and an unreadable one makes its patient's list partial."""
    write("Patient.ndjson", [fhir.patient(id="a", name="x"), fhir.patient(id="b")])
    write(
        "Observation.ndjson",
        [_of("a", fhir.observation, valueQuantity={"value": "7"}), _of("b", fhir.observation, code=7)],
    )
    found = dict(_charts(_found(tmp_path)))
    assert found["a"].repairs["Observation/observation-a"] == ("number-from-string",)
    assert [found[name].lists["observations"] for name in "ab"] == ["supplied", "partial"]


def test_one_patient_of_two_shapes_is_an_error(write: Write, tmp_path: Path) -> None:
    """Two Patients of one id are nobody's chart; the other patients are read."""
    write("Patient.ndjson", [fhir.patient(id="a"), fhir.patient(id="a", gender="male"), fhir.patient(id="b")])
    found = _found(tmp_path)
    assert found["a"] == "U-PATIENT-MISMATCH"
    assert isinstance(found["b"], Chart)


def test_the_limit_is_one_patients(write: Write, tmp_path: Path) -> None:
    """More entries than one patient can have are an error of that patient, and no limit of the file."""
    write("Patient.ndjson", [fhir.patient(id=one) for one in "ab"])
    many = [_of("a", fhir.observation, id=f"o{place}") for place in range(MAX_ENTRIES)]
    write("Observation.ndjson", [*many, _of("b", fhir.observation)])
    found = _found(tmp_path)
    assert found["a"] == "U-FHIR-ENTRIES"
    assert isinstance(found["b"], Chart)


def test_all_of_a_folder_follows_the_version_that_it_tells(write: Write, tmp_path: Path) -> None:
    """One file in STU3 makes what tells nothing in the others STU3, whichever is opened first."""
    write("Patient.ndjson", [fhir.patient(id="a"), fhir.patient(id="b")])
    write("Observation.ndjson", [_of("a", fhir.observation, comment="x"), _of("b", fhir.observation)])
    write("AllergyIntolerance.ndjson", [_of("b", fhir.allergy, clinicalStatus=None)])
    for _, chart in _charts(_found(tmp_path)):
        assert chart.fhir_version == "STU3"


def test_progress_is_told(write: Write) -> None:
    """Progress tells of every file and every patient, and ends with all of them."""
    told: list[Progress] = []
    folder = _export(write)
    found = list(population.charts([folder], progress=told.append))
    assert told[-1] == Progress(6, 6, 2) == Progress(len(list(folder.iterdir())), 6, len(found))
    assert told == sorted(told)
