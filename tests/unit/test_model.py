"""The shipped model: what it refuses to load, what it predicts, and where it abstains."""

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from fhir_adapters.canonical import Feature, FeatureVector
from fhir_adapters.vector.schema import FEATURES, SCHEMA_VERSION
from recommender.cohort.evidence import OUTCOMES, DrugEffect, logit
from recommender.errors import ModelError
from recommender.ranker import manifest as manifests
from recommender.ranker import model as models
from recommender.ranker.uncertainty import half_width, intervals

MODEL = models.load()
DRUGS = tuple(MODEL.evidence.drugs)
MODELLED = models.modelled(MODEL.evidence)
FILES = [*(f"{name}.txt" for name in (*MODELLED, models.SYMPTOM)), manifests.FILE]
SHIPPED = Path(str(files("recommender") / "models" / models.NAME))
PATIENT = {"age": 45.0, "sex": "female", "phq9_total": 17.0, "gad7_total": 9.0, "antidepressant_trials": 0.0}


def _vector(**values):
    def feature(name):
        if name not in values:
            return Feature(name, "missing", reason="not recorded")
        return Feature(name, "present", values[name])

    return FeatureVector("Patient/1", date(2026, 11, 22), SCHEMA_VERSION, {f.name: feature(f.name) for f in FEATURES})


def _predict(drugs=DRUGS, **values):
    return models.predict(MODEL, _vector(**values), drugs)


def _remission(**values):
    return _predict(["sertraline"], **values)["sertraline"]["remission"].p


@pytest.fixture
def copied(tmp_path):
    """Return a writable copy of the shipped model."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "model"))


def _refusal(folder):
    with pytest.raises(ModelError) as refused:
        models.load(folder)
    return refused.value.code


def _rewritten(folder, **changed):
    manifest = replace(manifests.decode((folder / manifests.FILE).read_bytes()), **changed)
    (folder / manifests.FILE).write_bytes(manifests.encode(manifests.sealed(manifest)))


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_refused(copied, name):
    """One changed byte in any file of the model makes it unusable."""
    raw = bytearray((copied / name).read_bytes())
    position = raw.index(b"0.") + 2
    raw[position] = ord("1") if raw[position] != ord("1") else ord("2")
    (copied / name).write_bytes(raw)
    assert _refusal(copied) == "U-MODEL-HASH"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(copied, name):
    """A model folder without one of its files is refused by name."""
    (copied / name).unlink()
    assert _refusal(copied) == "U-MODEL-MISSING"


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[1, 2]"])
def test_an_unreadable_manifest_is_refused(copied, raw):
    """A manifest that is not one is refused, never guessed."""
    (copied / manifests.FILE).write_bytes(raw)
    assert _refusal(copied) == "U-MODEL-HASH"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"schema": "0+other"}, "U-MODEL-SCHEMA"),
        ({"features": ("age",)}, "U-MODEL-SCHEMA"),
        ({"features": MODEL.manifest.features[::-1]}, "U-MODEL-SCHEMA"),
        ({"calibration": {"remission": (0.0, 1.0)}}, "U-MODEL-SCHEMA"),
        ({"evidence": "0" * 64}, "U-MODEL-EVIDENCE"),
        ({"files": {**MODEL.manifest.files, "remission": MODEL.manifest.files["stopping"]}}, "U-MODEL-FILE"),
        (
            {"files": {name: one for name, one in MODEL.manifest.files.items() if name != "remission"}},
            "U-MODEL-FILE",
        ),
    ],
)
def test_a_manifest_that_disagrees_is_refused(copied, changed, code):
    """A well-sealed manifest of another schema, other columns or other evidence is refused by name."""
    _rewritten(copied, **changed)
    assert _refusal(copied) == code


def test_a_manifest_that_names_no_model_is_refused(copied):
    """Without a model of each outcome in manifest and folder nothing is used."""
    for path in copied.glob("*.txt"):
        path.unlink()
    _rewritten(copied, files={})
    assert _refusal(copied) == "U-MODEL-MISSING"


def test_a_file_of_another_model_is_refused(copied):
    """A text that the manifest does not name has no place beside those that it names."""
    shutil.copy(copied / "remission.txt", copied / "mania.txt")
    assert _refusal(copied) == "U-MODEL-FILE"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: b"no model at all", "U-MODEL-FILE"),
        (lambda raw: b"", "U-MODEL-FILE"),
        (lambda raw: raw.replace(b"feature_names=age sex ", b"feature_names=sex age "), "U-MODEL-SCHEMA"),
    ],
    ids=["words", "empty", "feature order"],
)
def test_a_text_that_is_no_model_of_these_columns_is_refused(copied, change, code):
    """A foreign text is refused even where the manifest was sealed over it."""
    raw = change((copied / "remission.txt").read_bytes())
    (copied / "remission.txt").write_bytes(raw)
    entry = manifests.ModelFile("remission.txt", manifests.sha256(raw))
    _rewritten(copied, files={**MODEL.manifest.files, "remission": entry})
    assert _refusal(copied) == code


def test_the_shipped_model_is_within_believable_discrimination():
    """The shipped model's AUC on remission is between 0.55 and 0.75: more would be a leak."""
    for cohort in (found for found in MODEL.manifest.figures.values() if "remission" in found):
        assert 0.55 <= cohort["remission"]["auc"] <= 0.75
        assert cohort["remission"]["auc"] <= cohort["remission"]["oracle_auc"]


def test_the_shipped_files_are_small():
    """No file of the shipped model is over 200 KB."""
    assert max(path.stat().st_size for path in SHIPPED.iterdir()) < 200_000


def test_assessing_without_a_model_does_not_import_lightgbm():
    """Importing the model's module alone does not import LightGBM."""
    code = "import sys, recommender.ranker.model, recommender.training.train; sys.exit('lightgbm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_more_severe_depression_never_raises_the_chance_of_remission():
    """Along all PHQ-9 totals in range remission never rises, and it falls between the ends."""
    along = [_remission(**{**PATIENT, "phq9_total": float(total)}) for total in range(10, 28)]
    assert along == sorted(along, reverse=True)
    assert along[-1] < along[0] - 0.1


def test_failed_trials_never_raise_the_chance_of_remission():
    """Each further failed trial leaves remission equal or lower, and two lower it by a third."""
    along = [_remission(**{**PATIENT, "antidepressant_trials": float(n)}) for n in range(9)]
    assert along == sorted(along, reverse=True)
    assert along[2] < along[0] * 2 / 3


def test_a_present_drug_given_long_enough_counts_as_a_failed_trial():
    """Four weeks on a present antidepressant predict as one more failed trial; three weeks do not."""
    second = _remission(**{**PATIENT, "antidepressant_trials": 1.0})
    assert _remission(**PATIENT, antidepressant_days=28.0) == second
    assert _remission(**PATIENT, antidepressant_days=21.0) == _remission(**PATIENT)


@pytest.mark.parametrize("outcome", MODELLED)
def test_better_log_odds_never_lower_the_probability(outcome):
    """Drugs sorted by their network log-odds of an outcome are sorted by its probability too."""
    found = _predict(**PATIENT)
    known = [drug for drug in DRUGS if outcome in MODEL.evidence.drugs[drug]]
    by_log_odds = sorted(known, key=lambda drug: MODEL.evidence.drugs[drug][outcome].log_or)
    along = [found[drug][outcome].p for drug in by_log_odds]
    assert along == sorted(along)
    assert along[0] < along[-1]


def test_a_side_effect_is_predicted_just_where_a_row_tells_it():
    """A drug has a prediction for each outcome with a verified row, and none, not zero, for any other."""
    found = _predict(**PATIENT)
    assert all(set(found[drug]) == set(MODEL.evidence.drugs[drug]) for drug in DRUGS)
    assert any(set(found[drug]) != set(OUTCOMES) for drug in DRUGS)


def test_a_slow_metaboliser_stops_escitalopram_more_often_and_no_drug_without_a_figure():
    """CYP2C19 moves the chance of stopping of escitalopram and of no drug of which no level is known."""
    usual, slow = (
        models.predict(MODEL, _vector(**PATIENT), DRUGS, {"CYP2C19": phenotype})
        for phenotype in ("Normal Metabolizer", "Poor Metabolizer")
    )
    assert slow["escitalopram"]["stopping"].p > usual["escitalopram"]["stopping"].p + 0.01
    levels = {drug for drug, _, _ in MODEL.evidence.exposure}
    assert all(slow[drug] == usual[drug] for drug in DRUGS if drug not in levels)


def test_a_reported_phenotype_among_the_features_is_read():
    """Without phenotypes given, those of the feature vector count, in CPIC's words."""
    reported = _predict(["escitalopram"], **PATIENT, cyp2c19_phenotype="Poor Metabolizer")
    given = models.predict(MODEL, _vector(**PATIENT), ["escitalopram"], {"CYP2C19": "Poor Metabolizer"})
    assert reported == given != _predict(["escitalopram"], **PATIENT)


def test_permuting_the_ingredients_permutes_the_results():
    """The order of the candidates changes no number."""
    forward, backward = _predict(DRUGS, **PATIENT), _predict(DRUGS[::-1], **PATIENT)
    assert forward == backward
    assert list(backward) == list(DRUGS[::-1])


def test_an_ingredient_without_evidence_is_left_out():
    """A drug that the network does not hold gets no prediction, and asking for it alone gives nothing."""
    assert list(_predict(["lithium", "sertraline"], **PATIENT)) == ["sertraline"]
    assert _predict(["lithium"], **PATIENT) == {}


@pytest.mark.parametrize("present", [{}, {"age": 45.0}, {"phq9_total": 17.0}, {"sex": "other"}])
def test_missing_features_are_accepted(present):
    """A record with hardly anything in it still gets probabilities between 0 and 1 for every drug."""
    found = _predict(**present)
    assert set(found) == set(DRUGS)
    assert all(0 < p.low < p.p < p.high < 1 for drug in found.values() for p in drug.values())


@pytest.mark.parametrize("name", ["age", "sex", "bmi", "substance_use", "chronic_depression"])
def test_traits_without_a_verified_effect_change_nothing(name):
    """A trait without a verified figure changes no prediction."""
    values = {"age": 80.0, "sex": "male", "bmi": 40.0, "substance_use": True, "chronic_depression": True}
    assert _predict(**{**PATIENT, name: values[name]}) == _predict(**PATIENT)


@pytest.mark.parametrize(("inner", "outer"), [("remission", "response"), ("adverse-event-stopping", "stopping")])
def test_what_follows_is_never_less_likely(inner, outer):
    """Response is at least as likely as remission, stopping as that for an adverse event, at every total in range."""
    for total in range(10, 28):
        for found in _predict(**{**PATIENT, "phq9_total": float(total)}).values():
            assert found[outer].p >= found[inner].p


def test_an_interval_follows_from_the_evidence_rows():
    """The 80 % interval is symmetric on the logit with the width of SE, tau and spread together."""
    half = half_width(DrugEffect(0.4, 0.06, 0.08), 0.0)
    (low,), (high,) = intervals(np.array([0.5]), np.array([half]))
    assert high == pytest.approx(1 - low)
    assert high == pytest.approx(1 / (1 + 2.718281828 ** -(1.2816 * 0.1)))
    found = _predict(["sertraline"], **PATIENT)["sertraline"]["remission"]
    evidence = MODEL.evidence
    wide = half_width(evidence.drugs["sertraline"]["remission"], evidence.spread["remission"])
    assert logit(found.high) - logit(found.p) == pytest.approx(wide)
    assert logit(found.p) - logit(found.low) == pytest.approx(wide)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"phq9_total": None}, ["PHQ-9 total is not known"]),
        ({"phq9_total": 4.0}, ["PHQ-9 total is outside 10 to 27"]),
        ({"age": 17.0}, ["age in whole years is outside 18 to 90"]),
        ({"age": 91.0}, ["age in whole years is outside 18 to 90"]),
        ({"age": None, "phq9_total": None}, ["age in whole years is not known", "PHQ-9 total is not known"]),
        ({"antidepressant_trials": 12.0}, ["earlier antidepressant courses that ended is outside"]),
        ({"gad7_total": None, "sex": None}, []),
    ],
)
def test_support_names_what_is_outside(changed, words):
    """Each required feature that is absent, and each out of range, is one reason."""
    values = {name: value for name, value in {**PATIENT, **changed}.items() if value is not None}
    reasons = models.support(MODEL.manifest, _vector(**values))
    assert len(reasons) == len(words)
    assert all(any(word in reason for reason in reasons) for word in words)
