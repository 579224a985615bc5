"""Laws of the simulated cohort, whatever the seed and the setting."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.cohort import evidence as evidences
from recommender.cohort.columns import CORE_OUTCOMES, MODEL_FEATURES, OUTCOMES, PATIENT_FEATURES
from recommender.cohort.simulator import Cohort, Setting, simulate
from recommender.cohort.table import dictionary, records

EVIDENCE = evidences.load()
SETTINGS = st.builds(
    Setting,
    interaction_sd=st.one_of(st.none(), st.floats(0, 1)),
    shifted=st.booleans(),
    missing=st.one_of(st.none(), st.floats(0, 1)),
    truth=st.sampled_from(["prior", "shifted"]),
    observed=st.booleans(),
    injected_bias=st.floats(0, 0.3),
    sites=st.one_of(st.none(), st.integers(1, 12)),
)
COHORTS = st.builds(
    lambda patients, seed, setting: simulate(EVIDENCE, patients=patients, seed=seed, setting=setting),
    st.integers(1, 40),
    st.integers(0, 2**32),
    SETTINGS,
)
QUICK = settings(max_examples=60, deadline=None)


@QUICK
@given(COHORTS)
def test_every_truth_is_a_probability_and_every_outcome_one_that_could_be(cohort: Cohort) -> None:
    """Known probabilities lie between 0 and 1; those of the trials are known for every patient, drug and outcome."""
    known = ~np.isnan(cohort.probability)
    assert ((cohort.probability[known] >= 0) & (cohort.probability[known] <= 1)).all()
    assert known[:, :, : len(CORE_OUTCOMES)].all()
    outcome = dict(zip(OUTCOMES, cohort.outcome.T, strict=True))
    assert (outcome["response"] >= outcome["remission"]).all()
    assert (outcome["stopping"] >= outcome["adverse-event-stopping"]).all()
    assert not ((outcome["adverse-event-stopping"] == 1) & (outcome["response"] == 1)).any()


@QUICK
@given(COHORTS)
def test_the_trajectory_never_contradicts_the_outcomes(cohort: Cohort) -> None:
    """Where week 8 is on record it is below 5 exactly in remission, and every total is one that a PHQ-9 can have."""
    end = cohort.trajectory[:, -1]
    seen = ~np.isnan(end)
    np.testing.assert_array_equal(end[seen] < 5, cohort.outcome[seen, 0] == 1)
    totals = cohort.trajectory[~np.isnan(cohort.trajectory)]
    assert ((totals >= 0) & (totals <= 27) & (totals == np.round(totals))).all()


@QUICK
@given(COHORTS)
def test_a_row_holds_what_is_on_record_and_nothing_of_the_truth(cohort: Cohort) -> None:
    """A model's row is the recorded features and the site's terms; a table's row has every column that is explained."""
    patient = np.arange(len(cohort.given))
    rows = cohort.rows(patient, cohort.given)
    assert rows.shape == (len(patient), len(MODEL_FEATURES))
    np.testing.assert_array_equal(rows[:, : len(PATIENT_FEATURES)], cohort.features)
    names = [column.name for column in dictionary(cohort)]
    assert all(list(record) == names for record in records(cohort, "law"))


@QUICK
@given(st.integers(2, 40), st.integers(0, 2**32), st.integers(1, 5))
def test_masks_change_what_is_seen_and_nothing_else(patients: int, seed: int, sites: int) -> None:
    """Two cohorts that differ in the share of missing values alone hold the same people, truths and choices."""
    some, none = (
        simulate(EVIDENCE, patients=patients, seed=seed, setting=Setting(sites=sites, missing=share))
        for share in (0.5, 0.0)
    )
    for name in ("complete", "probability", "given", "outcome", "propensity"):
        np.testing.assert_array_equal(getattr(some, name), getattr(none, name))
    np.testing.assert_array_equal(none.features, none.complete)
