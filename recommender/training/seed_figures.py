"""Every figure of one evaluation seed, station by station; each gives values by the key of targets.csv."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from recommender.cohort.evidence import OUTCOMES, Array, mask_groups
from recommender.cohort.knowable import knowable
from recommender.cohort.simulator import Cohort, Setting
from recommender.ranker.support import REQUIRED
from recommender.training import fairness, figures, hard_figures, window_figures
from recommender.training.evaluation import Point
from recommender.training.hard_figures import USUAL
from recommender.training.policy_value import (
    Integers,
    PolicyFigures,
    policy_figures,
    regrets,
)
from recommender.training.scored import (
    REMISSION,
    Run,
    Scored,
    by_group,
    covered,
    every_drug,
    remission_of,
    scored,
    without,
)

Values = dict[str, float]
Series = dict[str, list[Point]]

POLICIES = ("clinicians", "best_single", "policy", "oracle")


@dataclass(frozen=True, slots=True)
class SeedFigures:
    """One seed's values and series, and what the audit of all seeds together needs of its patients."""

    values: Mapping[str, float]
    series: Mapping[str, list[Point]]
    predicted: Array
    happened: Array
    regret: Array
    groups: Mapping[str, fairness.Labels]
    site: Integers


STATIONS = 9


def figures_of(run: Run, report: Callable[[str], None]) -> SeedFigures:
    """Return the figures of one seed; ``report`` is called with the name of each of ``STATIONS`` before it runs."""
    report("usual records")
    usual = run.cohort(Setting(missing=USUAL))
    seen, chances = scored(run.learned, usual, run.seed), every_drug(run.learned, usual)
    truth = usual.probability[:, :, REMISSION]
    known = knowable(run.evidence, usual)[:, :, REMISSION]
    values, series = _ranking(seen, known), {"reliability": _reliability(seen), "auc_by_outcome": _by_outcome(seen)}
    values |= _given(run, usual) | _sites(usual, seen)
    reached, whole = (policy_figures(chances, mark, usual.propensity) for mark in (known, truth))
    values |= _policy(reached, whole, policy_figures(_by_site(usual, truth), truth, usual.propensity))
    for name, station in _stations(run, usual, seen, chances, known):
        report(name)
        found, more = station()
        values |= found
        series |= more
    predicted, _, happened = seen.remission()
    return SeedFigures(values, series, predicted, happened, regrets(chances, truth), usual.groups, usual.site)


def _stations(
    run: Run, usual: Cohort, seen: Scored, chances: Array, known: Array
) -> Iterator[tuple[str, Callable[[], tuple[Values, Series]]]]:
    yield "new sites", lambda: _new_sites(run, _ranking(seen, known))
    yield "missing records", lambda: _missing(run)
    yield "patient-by-drug differences", lambda: _interactions(run)
    yield "masked groups", lambda: _masks(run, seen)
    yield "bands", lambda: _bands(run, usual)
    yield "injected bias", lambda: (hard_figures.bias(run, seen, usual), {})
    yield "noise", lambda: (hard_figures.noise(run, usual, seen, chances), {})
    yield (
        "logged records and windows",
        lambda: (hard_figures.logged(run) | window_figures.values(run.learned, run.evidence, run.seed), {}),
    )


def _ranking(seen: Scored, known: Array) -> Values:
    """Return the figures of one random drug a patient; ``known`` (n, d) is the best from a complete record."""
    predicted, truth, happened = seen.remission()
    auc, best, oracle = (
        figures.auc(score, happened) for score in (predicted, known[np.arange(len(known)), seen.drug], truth)
    )
    return {
        "auc": auc,
        "auc_knowable": best,
        "auc_oracle": oracle,
        "auc_of_oracle": auc / best,
        "auc_of_truth": auc / oracle,
        "ece": figures.ece(predicted, happened),
        "slope": figures.slope(predicted, happened),
        "in_the_large": float((happened - predicted).mean()),
    }


def _reliability(seen: Scored) -> list[Point]:
    predicted, _, happened = seen.remission()
    return [Point(float(p), float(o)) for p, o, _ in figures.reliability(predicted, happened, bins=10)]


def _by_outcome(seen: Scored) -> list[Point]:
    points = list[Point]()
    for o, outcome in enumerate(OUTCOMES):
        told = ~np.isnan(seen.predicted[:, o])
        if told.any():
            happened = seen.happened[told, o]
            points.append(Point(outcome, figures.auc(seen.predicted[told, o], happened)))
            points.append(Point(f"{outcome} oracle", figures.auc(seen.truth[told, o], happened)))
    return points


def _given(run: Run, usual: Cohort) -> Values:
    own = usual.rows(np.arange(run.patients, dtype=np.intp), usual.given)
    return {"in_the_large_given": float((usual.outcome[:, REMISSION] - remission_of(run.learned, own)).mean())}


def _sites(usual: Cohort, seen: Scored) -> Values:
    """Return the SD between sites of observed minus predicted, less what chance alone gives."""
    predicted, _, happened = seen.remission()
    counts = np.bincount(usual.site)
    means = np.bincount(usual.site, happened - predicted) / counts
    chance = np.bincount(usual.site, predicted * (1 - predicted)) / counts**2
    return {"site_spread": math.sqrt(max(0.0, float(means.var() - chance.mean())))}


def _by_site(cohort: Cohort, truth: Array) -> Array:
    """Return, as scores (n, d), how each drug does on average at the patient's site: what a site could learn."""
    means = np.array([truth[cohort.site == site].mean(axis=0) for site in range(int(cohort.site.max()) + 1)])
    return means[cohort.site]


def _policy(reached: PolicyFigures, whole: PolicyFigures, by_site: PolicyFigures) -> Values:
    """Return the values of choosing: against what a record can tell, and against the whole truth."""
    return {
        "recovered": reached.recovered,
        "recovered_truth": whole.recovered,
        "gain": whole.gain,
        "over_clinicians": whole.policy - whole.clinicians,
        "regret": reached.regret,
        "regret_truth": whole.regret,
        "top3": reached.top3,
        "top3_truth": whole.top3,
        "near": reached.near,
        "near_truth": whole.near,
        "by_site": by_site.policy - whole.best_single,
    }


def _ranked(run: Run, cohort: Cohort) -> tuple[Values, Scored]:
    seen = scored(run.learned, cohort, run.seed)
    return _ranking(seen, knowable(run.evidence, cohort)[:, :, REMISSION]), seen


def _new_sites(run: Run, before: Values) -> tuple[Values, Series]:
    cohort = run.cohort(Setting(shifted=True))
    ranked, new = _ranked(run, cohort)
    differing, _ = _ranked(run, run.cohort(Setting(truth="shifted")))
    whole, _ = _ranked(run, run.cohort(Setting(shifted=True, missing=0)))
    inside, groups, _ = covered(run.learned, cohort, "90")
    worst = by_group(inside, groups)
    return {
        "auc_of_oracle_lost_new": before["auc_of_oracle"] - ranked["auc_of_oracle"],
        "ece_new": ranked["ece"],
        "in_the_large_new": ranked["in_the_large"],
        "in_the_large_new_0": whole["in_the_large"],
        "ece_new_0": whole["ece"],
        "in_the_large_other_truth": abs(differing["in_the_large"]),
        "coverage_new": float(inside.mean()),
        "coverage_worst_new": min(worst.values(), default=math.nan),
    }, {"reliability_new": _reliability(new)}


def _missing(run: Run) -> tuple[Values, Series]:
    shares = {"recovered_0": 0.0, "recovered_55": 0.55, "recovered_67": 0.67}
    found = dict[str, float]()
    for key, share in shares.items():
        cohort = run.cohort(Setting(missing=share))
        known = knowable(run.evidence, cohort)[:, :, REMISSION]
        found[key] = policy_figures(every_drug(run.learned, cohort), known, cohort.propensity).recovered
    ranked, _ = _ranked(run, run.cohort(Setting(missing=0)))
    return found | {"auc_of_oracle_0": ranked["auc_of_oracle"]}, {}


def _interactions(run: Run) -> tuple[Values, Series]:
    scales = {"gain_0": 0.0, "gain_9": 0.09, "gain_17": 0.17, "gain_35": 0.35}
    found = dict[str, PolicyFigures]()
    for key, scale in scales.items():
        cohort = run.cohort(Setting(missing=USUAL, interaction_sd=scale))
        truth = cohort.probability[:, :, REMISSION]
        found[key] = policy_figures(every_drug(run.learned, cohort), truth, cohort.propensity)
    series = {
        f"value {name}": [Point(scales[key], getattr(one, name)) for key, one in found.items()] for name in POLICIES
    }
    return {key: one.gain for key, one in found.items()}, series


def _masks(run: Run, seen: Scored) -> tuple[Values, Series]:
    happened = seen.happened[:, REMISSION]
    groups = mask_groups(run.evidence)
    found = {
        name: figures.ece(remission_of(run.learned, without(seen.rows, names)), happened)
        for name, names in groups.items()
    }
    refused = {name for name, names in groups.items() if set(names) & set(REQUIRED)}
    series = [Point(f"{name} (abstains)" if name in refused else name, figure) for name, figure in found.items()]
    return {
        "ece_masked": max(figure for name, figure in found.items() if name not in refused),
        "ece_masked_refused": max(found[name] for name in refused),
    }, {"ece_by_mask": series}


def _bands(run: Run, usual: Cohort) -> tuple[Values, Series]:
    inside, groups, width = covered(run.learned, usual, "90")
    found = by_group(inside, groups)
    series = [Point(name, figure) for name, figure in found.items()]
    values = {"coverage": float(inside.mean()), "coverage_worst": min(found.values(), default=math.nan), "width": width}
    return values, {"coverage_by_group": series}
