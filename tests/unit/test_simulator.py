"""The cohort drawn from the evidence: who the patients are, what drugs do, what is on record."""

import math

import numpy as np
import pytest

from recommender.cohort import evidence as evidences
from recommender.cohort.columns import (
    CORE_OUTCOMES,
    DRUG_FEATURES,
    EXPOSURE,
    MODEL_FEATURES,
    OUTCOMES,
    PATIENT_FEATURES,
    SIDE_EFFECTS,
)
from recommender.cohort.course import WEEKS
from recommender.cohort.draws import draw
from recommender.cohort.effects import BIASED_GROUP
from recommender.cohort.evidence import logit, mask_groups, point_estimates
from recommender.cohort.exposure import columns
from recommender.cohort.knowable import anxious, knowable
from recommender.cohort.people import age_band
from recommender.cohort.simulator import Setting, simulate
from recommender.training.figures import auc

EVIDENCE = evidences.load()
COHORT = simulate(EVIDENCE, patients=40_000, seed=7)
WHOLE = simulate(EVIDENCE, patients=20_000, seed=8, setting=Setting(observed=True, missing=0.0))
DRUGS = list(EVIDENCE.drugs)
FIELDS = ("features", "complete", "probability", "propensity", "given", "outcome", "observed", "trajectory", "exposure")


def _column(name, cohort=COHORT):
    return cohort.features[:, PATIENT_FEATURES.index(name)]


def _outcome(name, cohort=COHORT):
    return cohort.outcome[:, OUTCOMES.index(name)]


def test_the_same_seed_gives_the_same_cohort_and_another_seed_another():
    """Every array of a cohort is a function of its seed."""
    first, again, other = (simulate(EVIDENCE, patients=500, seed=seed) for seed in (3, 3, 4))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.probability, other.probability)


def test_draws_favour_no_drug_over_the_cohort():
    """Over an even number of sites the drawn effects average to the network's estimates."""
    draws = draw(EVIDENCE, 100, np.random.default_rng(1))
    np.testing.assert_allclose(draws.truth.mean(axis=0), point_estimates(EVIDENCE), atol=1e-12)
    np.testing.assert_allclose(draws.estimate.mean(axis=0), point_estimates(EVIDENCE), atol=1e-12)


def test_draws_of_the_interaction_scale_include_none():
    """Some sites have no patient-by-drug differences at all, and some have."""
    sd = draw(EVIDENCE, 200, np.random.default_rng(1)).interaction_sd
    assert (sd == 0).any()
    assert (sd > 0).any()


def test_directions_of_patient_by_drug_differences_have_unit_variance():
    """At every site what goes with recorded traits has variance 1 over drugs, for traits of variance 1."""
    directions = draw(EVIDENCE, 20, np.random.default_rng(2)).directions
    np.testing.assert_allclose((directions**2).sum(axis=2).mean(axis=2), 1.0)


def test_remission_falls_with_each_failed_trial_as_in_star_d():
    """The odds of remission at steps 2 to 4 against step 1 are STAR*D's, nearer to 1 by what other traits add."""
    trials, remission = _column("antidepressant_trials"), COHORT.probability[:, :, 0].mean(axis=1)
    logits = [logit(float(remission[trials == n].mean())) for n in range(4)]
    expected = [logit(rate) - logit(0.368) for rate in (0.306, 0.137, 0.130)]
    assert [value - logits[0] for value in logits[1:]] == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize("outcome", [o for o in OUTCOMES if o in EVIDENCE.placebo])
def test_first_trial_rates_are_those_of_the_network(outcome):
    """Without a failed trial the mean over drugs is near the rate that placebo rate and odds ratios imply."""
    o = OUTCOMES.index(outcome)
    fresh = np.nanmean(COHORT.probability[_column("antidepressant_trials") == 0][:, :, o])
    terms = point_estimates(EVIDENCE)[:, o]
    implied = np.nanmean(1 / (1 + np.exp(-(terms + logit(EVIDENCE.placebo[outcome])))))
    assert fresh == pytest.approx(implied, abs=0.025)


def test_a_drug_without_a_figure_has_no_probability_and_no_outcome():
    """A side effect of which nothing is known for a drug has neither probability nor outcome, and no term."""
    for d, effects in enumerate(EVIDENCE.drugs.values()):
        for o, outcome in enumerate(OUTCOMES):
            known = outcome in effects
            assert np.isnan(COHORT.probability[:, d, o]).all() != known
            assert np.isnan(COHORT.outcome[COHORT.given == d, o]).all() != known
            assert np.isnan(COHORT.site_terms[:, d, o]).all() != known
    assert {o for effects in EVIDENCE.drugs.values() for o in effects} >= set(CORE_OUTCOMES)


def test_probabilities_are_between_0_and_1_and_fit_each_other():
    """Response is at least as likely as remission on every drug, and stopping as stopping for an adverse event."""
    truth = {o: COHORT.probability[:, :, i] for i, o in enumerate(OUTCOMES)}
    known = COHORT.probability[~np.isnan(COHORT.probability)]
    assert ((known > 0) & (known < 1)).all()
    assert (truth["response"] >= truth["remission"]).all()
    assert (truth["stopping"] >= truth["adverse-event-stopping"]).all()


def test_what_happened_fits_together():
    """Who remits responds; who stops for an adverse event stops, and does not respond."""
    adverse = _outcome("adverse-event-stopping") == 1
    assert (_outcome("response")[_outcome("remission") == 1] == 1).all()
    assert (_outcome("stopping")[adverse] == 1).all()
    assert (_outcome("response")[adverse] == 0).all()


@pytest.mark.parametrize("outcome", [o for o in OUTCOMES if o in EVIDENCE.placebo])
def test_outcomes_happen_as_often_as_their_probabilities_say(outcome):
    """The share of an outcome on the drugs given is their mean probability, within four standard errors."""
    o = OUTCOMES.index(outcome)
    truth = COHORT.probability[np.arange(len(COHORT.given)), COHORT.given, o]
    known = ~np.isnan(truth)
    error = math.sqrt((truth[known] * (1 - truth[known])).sum()) / known.sum()
    assert COHORT.outcome[known, o].mean() == pytest.approx(truth[known].mean(), abs=4 * error)


def test_the_trajectory_tells_the_outcomes():
    """PHQ-9 at week 8 is below 5 exactly in remission, at most half exactly in response, and starts at baseline."""
    start, end = WHOLE.trajectory[:, 0], WHOLE.trajectory[:, -1]
    np.testing.assert_array_equal(start, _column("phq9_total", WHOLE))
    np.testing.assert_array_equal(end < 5, _outcome("remission", WHOLE) == 1)
    np.testing.assert_array_equal(end <= start / 2, _outcome("response", WHOLE) == 1)
    assert WHOLE.trajectory.shape[1] == len(WEEKS)


def test_outcomes_are_on_record_less_often_after_stopping():
    """A recorded outcome is rarer among those who stopped and commoner among those who responded."""
    seen, stopped = COHORT.observed, _outcome("stopping") == 1
    responded = _outcome("response") == 1
    assert seen[stopped].mean() < seen[~stopped].mean() - 0.1
    assert seen[responded & ~stopped].mean() > seen[~responded & ~stopped].mean() + 0.03
    np.testing.assert_array_equal(np.isnan(COHORT.trajectory[:, -1]), ~seen)
    assert np.isnan(COHORT.trajectory[~seen, -2]).all()
    assert WHOLE.observed.all()


@pytest.mark.parametrize("group", [g for g in mask_groups(EVIDENCE) if len(mask_groups(EVIDENCE)[g]) > 1])
def test_features_are_missing_in_whole_groups(group):
    """A group of features is recorded or not recorded, never in part."""
    missing = np.isnan(np.column_stack([_column(name) for name in mask_groups(EVIDENCE)[group]]))
    assert 0.05 < missing.all(axis=1).mean() < 0.5
    np.testing.assert_array_equal(missing.all(axis=1), missing.any(axis=1))


def test_sites_record_unlike_shares():
    """The share of missing cells differs between sites by more than chance."""
    share = np.isnan(COHORT.features).mean(axis=1)
    by_site = np.array([share[COHORT.site == s].mean() for s in range(100)])
    assert by_site.std() > 2 * share.std() / math.sqrt((COHORT.site == 0).sum())


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.55, 0.67, 1.0])
def test_the_share_of_missing_cells_can_be_asked_for(share):
    """Among the features the asked share of cells is missing, within a point."""
    cohort = simulate(EVIDENCE, patients=8_000, seed=5, setting=Setting(missing=share))
    assert np.isnan(cohort.features).mean() == pytest.approx(share, abs=0.01)


def test_what_is_recorded_is_what_would_be_without_masks():
    """A recorded feature is that of the complete record, which has no gaps."""
    recorded = ~np.isnan(COHORT.features)
    np.testing.assert_array_equal(COHORT.features[recorded], COHORT.complete[recorded])
    assert not np.isnan(COHORT.complete).any()


def test_a_shifted_site_is_sicker_and_records_less():
    """The shifted cohort has higher PHQ-9 totals and a larger share of missing features."""
    shifted = simulate(EVIDENCE, patients=5_000, seed=7, setting=Setting(shifted=True)).features
    phq9 = PATIENT_FEATURES.index("phq9_total")
    assert np.nanmean(shifted[:, phq9]) > np.nanmean(COHORT.features[:, phq9]) + 0.5
    assert np.isnan(shifted).mean() > 1.5 * np.isnan(COHORT.features).mean()


@pytest.mark.parametrize("trait", [t for t in EVIDENCE.traits if t.name in PATIENT_FEATURES])
def test_traits_stay_within_their_drawn_range(trait):
    """No simulated value is outside the range that its row declares."""
    values = _column(trait.name)
    assert np.nanmin(values) >= trait.low
    assert np.nanmax(values) <= trait.high


def _relative(cohort, outcome, exact=()):
    """Return each drug's log-odds less those of the first (n, d), drugs with a known exposure left out."""
    kept = [d for d, name in enumerate(DRUGS) if name not in exact]
    truth = cohort.probability[:, kept, OUTCOMES.index(outcome)]
    log_odds = np.log(truth / (1 - truth))
    return log_odds - log_odds[:, :1]


def test_without_patient_by_drug_differences_drugs_differ_alike_for_all():
    """At one site with an interaction SD of 0 the log-odds between two drugs are the same for every patient."""
    cohort = simulate(EVIDENCE, patients=300, seed=2, setting=Setting(sites=1, interaction_sd=0.0))
    assert _relative(cohort, "remission").std(axis=0).max() < 1e-9
    assert _relative(cohort, "stopping", exact=("escitalopram",)).std(axis=0).max() < 1e-9


@pytest.mark.parametrize("sd", [0.17, 0.35])
def test_patient_by_drug_differences_have_the_size_asked_for(sd):
    """At one site the log-odds between two drugs spread over patients by about √2 times the interaction SD."""
    cohort = simulate(EVIDENCE, patients=20_000, seed=2, setting=Setting(sites=1, interaction_sd=sd))
    spread = _relative(cohort, "remission")[:, 1:].std(axis=0)
    assert math.sqrt((spread**2).mean()) == pytest.approx(math.sqrt(2) * sd, rel=0.2)


def test_a_shifted_truth_has_other_drug_effects_than_the_site_knows():
    """With a shifted truth the drugs' true differences stray farther from the site's estimates."""
    one_site = [
        simulate(EVIDENCE, patients=400, seed=11, setting=Setting(sites=1, interaction_sd=0.0, truth=truth))
        for truth in ("prior", "shifted")
    ]
    np.testing.assert_array_equal(one_site[0].site_terms, one_site[1].site_terms)
    strays = [
        np.abs(_relative(c, "remission")[0] - (c.site_terms[0, :, 0] - c.site_terms[0, 0, 0])).mean() for c in one_site
    ]
    assert strays[1] > 1.2 * strays[0]


def test_clinicians_choose_by_the_patient_and_the_choice_adds_up():
    """Propensities are a distribution over drugs; SNRIs go to the more severe, SSRIs to those without failed trials."""
    np.testing.assert_allclose(COHORT.propensity.sum(axis=1), 1.0)
    attribute = {n: np.array([EVIDENCE.attributes[d].get(n, 0.0) for d in DRUGS]) for n in ("ssri", "snri")}
    share = {name: COHORT.propensity @ flags for name, flags in attribute.items()}
    severe, fresh = _column("phq9_total") >= 20, _column("antidepressant_trials") == 0
    assert share["snri"][severe].mean() > share["snri"][_column("phq9_total") < 15].mean()
    assert share["ssri"][fresh].mean() > share["ssri"][_column("antidepressant_trials") > 1].mean()
    counts = np.bincount(COHORT.given, minlength=len(DRUGS)) / len(COHORT.given)
    np.testing.assert_allclose(counts, COHORT.propensity.mean(axis=0), atol=0.01)


def test_what_no_record_shows_drives_both_choice_and_outcome():
    """Given everything recorded, patients who get tricyclics would do better on any drug: confounding."""
    tricyclic = np.array([EVIDENCE.attributes[d].get("tca", 0.0) == 1 for d in DRUGS])[COHORT.given]
    log_odds = np.log(COHORT.probability[:, :, 0] / (1 - COHORT.probability[:, :, 0])).mean(axis=1)
    design = np.column_stack([np.ones(len(log_odds)), COHORT.complete, COHORT.complete**2, tricyclic])
    effect = np.linalg.lstsq(design, log_odds, rcond=None)[0][-1]
    assert effect > 0.03


@pytest.mark.parametrize("phenotype", list(EVIDENCE.phenotypes["CYP2C19"]))
def test_a_recorded_phenotype_gives_the_exposure_that_was_read(phenotype):
    """Exposure to escitalopram is the log of the published fold where the gene is on record, else unknown."""
    drug, known = DRUGS.index("escitalopram"), COHORT.phenotypes["CYP2C19"]
    fold = EVIDENCE.exposure["escitalopram", "CYP2C19", phenotype]
    np.testing.assert_allclose(COHORT.exposure[known == phenotype, drug], math.log(fold))
    assert np.isnan(COHORT.exposure[known == ""]).all()


def test_the_bedside_has_the_cohorts_columns():
    """The drug's side of a row at the bedside is that of the cohort, at a site that knows the network's estimates."""
    who = int(np.flatnonzero(COHORT.phenotypes["CYP2C19"] == "Poor Metabolizer")[0])
    bedside = columns(EVIDENCE, {"CYP2C19": "Poor Metabolizer"}, DRUGS)
    rows = COHORT.rows(np.full(len(DRUGS), who), np.arange(len(DRUGS)))
    assert rows.shape[1] == len(MODEL_FEATURES)
    of_drug = rows[:, len(PATIENT_FEATURES) :]
    np.testing.assert_array_equal(of_drug[:, len(OUTCOMES) :], bedside[:, len(OUTCOMES) :])
    np.testing.assert_array_equal(bedside[:, : len(OUTCOMES)], point_estimates(EVIDENCE))
    np.testing.assert_array_equal(np.isnan(of_drug), np.isnan(bedside))
    np.testing.assert_array_equal(rows[:, : len(PATIENT_FEATURES)], np.tile(COHORT.features[who], (len(DRUGS), 1)))


def test_a_drug_or_a_gene_that_is_not_known_has_no_column():
    """At the bedside a drug without evidence has no number at all, and exposure none without a gene."""
    assert np.isnan(columns(EVIDENCE, {}, ["no-such-drug"])).all()
    assert np.isnan(columns(EVIDENCE, {}, DRUGS)[:, DRUG_FEATURES.index(EXPOSURE)]).all()


def test_terms_are_the_rows_of_every_pair():
    """The large array of terms holds for each pair what ``rows`` gives."""
    cohort = simulate(EVIDENCE, patients=50, seed=1)
    patient, drug = np.divmod(np.arange(50 * len(DRUGS)), len(DRUGS))
    rows = cohort.rows(patient, drug)[:, len(PATIENT_FEATURES) :]
    np.testing.assert_array_equal(cohort.terms.reshape(-1, len(DRUG_FEATURES)), rows)


def test_an_injected_bias_takes_points_from_one_group_alone():
    """The injected bias lowers remission and response of the declared group by its points, and nothing else."""
    fair, unfair = (simulate(EVIDENCE, patients=2_000, seed=6, setting=Setting(injected_bias=b)) for b in (0.0, 0.05))
    audit, label = BIASED_GROUP
    lost = fair.probability - unfair.probability
    theirs = fair.groups[audit] == label
    assert lost[theirs][:, :, :2].mean() == pytest.approx(0.05, abs=0.005)
    assert np.nanmax(np.abs(lost[~theirs])) == 0
    assert np.nanmax(np.abs(lost[:, :, 2:])) == 0


@pytest.mark.parametrize(
    ("age", "band"), [(18.0, "18-39"), (39.0, "18-39"), (40.0, "40-64"), (64.0, "40-64"), (65.0, "65+"), (90.0, "65+")]
)
def test_age_bands_begin_at_their_first_year(age, band):
    """An age falls into the band that names it, and no age into none."""
    assert age_band(np.array([age, np.nan])).tolist() == [band, "unknown"]


@pytest.mark.parametrize("audit", ["race", "ethnicity", "language", "insurance", "dialect"])
def test_audit_groups_have_the_declared_shares(audit):
    """Each audit group is as large as its row says, and no outcome hangs on it."""
    for label, share in EVIDENCE.groups[audit].items():
        theirs = COHORT.groups[audit] == label
        assert theirs.mean() == pytest.approx(share, abs=0.04)
        gap = COHORT.probability[theirs, :, 0].mean() - COHORT.probability[~theirs, :, 0].mean()
        assert abs(gap) < 0.02


def test_side_effects_happen_each_by_itself():
    """Two side effects of one drug go together no more than frailty makes them: no figure says how they do."""
    drug = DRUGS.index("sertraline")
    happened = COHORT.outcome[COHORT.given == drug][:, [OUTCOMES.index(e) for e in SIDE_EFFECTS]]
    known = happened[:, ~np.isnan(happened).any(axis=0)]
    assert known.shape[1] >= 2
    correlations = np.asarray(np.corrcoef(known.T))
    assert np.abs(correlations[np.triu_indices(known.shape[1], 1)]).max() < 0.1


KNOWABLE = knowable(EVIDENCE, WHOLE)
KNOWN = [o for o in OUTCOMES if o in EVIDENCE.placebo]


@pytest.mark.parametrize("outcome", KNOWN)
def test_what_is_knowable_is_calibrated(outcome):
    """The best that could be said agrees with the truth on average, over all and in each fifth of what is said."""
    o = OUTCOMES.index(outcome)
    known = ~np.isnan(WHOLE.probability[:, :, o])
    said, truth = KNOWABLE[:, :, o][known], WHOLE.probability[:, :, o][known]
    assert said.mean() == pytest.approx(truth.mean(), abs=0.01)
    for part in np.array_split(np.argsort(said), 5):
        assert said[part].mean() == pytest.approx(truth[part].mean(), abs=0.03)


@pytest.mark.parametrize("outcome", KNOWN)
def test_what_is_knowable_ranks_patients_less_well_than_the_truth(outcome):
    """The AUC of what is knowable lies between chance and that of the truth."""
    o, patient = OUTCOMES.index(outcome), np.arange(len(WHOLE.given))
    happened = WHOLE.outcome[:, o]
    known = ~np.isnan(happened)
    best, truth = (p[patient, WHOLE.given, o][known] for p in (KNOWABLE, WHOLE.probability))
    assert 0.5 < auc(best, happened[known]) < auc(truth, happened[known])


def test_remission_is_as_hard_to_foresee_as_in_real_data():
    """Even a complete record ranks remission with an AUC of 0.65 to 0.75, as baseline data of patients do."""
    remission = KNOWABLE[np.arange(len(WHOLE.given)), WHOLE.given, 0]
    assert 0.65 < auc(remission, WHOLE.outcome[:, 0]) < 0.75


def test_anxious_depression_is_known_only_as_a_chance():
    """The chance of anxious depression from GAD-7 and problem list is near its share, and higher with both."""
    chance = anxious(EVIDENCE, WHOLE)
    gad7, listed = (WHOLE.complete[:, PATIENT_FEATURES.index(n)] for n in ("gad7_total", "anxiety_disorder"))
    share = next(t for t in EVIDENCE.traits if t.name == "anxious_depression").mean
    assert chance.mean() == pytest.approx(share, abs=0.02)
    assert chance[(gad7 >= 15) & (listed == 1)].min() > 0.8 > 0.3 > chance[(gad7 <= 3) & (listed == 0)].max()


def test_nothing_is_knowable_of_a_drug_without_a_figure():
    """What is knowable has no number exactly where the truth has none."""
    np.testing.assert_array_equal(np.isnan(KNOWABLE), np.isnan(WHOLE.probability))
