"""Whether what comes in, or what comes of it, has changed: one statistic a function, each with its own limit.

A limit holds two things: the size that matters, and the size that chance reaches with the probability
``level``. Calibration is watched patient by patient under limits that hold at every moment (mixture
boundaries: Robbins 1970; Howard and others 2021), so that looking often raises no false alarm.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from recommender.cohort.evidence import Array
from recommender.training.figures import log_odds

BINS = 10
# Variance at which the boundary is tightest: that of about 150 patients. It holds at any other as well.
_TIGHT = 30.0


@dataclass(frozen=True, slots=True)
class Statistic:
    """What was found, and the size at which it counts; beyond it on either side is an alarm."""

    figure: float
    limit: float

    @property
    def alarm(self) -> bool:
        """Return whether the figure is beyond its limit."""
        return abs(self.figure) > self.limit


def psi(reference: Array, window: Array, *, least: float, level: float) -> Statistic:
    """Return the population stability index of a number over tenths of the reference; no NaN in either."""
    values = np.unique(reference)
    edges = values[1:] if len(values) <= BINS else np.unique(np.quantile(reference, np.arange(1, BINS) / BINS))
    bins = len(edges) + 1
    before, after = (
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=bins).astype(np.float64)
        for values in (reference, window)
    )
    return _psi(before, after, least, level)


def psi_of_words(reference: Sequence[str], window: Sequence[str], *, least: float, level: float) -> Statistic:
    """Return the population stability index of a code or word, one bin each."""
    before, after = Counter(reference), Counter(window)
    words = sorted(before | after)
    share, now = (np.array([counted[word] for word in words], np.float64) for counted in (before, after))
    return _psi(share, now, least, level)


def _psi(before: Array, after: Array, least: float, level: float) -> Statistic:
    # Half a patient in each bin: a bin that is empty on one side must not make the index infinite.
    share, now = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (before, after))
    index = float(((now - share) * np.log(now / share)).sum())
    chance = _chi_squared(len(before) - 1, level) * (1 / before.sum() + 1 / after.sum())
    return Statistic(index, max(least, float(chance)))


def _chi_squared(freedom: int, level: float) -> float:
    """Return the upper quantile of chi-squared (Wilson and Hilferty 1931)."""
    if freedom < 1:
        return 0.0
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + NormalDist().inv_cdf(1 - level) * math.sqrt(spread)) ** 3


def kolmogorov_smirnov(reference: Array, window: Array, *, least: float, level: float) -> Statistic:
    """Return the largest distance between two distributions, with its limit for samples of these sizes."""
    both = np.concatenate([reference, window])
    before = np.searchsorted(np.sort(reference), both, side="right") / len(reference)
    after = np.searchsorted(np.sort(window), both, side="right") / len(window)
    chance = math.sqrt(-math.log(level / 2) / 2) * math.sqrt(1 / len(reference) + 1 / len(window))
    return Statistic(float(np.abs(before - after).max()), max(least, chance))


def share_change(reference: Array, window: Array, *, least: float, level: float) -> Statistic:
    """Return the change of a share, arrays of 0 and 1; positive when it rose."""
    pooled = (reference.sum() + window.sum()) / (len(reference) + len(window))
    error = math.sqrt(pooled * (1 - pooled) * (1 / len(reference) + 1 / len(window)))
    return Statistic(float(window.mean() - reference.mean()), max(least, _z(level) * error))


def gap_change(reference: tuple[Array, Array], window: tuple[Array, Array], *, least: float, level: float) -> Statistic:
    """Return the change of a gap between two means: each side a pair of a group's values and all others'."""
    parts = (*reference, *window)
    error = math.sqrt(sum(float(part.var(ddof=1)) / len(part) for part in parts))
    before, now = (float(group.mean() - others.mean()) for group, others in (reference, window))
    return Statistic(now - before, max(least, _z(level) * error))


def excess_events(reference: Array, window: Array, *, level: float) -> Statistic:
    """Return how many events more than expected a window has, with the number that chance reaches.

    Exact for rare events: given all events, those of the window are binomial. Fewer than expected never alarms.
    """
    events, share = int(reference.sum() + window.sum()), len(window) / (len(reference) + len(window))
    expected = events * share
    most = next(k for k in range(int(expected), events + 1) if _upper_tail(k + 1, events, share) <= level)
    return Statistic(max(0.0, float(window.sum()) - expected), most - expected)


def _upper_tail(least: int, trials: int, share: float) -> float:
    """Return the probability of ``least`` or more of ``trials``."""
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
            + k * math.log(share) + (trials - k) * math.log1p(-share)
        )
        for k in range(least, trials + 1)
    )  # fmt: skip


def calibration(predicted: Array, outcome: Array, *, reference: int, level: float) -> tuple[Statistic, int]:
    """Return observed minus predicted, the limit at the last patient, and the first patient beyond it (-1 none).

    Rows in the order of time. ``predicted`` is what ``reference`` earlier patients taught to expect, so their
    own chance widens the limit. The figure is the sum over patients, divided by their number.
    """
    return _sequential(outcome - predicted, predicted * (1 - predicted), reference, level)


def calibration_slope(predicted: Array, outcome: Array, before: Array, *, level: float) -> tuple[Statistic, int]:
    """Return whether outcomes follow the predictions too weakly (below 0) or too strongly (above 0), as above.

    ``before`` are the reference's predictions: their mean and SD on the logit set the scale.
    """
    base = log_odds(before)
    steepness = (log_odds(predicted) - base.mean()) / max(float(base.std()), 1e-12)
    variances = predicted * (1 - predicted) * steepness**2
    return _sequential((outcome - predicted) * steepness, variances, len(before), level)


def _sequential(steps: Array, variances: Array, reference: int, level: float) -> tuple[Statistic, int]:
    seen = np.arange(1, len(steps) + 1)
    total, variance = np.cumsum(steps), np.cumsum(variances) * (1 + seen / reference) + _TIGHT
    limit = np.sqrt(variance * np.log(variance / (_TIGHT * level**2)))
    beyond = np.flatnonzero(np.abs(total) > limit)
    # Once beyond, always beyond: the moment of the alarm is what counts, and its figure is shown.
    at = int(beyond[0]) if len(beyond) else len(steps) - 1
    return Statistic(float(total[at]) / (at + 1), float(limit[at]) / (at + 1)), at if len(beyond) else -1


def _z(level: float) -> float:
    return NormalDist().inv_cdf(1 - level / 2)
