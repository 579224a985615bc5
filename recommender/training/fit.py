"""One LightGBM model: its parameters, the columns that it may use, and the rows that it learns from.

The target is the simulator's probability (a soft label), so chance in outcomes teaches nothing. No tree may split on
a feature that has no verified effect on its outcome: the model knows the column and gives it no weight.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import (
    DRUG_FEATURES,
    MODEL_FEATURES,
    PATIENT_FEATURES,
    Array,
    Evidence,
    mask_groups,
    term,
    usable,
)
from recommender.cohort.simulator import Cohort

if TYPE_CHECKING:
    from lightgbm import Booster

Parameters = dict[str, str | int | float | bool]
Fit = Callable[[Array, Array, Parameters, int], "Booster"]
Integers = NDArray[np.intp]

ROUNDS = 100
DRUGS_PER_PATIENT = 5
MASKED_ROWS, MASKED_GROUPS = 0.4, 0.5  # of the rows, so many lose each group of features with this chance, on top

# More severe, longer ill, more failed trials: never a better chance. Signs only; sizes are evidence rows.
_WORSE = ("phq9_total", "chronic_depression", "antidepressant_trials")
_BENEFITS = ("remission", "response")


def parameters(outcome: str, evidence: Evidence, seed: int) -> Parameters:
    """Return LightGBM's parameters for one outcome."""
    return {
        **_parameters(usable_features(outcome, evidence), seed),
        "objective": "cross_entropy",
        "monotone_constraints": ",".join(str(_direction(name, outcome)) for name in MODEL_FEATURES),
        "monotone_constraints_method": "basic",
    }


def symptom_parameters(evidence: Evidence, seed: int) -> Parameters:
    """Return LightGBM's parameters for the change of PHQ-9."""
    return {**_parameters(_symptom_features(evidence), seed), "objective": "regression"}


def _parameters(groups: tuple[frozenset[str], ...], seed: int) -> Parameters:
    columns = [sorted(MODEL_FEATURES.index(name) for name in group) for group in groups]
    return {
        "num_leaves": 15,
        "learning_rate": 0.1,
        "min_data_in_leaf": 100,
        "lambda_l2": 1.0,
        "interaction_constraints": str(columns).replace(" ", ""),
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "seed": seed,
        "verbosity": -1,
    }


def usable_features(outcome: str, evidence: Evidence) -> tuple[frozenset[str], ...]:
    """Return the groups of features that trees of the outcome may split on; no branch mixes two groups.

    The traits with a verified effect, and the drug's side: its own log-odds ratio and the patient's level of it.
    They are kept apart because no trait has a verified figure for moving one drug more than another: a tree that
    mixed them could only learn noise about who needs which drug.
    """
    return _apart(usable(outcome, evidence))


def _symptom_features(evidence: Evidence) -> tuple[frozenset[str], ...]:
    return _apart(frozenset(name for outcome in _BENEFITS for name in usable(outcome, evidence)))


def _apart(names: frozenset[str]) -> tuple[frozenset[str], ...]:
    return tuple(group for group in (names & set(PATIENT_FEATURES), names & set(DRUG_FEATURES)) if group)


def _direction(name: str, outcome: str) -> int:
    if name == term(outcome):
        return 1
    return -1 if name in _WORSE and outcome in _BENEFITS else 0


def table(cohort: Cohort, patients: Integers, drugs: int, seed: int) -> tuple[Array, Array]:
    """Return rows and truth (n · drugs, ·) of ``drugs`` random drugs for each of the patients (n), by index."""
    rng = np.random.default_rng([seed, drugs])
    chosen = np.argsort(rng.random((len(patients), len(cohort.drugs))), axis=1)[:, :drugs].ravel()
    patient = np.repeat(patients, drugs)
    return cohort.rows(patient, chosen), cohort.probability[patient, chosen]


def masked(rows: Array, evidence: Evidence, seed: int) -> Array:
    """Return the rows with whole groups of patient features hidden at random in some of them."""
    rng = np.random.default_rng([seed, len(rows)])
    hidden, chosen = rows.copy(), rng.random(len(rows)) < MASKED_ROWS
    for names in mask_groups(evidence).values():
        lost = chosen & (rng.random(len(rows)) < MASKED_GROUPS)
        hidden[np.ix_(lost, np.array([MODEL_FEATURES.index(name) for name in names]))] = np.nan
    return hidden


def learn(outcome: str, rows: Array, label: Array, evidence: Evidence, seed: int, fit: Fit) -> "Booster":
    """Return the model of one outcome from rows (n, MODEL_FEATURES) and labels (n); a NaN label is no row."""
    told = ~np.isnan(label)
    return fit(
        _only(rows[told], usable_features(outcome, evidence)), label[told], parameters(outcome, evidence, seed), ROUNDS
    )


def learn_symptom(rows: Array, change: Array, evidence: Evidence, seed: int, fit: Fit) -> "Booster":
    """Return the model of PHQ-9 change (n), in percent; NaN is no row."""
    told = ~np.isnan(change)
    return fit(_only(rows[told], _symptom_features(evidence)), change[told], symptom_parameters(evidence, seed), ROUNDS)


def _only(rows: Array, groups: tuple[frozenset[str], ...]) -> Array:
    """Hold every other column constant: LightGBM then never splits on it, and wastes no time on it."""
    kept = np.array([any(name in group for group in groups) for name in MODEL_FEATURES])
    return np.where(kept, rows, 0.0)


def fit(rows: Array, label: Array, parameters: Parameters, rounds: int) -> "Booster":
    """Train one booster on this machine, on one thread; equal arguments give equal bytes."""
    import lightgbm

    data = lightgbm.Dataset(rows, label=label, feature_name=list(MODEL_FEATURES), params=parameters)
    # The type of LightGBM's callbacks is unknown to pyright.
    return lightgbm.train(dict(parameters), data, num_boost_round=rounds)  # pyright: ignore[reportUnknownMemberType]
