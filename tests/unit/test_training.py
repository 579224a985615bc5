"""Training: the same bytes twice, and figures that can be believed."""

from datetime import date

import numpy as np
import pytest

from recommender.cohort import evidence as evidences
from recommender.cohort.evidence import DRUG_TERMS, MODEL_FEATURES, OUTCOMES
from recommender.errors import ModelError
from recommender.ranker import manifest as manifests
from recommender.ranker import model as models
from recommender.training import figures
from recommender.training.train import parameters, train, usable_features

CREATED = date(2026, 11, 22)
FILES = [f"{outcome}.txt" for outcome in OUTCOMES] + [manifests.FILE]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return two folders trained alike, and what was reported."""
    lines: list[str] = []
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder in folders:
        train(folder, patients=2_000, seed=5, created=CREATED, report=lines.append)
    return folders, lines


@pytest.mark.parametrize("name", FILES)
def test_two_trainings_give_the_same_bytes(trained, name):
    """Training twice with one seed writes byte-identical files."""
    first, second = trained[0]
    assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_trained_folder_loads_and_says_what_it_was_made_from(trained):
    """What training wrote loads, with its seed, date, patients and evidence in the manifest."""
    manifest = models.load(trained[0][0]).manifest
    assert (manifest.seed, manifest.patients, manifest.created) == (5, 2_000, "2026-11-22")
    assert manifest.evidence == evidences.load().version
    assert "External validation on patients: none." in manifest.limits


def test_training_reports_each_outcome_on_both_cohorts(trained):
    """The report has a line for every outcome on the held-out cohort and on the shifted site."""
    for cohort in ("held-out", "shifted-site"):
        for outcome in OUTCOMES:
            assert any(line.startswith(f"{cohort} {outcome}: AUC") for line in trained[1])


def test_too_few_patients_are_refused(tmp_path):
    """Training on a handful of patients writes nothing and says U-MODEL-TRAINING."""
    with pytest.raises(ModelError, match="U-MODEL-TRAINING"):
        train(tmp_path / "model", patients=10, seed=1, created=CREATED, report=lambda _: None)
    assert not (tmp_path / "model").exists()


def test_no_leak_passes_as_a_good_model(tmp_path, monkeypatch):
    """A model that ranks remission better than baseline data can is not written."""
    monkeypatch.setattr("recommender.training.train.LEAKAGE_AUC", 0.5)
    with pytest.raises(ModelError, match="look for a leak"):
        train(tmp_path / "model", patients=1_000, seed=1, created=CREATED, report=lambda _: None)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_trees_split_only_on_features_with_a_verified_effect(outcome):
    """No tree of the shipped model splits on a feature that has no verified effect on its outcome."""
    allowed = set().union(*usable_features(outcome, evidences.load()))
    booster = models.load().boosters[outcome]
    used = {n for n, splits in zip(MODEL_FEATURES, booster.feature_importance("split"), strict=True) if splits}
    assert used <= allowed
    assert DRUG_TERMS[OUTCOMES.index(outcome)] in used


@pytest.mark.parametrize(
    ("outcome", "feature", "sign"),
    [
        ("remission", "phq9_total", -1),
        ("remission", "antidepressant_trials", -1),
        ("remission", "chronic_depression", -1),
        ("response", "antidepressant_trials", -1),
        ("remission", "log_or_remission", 1),
        ("response", "log_or_response", 1),
        ("stopping", "log_or_stopping", 1),
        ("adverse-event-stopping", "log_or_adverse_event_stopping", 1),
        ("stopping", "phq9_total", 0),
        ("remission", "log_or_stopping", 0),
    ],
)
def test_monotone_constraints(outcome, feature, sign):
    """Severity, failed trials and chronicity never help; a drug's own log-odds always count."""
    signs = str(parameters(outcome, evidences.load(), 1)["monotone_constraints"]).split(",")
    assert int(signs[MODEL_FEATURES.index(feature)]) == sign


def test_auc_counts_ties_as_half():
    """AUC is the share of pairs in the right order, ties as half."""
    assert figures.auc(np.array([0.1, 0.2, 0.2, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])) == 0.875


def test_calibrated_predictions_have_slope_one_and_no_error():
    """On outcomes drawn from the predictions the slope is near 1 and the calibration error near 0."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 50_000)
    y = (rng.random(50_000) < p).astype(np.float64)
    assert figures.slope(p, y) == pytest.approx(1, abs=0.03)
    assert figures.ece(p, y) < 0.01


def test_overconfident_predictions_have_a_slope_under_one():
    """Predictions with doubled log-odds have a slope of about a half."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 50_000)
    y = (rng.random(50_000) < p).astype(np.float64)
    assert figures.slope(p**2 / (p**2 + (1 - p) ** 2), y) == pytest.approx(0.5, abs=0.03)
