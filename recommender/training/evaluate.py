"""Evaluate the shipped model, or another, on simulated patients that it was never trained on.

Every seed is a cohort of its own; figures are means over seeds with 95 % intervals. Nothing here is ever used to
tune: training has other seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import numpy as np

from recommender.cohort.simulator import Setting
from recommender.errors import ModelError
from recommender.ranker.model import Model
from recommender.training import fairness, seed_figures
from recommender.training.evaluation import Evaluation, Point, assembled, targets
from recommender.training.figures import Interval, over_seeds
from recommender.training.hard_figures import USUAL
from recommender.training.policy_value import regrets
from recommender.training.scored import REMISSION, Run, every_drug, scored
from recommender.training.seed_figures import STATIONS, SeedFigures
from recommender.training.trained_figures import Learned

SEEDS = (101, 102, 103, 104, 105)
PATIENTS = 12_000
LEAST_PATIENTS = 2_000
LEAST_JUDGED = 1_000  # in a group, for the largest gap of the fairness rows

Values = Mapping[str, Sequence[float]]


def evaluate(
    model: Model,
    *,
    created: date,
    report: Callable[[str], None],
    seeds: Sequence[int] = SEEDS,
    patients: int = PATIENTS,
    more: Values | None = None,
) -> Evaluation:
    """Return the evaluation of a model; ``report`` gets a line for each of ``steps(seeds)``.

    ``more`` are figures measured elsewhere, by key: what needs a clock or other EHRs. ModelError
    U-EVALUATION-SEEDS when a seed is that of the training, is there twice, or patients are too few.
    """
    check(model, seeds, patients)
    targets()  # a row that cannot be read is told before the work, not after
    learned = _learned(model)
    found = [
        seed_figures.figures_of(
            Run(learned, model.evidence, seed, patients), lambda name, seed=seed: report(f"seed {seed}: {name}")
        )
        for seed in seeds
    ]
    audit = _audit(found)
    values = {key: [one.values[key] for one in found] for key in found[0].values} | dict(more or {})
    about = {
        "model": model.version,
        "evidence": model.manifest.evidence,
        "created": created.isoformat(),
        "seeds": tuple(seeds),
        "patients": patients,
    }
    return assembled(about, values, audit, _series(found), _gaps(audit))


def audit_cohort(model: Model, *, patients: int, seed: int, bias: float) -> fairness.Audit:
    """Return the audit of one simulated cohort, with ``bias`` (a share) taken from one group; errors as above."""
    check(model, [seed], patients)
    run = Run(_learned(model), model.evidence, seed, patients)
    cohort = run.cohort(Setting(missing=USUAL, injected_bias=bias))
    predicted, _, happened = scored(run.learned, cohort, seed).remission()
    chances, truth = every_drug(run.learned, cohort), cohort.probability[:, :, REMISSION]
    return fairness.audit(predicted, happened, cohort.groups, regret=regrets(chances, truth), clusters=cohort.site)


def _learned(model: Model) -> Learned:
    return Learned(model.boosters, model.manifest.calibration, model.manifest.bands)


def steps(seeds: Sequence[int]) -> int:
    """Return how many lines ``evaluate`` reports."""
    return STATIONS * len(seeds)


def check(model: Model, seeds: Sequence[int], patients: int) -> None:
    """Refuse seeds and numbers that ``evaluate`` refuses, before any work: ModelError U-EVALUATION-SEEDS."""
    if not seeds or len(set(seeds)) != len(seeds) or model.manifest.seed in seeds:
        raise ModelError(
            "U-EVALUATION-SEEDS",
            f"Give different seeds, none of them {model.manifest.seed}: the model was trained on that one.",
        )
    if patients < LEAST_PATIENTS:
        raise ModelError("U-EVALUATION-SEEDS", f"Evaluate on {LEAST_PATIENTS} simulated patients or more.")


def _audit(found: Sequence[SeedFigures]) -> fairness.Audit:
    """Return the audit of all seeds' patients together."""
    predicted, happened, regret = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("predicted", "happened", "regret")
    )
    groups = {name: np.concatenate([one.groups[name] for one in found]) for name in found[0].groups}
    _, sites = np.unique([f"{i} {site}" for i, one in enumerate(found) for site in one.site], return_inverse=True)
    return fairness.audit(predicted, happened, groups, regret=regret, clusters=sites)


def _gaps(audit: fairness.Audit) -> dict[str, Interval]:
    """Return the largest gap of each measure, its size with its interval, over groups that are large enough."""
    large = {(one.dimension, one.group) for one in audit.groups if one.rows >= LEAST_JUDGED}
    found = dict[str, Interval]()
    for measure in fairness.MEASURES:
        gaps = [g for g in audit.gaps if g.measure == measure and (g.dimension, g.group) in large]
        if gaps:
            worst = max(gaps, key=lambda gap: abs(gap.gap))
            low, high = (worst.low, worst.high) if worst.gap > 0 else (-worst.high, -worst.low)
            found[f"fair_{measure}"] = Interval(abs(worst.gap), low, high)
    return found


def _series(found: Sequence[SeedFigures]) -> dict[str, list[Point]]:
    return {name: _mean([one.series[name] for one in found]) for name in found[0].series}


def _mean(series: Sequence[Sequence[Point]]) -> list[Point]:
    """Return one series of points with intervals from each seed's; groups that a seed lacks count where they are."""
    places = dict.fromkeys(point.at for points in series for point in points)
    if all(isinstance(place, float) for place in places) and len(places) > len(series[0]):
        # Bins of equal size have no common place: their mean place.
        columns = list(zip(*series, strict=True))
        return [_point(float(np.mean([float(p.at) for p in bins])), [p.figure for p in bins]) for bins in columns]
    by_place = {place: [p.figure for points in series for p in points if p.at == place] for place in places}
    return [_point(place, figures) for place, figures in by_place.items()]


def _point(at: str | float, figures: Sequence[float]) -> Point:
    found = over_seeds(figures)
    spread = (found.low, found.high) if len(figures) > 1 else (None, None)
    return Point(at, found.figure, *spread)
