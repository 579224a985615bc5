"""Code maps of a site: which rows count, which are refused and counted, and what stops the load."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fhir_adapters.adapt import adapt
from fhir_adapters.dialect import map_files, profile
from fhir_adapters.dialect.code_systems import ICD10CM, LOINC, RXNORM, SNOMED
from fhir_adapters.errors import ProfileError

LOCAL = "urn:site:drugs"
SYSTEMS = {"http://loinc.org/": LOINC}
HEADER = "source_system,source_code,target_system,target_code"

# R4 equivalence or R5 relationship → whether a drug's row counts, whether a measurement's does
RELATIONSHIPS = {
    "equal": (True, True),
    "equivalent": (True, True),
    "wider": (True, False),
    "subsumes": (True, False),
    "source-is-narrower-than-target": (True, False),
    "relatedto": (False, False),
    "narrower": (False, False),
    "specializes": (False, False),
    "inexact": (False, False),
    "unmatched": (False, False),
    "disjoint": (False, False),
    "related-to": (False, False),
    "source-is-broader-than-target": (False, False),
    "not-related-to": (False, False),
}

REFUSED = {
    "gone.csv": (None, "cannot be opened"),
    "map.xml": (b"<x/>", "neither a ConceptMap"),
    "latin.csv": ("source_system,sourc\xe9".encode("latin-1"), "not UTF-8"),
    "semicolons.csv": (HEADER.replace(",", ";").encode(), "nearest is"),
    "column.csv": (f"{HEADER},relation".encode(), "the nearest is relationship"),
    "short.csv": (b"source_system,source_code,target_code", "lacks the column target_system"),
    "empty.csv": (b"", "lacks the column source_system, source_code"),
    "wide.csv": (f"{HEADER}\na,b,{RXNORM},1,2,3".encode(), "too many fields in line 2"),
    "system.csv": (f"{HEADER}\na,b,http://rxnorm,1".encode(), "line 2: no table holds codes of http://rxnorm"),
    "code.csv": (f"{HEADER}\na,,{RXNORM},1".encode(), "line 2: the source code is missing"),
    "relation.csv": (f"{HEADER},relationship\na,b,{RXNORM},1,equals".encode(), "nearest is equal"),
    "no.json": (b"{", "no ConceptMap"),
    "deep.json": (b"[" * 100_000, "no ConceptMap"),
    "other.json": (b'{"resourceType":"ValueSet"}', "is a ValueSet"),
    "shape.json": (b'{"resourceType":"ConceptMap","group":4}', "no ConceptMap"),
}


def written(folder: Path, name: str, text: str | bytes) -> Path:
    """Write a map file."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def concept_map(target_system: str, *targets: dict[str, Any]) -> str:
    """Return a ConceptMap with one source code."""
    element = {"code": "D1", "target": list(targets)}
    group = {"source": LOCAL, "target": target_system, "element": [element]}
    return json.dumps({"resourceType": "ConceptMap", "status": "active", "group": [group]})


@pytest.mark.parametrize("relationship", RELATIONSHIPS)
@pytest.mark.parametrize("form", ["csv", "R4", "R5"])
def test_what_counts(relationship: str, form: str, tmp_path: Path) -> None:
    """Same counts, wider counts for drugs and problems only, and what does not count is counted as refused."""
    for place, system in enumerate((RXNORM, LOINC)):
        if form == "csv":
            text = f"{HEADER},relationship\n{LOCAL},D1,{system},36437,{relationship}\n"
            path = written(tmp_path, "map.csv", text)
        else:
            key = "equivalence" if form == "R4" else "relationship"
            path = written(tmp_path, "map.json", concept_map(system, {"code": "36437", key: relationship}))
        read = map_files.load(path, SYSTEMS)
        counts = RELATIONSHIPS[relationship][place]
        assert read.targets == ({(LOCAL, "D1"): ((system, "36437"),)} if counts else {})
        assert read.refused == ({} if counts else {relationship: 1})


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ({"code": "36437", "equivalence": "equal", "dependsOn": [{"property": "x", "value": "y"}]}, "depends-on"),
        ({"equivalence": "equal"}, "no-target"),
        ({"code": "36437"}, "not-stated"),
    ],
)
def test_a_mapping_that_holds_sometimes_or_says_nothing_is_refused(
    target: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    """A target that depends on a context, has no code or no relationship does not count and is counted by reason."""
    read = map_files.load(written(tmp_path, "map.json", concept_map(RXNORM, target)), SYSTEMS)
    assert (read.targets, read.refused) == ({}, {reason: 1})


def test_an_element_without_target_is_refused(tmp_path: Path) -> None:
    """A source code that is mapped to nothing is counted, not an error."""
    assert map_files.load(written(tmp_path, "map.json", concept_map(RXNORM)), SYSTEMS).refused == {"no-target": 1}


def test_systems_and_codes_are_read_as_everywhere(tmp_path: Path) -> None:
    """Aliases, versions behind a bar, blanks and the dot of ICD codes make no difference in a map."""
    text = (
        f"\ufeff{HEADER},source\r\nurn:l, X ,http://loinc.org/ ,2951-2,list of 2026\r\n\r\nurn:l,Y,{ICD10CM},f32.1,\r\n"
    )
    read = map_files.load(written(tmp_path, "map.csv", text), SYSTEMS)
    assert read.targets == {("urn:l", "X"): ((LOINC, "2951-2"),), ("urn:l", "Y"): ((ICD10CM, "F321"),)}
    versioned = concept_map(f"{SNOMED}|http://snomed.info/sct/11000172109", {"code": "1", "equivalence": "equal"})
    assert map_files.load(written(tmp_path, "map.json", versioned), {}).targets == {(LOCAL, "D1"): ((SNOMED, "1"),)}


def test_one_code_may_mean_one_code_in_each_system(tmp_path: Path) -> None:
    """A source may have a target in several systems, and may say the same twice."""
    rows = f"{LOCAL},D1,{SNOMED},1\n{LOCAL},D1,{RXNORM},2\n{LOCAL},D1,{RXNORM},2\n"
    read = map_files.load(written(tmp_path, "map.csv", f"{HEADER}\n{rows}"), {})
    assert read.targets == {(LOCAL, "D1"): ((SNOMED, "1"), (RXNORM, "2"))}


def test_rows_that_disagree_are_refused(tmp_path: Path) -> None:
    """One code with two targets in one system stops the load, within a map and between two."""
    one, two = f"{HEADER}\n{LOCAL},D1,{RXNORM},1\n", f"{HEADER}\n{LOCAL},D1,{RXNORM},2\n"
    with pytest.raises(ProfileError) as caught:
        map_files.load(written(tmp_path, "both.csv", one + two.partition("\n")[2]), {})
    assert caught.value.code == "U-PROFILE-MAP-CONFLICT"
    assert "both.csv line 3 maps D1 to 2, another row to 1" in caught.value.message
    written(tmp_path, "one.csv", one)
    written(tmp_path, "two.csv", two)
    with pytest.raises(ProfileError) as caught:
        _profile(tmp_path, 'maps = ["one.csv", "two.csv"]')
    assert caught.value.code == "U-PROFILE-MAP-CONFLICT"


@pytest.mark.parametrize("name", REFUSED)
def test_a_map_that_cannot_be_used_says_where(name: str, tmp_path: Path) -> None:
    """A map that cannot be used stops the load with its name, the line and what would be right."""
    content, hint = REFUSED[name]
    path = tmp_path / name if content is None else written(tmp_path, name, content)
    with pytest.raises(ProfileError) as caught:
        map_files.load(path, {})
    assert caught.value.code == "U-PROFILE-MAP"
    assert name in caught.value.message
    assert hint in caught.value.message


def test_maps_lie_beside_their_profile_and_add_up(tmp_path: Path) -> None:
    """A map's path is relative to the profile that names it; a base's maps hold too; their counts are kept."""
    (tmp_path / "maps").mkdir()
    written(
        tmp_path, "maps/region.csv", f"{HEADER},relationship\n{LOCAL},D1,{RXNORM},1,\n{LOCAL},D2,{RXNORM},2,narrower"
    )
    written(tmp_path, "own.csv", f"{HEADER}\n,D3,{RXNORM},3\n")
    (tmp_path / "region.toml").write_text('extends = "base-r4"\nmaps = ["maps/region.csv"]')
    site = _profile(tmp_path, 'extends = "region.toml"\nmaps = ["own.csv"]')
    assert site.translate(LOCAL, "D1") == ((RXNORM, "1"),)
    assert site.translate(None, "D3") == ((RXNORM, "3"),)
    assert [(one.name, len(one.targets), dict(one.refused)) for one in site.maps] == [
        ("region.csv", 1, {"narrower": 1}),
        ("own.csv", 1, {}),
    ]


def test_a_mapped_code_is_read_as_its_target(tmp_path: Path) -> None:
    """A measurement under a mapped local code has the target's value, and its source names the repair."""
    written(tmp_path, "labs.csv", f"{HEADER}\nurn:lab,NA,{LOINC},2951-2\n")
    site = _profile(tmp_path, 'extends = "base-r4"\nmaps = ["labs.csv"]')
    observation = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "urn:lab", "code": "NA"}]},
        "effectiveDateTime": "2026-11-01",
        "valueQuantity": {"value": 138, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
    }
    chart = json.dumps([{"resourceType": "Patient", "id": "p1"}, observation]).encode()
    assert adapt(chart, date(2026, 11, 22)).patient.measurements == ()
    found = adapt(chart, date(2026, 11, 22), site).patient.measurements
    assert [(one.key, one.value, one.source.repairs) for one in found] == [("sodium", 138.0, ("code-map",))]


def _profile(folder: Path, text: str) -> profile.Profile:
    (folder / "site.toml").write_text(text)
    return profile.load(str(folder / "site.toml"))
