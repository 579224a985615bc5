"""This project's own limits of audit and monitoring, as rows of ``limits.csv``: choices, not findings."""

import csv
import io
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from recommender.errors import KnowledgeError


@cache
def load() -> Mapping[str, float]:
    """Return the limits by key; KnowledgeError U-KNOWLEDGE-ROW when a row cannot be read."""
    text = (files("recommender") / "training" / "limits.csv").read_text("utf-8")
    try:
        return MappingProxyType({row["key"]: float(row["value"]) for row in csv.DictReader(io.StringIO(text))})
    except (KeyError, ValueError, TypeError) as error:
        raise KnowledgeError(
            "U-KNOWLEDGE-ROW", f"training/limits.csv cannot be read: {error!r}; correct the row."
        ) from error
