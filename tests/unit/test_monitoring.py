"""Monitoring: planted changes are found, chance is not, and tables that cannot be judged are refused."""

import numpy as np
import pytest

from recommender.errors import TableError
from recommender.training import tables
from recommender.training.monitoring import FAMILIES, monitor
from recommender.training.tables import Table

ROWS = 3_000
SEEDS = range(40)


def _table(seed, rows=ROWS, **change):
    """Return a table of people; ``change`` plants one difference."""
    rng = np.random.default_rng(seed)
    severity = rng.normal(17 + change.get("severity", 0), 4, rows)
    logit = -0.9 - 0.12 * (severity - 17) + rng.normal(0, 0.35, rows)
    prediction = 1 / (1 + np.exp(-logit))
    race = rng.choice(np.array(["a", "b", "c"]), rows, p=(0.6, 0.25, 0.15))
    true = 1 / (1 + np.exp(-(logit + 0.9) * change.get("slope", 1.0) + 0.9))
    true = np.clip(true + change.get("rate", 0) + change.get("bias", 0) * (race == "b"), 0, 1)
    ehr = rng.choice(np.array(["north", "south"]), rows)
    absent = rng.random(rows) < 0.2 + change.get("gone", 0) * (ehr == "south")
    cells = {
        "prediction": np.clip(prediction, 0.001, 0.999),
        "outcome": np.where(rng.random(rows) < 0.3, "", (rng.random(rows) < true).astype(int)),
        "phq9_total": np.round(severity),
        "bmi": np.where(absent, "", np.round(rng.normal(27, 5, rows))),
        "sex": rng.choice(np.array(["female", "male"]), rows),
        "drug": rng.choice(np.array(["x", "y", "z"]), rows, p=change.get("drugs", (0.5, 0.3, 0.2))),
        "race": race,
        "ehr": ehr,
        "overridden": (rng.random(rows) < 0.2 + change.get("overrides", 0)).astype(int),
        "safety_event": (rng.random(rows) < 0.004 * change.get("events", 1)).astype(int),
    }
    return Table("window.csv", {name: [str(cell) for cell in column] for name, column in cells.items()}, rows, 2)


def _alarms(seed, **change):
    return {(one.family, one.what) for one in monitor(_table(seed, 2 * ROWS), _table(10_000 + seed, **change)).alarms}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"severity": 3}, ("feature", "phq9_total")),
        ({"drugs": (0.2, 0.3, 0.5)}, ("feature", "drug")),
        ({"severity": 3}, ("score", "prediction")),
        ({"rate": -0.08}, ("calibration", "prediction")),
        ({"slope": 0.2}, ("slope", "prediction")),
        ({"gone": 0.15}, ("missing", "bmi at south")),
        ({"overrides": 0.08}, ("override", "suggestions")),
        ({"bias": -0.15}, ("group gap", "race b")),
        ({"events": 5}, ("safety", "serious events")),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_planted_change_is_found_in_one_window(change, expected):
    """The change is found, under its own name, in at least 95 % of seeds."""
    assert sum(expected in _alarms(seed, **change) for seed in SEEDS) >= 0.95 * len(SEEDS)


def test_false_alarms_are_at_most_as_frequent_as_declared():
    """Windows in which nothing changed raise any alarm in at most 5 % of 120 seeds."""
    assert sum(bool(_alarms(seed)) for seed in range(120)) <= 6


def test_looking_at_every_patient_raises_no_alarm_by_itself():
    """A calibrated window watched to its end is beyond a sequential limit in at most one of 100 seeds."""
    families = {"calibration", "slope"}
    found = [{family for family, _ in _alarms(seed, severity=1)} & families for seed in range(300, 400)]
    assert sum(map(bool, found)) <= 1


def test_a_crossed_limit_names_the_row_of_the_window():
    """A change of the rate is dated: the row at which the limit was crossed, before the last one."""
    (found,) = [one for one in monitor(_table(1), _table(2, rate=-0.2)).alarms if one.family == "calibration"]
    assert found.row is not None
    assert 1 < found.row < ROWS
    assert found.figure < 0


def test_what_cannot_be_watched_is_said():
    """A table of predictions alone is watched for its scores, and every other family is named as not watched."""
    lean = [Table(one.name, {"prediction": one.columns["prediction"]}, one.rows, 2) for one in (_table(1), _table(2))]
    found = monitor(*lean)
    assert [one.family for one in found.findings] == ["score"]
    assert [text.split(":")[0] for text in found.not_watched] == [name for name in FAMILIES if name != "score"]


CSV = "patient,prediction,outcome\n" + "".join(f"p{i},0.3,{i % 2}\n" for i in range(300))


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", "U-TABLE-FILE", "no rows"),
        ("prediction\n", "U-TABLE-FILE", "no rows"),
        ("prediction,prediction\n0.1,0.2\n", "U-TABLE-FILE", "two of one name"),
        ("prediction,outcome\n0.1\n", "U-TABLE-FILE", "line 2"),
        ('{"prediction": 0.3}\n{"prediction": [1]}\n', "U-TABLE-FILE", "line 2"),
        (CSV + "p1,0.3,1\n", "U-TABLE-DUPLICATE", "one row a patient"),
        (CSV.replace("prediction", "predicted"), "U-TABLE-COLUMN", "“predicted”"),
        (CSV.replace("p7,0.3", "p7,1.3"), "U-TABLE-VALUE", "line 9: prediction"),
        (CSV.replace("p7,0.3", "p7,"), "U-TABLE-VALUE", "line 9: prediction"),
        (CSV.replace("p7,0.3,1", "p7,0.3,maybe"), "U-TABLE-VALUE", "line 9: outcome"),
        (CSV.replace(",1\n", ",0\n"), "U-TABLE-CLASS", "the same"),
        ("".join(CSV.splitlines(keepends=True)[:50]), "U-TABLE-ROWS", "49 rows"),
    ],
)
def test_a_table_that_cannot_be_watched_is_refused_with_its_place(text, code, says):
    """Each fault has its code and names line or column, and no message holds a cell's value."""
    with pytest.raises(TableError, match=code) as caught:
        monitor(tables.read(CSV.encode(), "reference.csv"), tables.read(text.encode(), "window.csv"))
    assert says in caught.value.message
    assert "maybe" not in caught.value.message


def test_a_window_without_a_column_of_the_reference_is_refused():
    """A column that the reference has and the window has not is an error, not a feature without a change."""
    with pytest.raises(TableError, match="U-TABLE-COLUMN") as caught:
        monitor(_table(1), Table("window.csv", {"prediction": ["0.3"] * 300}, 300, 2))
    assert "phq9_total" in caught.value.message


def test_csv_and_ndjson_of_the_same_rows_are_the_same_table():
    """NDJSON with null or without a key reads as the empty cell of CSV."""
    written = tables.read(b"prediction,outcome,sex\n0.3,1,female\n0.4,,\n", "a.csv")
    lines = rb'{"prediction":0.3,"outcome":true,"sex":"female"}|{"prediction":0.4,"outcome":null}'.replace(b"|", b"\n")
    assert written.columns == tables.read(lines, "a.ndjson").columns
