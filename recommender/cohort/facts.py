"""The facts that the evidence rows state, and what they add up to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DrugEffect:
    """One drug against placebo on one outcome: log-odds, its standard error, and the SD between trials."""

    log_or: float
    se: float
    tau: float


@dataclass(frozen=True, slots=True)
class PrognosticEffect:
    """How one trait moves the log-odds of one outcome whatever the drug.

    ``linear``: ``log_odds`` for each ``scale`` above ``centre``. ``range``: ``log_odds`` from ``low`` to
    ``high``, both included. ``seen_as`` are the model's features that show the trait; empty when none can.
    """

    outcome: str
    feature: str
    form: Literal["linear", "range"]
    low: float
    high: float
    centre: float
    scale: float
    log_odds: float
    prior_sd: float
    seen_as: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moderator:
    """How a gene's phenotype moves the log-odds of one outcome on one drug, beyond what it does on others."""

    outcome: str
    ingredient: str
    gene: str
    phenotype: str
    log_odds: float
    prior_sd: float
    grade: str


@dataclass(frozen=True, slots=True)
class Trait:
    """How one trait is spread over the cohort. ``group`` is masked whole, in the share ``masked``."""

    name: str
    kind: Literal["flag", "count", "normal", "uniform"]
    mean: float
    mean_if_anxious: float | None
    sd: float
    low: float
    high: float
    group: str
    masked: float
    shifted_mean: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All evidence rows that count, and ``version``, the SHA-256 over every byte of the files.

    ``drugs`` holds an ingredient only when all of ``CORE_OUTCOMES`` are verified; side effects are there only
    where a verified row has a figure. ``placebo`` and ``spread`` are by outcome: the placebo rate of the trials,
    and the SD on the logit of the rate between published cohorts (side effects: between the placebo arms of the
    sources); a side effect without two such rates is in neither, and in no drug. ``attributes`` are by
    ingredient, 1 or 0, absent when not known; ``exposure`` the fold of a drug's level by ingredient, gene and
    phenotype; ``groups`` the audit groups with their shares; ``phenotypes`` shares by gene.
    """

    drugs: Mapping[str, Mapping[str, DrugEffect]]
    prognosis: tuple[PrognosticEffect, ...]
    moderators: tuple[Moderator, ...]
    exposure: Mapping[tuple[str, str, str], float]
    attributes: Mapping[str, Mapping[str, float]]
    placebo: Mapping[str, float]
    spread: Mapping[str, float]
    traits: tuple[Trait, ...]
    groups: Mapping[str, Mapping[str, float]]
    phenotypes: Mapping[str, Mapping[str, float]]
    interaction_scales: tuple[float, ...]
    assumptions: Mapping[str, float]
    version: str


def logit(probability: float) -> float:
    """Return the log-odds of a probability strictly between 0 and 1."""
    return math.log(probability / (1 - probability))
