"""What acts of the safety tables against what was agreed of it: a second hand has to soften, move or retire a row.

The tables in ``agreed`` are written down apart from those that act, with the columns that act. Who changes a rule
changes its line there too; words, sources and dates are free.
"""

import csv
from pathlib import Path

import pytest

from recommender.catalog import tables

AGREED = sorted(Path(__file__).with_name("agreed").glob("*.csv"))


def test_the_tables_that_keep_patients_safe_are_agreed() -> None:
    """Rules, what they read, dose rules, cross-reactions and gates are all agreed."""
    expected = ["cross_reactions", "dose_rules", "gates", "safety_rules", "triggers"]
    assert [path.stem for path in AGREED] == expected


@pytest.mark.parametrize("path", AGREED, ids=lambda path: path.stem)
def test_every_row_acts_as_it_was_agreed(path: Path) -> None:
    """No row has gone, is softer, reads something else or has another limit than was agreed, and none came alone."""
    with path.open(encoding="utf-8", newline="") as text:
        reader = csv.DictReader(text)
        agreed = {tuple(row.values()) for row in reader}
        columns = reader.fieldnames or ()
    shipped = {tuple(row[column] for column in columns) for row in tables.read(path.stem)}
    assert sorted(shipped ^ agreed) == []
