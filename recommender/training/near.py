"""How often a drug that the ensemble calls near the best is so, at sites that did not train: said and found."""

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import OUTCOMES, Array
from recommender.cohort.simulator import Cohort
from recommender.ranker.ensemble import Ensemble, shares
from recommender.ranker.weights import BAND_WIDTH, DEFAULT_WEIGHTS

PATIENTS = 400
_WEIGHED = {outcome: weight for outcome, weight in DEFAULT_WEIGHTS.items() if weight}
_COLUMNS = [OUTCOMES.index(outcome) for outcome in _WEIGHED]

Flags = NDArray[np.bool_]


def said(ensemble: Ensemble, predicted: Array, drugs: tuple[str, ...]) -> Array:
    """Return the stated chances (n, d) by default weights, of predictions (n, d, OUTCOMES)."""
    p = predicted[:, :, _COLUMNS]
    return np.array([shares(ensemble, one, drugs, _WEIGHED) for one in np.log(p / (1 - p))])


def found(truth: Array) -> Flags:
    """Return which drugs are within two points of utility of the best (n, d), of the truth (n, d, OUTCOMES)."""
    utility = truth[:, :, _COLUMNS] @ np.array(list(_WEIGHED.values()))
    return utility >= utility.max(axis=1, keepdims=True) - BAND_WIDTH


def rows_of(cohort: Cohort, patients: NDArray[np.intp]) -> Array:
    """Return the rows (n · d, MODEL_FEATURES) of every drug for each of the patients, by index."""
    drugs = np.arange(len(cohort.drugs), dtype=np.intp)
    return cohort.rows(np.repeat(patients, len(drugs)), np.tile(drugs, len(patients)))
