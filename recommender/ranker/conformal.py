"""Split-conformal bands by group: finite-sample order statistics of held-out residuals, nothing assumed of their shape.

A band for a new patient of a group covers with at least the stated chance, over patients exchangeable with the
calibration patients of that group (Vovk, Gammerman, Shafer 2005; Mondrian: one table a group). Both tails are cut
alike, so that a skewed error gives a skewed band.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import Array

PERCENTS = ("50", "80", "90")  # of coverage
EVERYBODY = "everybody"
MINIMUM = 200  # residuals; a smaller group has everybody's band, because its own tails would be a few patients

Offsets = Mapping[str, tuple[float, float]]  # by coverage in percent: what to add to the prediction, low and high
AGE_BANDS = ((18.0, 39.0, "18-39"), (40.0, 64.0, "40-64"), (65.0, math.inf, "65+"))
_SEXES = {1.0: "female", 0.0: "male"}
_UNKNOWN = "not known"


def group(sex: float, age: float) -> str:
    """Return the group of a patient as recorded: ``female 40-64``; NaN is a group of its own, never the rest."""
    band = next((name for low, high, name in AGE_BANDS if low <= age <= high), _UNKNOWN)
    return f"{_SEXES.get(sex, _UNKNOWN)} {band}"


def offsets(residuals: Array) -> dict[str, tuple[float, float]]:
    """Return by coverage what to add to a prediction; infinite where residuals (truth - predicted) are too few."""
    ordered = np.sort(residuals)
    return {percent: _tails(ordered, (100 - int(percent)) / 200) for percent in PERCENTS}


def _tails(ordered: Array, tail: float) -> tuple[float, float]:
    """Return the ⌊(n+1)·tail⌋-th smallest and the as manieth largest of ``n``: outside each lies at most ``tail``."""
    n = len(ordered)
    rank = math.floor((n + 1) * tail + 1e-9)  # the float of 0.1 · 10 must count as 1
    return (float(ordered[rank - 1]), float(ordered[n - rank])) if rank >= 1 else (-math.inf, math.inf)


def by_group(residuals: Array, groups: NDArray[np.str_]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the offsets of everybody and of each group with ``MINIMUM`` residuals or more."""
    names, counts = np.unique(groups, return_counts=True)
    large = [str(name) for name, count in zip(names, counts, strict=True) if count >= MINIMUM]
    return {EVERYBODY: offsets(residuals)} | {name: offsets(residuals[groups == name]) for name in large}


def of_group(table: Mapping[str, Offsets], name: str) -> Offsets:
    """Return the offsets of a group, those of everybody where it was too small."""
    return table.get(name) or table[EVERYBODY]
