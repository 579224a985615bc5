"""The page on profiles is compared with the code: its keys, its names, and its worked example."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from fhir_adapters.dialect import profile
from fhir_adapters.dialect.code_systems import LOINC, RXNORM
from fhir_adapters.dialect.profile_check import RESOLVERS, SEARCHED, VERSIONS
from fhir_adapters.dialect.profile_file import ProfileFile
from fhir_adapters.reading import repairs

PAGE = (Path(__file__).parents[2] / "docs/profiles.md").read_text("utf-8")
# Tables whose keys are names of something else.
NAMED = {"search": "TYPE", "units": "ANALYTE", "answers": "LIST", "answer_texts": "LIST", "taking": "TYPE"}


def _keys(shape: inspect.Type, prefix: str, default: object) -> Iterator[tuple[str, str]]:
    """Yield each key of a profile and its default as the page writes it."""
    if isinstance(shape, inspect.StructType):
        for field in shape.fields:
            held = getattr(default, field.name) if default is not None else getattr(shape.cls(), field.name)
            yield from _keys(field.type, f"{prefix}{field.encode_name}.", held)
        return
    name = prefix.removesuffix(".")
    if isinstance(shape, inspect.DictType) and (under := NAMED.get(name.rpartition(".")[2])):
        inner = shape.value_type
        yield from _keys(inner, f"{prefix}{under}.", None if isinstance(inner, inspect.StructType) else {})
        return
    yield name, "–" if default is None else f"`{json.dumps(msgspec.to_builtins(default))}`"


def _block(language: str, place: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[place]


def test_every_key_is_documented_with_its_default_and_no_other() -> None:
    """The table of keys names each key that a profile can have, with what holds when it is left out."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.splitlines() if line.startswith("| `")]
    documented = {row[0].strip().strip("`"): row[1].strip() for row in rows if len(row) == 3}
    assert documented == dict(_keys(inspect.type_info(ProfileFile), "", ProfileFile()))


def test_the_names_on_the_page_are_those_of_the_code() -> None:
    """Every shipped profile, version, resolver, repair and resource type stands on the page."""
    names = {*profile.shipped(), *VERSIONS, *repairs.ALL, *SEARCHED} - {"Patient"}
    assert [name for name in names if f"`{name}`" not in PAGE] == []
    assert [name for name in RESOLVERS if f'"{name}"' not in PAGE] == []


@pytest.fixture
def example(tmp_path: Path) -> profile.Profile:
    """Load the page's own profile with its own maps."""
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/drugs.json").write_text(_block("json"))
    (tmp_path / "maps/labs.csv").write_text(_block("csv"))
    (tmp_path / "north.toml").write_text(_block("toml"))
    return profile.load(str(tmp_path / "north.toml"))


def test_the_worked_example_works(example: profile.Profile) -> None:
    """The profile and maps of the page load and say what the page says that they do."""
    assert (example.name, example.version, example.zone) == ("north-clinic", "2026-11", "-05:00")
    assert example.systems["urn:north:loinc"] == LOINC
    assert example.units["lithium_level"]["mval/l"] == "mmol/L"
    assert example.link_ids == {"mood.total": "phq9.total"}
    assert example.translate("urn:north:formulary", "SERT-HS") == ((RXNORM, "36437"),)
    assert example.translate("urn:north:lab", "NA-S") == ((LOINC, "2951-2"),)
    assert [dict(one.refused) for one in example.maps] == [{}, {}]
