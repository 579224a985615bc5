"""Site updates on simulated sites: the gated update against the prior and against learning from the site alone.

    python -m tests.bench.site [patients,…] [seeds,…]

Figures are of remission on 15,000 further patients of the same site, whose truth is known.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple

import lightgbm
import numpy as np
from rich.console import Console

from recommender.cohort.evidence import OUTCOMES, Array
from recommender.cohort.simulator import Cohort, Setting, simulate
from recommender.ranker.model import Model, load, raw_scores
from recommender.training.figures import auc
from recommender.training.policy_value import policy_figures
from recommender.training.site import plan
from recommender.training.site.checks import ANCHOR
from recommender.training.site.fine_tune import log_loss, site_parameters
from recommender.training.site.recalibrate import AS_IS, moved
from recommender.training.site.rows import Integers, SiteRows, part
from recommender.training.site.samples import split
from recommender.training.site.update import update
from tests.fixtures.sites import rows_of

UNSEEN = 15_000
REMISSION = OUTCOMES.index(ANCHOR)
SETTINGS: Mapping[str, Setting] = {
    "differs": Setting(truth="shifted", sites=1),
    "as the prior": Setting(truth="prior", sites=1),
    "confounded": Setting(truth="shifted", sites=1),
    "biased": Setting(truth="prior", sites=1, injected_bias=0.07),
}


class Figures(NamedTuple):
    """One way of predicting at one site; ``recovered`` of the way from clinicians to oracle."""

    log_loss: float
    auc: float
    policy: float
    recovered: float


def measure(every: Array, rows: SiteRows, cohort: Cohort, index: Integers) -> Figures:
    """Return the figures of log-odds of every drug (n, d) on unseen patients."""
    own, outcome = every[np.arange(len(rows)), rows.given], cohort.outcome[index, REMISSION]
    worth = policy_figures(every, cohort.probability[index, :, REMISSION], cohort.propensity[index])
    return Figures(float(log_loss(own, outcome).mean()), auc(own, outcome), worth.policy, worth.recovered)


def confounded(cohort: Cohort, seed: int) -> Cohort:
    """Return the cohort with most drugs given by the chance of remission itself, which no record shows."""
    rng = np.random.default_rng(seed)
    patients, drugs = cohort.propensity.shape
    rank = np.argsort(np.argsort(cohort.probability[:, :, REMISSION].mean(axis=1)))
    by_rank = rng.permutation(drugs)[rank * 6 // patients]
    given = np.where(rng.random(patients) < 0.7, by_rank, cohort.given)
    chance = cohort.probability[np.arange(patients), given]
    with np.errstate(invalid="ignore"):
        outcome = np.where(np.isnan(chance), np.nan, rng.random(chance.shape) < chance)
    return replace(cohort, given=given, outcome=outcome)


def alone(rows: SiteRows, prior: Model) -> Any:
    """Return a booster learned from the site's own rows, without a prior: its trees, rounds and signs as the plan's."""
    protocol, outcome = plan.load().protocol, rows.outcome[:, REMISSION]
    chosen = {**site_parameters(ANCHOR, prior.evidence, protocol.trees), "lambda_l2": 1.0}
    stop, seen = split(rows, "bench", protocol).stop, ~np.isnan(outcome)
    data = [
        lightgbm.Dataset(rows.columns()[kept], label=outcome[kept], params=chosen, free_raw_data=False)
        for kept in (~stop & seen, stop & seen)
    ]
    stopping = [lightgbm.early_stopping(protocol.patience, verbose=False)]
    return lightgbm.train(  # pyright: ignore[reportUnknownMemberType]
        dict(chosen), data[0], protocol.rounds, valid_sets=[data[1].set_reference(data[0])], callbacks=stopping
    )


def run(patients: int, seed: int, name: str, prior: Model) -> tuple[str, dict[str, Figures]]:
    """Return what became of remission at one site, and the figures of each way."""
    cohort = simulate(prior.evidence, patients=patients + UNSEEN, seed=seed, setting=SETTINGS[name])
    cohort = confounded(cohort, seed) if name == "confounded" else cohort
    place = np.arange(patients + UNSEEN)
    rows = rows_of(cohort, prior.evidence)
    own, unseen = part(rows, place < patients), part(rows, place >= patients)
    index, shape = place[patients:], unseen.terms.shape[:2]

    def figures(booster: Any, by: tuple[float, float]) -> Figures:
        return measure(moved(raw_scores(booster, unseen.every()), by).reshape(shape), unseen, cohort, index)

    found = update(own, prior, prior, plan.load(), "bench", lambda _: None)[0]
    shipped = prior.boosters[ANCHOR], prior.manifest.calibration[ANCHOR]
    by_change = {"keep": shipped, "recalibrate": (shipped[0], found.platt), "fine-tune": (found.booster, AS_IS)}
    return found.change, {
        "prior": figures(*shipped),
        "update": figures(*by_change[found.change]),
        "site alone": figures(alone(own, prior), AS_IS),
    }


def main(sizes: list[int], seeds: list[int]) -> None:
    """Print a line for each kind of site, size and way: means over the seeds."""
    prior, console = load(), Console(width=120)
    for name in SETTINGS:
        for patients in sizes if name == "differs" else sizes[-1:]:
            found = [run(patients, seed, name, prior) for seed in seeds]
            changes = ", ".join(change for change, _ in found)
            console.print(f"{name}, {patients} patients, seeds {seeds}: {changes}")
            for way in found[0][1]:
                means = Figures(
                    *(fmean(values) for values in zip(*(figures[way] for _, figures in found), strict=True))
                )
                told = f"AUC {means.auc:.3f}, policy {means.policy:.3f}, gap recovered {means.recovered:+.2f}"
                console.print(f"  {way:<10} log loss {means.log_loss:.4f}, {told}")


if __name__ == "__main__":
    main(
        *(
            [int(one) for one in argument.split(",")]
            for argument in (sys.argv[1:] or ["1500,5000,20000", "121,122,123,124,125"])
        )
    )
