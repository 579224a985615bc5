"""docs/assessment.md is compared with what ``assess --json`` prints."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

from conformance.reference_ehr import patients
from fhir_adapters.adapt import adapt
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect import profile
from recommender.assess import assess
from recommender.assessment import Assessment
from recommender.catalog import knowledge
from recommender.ranker import model
from recommender.serialize import assessment_json
from service.drafts.canonical_json import dumps

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/assessment.md").read_text("utf-8")
DOCUMENTED = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
DAY = date(2026, 11, 22)
MADE_FROM = ("serialize.py", "serialize_ranking.py", "../service/files.py")


def _assessed(person: patients.Person) -> tuple[Assessment, Adapted]:
    adapted = adapt(dumps(list(person.resources)), DAY, profile.load("us-core-r4"))
    return assess(adapted, knowledge.load(), model.load(), explain=True), adapted


def _paths(value: object, path: str) -> Iterator[str]:
    """Yield the path of every key below; resources are FHIR's own and not looked into."""
    if path == "drafts[]":
        return
    if isinstance(value, dict):
        for name, inner in cast(dict[str, Any], value).items():
            below = f"{path}.{name}" if path else name
            yield below
            yield from _paths(inner, below)
    elif isinstance(value, list):
        for inner in cast(list[Any], value):
            yield from _paths(inner, f"{path}[]")


def _general(path: str) -> str:
    """Return a path as the page writes it: names that are data as ``<name>``, reasons once."""
    path = re.sub(r"^features\.\w+", "features.<name>", path)
    path = re.sub(r"(predictions|bands|weights)\.[^.]+", r"\1.<name>", path)
    return re.sub(r"^(step_reasons|(candidates|current)\[\]\.reasons)\[\]", "reason", path)


@pytest.mark.parametrize("person", patients.load(DAY), ids=lambda person: person.id)
def test_every_key_that_is_printed_is_on_the_page(person: patients.Person) -> None:
    """No key of an assessment of the synthetic patients is missing from the page."""
    found = {_general(path) for path in _paths(assessment_json(*_assessed(person)), "")}
    assert found - set(DOCUMENTED) == set()


def test_every_key_on_the_page_is_one_that_the_code_writes() -> None:
    """Each documented key stands as a text in the code that makes the JSON, or is a name of data."""
    code = "".join((ROOT / "recommender" / name).read_text("utf-8") for name in MADE_FROM)
    written = {*re.findall(r'"([a-z_]+)"', code), "knowledge", "model"}
    assert {path.rpartition(".")[2] for path in DOCUMENTED} - written == {"<name>"}


def test_no_key_stands_twice() -> None:
    """The page has one row for a key."""
    assert len(DOCUMENTED) == len(set(DOCUMENTED))
