"""The days that make a baseline, an outcome and a stop: rows of ``windows.csv``, choices and their sources."""

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from recommender.errors import KnowledgeError


@dataclass(frozen=True, slots=True)
class Windows:
    """Days are counted from the start of the drug; ``response_share`` is in 0..1."""

    baseline_days: int
    outcome_from: int
    outcome_to: int
    outcome_aim: int
    remission_below: float
    response_share: float
    stopping_to: int
    stopping_gap: int


@cache
def load() -> Windows:
    """Return the windows; KnowledgeError U-KNOWLEDGE-ROW when a row is missing or cannot be read."""
    text = (files("recommender") / "training" / "site" / "windows.csv").read_text("utf-8")
    try:
        rows = {row["key"]: float(row["value"]) for row in csv.DictReader(io.StringIO(text))}
        return Windows(
            baseline_days=int(rows["baseline.days"]),
            outcome_from=int(rows["outcome.from"]),
            outcome_to=int(rows["outcome.to"]),
            outcome_aim=int(rows["outcome.aim"]),
            remission_below=rows["remission.below"],
            response_share=rows["response.share"],
            stopping_to=int(rows["stopping.to"]),
            stopping_gap=int(rows["stopping.gap"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise KnowledgeError(
            "U-KNOWLEDGE-ROW", f"site/windows.csv cannot be read: {error!r}; correct the row."
        ) from error
