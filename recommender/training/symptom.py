"""The change of PHQ-9 by week 8 in the cohort: what the symptom model learns, and the groups of its bands."""

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import MODEL_FEATURES, Array
from recommender.cohort.simulator import Cohort
from recommender.ranker.conformal import group

_SEX, _AGE = MODEL_FEATURES.index("sex"), MODEL_FEATURES.index("age")


def given_rows(cohort: Cohort) -> Array:
    """Return each patient's row (n, MODEL_FEATURES) on the drug that was given."""
    return cohort.rows(np.arange(len(cohort.given), dtype=np.intp), cohort.given)


def change_of(cohort: Cohort) -> Array:
    """Return the change (n) in percent of the first PHQ-9, below 0 is better; NaN where no last one was taken."""
    first, last = cohort.trajectory[:, 0], cohort.trajectory[:, -1]
    return 100 * (last - first) / first


def groups_of(rows: Array) -> NDArray[np.str_]:
    """Return the group of each row (n, MODEL_FEATURES) as recorded."""
    return np.array([group(sex, age) for sex, age in rows[:, [_SEX, _AGE]].tolist()])
