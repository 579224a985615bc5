"""The figures that a manifest carries: on new sites, on shifted ones, and without each group of features."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recommender.cohort.evidence import MODEL_FEATURES, OUTCOMES, Array, Evidence, mask_groups, usable
from recommender.cohort.simulator import Cohort, Setting, simulate
from recommender.ranker import conformal, ensemble
from recommender.ranker.manifest import Calibration, Figures, Offsets
from recommender.ranker.model import SYMPTOM, calibrated, raw_scores
from recommender.training import near
from recommender.training.figures import ece, measure
from recommender.training.fit import table
from recommender.training.symptom import change_of, given_rows, groups_of

if TYPE_CHECKING:
    from lightgbm import Booster

NEAR = "near-best"
PATIENTS = 20_000
GROUP_MINIMUM = 500  # patients; a smaller group's coverage is chance


@dataclass(frozen=True, slots=True)
class Learned:
    """What training gives: boosters by outcome, Platt's figures and the bands of symptom change by group."""

    boosters: Mapping[str, "Booster"]
    calibration: Calibration
    bands: Offsets


def figures(found: Learned, evidence: Evidence, seed: int) -> Figures:
    """Return the figures by cohort, outcome and measure, on patients of other seeds than trained on."""
    held = _cohort(found, evidence, seed + 1_000_003, shifted=False)
    shifted = _cohort(found, evidence, seed + 2_000_003, shifted=True)
    without = {f"without {name}": _without(found, evidence, seed + 1_000_003, name) for name in mask_groups(evidence)}
    return {"held-out": held, "shifted-site": shifted} | {name: told for name, told in without.items() if told}


def told(figures: Figures, report: Callable[[str], None]) -> None:
    """Report a line for each outcome of each cohort."""
    for cohort, outcomes in figures.items():
        for outcome, f in outcomes.items():
            if outcome == NEAR:
                report(f"{cohort} {NEAR}: said {f['said']:.3f}, found {f['found']:.3f}, ECE {f['ece']:.3f}")
            elif outcome == SYMPTOM:
                widths = ", ".join(
                    f"{c} % band {f[f'width_{c}']:.0f} points wide, covers {f[f'coverage_{c}']:.3f}"
                    for c in conformal.PERCENTS
                )
                report(f"{cohort} {outcome}: {widths}")
            else:
                report(
                    f"{cohort} {outcome}: AUC {f['auc']:.3f} (oracle {f['oracle_auc']:.3f}), ECE {f['ece']:.3f},"
                    f" slope {f['slope']:.2f}, calibration in the large {f['calibration_in_the_large']:+.3f}"
                )


def _cohort(found: Learned, evidence: Evidence, seed: int, *, shifted: bool) -> dict[str, dict[str, float]]:
    cohort = simulate(evidence, patients=PATIENTS, seed=seed, setting=Setting(shifted=shifted))
    rows, truth = table(cohort, np.arange(PATIENTS, dtype=np.intp), 1, seed)
    own = given_rows(cohort)
    measured = _measured(found, rows, truth, seed)
    return {**measured, SYMPTOM: _bands(found, own, change_of(cohort)), NEAR: _near(found, cohort, evidence)}


def _near(found: Learned, cohort: Cohort, evidence: Evidence) -> dict[str, float]:
    """Return the chance of being near the best as said and as found, and the calibration error of the chances."""
    some = np.arange(near.PATIENTS, dtype=np.intp)
    truth = cohort.probability[some]
    draws = ensemble.draw(evidence, ensemble.DRAWS, ensemble.SEED)
    predicted = calibrated(found.boosters, found.calibration, near.rows_of(cohort, some)).reshape(truth.shape)
    said, is_near = near.said(draws, predicted, cohort.drugs).ravel(), near.found(truth).ravel().astype(np.float64)
    measured = {"said": float(said.mean()), "found": float(is_near.mean()), "ece": ece(said, is_near)}
    return {name: round(value, 4) for name, value in measured.items()}


def _without(found: Learned, evidence: Evidence, seed: int, group: str) -> dict[str, dict[str, float]]:
    cohort = simulate(evidence, patients=PATIENTS, seed=seed)
    rows, truth = table(cohort, np.arange(PATIENTS, dtype=np.intp), 1, seed)
    hidden = mask_groups(evidence)[group]
    rows[:, [MODEL_FEATURES.index(name) for name in hidden]] = np.nan
    moved = {outcome for outcome in found.calibration if usable(outcome, evidence) & set(hidden)}
    return {outcome: f for outcome, f in _measured(found, rows, truth, seed).items() if outcome in moved}


def _measured(found: Learned, rows: Array, truth: Array, seed: int) -> dict[str, dict[str, float]]:
    happened = (np.random.default_rng([seed, 1]).random(truth.shape) < truth).astype(np.float64)
    predicted = calibrated(found.boosters, found.calibration, rows)
    measured: dict[str, dict[str, float]] = {}
    for outcome in found.calibration:
        place = OUTCOMES.index(outcome)
        known = ~np.isnan(truth[:, place])
        measured[outcome] = measure(predicted[known, place], truth[known, place], happened[known, place])
    return measured


def _bands(found: Learned, rows: Array, change: Array) -> dict[str, float]:
    """Return coverage, width and the worst group's coverage of the bands, in points of percent."""
    seen = ~np.isnan(change)
    predicted, groups = raw_scores(found.boosters[SYMPTOM], rows[seen]), groups_of(rows[seen])
    names, counts = np.unique(groups, return_counts=True)
    measured = {"patients": float(seen.sum())}
    for percent in conformal.PERCENTS:
        offsets = np.array([conformal.of_group(found.bands, name)[percent] for name in groups.tolist()])
        low, high = (predicted[:, None] + offsets).T
        inside = (low <= change[seen]) & (change[seen] <= high)
        by_group = [
            inside[groups == n].mean() for n, count in zip(names, counts, strict=True) if count >= GROUP_MINIMUM
        ]
        measured |= {
            f"coverage_{percent}": float(inside.mean()),
            f"worst_group_coverage_{percent}": float(min(by_group)),
            f"width_{percent}": float((high - low).mean()),
        }
    return {name: round(value, 4) for name, value in measured.items()}
