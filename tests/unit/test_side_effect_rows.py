"""The rows of side effects: log-odds against their own counts, one definition an outcome, sources."""

import csv
import io
import math
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

Row = dict[str, str]

EVIDENCE = files("recommender") / "knowledge" / "evidence"
USED = {
    "gastrointestinal": "nausea",
    "insomnia": "insomnia",
    "sedation": "somnolence",
    "sexual-dysfunction": "sexual dysfunction by questionnaire",
    "weight-gain": "weight gain of 7 % or more",
}
CORRECTED = "0.5 added to each cell"
RATIO = re.compile(r"odds ratio ([\d.]+)(?: \(95 % ([\d.]+) to ([\d.]+)\))?")
ADDRESS = re.compile(r"\bdoi 10\.\d{4,}/\S+|\bPMID \d+|\bPMC\d+|\b[\w-]+(?:\.[\w-]+)+/\S+")


def _table(name: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO((EVIDENCE / name).read_text("utf-8"), newline="")))


ROWS = _table("side_effects.csv")
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['ingredient']}-{row['effect']}-{row['measure']}")


def _used(row: Row) -> bool:
    return not row["measure"].startswith("not used: ")


def _cells(row: Row) -> tuple[float, float, float, float]:
    """Return drug with, drug without, placebo with, placebo without, as counts or, without n, as rates."""
    drug_n, placebo_n = (float(row[key]) if row[key] else 1.0 for key in ("drug_n", "placebo_n"))
    drug, placebo = float(row["drug_rate"]) * drug_n, float(row["placebo_rate"]) * placebo_n
    add = 0.5 if CORRECTED in row["measure"] else 0.0
    return drug + add, drug_n - drug + add, placebo + add, placebo_n - placebo + add


def _recomputed(row: Row) -> tuple[float | None, float | None]:
    """Return log-odds and standard error from what the row says was read."""
    if ratio := RATIO.search(row["measure"]):
        value, low, high = (float(part) if part else None for part in ratio.groups())
        assert value is not None
        return math.log(value), math.log(high / low) / (2 * 1.959964) if low and high else None
    if not row["placebo_rate"]:
        return None, None
    a, b, c, d = _cells(row)
    known = row["drug_n"] and row["placebo_n"]
    return math.log(a * d / (b * c)), math.sqrt(1 / a + 1 / b + 1 / c + 1 / d) if known else None


@each_row
def test_log_odds_and_error_follow_from_the_row(row: Row) -> None:
    """Both figures are what the row's own counts or interval give, and blank where they give none."""
    for written, figure in zip((row["log_or"], row["se_log_or"]), _recomputed(row), strict=True):
        assert (float(written) if written else None) == (pytest.approx(figure, abs=6e-5) if figure else None)


@each_row
def test_an_empty_cell_is_corrected_and_says_so(row: Row) -> None:
    """0.5 is added exactly where a rate is 0, and the measure states it."""
    assert (CORRECTED in row["measure"]) == ("0" in (row["drug_rate"], row["placebo_rate"]))


def test_no_row_is_there_twice() -> None:
    """A drug has one row for a measure of an effect, and one used row for the effect."""
    for rows, key in ((ROWS, "measure"), ([row for row in ROWS if _used(row)], "effect")):
        counted = Counter((row["ingredient"], row["effect"], row[key]) for row in rows)
        assert [row for row, count in counted.items() if count > 1] == []


@each_row
def test_each_effect_has_one_definition(row: Row) -> None:
    """A used row has the one definition of its effect; any other says that it is not used."""
    assert row["effect"] in USED
    assert not _used(row) or row["measure"].split("; ")[0] == USED[row["effect"]]


@each_row
def test_a_row_names_a_known_drug_a_population_and_a_day(row: Row) -> None:
    """The drug has network estimates; the definition begins with who was studied."""
    assert row["ingredient"] in {effect["ingredient"] for effect in _table("antidepressant_effects.csv")}
    assert re.match(
        r"(depression( and generalised anxiety)?|generalised anxiety|PTSD|pooled indications|outpatients): ",
        row["definition"],
    )
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", row["date"])


@each_row
def test_only_a_row_with_an_address_is_verified(row: Row) -> None:
    """A verified row has a DOI, a PubMed number or an address; a used one also has a standard error."""
    assert row["verified"] in ("yes", "no")
    assert row["verified"] == "no" or ADDRESS.search(row["source"])
    assert not _used(row) or (row["verified"] == "yes" and row["se_log_or"])


def test_the_page_lists_what_is_known() -> None:
    """docs/evidence.md names each effect's definition and the drugs with a used row, and no other."""
    page = (Path(__file__).parents[2] / "docs/evidence.md").read_text("utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    known = {
        effect: sorted(row["ingredient"] for row in ROWS if _used(row) and row["effect"] == effect) for effect in USED
    }
    assert listed == [(effect, measure, ", ".join(known[effect])) for effect, measure in USED.items()]
