"""How far the weight of one outcome can move before other drugs share the first band: exact, by solving for it.

A drug is in the first band while no other is more than ``BAND_WIDTH`` better. Utility is linear in each weight, so
for each pair of drugs that holds on one side of one point, and for a drug on an interval of weights.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import Array
from recommender.ranker.ranking import WIDTH, Predictions, utilities, worst_known
from recommender.ranker.results import Sensitivity
from recommender.ranker.weights import LIMIT, sign
from recommender.ranker.words import listed, moves, outcome_words

Matters = Literal["more", "less"]
Flags = NDArray[np.bool_]
_SLACK = 1e-9  # of a weight; further from each other are two changes, not one


def sensitivity(
    predictions: Predictions, drugs: Sequence[str], weights: Mapping[str, float]
) -> tuple[Sensitivity, ...]:
    """Return for each weighed outcome the nearest change of the first band of ``drugs``, either way, if there is one.

    ``predictions`` hold all drugs that are compared, ``drugs`` those that get a band. A weight is raised up to
    ``LIMIT`` and lowered to 0.
    """
    if len(drugs) < 2:
        return ()
    found = utilities(predictions, weights)
    utility = np.array([found[name] for name in drugs])
    changes: list[Sensitivity] = []
    for outcome, weight in weights.items():
        if not any(outcome in predictions[name] for name in drugs):
            continue
        way = math.copysign(1.0, weight) if weight else sign(outcome)
        slope = way * _column(predictions, drugs, outcome, way)
        ways: tuple[tuple[Matters, float, float], ...] = (
            ("more", 1.0, max(0.0, LIMIT - abs(weight))),
            ("less", -1.0, abs(weight)),
        )
        for matters, direction, most in ways:
            at, enter, leave = first_change(utility, direction * slope, most)
            if enter.any() or leave.any():
                moved = weight + direction * way * at
                unknown = [name for name in drugs if outcome not in predictions[name]]
                changes.append(
                    _told(outcome, matters, weight, moved, _names(drugs, enter), _names(drugs, leave), unknown)
                )
    return tuple(changes)


def first_change(utility: Array, slope: Array, most: float) -> tuple[float, Flags, Flags]:
    """Return the smallest step in 0..``most`` at which the first band changes, and who enters and leaves, each (d,).

    Utilities (d,) move by ``slope`` (d,) times the step. Nobody enters or leaves where nothing changes.
    """
    gap, tilt = utility[None, :] - utility[:, None], slope[None, :] - slope[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (WIDTH - gap) / tilt
    last = np.where(tilt > 0, reach, np.inf).min(axis=1)
    start = np.where(tilt < 0, reach, -np.inf).max(axis=1)
    never = ((tilt == 0) & (gap > WIDTH)).any(axis=1)
    inside = (gap <= WIDTH).all(axis=1)
    leaves = np.where(inside & (last < most), last, np.inf)
    enters = np.where(~inside & ~never & (start >= 0) & (start <= np.minimum(last, most)), start, np.inf)
    at = float(min(leaves.min(), enters.min()))
    if math.isinf(at):
        return at, np.zeros_like(inside), np.zeros_like(inside)
    return at, enters <= at + _SLACK, leaves <= at + _SLACK


def _column(predictions: Predictions, drugs: Sequence[str], outcome: str, way: float) -> Array:
    worst = worst_known(predictions, outcome, way)
    return np.array([predictions[name][outcome].p if outcome in predictions[name] else worst for name in drugs])


def _names(drugs: Sequence[str], chosen: Flags) -> tuple[str, ...]:
    return tuple(sorted(name for name, is_one in zip(drugs, chosen, strict=True) if is_one))


def _told(
    outcome: str,
    matters: Matters,
    weight: float,
    at: float,
    enter: tuple[str, ...],
    leave: tuple[str, ...],
    unknown: Sequence[str],
) -> Sensitivity:
    message = (
        f"The order changes if {outcome_words(outcome)} matters {matters}:"
        f" at a weight of {at:.2f} instead of {weight:g} {moves(enter, leave)}."
    )
    if guessed := [name for name in (*enter, *leave) if name in unknown]:
        message += f" The rate on {listed(guessed)} is not known here, and counts as the worst of the others."
    return Sensitivity(outcome, matters, weight, at, enter, leave, message)
