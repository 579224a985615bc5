"""The result of an evaluation: rows with figure, interval and target, the groups, and the series to plot.

Figures are shares, areas or milliseconds as ``unit`` says; what could not be had is absent, never zero.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import msgspec

from recommender.errors import KnowledgeError, ModelError
from recommender.training.fairness import Audit, Gap, GroupFigures
from recommender.training.figures import Interval, over_seeds

FORMAT = 1
LEAK = 0.75  # real baseline data have reached 0.65-0.72: more on remission means that something leaks
STATEMENT = (
    "All figures describe simulated people drawn from published trials. They say how well the model knows what"
    " those trials told it, not how patients will do. External validation on patients: none."
)


class Target(msgspec.Struct, frozen=True):
    """One row of targets.csv: what is measured and what it should be; both limits None for comparison only."""

    key: str
    section: str
    label: str
    unit: str
    at_least: float | None
    at_most: float | None
    source: str


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One target with its figure, 95 % interval over seeds, and whether it is met; ``reason`` says why not.

    ``met`` is None where there is no target or no figure.
    """

    target: Target
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: tuple[float, ...] = ()
    met: bool | None = None
    reason: str = ""


class Point(msgspec.Struct, frozen=True, omit_defaults=True):
    """One point of a series: where, the figure, and its 95 % interval."""

    at: str | float
    figure: float
    low: float | None = None
    high: float | None = None


class Evaluation(msgspec.Struct, frozen=True):
    """One run: which model, on what, every row, the audit by group, and the series by name."""

    format: int
    model: str
    evidence: str
    created: str
    seeds: tuple[int, ...]
    patients: int
    statement: str
    leaks: bool
    rows: tuple[Row, ...]
    groups: tuple[GroupFigures, ...]
    gaps: tuple[Gap, ...]
    too_small: tuple[GroupFigures, ...]
    series: Mapping[str, tuple[Point, ...]]

    def row(self, key: str) -> Row | None:
        """Return the row of a key, None where there is none."""
        return next((row for row in self.rows if row.target.key == key), None)


@cache
def targets() -> tuple[Target, ...]:
    """Return the rows of targets.csv in order; KnowledgeError U-KNOWLEDGE-ROW when one cannot be read."""
    try:
        return tuple(
            Target(
                row["key"],
                row["section"],
                row["label"],
                row["unit"],
                _limit(row["at_least"]),
                _limit(row["at_most"]),
                row["source"],
            )
            for row in _table("targets.csv")
        )
    except (KeyError, ValueError) as error:
        raise KnowledgeError("U-KNOWLEDGE-ROW", f"training/targets.csv cannot be read: {error!r}.") from error


def _limit(cell: str) -> float | None:
    return float(cell) if cell else None


class Reason(msgspec.Struct, frozen=True):
    """One row of reasons.csv: why a target is not met (or what a figure without one means), why it is not there."""

    not_met: str
    absent: str


@cache
def reasons() -> Mapping[str, Reason]:
    """Return the rows of reasons.csv by key."""
    return {row["key"]: Reason(row["not_met"], row["absent"]) for row in _table("reasons.csv")}


def _table(name: str) -> list[dict[str, str]]:
    text = (files("recommender") / "training" / name).read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def judged(values: Mapping[str, Sequence[float]], intervals: Mapping[str, Interval] | None = None) -> tuple[Row, ...]:
    """Return a row for each target, from its figure at each seed; no values where it was not measured.

    ``intervals`` are figures of all seeds together, with an interval of their own.
    """
    whole = intervals or {}
    return tuple(_row(one, [v for v in values.get(one.key, ()) if math.isfinite(v)], whole) for one in targets())


def _row(target: Target, values: Sequence[float], whole: Mapping[str, Interval]) -> Row:
    reason = reasons().get(target.key, Reason("", ""))
    if not values and target.key not in whole:
        return Row(target, reason=reason.absent or "Not measured in this run.")
    found = whole.get(target.key) or over_seeds(values)
    low, high = (_within(limit, target, found.figure) for limit in (found.low, found.high))
    met = _met(target, found.figure)
    return Row(target, found.figure, low, high, tuple(values), met, "" if met else reason.not_met)


def _within(limit: float, target: Target, figure: float) -> float | None:
    """Return the limit of an interval, None where there is none; a share between 0 and 1 stays there."""
    if not math.isfinite(limit):
        return None
    return min(max(limit, 0.0), 1.0) if target.unit == "share" and 0 <= figure <= 1 else limit


def _met(target: Target, figure: float) -> bool | None:
    if target.at_least is None and target.at_most is None:
        return None
    above = target.at_least is None or figure >= target.at_least
    return above and (target.at_most is None or figure <= target.at_most)


def assembled(
    about: Mapping[str, object],
    values: Mapping[str, Sequence[float]],
    audit: Audit,
    series: Mapping[str, Sequence[Point]],
    intervals: Mapping[str, Interval] | None = None,
) -> Evaluation:
    """Return the evaluation; ``about`` holds model, evidence, created, seeds and patients."""
    rows = judged(values, intervals)
    auc = next(row for row in rows if row.target.key == "auc").figure
    return msgspec.convert(
        {
            "format": FORMAT,
            "statement": STATEMENT,
            "leaks": auc is not None and auc > LEAK,
            "rows": rows,
            "groups": tuple(audit.groups),
            "gaps": tuple(audit.gaps),
            "too_small": tuple(audit.too_small),
            "series": {name: tuple(points) for name, points in series.items()},
            **about,
        },
        Evaluation,
    )


def encode(evaluation: Evaluation) -> bytes:
    """Return the evaluation as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(evaluation), indent=1) + b"\n"


def decode(raw: bytes) -> Evaluation:
    """Read an evaluation; ModelError U-EVALUATION-FILE when it is none, or one of another format."""
    try:
        found = msgspec.json.decode(raw, type=Evaluation)
    except msgspec.DecodeError as error:
        raise ModelError("U-EVALUATION-FILE", "This is no evaluation.json: run “undersign evaluate”.") from error
    if found.format != FORMAT:
        raise ModelError(
            "U-EVALUATION-FILE", f"This evaluation has format {found.format}, {FORMAT} is read: run it again."
        )
    return found
