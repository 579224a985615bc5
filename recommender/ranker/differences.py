"""Why two drugs differ for one patient: each column's exact part in the difference of their log-odds.

LightGBM's contributions of a row add up to its raw score; those of two rows of one patient, subtracted, add up to the
difference of the raw scores, and Platt's slope makes log-odds of them.
"""

import math
from collections.abc import Sequence

import numpy as np

from recommender.cohort.evidence import MODEL_FEATURES, Array
from recommender.ranker.difference_words import Between, facts, why
from recommender.ranker.model import Model, raw_scores
from recommender.ranker.results import Contribution, Difference
from recommender.ranker.words import drug_words, outcome_words

_NOTHING = 1e-12  # log-odds


def differences(model: Model, between: Between, table: Array, outcomes: Sequence[str]) -> tuple[Difference, ...]:
    """Return the differences of two drugs on the outcomes that are predicted for both; ``table`` (2, MODEL_FEATURES).

    They are those of the models before response is made at least as likely as remission, and stopping as stopping
    for an adverse event.
    """
    told = [o for o in outcomes if all(o in model.evidence.drugs[name] for name in between.pair)]
    return tuple(_difference(model, o, between, table) for o in told)


def _difference(model: Model, outcome: str, between: Between, table: Array) -> Difference:
    intercept, slope = model.manifest.calibration[outcome]
    parts = slope * contributions(model, outcome, table)
    first, second = (_expit(intercept + slope * raw) for raw in raw_scores(model.boosters[outcome], table).tolist())
    total = float(parts.sum())
    points = 100 * (first - second)
    share = points / total if abs(total) > _NOTHING else 100 * first * (1 - first)
    held = [
        Contribution(
            name,
            part,
            share * part,
            f"{share * part:+.1f} points: {why(name, outcome, between)}.",
            facts(name, between),
        )
        for name, part in zip(MODEL_FEATURES, parts.tolist(), strict=True)
        if abs(part) > _NOTHING
    ]
    held.sort(key=lambda one: (-abs(one.log_odds), one.feature))
    message = (
        f"{outcome_words(outcome).capitalize()}: {100 * first:.1f} % on {drug_words(between.pair[0])},"
        f" {100 * second:.1f} % on {drug_words(between.pair[1])} ({points:+.1f} points)."
    )
    return Difference(outcome, *between.pair, total, points, tuple(held), message)


def contributions(model: Model, outcome: str, table: Array) -> Array:
    """Return what each column (MODEL_FEATURES) adds to the raw score of the first row less that of the second."""
    booster = model.boosters[outcome]
    # The type of LightGBM's answer includes pandas and SciPy.
    found = booster.predict(table, pred_contrib=True, num_threads=1)  # pyright: ignore[reportUnknownMemberType]
    each = np.asarray(found, np.float64)
    return (each[0] - each[1])[:-1]  # the last column, the mean of all, is the same for both


def _expit(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
