"""Figures under strain: a bias that must be found, readings with errors, and records as a site logs them."""

import numpy as np

from recommender.cohort.effects import BIASED_GROUP
from recommender.cohort.evidence import PATIENT_FEATURES, Array
from recommender.cohort.simulator import Cohort, Setting
from recommender.training import fairness, figures
from recommender.training.policy_value import choice, doubly_robust, fitted_observation, fitted_propensity, regrets
from recommender.training.scored import REMISSION, Run, Scored, every_drug, remission_of, scored

Values = dict[str, float]

USUAL = 0.4  # share of cells missing
BIAS = 0.05
NOISE = {"phq9_total": (3.0, 0.0), "bmi": (0.0, 0.08)}  # SD added, SD as a share of the value
LOGS, LOGGED, LOG_SITES = 6, 5_000, 5


def bias(run: Run, seen: Scored, usual: Cohort) -> Values:
    """Return whether the audit flags anything without a bias, and the right group with one (0 or 1 each)."""
    predicted, _, happened = seen.remission()
    fair = fairness.audit(predicted, happened, usual.groups, clusters=usual.site)
    cohort = run.cohort(Setting(missing=USUAL, injected_bias=BIAS))
    unfair = scored(run.learned, cohort, run.seed)
    biased = fairness.audit(unfair.remission()[0], unfair.remission()[2], cohort.groups, clusters=cohort.site)
    where = {(gap.dimension, gap.group) for gap in biased.flags if gap.measure == "calibration"}
    return {"fair_false": float(bool(fair.flags)), "fair_found": float(BIASED_GROUP in where)}


def noise(run: Run, usual: Cohort, seen: Scored, chances: Array) -> Values:
    """Return what reading severity and BMI with an error costs; ``chances`` (n, d) are those without."""
    rng = np.random.default_rng([run.seed, 2])
    read = usual.features.copy()
    for name, (added, share) in NOISE.items():
        column = read[:, PATIENT_FEATURES.index(name)]
        column += rng.normal(0, 1, len(column)) * (added + share * np.nan_to_num(column))
    patients, drugs = usual.exposure.shape
    patient, drug = np.divmod(np.arange(patients * drugs, dtype=np.intp), drugs)
    rows = usual.rows(patient, drug)
    rows[:, : len(PATIENT_FEATURES)] = read[patient]
    noisy = remission_of(run.learned, rows).reshape(patients, drugs)
    own = np.hstack([read, seen.rows[:, len(PATIENT_FEATURES) :]])
    happened, truth = seen.happened[:, REMISSION], usual.probability[:, :, REMISSION]
    return {
        "noise_auc": figures.auc(seen.predicted[:, REMISSION], happened)
        - figures.auc(remission_of(run.learned, own), happened),
        "noise_regret": float(regrets(noisy, truth).mean() - regrets(chances, truth).mean()),
    }


def logged(run: Run) -> Values:
    """Return how near the doubly-robust value, of records as a site has them, comes to the truth."""
    inside, errors, spread = list[bool](), list[float](), list[float]()
    for log in range(LOGS):
        cohort = run.cohort(Setting(missing=0.25, sites=LOG_SITES), patients=LOGGED, salt=100 + log)
        chances = every_drug(run.learned, cohort)
        chosen, everyone = choice(chances), np.arange(LOGGED)
        seen = np.column_stack([cohort.features, np.eye(LOG_SITES)[cohort.site][:, 1:]])
        propensity = fitted_propensity(seen, cohort.given, len(cohort.drugs))[everyone, cohort.given]
        observed = fitted_observation(seen, cohort.observed)
        found = doubly_robust(chances, chosen, cohort.given, cohort.outcome[:, REMISSION], propensity, observed)
        error = found.value - float(cohort.probability[everyone, chosen, REMISSION].mean())
        inside.append(abs(error) <= 2 * found.error)
        errors.append(error)
        spread.append(found.error)
    return {
        "doubly_robust": float(np.mean(inside)),
        "doubly_robust_bias": float(np.mean(errors)),
        "doubly_robust_error": float(np.mean(spread)),
    }
