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
from recommender.training.fit import DRUGS_PER_PATIENT, fit, learn, masked
from recommender.training.train import learned, parameters, train, usable_features

CREATED = date(2026, 11, 22)
MODELLED = models.modelled(evidences.load())
FILES = [f"{name}.txt" for name in (*MODELLED, models.SYMPTOM)] + [manifests.FILE]


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
        for outcome in MODELLED:
            assert any(line.startswith(f"{cohort} {outcome}: AUC") for line in trained[1])
        assert any(line.startswith(f"{cohort} {models.SYMPTOM}: 50 % band") for line in trained[1])


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


@pytest.mark.parametrize("outcome", MODELLED)
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
        ("sedation", "log_or_sedation", 1),
    ],
)
def test_monotone_constraints(outcome, feature, sign):
    """Severity, failed trials and chronicity never help; a drug's own log-odds always count."""
    signs = str(parameters(outcome, evidences.load(), 1)["monotone_constraints"]).split(",")
    assert int(signs[MODEL_FEATURES.index(feature)]) == sign


def test_a_drug_is_known_by_what_is_measured_of_it_alone():
    """No column of the model names a drug: a new one needs only its attributes and figures."""
    assert not set(MODEL_FEATURES) & set(evidences.load().drugs)


def test_groups_of_features_are_hidden_whole_and_the_drug_never():
    """Masking hides each group of patient features whole, in a fifth of the rows, and touches no drug column."""
    evidence = evidences.load()
    hidden = np.isnan(masked(np.zeros((20_000, len(MODEL_FEATURES))), evidence, 3))
    assert not hidden[:, len(evidences.PATIENT_FEATURES) :].any()
    for names in evidences.mask_groups(evidence).values():
        columns = hidden[:, [MODEL_FEATURES.index(name) for name in names]]
        assert (columns.all(axis=1) == columns.any(axis=1)).all()
        assert columns.any(axis=1).mean() == pytest.approx(0.2, abs=0.02)


def test_a_row_without_a_figure_teaches_nothing():
    """A drug whose probability is not known is no row: what its columns hold changes no tree."""
    evidence = evidences.load()
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2_000, len(MODEL_FEATURES)))
    label = rng.uniform(size=2_000)
    more = np.vstack([rows, rng.normal(size=(500, len(MODEL_FEATURES)))])
    gaps = np.concatenate([label, np.full(500, np.nan)])
    plain, other = (learn("sedation", *table, evidence, 1, fit) for table in ((rows, label), (more, gaps)))
    assert plain.model_to_string() == other.model_to_string()


def test_every_fifth_site_is_held_out_of_training():
    """No row of a site that calibrates is in the rows that a model learns from."""
    seen: list[int] = []

    def counted(rows, label, chosen, rounds):
        seen.append(len(rows))
        return fit(rows, label, chosen, 1)

    learned(evidences.load(), 1_000, 1, counted)
    assert max(seen) == 800 * DRUGS_PER_PATIENT


def test_symptom_bands_cover_and_say_how_wide_they_are():
    """The shipped bands cover what they state at new sites within two points, and are wider the more they state."""
    found = models.load().manifest.figures["held-out"][models.SYMPTOM]
    for percent in ("50", "80", "90"):
        assert found[f"coverage_{percent}"] == pytest.approx(int(percent) / 100, abs=0.02)
    assert found["worst_group_coverage_90"] >= 0.87
    assert found["width_50"] < found["width_80"] < found["width_90"]


def test_chances_of_being_near_the_best_are_found_as_often_as_said():
    """At new sites the mean chance of being near the best is within two points of the share that is."""
    found = models.load().manifest.figures["held-out"]["near-best"]
    assert found["said"] == pytest.approx(found["found"], abs=0.02)
    assert found["ece"] < 0.03


def test_no_lost_group_of_features_spoils_calibration():
    """Without any group of features the calibration error of no outcome is over 3 points."""
    for cohort, outcomes in models.load().manifest.figures.items():
        if cohort.startswith("without"):
            assert all(found["ece"] <= 0.03 for found in outcomes.values()), cohort


def test_calibration_leaves_a_calibrated_model_nearly_alone():
    """Platt's slope is near 1 for every outcome, and never turns the order of patients round."""
    for outcome, (_, slope) in models.load().manifest.calibration.items():
        assert 0.7 < slope < 1.3, outcome


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
