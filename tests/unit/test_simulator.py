"""The evidence rows and the cohort drawn from them."""

import csv
import io
import math
from importlib.resources import files

import numpy as np
import pytest

from recommender.cohort import evidence as evidences
from recommender.cohort.evidence import OUTCOMES, PATIENT_FEATURES, draw, logit, parse, point_estimates
from recommender.cohort.simulator import simulate
from recommender.errors import KnowledgeError

EVIDENCE = evidences.load()
FOLDER = files("recommender") / "knowledge" / "evidence"
TABLES = (
    "antidepressant_effects.csv",
    "baseline_rates.csv",
    "cohort.csv",
    "interaction_scales.csv",
    "prognostic_effects.csv",
)


def _table(name):
    return list(csv.DictReader(io.StringIO((FOLDER / name).read_text("utf-8"))))


def _tables(**changed):
    raw = {name: (FOLDER / name).read_bytes() for name in TABLES}
    return raw | {name.replace("__", "."): value for name, value in changed.items()}


@pytest.mark.parametrize("name", TABLES)
def test_every_evidence_row_names_source_date_and_whether_it_was_verified(name):
    """No evidence row lacks a source, a date or a yes or no on verification."""
    for row in _table(name):
        assert row["source"]
        assert row["date"]
        assert row["verified"] in {"yes", "no"}


def test_the_network_covers_21_drugs_on_every_outcome():
    """All 21 drugs of the network meta-analysis have a verified effect on all four outcomes."""
    assert len(EVIDENCE.drugs) == 21
    assert all(tuple(effects) == OUTCOMES for effects in EVIDENCE.drugs.values())


def test_an_unverified_drug_row_leaves_the_drug_out():
    """One unverified outcome is enough for a drug to have no evidence."""
    raw = (FOLDER / "antidepressant_effects.csv").read_text("utf-8").splitlines(keepends=True)
    raw[1] = raw[1].replace(",yes", ",no")
    without = parse(_tables(antidepressant_effects__csv="".join(raw).encode()))
    assert set(EVIDENCE.drugs) - set(without.drugs) == {"agomelatine"}


def test_rows_without_a_verified_figure_have_no_effect():
    """Every effect that counts has a verified row with a figure, and every other row is left out."""
    counted = [row for row in _table("prognostic_effects.csv") if row["verified"] == "yes" and row["log_odds"]]
    assert len(counted) == len(EVIDENCE.prognosis)
    assert len(counted) < len(_table("prognostic_effects.csv"))


@pytest.mark.parametrize("row", [row for row in _table("prognostic_effects.csv") if row["rate"]])
def test_prognostic_log_odds_follow_from_the_rates_that_were_read(row):
    """Each log-odds that stands beside two rates is the difference of their logits."""
    assert float(row["log_odds"]) == pytest.approx(
        logit(float(row["rate"])) - logit(float(row["reference_rate"])), abs=1e-4
    )


def test_the_effect_of_severity_follows_from_the_variance_that_it_explains():
    """The severity coefficient is that of 16 % of variance explained, on the logistic scale."""
    severity = next(p for p in EVIDENCE.prognosis if p.feature == "phq9_total")
    assert severity.log_odds == pytest.approx(-math.sqrt(0.16 / 0.84) * math.pi / math.sqrt(3), abs=1e-4)


def test_a_row_that_cannot_be_read_is_refused_by_file_and_line():
    """A row with a word where a figure belongs raises U-KNOWLEDGE-ROW naming file and line."""
    bad = (FOLDER / "interaction_scales.csv").read_bytes().replace(b"0.17,", b"some,")
    with pytest.raises(KnowledgeError, match=r"U-KNOWLEDGE-ROW: evidence/interaction_scales.csv row 3"):
        parse(_tables(interaction_scales__csv=bad))


def test_a_changed_byte_changes_the_evidence_version():
    """Two evidence tables that differ in one byte have different versions."""
    changed = (FOLDER / "cohort.csv").read_bytes().replace(b"0.35", b"0.36", 1)
    assert parse(_tables()).version == EVIDENCE.version
    assert parse(_tables(cohort__csv=changed)).version != EVIDENCE.version


def test_the_same_seed_gives_the_same_cohort_and_another_seed_another():
    """A cohort is a function of its seed."""
    first, again, other = (simulate(EVIDENCE, patients=500, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.probability, again.probability)
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


COHORT = simulate(EVIDENCE, patients=40_000, seed=7)


def _column(name):
    return COHORT.features[:, PATIENT_FEATURES.index(name)]


def test_remission_falls_with_each_failed_trial_as_in_star_d():
    """The simulated odds of remission at steps 2 to 4 against step 1 are STAR*D's, within noise."""
    trials, remission = _column("antidepressant_trials"), COHORT.probability[:, :, 0].mean(axis=1)
    logits = [logit(float(remission[trials == n].mean())) for n in range(4)]
    expected = [logit(rate) - logit(0.368) for rate in (0.306, 0.137, 0.130)]
    assert [value - logits[0] for value in logits[1:]] == pytest.approx(expected, abs=0.12)


def test_first_trial_rates_are_those_of_the_network():
    """Without a failed trial the mean over drugs is near the rate that placebo rate and odds ratios imply."""
    fresh = COHORT.probability[_column("antidepressant_trials") == 0].mean(axis=(0, 1))
    implied = 1 / (
        1 + np.exp(-(point_estimates(EVIDENCE).mean(axis=0) + [logit(EVIDENCE.placebo[o]) for o in OUTCOMES]))
    )
    assert fresh == pytest.approx(implied, abs=0.02)


def test_features_are_missing_in_whole_groups():
    """A problem list is recorded or not recorded, never in part."""
    problems = np.isnan(
        np.column_stack([_column(n) for n in ("anxiety_disorder", "chronic_depression", "substance_use")])
    )
    assert 0.1 < problems.all(axis=1).mean() < 0.3
    assert (problems.all(axis=1) == problems.any(axis=1)).all()


def test_a_shifted_site_is_sicker_and_records_less():
    """The shifted cohort has higher PHQ-9 totals and a larger share of missing features."""
    shifted = simulate(EVIDENCE, patients=5_000, seed=7, shifted=True).features
    phq9 = PATIENT_FEATURES.index("phq9_total")
    assert np.nanmean(shifted[:, phq9]) > np.nanmean(COHORT.features[:, phq9]) + 0.5
    assert np.isnan(shifted).mean() > 1.5 * np.isnan(COHORT.features).mean()


@pytest.mark.parametrize("trait", [t for t in EVIDENCE.traits if t.name in PATIENT_FEATURES])
def test_traits_stay_within_their_drawn_range(trait):
    """No simulated value is outside the range that its row declares."""
    values = _column(trait.name)
    assert np.nanmin(values) >= trait.low
    assert np.nanmax(values) <= trait.high
