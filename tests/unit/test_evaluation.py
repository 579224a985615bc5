"""The evaluation: targets that are judged as written, figures that repeat, and what must not be evaluated."""

from datetime import date

import pytest

from recommender.errors import ModelError
from recommender.model_card.kept import kept
from recommender.ranker import model as models
from recommender.training import evaluation, fairness, hard_figures, scored, window_figures
from recommender.training.evaluate import audit_cohort, evaluate, steps
from recommender.training.evaluation import Row, Target, assembled, decode, encode, judged, reasons, targets

DAY = date(2026, 11, 22)
MODEL = models.load()
FEW = 2_000
ABOUT = {"model": "m", "evidence": "e", "created": "2026-11-22", "seeds": (1, 2), "patients": 10}
NOBODY = fairness.Audit((), (), (), 0.05)


@pytest.fixture(scope="module")
def run():
    """Return a small evaluation over two seeds, and the steps that it told."""
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_figures, "WINDOWS", 2)
        patch.setattr(hard_figures, "LOGS", 1)
        patch.setattr(scored, "LEAST_IN_GROUP", 50)
        found = evaluate(MODEL, created=DAY, report=told.append, seeds=(101, 102), patients=FEW)
    return found, told


def test_every_target_has_a_figure_or_says_why_not(run):
    """No row is empty without a reason, and no measured value lacks a target."""
    assert [row.target.key for row in run[0].rows if row.figure is None and not row.reason] == []
    assert len(run[0].rows) == len(targets())


def test_what_is_not_measured_here_is_what_needs_a_clock_or_an_ehr(run):
    """Only rows of dialects, speed and site updates have no figure in a run without the command line."""
    missing = {row.target.key.split("_")[0] for row in run[0].rows if row.figure is None}
    assert missing <= {"dialect", "latency", "training", "site"}


def test_the_same_seed_gives_the_same_figures():
    """A cohort's audit is a function of its seed."""
    first, again, other = (audit_cohort(MODEL, patients=FEW, seed=seed, bias=0) for seed in (301, 301, 302))
    assert first == again
    assert first != other


def test_progress_is_told_at_every_station(run):
    """The run tells as many steps as it said it would, each with its seed."""
    assert len(run[1]) == steps((101, 102))
    assert all(line.startswith(("seed 101: ", "seed 102: ")) for line in run[1])


def test_an_evaluation_survives_its_file(run):
    """What is written is read back equal."""
    assert decode(encode(run[0])) == run[0]


def test_groups_of_the_audit_are_every_declared_one(run):
    """Sex, age, race, ethnicity, language, insurance and EHR dialect are all judged or named as too small."""
    named = {one.dimension for one in (*run[0].groups, *run[0].too_small)}
    assert named == {"sex", "age_band", "race", "ethnicity", "language", "insurance", "dialect"}


def test_the_audit_command_finds_what_was_injected():
    """Taking 8 points of remission from one group is flagged there, and nothing is flagged without."""
    found = audit_cohort(MODEL, patients=8_000, seed=201, bias=0.08)
    assert ("insurance", "medicaid") in {(gap.dimension, gap.group) for gap in found.flags}
    clean = audit_cohort(MODEL, patients=8_000, seed=201, bias=0)
    assert [gap for gap in clean.flags if gap.measure != "regret"] == []


@pytest.mark.parametrize(
    ("seeds", "patients"), [((), FEW), ((5, 5), FEW), ((MODEL.manifest.seed,), FEW), ((101, 102), 100)]
)
def test_seeds_of_the_training_and_too_few_patients_are_refused(seeds, patients):
    """No evaluation runs without seeds, on one twice, on the training's own, or on a handful of patients."""
    with pytest.raises(ModelError, match="U-EVALUATION-SEEDS"):
        evaluate(MODEL, created=DAY, report=lambda _: None, seeds=seeds, patients=patients)


@pytest.mark.parametrize(
    ("at_least", "at_most", "values", "met"),
    [
        (0.7, None, (0.7, 0.7), True),
        (0.7, None, (0.71, 0.68), False),
        (None, 0.02, (0.01, 0.02), True),
        (None, 0.02, (0.03, 0.02), False),
        (-0.01, 0.01, (-0.02, -0.02), False),
        (0.89, 0.91, (0.9, 0.9), True),
        (None, None, (0.5, 0.5), None),
    ],
)
def test_a_target_is_judged_by_the_mean_and_includes_its_limits(at_least, at_most, values, met, monkeypatch):
    """A figure on the limit meets the target, one beyond does not, and without a limit nothing is judged."""
    target = Target("x", "s", "l", "share", at_least, at_most, "here")
    monkeypatch.setattr(evaluation, "targets", lambda: (target,))
    (row,) = judged({"x": values})
    assert row.met is met


def test_the_interval_of_one_seed_is_absent_and_that_of_a_share_stays_a_share(monkeypatch):
    """One value has no interval, and a share's does not leave 0 to 1."""
    monkeypatch.setattr(evaluation, "targets", lambda: (Target("x", "s", "l", "share", None, None, "here"),))
    (alone,), (two,) = judged({"x": (0.9,)}), judged({"x": (1.0, 0.9)})
    assert (alone.figure, alone.low) == (0.9, None)
    assert two.high == 1.0
    assert two.low is not None
    assert 0 <= two.low < 0.95


def test_more_than_baseline_data_can_give_is_a_leak():
    """An AUC on remission above 0.75 fails the leakage check, whatever else is good."""
    assert assembled(ABOUT, {"auc": (0.76, 0.77)}, NOBODY, {}).leaks
    assert not assembled(ABOUT, {"auc": (0.72, 0.7)}, NOBODY, {}).leaks


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"format": 1}'])
def test_a_file_that_is_no_evaluation_is_refused(raw):
    """Anything but an evaluation is U-EVALUATION-FILE."""
    with pytest.raises(ModelError, match="U-EVALUATION-FILE"):
        decode(raw)


def test_an_evaluation_of_another_format_is_refused(run):
    """A later format is not read as this one."""
    with pytest.raises(ModelError, match="U-EVALUATION-FILE: This evaluation has format 9"):
        decode(encode(run[0]).replace(b'"format": 1', b'"format": 9', 1))


def test_every_reason_is_of_a_target():
    """No reason stands in the table for a key that is not measured."""
    assert set(reasons()) <= {target.key for target in targets()}
    assert all(reason.not_met or reason.absent for reason in reasons().values())


def test_every_target_that_can_be_missed_has_a_reason_ready():
    """A target with a limit never stands without words on why it might not be met."""
    limited = {target.key for target in targets() if (target.at_least, target.at_most) != (None, None)}
    assert sorted(key for key in limited if key not in reasons() or not reasons()[key].not_met) == []


def test_an_evaluation_of_another_model_is_not_kept(tmp_path, run):
    """The file beside a model counts only when it is of that very model."""
    (tmp_path / "evaluation.json").write_bytes(encode(run[0]))
    assert kept(MODEL.manifest, tmp_path) == run[0]
    other = encode(run[0]).replace(MODEL.version.encode(), b"depression-1+000000000000", 1)
    (tmp_path / "evaluation.json").write_bytes(other)
    assert kept(MODEL.manifest, tmp_path) is None
    assert kept(MODEL.manifest, tmp_path / "nowhere") is None


def test_the_shipped_evaluation_is_of_the_shipped_model_and_explains_what_it_missed():
    """Beside the shipped model lies its own evaluation over five seeds, with a reason for every target not met."""
    found = kept(MODEL.manifest)
    assert found is not None, "run “undersign evaluate --keep” after every training"
    assert len(found.seeds) >= 5
    assert not found.leaks
    assert _unexplained(found.rows) == []


def _unexplained(rows: tuple[Row, ...]) -> list[str]:
    return [row.target.key for row in rows if row.met is False and not row.reason]
