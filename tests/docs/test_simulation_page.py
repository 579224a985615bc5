"""docs/simulation.md against the code: what is assumed, what a dialect cannot carry, what is written."""

import csv
import re
from importlib.resources import files
from pathlib import Path

from service.model_life.simulated import DICTIONARY, MANIFEST
from tests.integration.test_simulate import NOT_CARRIED

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text("utf-8")


def _rows(columns: int) -> list[tuple[str, ...]]:
    found = re.findall(r"^\| (.+) \|$", PAGE, re.MULTILINE)
    return [cells for row in found if len(cells := tuple(row.split(" | "))) == columns]


def test_every_assumption_is_on_the_page_with_its_value_and_no_other() -> None:
    """The table of assumptions is that of assumptions.csv, in its order."""
    text = (files("recommender") / "knowledge" / "evidence" / "assumptions.csv").read_text("utf-8")
    shipped = [(f"`{row['key']}`", row["value"], row["meaning"]) for row in csv.DictReader(text.splitlines())]
    assert [row for row in _rows(3) if "." in row[0] and row[0][0] == "`"] == shipped


def test_what_a_dialect_cannot_carry_is_on_the_page() -> None:
    """The page lists the features that the test of agreement excuses, and no other."""
    told = {(dialect, name): reason for dialect, name, reason in _rows(3) if reason in {f"`{r}`" for r in REASONS}}
    assert told == {(f"`{dialect}`", f"`{name}`"): f"`{reason}`" for (dialect, name), reason in NOT_CARRIED.items()}


REASONS = set(NOT_CARRIED.values())


def test_the_files_that_are_written_are_on_the_page() -> None:
    """The dictionary and the account of how it was made stand under their names."""
    assert all(f"| `DIR/{name}` |" in PAGE for name in (DICTIONARY, MANIFEST))
