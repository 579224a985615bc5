"""The page of CDS Hooks: every requirement has a row, and every test that a row names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/cds-hooks.md").read_text("utf-8")
# How many requirements each part of the specification has.
PARTS = {"T": 3, "D": 10, "R": 6, "P": 11, "F": 5, "A": 13, "B": 5, "J": 7, "C": 3}
IDS = [f"{part}{number}" for part, count in PARTS.items() for number in range(1, count + 1)]
ROWS = {
    cells[0]: cells[1:]
    for line in PAGE.splitlines()
    if (cells := [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]) and re.fullmatch(r"[A-Z]\d+", cells[0])
}


@cache
def _tests_of(file: Path) -> frozenset[str]:
    """Return the names of a file's test functions."""
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_requirement_has_one_row() -> None:
    """The table has each id of the specification's requirements, in order, and no other."""
    assert list(ROWS) == IDS


@pytest.mark.parametrize("requirement", IDS)
def test_a_row_says_what_how_and_where(requirement: str) -> None:
    """Level, requirement, answer and at least one test stand in each row, and each test exists."""
    level, what, how, shown = ROWS[requirement]
    assert re.fullmatch(r"(SHALL|SHALL NOT|SHOULD|MAY)( \[3\])?|ours", level)
    assert what
    assert how
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", shown)
    assert named
    for file, test in named:
        assert (ROOT / "tests" / file).is_file(), file
        assert not test or test in _tests_of(ROOT / "tests" / file), test
