"""The page on the coverage report is compared with the code: its outcomes, its keys, the tables of its lines."""

import json
import re
from datetime import date
from pathlib import Path

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart
from fhir_adapters.dialect import profile
from fhir_adapters.facts import Reading
from fhir_adapters.reading import reader
from fhir_adapters.survey.coverage import OUTCOMES, Coverage
from fhir_adapters.survey.suggestions import MAPS, heading
from service.coverage.page import COLUMNS
from service.coverage.report import as_object
from tests.fixtures.fhir import observation, patient

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/coverage.md").read_text("utf-8")


def rows(section: str) -> list[list[str]]:
    """Return the rows of the first table of a section, cell by cell."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")][1:]


def test_the_columns_are_those_of_the_page() -> None:
    """Every column and every outcome of the report is in the table, in order."""
    documented = [(row[0], tuple(re.findall(r"`([a-z-]+)`", row[1]))) for row in rows("The page")]
    assert documented == [(name, outcomes) for name, outcomes, _ in COLUMNS]
    assert {one for _, outcomes in documented for one in outcomes} == set(OUTCOMES)


def test_every_key_of_the_json_is_documented() -> None:
    """The table has the keys of the report, in order, and those of a line and of a choice."""
    base, day = profile.load("base-r4"), date(2026, 11, 22)
    tally = Coverage(day, "base-r4")
    for unit in ("mmols/Ltr", "XQ"):
        quantity = {"value": 100, "unit": unit}
        code = {"coding": [{"system": "http://loinc.org", "code": "2951-2" if unit == "mmols/Ltr" else "2345-7"}]}
        raw = json.dumps([patient(), observation("o1", valueQuantity=quantity, code=code)]).encode()
        reading = Reading(reader.read(raw), base, terminology.load())
        tally.add(reading, adapt_chart(reading, day))
    report, table = as_object(tally), {key: row[1] for row in rows("JSON") for key in re.findall(r"`(\w+)`", row[0])}
    assert list(table) == list(report)
    assert {key for key in report["suggestions"][0] if f"`{key}`" not in table["suggestions"]} == set()
    assert {key for key in report["undecided"][0] if f"`{key}`" not in table["undecided"]} == set()
    assert {key for key in report["undecided"][0]["choices"][0] if f"`{key}`" not in table["undecided"]} == set()


def test_every_table_of_a_line_is_documented() -> None:
    """Each table that a line may stand in says where it goes."""
    named = PAGE.partition("## The lines")[2]
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "fhir_adapters/survey").glob("unread_*.py"))
    tables = {*re.findall(r'Suggestion\(f?"([a-z_.]+)', sources), "systems"}
    assert len(tables) == 7
    assert [table for table in tables if f"`[{table}" not in named] == []
    assert f"`{heading(MAPS).partition(',target')[0]},…`" in named
