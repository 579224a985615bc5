"""What the ranker says beside probabilities: symptom change with its bands, differences, and what would change them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recommender.ranker.weights import Weights


@dataclass(frozen=True, slots=True)
class SymptomChange:
    """The change of PHQ-9 by week 8 in percent of its first value, below 0 is better.

    ``bands`` hold (low, high) by coverage in percent (``50``, ``80``, ``90``): conformal, so wide.
    """

    percent: float
    bands: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one column adds to a difference between two drugs; ``points`` of probability, ``log_odds`` exact.

    ``facts`` are the references of the chart resources behind it; empty for what trials say of the drugs.
    """

    feature: str
    log_odds: float
    points: float
    message: str
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One outcome on ``first`` less that on ``second``, both started in this patient.

    The contributions' ``log_odds`` add up to ``log_odds``, their ``points`` to ``points`` (100 is certainty).
    """

    outcome: str
    first: str
    second: str
    log_odds: float
    points: float
    contributions: tuple[Contribution, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The smallest change of one weight that changes which drugs share the first band.

    ``matters`` says whether the outcome then counts more or less than it does at ``weight``; ``enter`` and ``leave``
    are the drugs that come into the band and fall out of it when the weight passes ``changes_at``.
    """

    outcome: str
    matters: Literal["more", "less"]
    weight: float
    changes_at: float
    enter: tuple[str, ...]
    leave: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """What is not known of the patient and would change the first band if it were found to be ``value``."""

    feature: str
    value: str
    enter: tuple[str, ...]
    leave: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the drugs stand in this order, and what would change it; ``weights`` are those that were ranked with."""

    weights: Weights
    differences: tuple[Difference, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    unmeasured: tuple[Unmeasured, ...] = ()
    statement: str = ""
