"""Whether the model serves every group alike: ranking, calibration and regret of each group against all others.

A gap is flagged when it is larger than its tolerance and not chance: over all gaps together the chance of any
flag is ``level`` when no group differs (Holm 1979). Groups too small to judge are named, never left out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import Array
from recommender.training import limits
from recommender.training.figures import Z95, auc, auc_influence

Labels = NDArray[Any]
Measure = Literal["auc", "calibration", "regret"]
MEASURES: tuple[Measure, ...] = ("auc", "calibration", "regret")
NOT_RECORDED = "not recorded"
_POWER = NormalDist().inv_cdf(0.8)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One group's rows, how many had the outcome, and its figures by measure, as far as they could be had.

    ``calibration`` is the observed share minus the mean prediction: above 0, the model is too low for them.
    """

    dimension: str
    group: str
    rows: int
    events: int
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Gap:
    """One group against all others on one measure: the difference with its 95 % interval, and whether it counts.

    ``detectable`` is the gap that this many rows would flag four times in five.
    """

    dimension: str
    group: str
    measure: str
    gap: float
    low: float
    high: float
    tolerance: float
    detectable: float
    p: float
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class Audit:
    """All groups that were large enough, their gaps, those that were not, and the level of the flags."""

    groups: Sequence[GroupFigures]
    gaps: Sequence[Gap]
    too_small: Sequence[GroupFigures]
    level: float

    @property
    def flags(self) -> Sequence[Gap]:
        """Return the gaps that are too large and not chance."""
        return [gap for gap in self.gaps if gap.flagged]


def audit(
    predicted: Array,
    outcome: Array,
    groups: Mapping[str, Labels],
    *,
    regret: Array | None = None,
    clusters: NDArray[np.intp] | None = None,
    level: float | None = None,
) -> Audit:
    """Return the audit of ``n`` rows: arrays (n,), ``groups`` by dimension with one label a row, "" not recorded.

    ``regret`` is what the model's choice loses against the best drug, known only in simulations. ``clusters``
    are many small units, 0 to their number, whose rows are alike (sites): errors then count units, not rows.
    """
    level = limits.load()["fairness.level"] if level is None else level
    data = _Rows(predicted, outcome, regret, np.arange(len(outcome)) if clusters is None else clusters)
    found, small, gaps = list[GroupFigures](), list[GroupFigures](), list[Gap]()
    for dimension, group, inside in _members(groups):
        one, rest = _measured(data, inside), _measured(data, ~inside)
        figures = _named(dimension, group, data, inside, one)
        if not _enough(data, inside):
            small.append(figures)
            continue
        found.append(figures)
        gaps += [_gap(dimension, group, name, one[name], rest[name], data.clusters) for name in one]
    return Audit(found, _judged([gap for gap in gaps if math.isfinite(gap.detectable)], level), small, level)


def _enough(data: "_Rows", inside: NDArray[np.bool_]) -> bool:
    """Return whether both sides have enough rows, and units enough for their spread to be known."""
    if min(inside.sum(), (~inside).sum()) < limits.load()["fairness.least"]:
        return False
    units = min(len(np.unique(data.clusters[side])) for side in (inside, ~inside))
    return units >= limits.load()["fairness.units"]


@dataclass(frozen=True, slots=True)
class _Rows:
    predicted: Array
    outcome: Array
    regret: Array | None
    clusters: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Measured:
    """A figure and what each of all rows adds to its error, 0 for rows of other groups."""

    value: float
    influence: Array


def _members(groups: Mapping[str, Labels]) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    for dimension, labels in groups.items():
        words = np.array([str(label) or NOT_RECORDED for label in labels])
        names = np.unique(words)
        for name in names if len(names) > 1 else ():
            yield dimension, str(name), words == name


def _measured(data: _Rows, inside: NDArray[np.bool_]) -> dict[Measure, _Measured]:
    predicted, outcome = data.predicted[inside], data.outcome[inside]
    found: dict[Measure, _Measured] = {
        "auc": _Measured(auc(predicted, outcome), _spread(auc_influence(predicted, outcome), inside)),
        "calibration": _mean(outcome - predicted, inside),
    }
    if data.regret is not None:
        found["regret"] = _mean(data.regret[inside], inside)
    return found


def _mean(values: Array, inside: NDArray[np.bool_]) -> _Measured:
    if len(values) < 2:
        return _Measured(math.nan, np.full(len(inside), math.nan))
    scale = math.sqrt(len(values) * (len(values) - 1))
    return _Measured(float(values.mean()), _spread((values - values.mean()) / scale, inside))


def _spread(influence: Array, inside: NDArray[np.bool_]) -> Array:
    found = np.zeros(len(inside))
    found[inside] = influence
    return found


def _error(influence: Array, clusters: NDArray[np.intp]) -> float:
    return math.sqrt(float((np.bincount(clusters, influence) ** 2).sum()))


def _named(
    dimension: str, group: str, data: _Rows, inside: NDArray[np.bool_], found: Mapping[Measure, _Measured]
) -> GroupFigures:
    figures = {name: Figure(one.value, _error(one.influence, data.clusters)) for name, one in found.items()}
    known = {name: figure for name, figure in figures.items() if math.isfinite(figure.error)}
    return GroupFigures(dimension, group, int(inside.sum()), int(data.outcome[inside].sum()), known)


def _gap(
    dimension: str, group: str, measure: Measure, one: _Measured, rest: _Measured, clusters: NDArray[np.intp]
) -> Gap:
    """Return one gap, not yet judged; ``detectable`` holds its standard error until then."""
    gap, error = one.value - rest.value, _error(one.influence - rest.influence, clusters)
    p = 2 * NormalDist().cdf(-abs(gap) / error) if error else float(gap == 0)
    low, high = gap - Z95 * error, gap + Z95 * error
    return Gap(dimension, group, measure, gap, low, high, limits.load()[f"fairness.{measure}"], error, p)


def _judged(gaps: Sequence[Gap], level: float) -> list[Gap]:
    """Return the gaps with Holm's decision; ``detectable`` comes in as the standard error."""
    if not gaps:
        return []
    least = NormalDist().inv_cdf(1 - level / (2 * len(gaps)))
    ordered = sorted(range(len(gaps)), key=lambda i: gaps[i].p)
    counts = list[int]()
    for rank, i in enumerate(ordered):
        if gaps[i].p > level / (len(gaps) - rank):
            break
        counts.append(i)
    return [
        replace(
            gap,
            detectable=max(gap.tolerance, least * gap.detectable) + _POWER * gap.detectable,
            flagged=i in counts and abs(gap.gap) > gap.tolerance,
        )
        for i, gap in enumerate(gaps)
    ]
