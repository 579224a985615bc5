"""The ranker for forty candidates and all outcomes beside LightGBM alone: ``python -m tests.bench.scoring``.

Milliseconds of this thread on the processor: all of it is one thread, and other programs count for nothing.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from recommender.cohort.evidence import MODEL_FEATURES, term
from recommender.ranker import differences, ensemble, sensitivity, symptom, unmeasured
from recommender.ranker import model as models
from recommender.ranker.difference_words import Between
from recommender.ranker.weights import DEFAULT_WEIGHTS
from tests import factories as make
from tests.bench.rounds import interleaved, median, percentile

CANDIDATES = 40
TARGET_MS, EXPLAINED_MS = 2.0, 10.0
BARE, SCORED = "Booster.predict alone, same rows", "rows, scores, intervals"
EXPLAINED = "differences of two drugs"
_CALLS = 5


class Row(NamedTuple):
    """One job: milliseconds at the median and the 99th percentile, and the ratio of medians to the bare boosters."""

    job: str
    p50: float
    p99: float
    ratio: float


def measure(rounds: int) -> Sequence[Row]:
    """Return what each part of the ranking takes; garbage is collected as it is in the service."""
    jobs = _jobs()
    gc.collect()
    gc.freeze()
    try:
        times = interleaved(jobs, rounds, _CALLS, time.thread_time)
    finally:
        gc.unfreeze()
    bare = median(times[BARE])
    return [Row(job, median(held), percentile(held, 0.99), median(held) / bare) for job, held in times.items()]


def _jobs() -> Mapping[str, Callable[[], object]]:
    model, features = models.load(), make.adult(gad7_total=9.0)
    drugs = tuple(model.evidence.drugs)
    forty = list(islice(cycle(drugs), CANDIDATES))
    table = models.rows(features, forty, model.evidence, {})
    told = {o: ~np.isnan(table[:, MODEL_FEATURES.index(term(o))]) for o in models.modelled(model.evidence)}
    bare = [(model.boosters[o], np.ascontiguousarray(table[rows])) for o, rows in told.items()]
    predictions = models.predict(model, features, drugs, {})
    own = table[: len(drugs)]
    weighed = [outcome for outcome, weight in DEFAULT_WEIGHTS.items() if weight]
    between = Between(model.evidence, features, (drugs[0], drugs[1]), {}, {})
    return {
        BARE: lambda: [booster.predict(rows, num_threads=1) for booster, rows in bare],
        SCORED: lambda: models.outcomes(model, forty, models.rows(features, forty, model.evidence, {})),
        "near the best": lambda: ensemble.near_best(
            model.ensemble, model.evidence, predictions, drugs, DEFAULT_WEIGHTS, {}
        ),
        "bands of symptom change": lambda: symptom.symptom_changes(model, forty, table),
        "what weight would change the order": lambda: sensitivity.sensitivity(predictions, drugs, DEFAULT_WEIGHTS),
        EXPLAINED: lambda: differences.differences(model, between, own[:2], weighed),
        "what is not known and would change it": lambda: unmeasured.unmeasured(
            model, drugs, own, drugs, DEFAULT_WEIGHTS, {}
        ),
    }


def table(rows: Sequence[Row]) -> Table:
    """Return the rows as a table, and whether the two bars are met."""
    by_job = {row.job: row for row in rows}
    scored, explained = by_job[SCORED].p50, by_job[EXPLAINED].p50
    verdicts = ("met" if scored <= TARGET_MS else "missed", "met" if explained <= EXPLAINED_MS else "missed")
    shown = Table(
        title=f"The ranker: {CANDIDATES} candidates, all outcomes, CPU milliseconds of one thread",
        title_justify="left",
        caption=(
            f"Scoring p50 of {TARGET_MS:g} ms at most: {verdicts[0]} ({scored:.2f} ms);"
            f" explaining p50 of {EXPLAINED_MS:g} ms at most: {verdicts[1]} ({explained:.2f} ms)."
        ),
        caption_justify="left",
    )
    for place, column in enumerate(("part", "p50", "p99", "× bare")):
        shown.add_column(column, justify="right" if place else "left")
    for row in rows:
        shown.add_row(row.job, f"{row.p50:.2f}", f"{row.p99:.2f}", f"{row.ratio:.2f}")
    return shown


def main() -> None:
    """Measure and print."""
    Console().print(table(measure(60)))


if __name__ == "__main__":
    main()
