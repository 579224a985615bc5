"""A simulated cohort as the model sees it: predictions beside the truth, on one random drug or on all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import MODEL_FEATURES, OUTCOMES, Array, Evidence
from recommender.cohort.people import Integers
from recommender.cohort.simulator import Cohort, Setting, simulate
from recommender.ranker import conformal
from recommender.ranker.model import SYMPTOM, calibrated, raw_scores
from recommender.training.symptom import change_of, given_rows, groups_of
from recommender.training.trained_figures import Learned

REMISSION = OUTCOMES.index("remission")
LEAST_IN_GROUP = 500


@dataclass(frozen=True, slots=True)
class Run:
    """What every station needs: the model, the evidence, the seed, and how many patients."""

    learned: Learned
    evidence: Evidence
    seed: int
    patients: int

    def cohort(self, setting: Setting, *, patients: int = 0, salt: int = 0) -> Cohort:
        """Return the seed's cohort under a setting; ``salt`` gives others of the same seed."""
        seed = self.seed if not salt else int(np.random.SeedSequence([self.seed, salt]).generate_state(1)[0])
        return simulate(self.evidence, patients=patients or self.patients, seed=seed, setting=setting)


@dataclass(frozen=True, slots=True)
class Scored:
    """One random drug (n,) for each of ``n`` patients: rows (n, MODEL_FEATURES), and by outcome (n, OUTCOMES).

    ``happened`` is 0 or 1, drawn from ``truth``. A random drug, because clinicians choose by what no record
    shows: on their choice alone a right prediction would look wrong.
    """

    drug: Integers
    rows: Array
    predicted: Array
    truth: Array
    happened: Array

    def remission(self) -> tuple[Array, Array, Array]:
        """Return prediction, truth and what happened (n,) for remission."""
        return self.predicted[:, REMISSION], self.truth[:, REMISSION], self.happened[:, REMISSION]


def scored(learned: Learned, cohort: Cohort, seed: int) -> Scored:
    """Return the predictions of every outcome on one random drug for each patient."""
    rng = np.random.default_rng([seed, 1])
    everyone = np.arange(len(cohort.given), dtype=np.intp)
    drug = rng.integers(0, len(cohort.drugs), len(everyone), dtype=np.intp)
    rows, truth = cohort.rows(everyone, drug), cohort.probability[everyone, drug]
    happened = np.where(np.isnan(truth), np.nan, rng.random(truth.shape) < truth)
    return Scored(drug, rows, calibrated(learned.boosters, learned.calibration, rows), truth, happened)


def remission_of(learned: Learned, rows: Array) -> Array:
    """Return the calibrated chance of remission (k,) of rows (k, MODEL_FEATURES)."""
    alone = {"remission": learned.calibration["remission"]}
    return calibrated(learned.boosters, alone, rows)[:, REMISSION]


def every_drug(learned: Learned, cohort: Cohort) -> Array:
    """Return the calibrated chance of remission (n, d) of every patient on every drug."""
    patients, drugs = cohort.exposure.shape
    patient, drug = np.divmod(np.arange(patients * drugs, dtype=np.intp), drugs)
    return remission_of(learned, cohort.rows(patient, drug)).reshape(patients, drugs)


def without(rows: Array, names: tuple[str, ...]) -> Array:
    """Return the rows with some features missing for everybody."""
    hidden = rows.copy()
    hidden[:, [MODEL_FEATURES.index(name) for name in names]] = np.nan
    return hidden


def covered(learned: Learned, cohort: Cohort, percent: str) -> tuple[Array, NDArray[np.str_], float]:
    """Return who (0 or 1) was inside the band of symptom change, of which group, and the mean width.

    Of the patients whose PHQ-9 was taken at week 8, on the drug that they were given.
    """
    change, rows = change_of(cohort), given_rows(cohort)
    seen = ~np.isnan(change)
    groups = groups_of(rows[seen])
    offsets = np.array([conformal.of_group(learned.bands, name)[percent] for name in groups.tolist()])
    low, high = (raw_scores(learned.boosters[SYMPTOM], rows[seen])[:, None] + offsets).T
    inside = (low <= change[seen]) & (change[seen] <= high)
    return inside.astype(np.float64), groups, float((high - low).mean())


def by_group(values: Array, groups: NDArray[np.str_]) -> dict[str, float]:
    """Return the mean of each group that is large enough."""
    names, counts = np.unique(groups, return_counts=True)
    large = [str(name) for name, count in zip(names, counts, strict=True) if count >= LEAST_IN_GROUP]
    return {name: float(values[groups == name].mean()) for name in large}
