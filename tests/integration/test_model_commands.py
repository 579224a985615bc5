"""``undersign evaluate``, ``audit-fairness`` and ``monitor`` as their user meets them; the model card's tables."""

import csv
import json
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from recommender.model_card import kept
from recommender.ranker import model as models
from recommender.training import evaluation, hard_figures, window_figures
from service.cli import main
from service.model_card_page import reads, tables
from service.model_life import evaluation_figures

Output = pytest.CaptureFixture[str]


def run(monkeypatch: pytest.MonkeyPatch, arguments: Sequence[object]) -> int:
    """Run ``undersign`` with arguments and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["undersign", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def written(
    path: Path, seed: int, *, rows: int = 2_000, bias: float = 0.0, known: float = 0.9, score: str = "p"
) -> Path:
    """Write a site's table: two sexes, three races, one of them told too high by ``bias``."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.15, 0.45, rows)
    race = rng.choice(["a", "b", "c"], rows)
    outcome = rng.random(rows) < truth
    told = np.where(outcome, 0.9, 0.1) if score == "outcome" else np.clip(truth + bias * (race == "b"), 0.01, 0.99)
    with path.open("w", newline="", encoding="utf-8") as out:
        lines = csv.writer(out)
        lines.writerow(["patient", "prediction", "outcome", "race", "sex", "bmi"])
        for i in range(rows):
            seen = int(outcome[i]) if rng.random() < known else ""
            lines.writerow(
                [f"x{i}", round(float(told[i]), 6), seen, race[i], "female" if i % 2 else "male", 20 + i % 15]
            )
    return path


def test_a_fair_table_ends_with_0_and_a_biased_one_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """The exit status says whether a group is flagged, and the page names it with its gap."""
    assert run(monkeypatch, ["audit-fairness", "--site", written(tmp_path / "fair.csv", 3)]) == 0
    assert "nothing flagged" in capsys.readouterr().out
    assert run(monkeypatch, ["audit-fairness", "--site", written(tmp_path / "b.csv", 1, bias=0.15)]) == 1
    assert "flagged: race b, calibration gap -0." in capsys.readouterr().out


def test_the_audit_as_json_holds_groups_gaps_and_what_is_too_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """--json is one object with every group, its gaps, and the number of flags."""
    run(monkeypatch, ["audit-fairness", "--json", "--site", written(tmp_path / "b.csv", 1, bias=0.15)])
    found = json.loads(capsys.readouterr().out)
    assert found["of"] == "b.csv"
    assert found["flagged"] == sum(gap["flagged"] for gap in found["gaps"]) >= 1
    assert {one["group"] for one in found["groups"]} == {"a", "b", "c", "female", "male"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rows": 300}, "U-TABLE-ROWS"),
        ({"known": 0.1}, "U-TABLE-ROWS"),
        ({"score": "outcome"}, "U-TABLE-LEAK"),
    ],
)
def test_a_table_that_cannot_be_audited_is_refused(
    change: dict[str, float], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """Too few outcomes, and predictions that know the outcome, end with status 2 and one line."""
    file = written(tmp_path / "site.csv", 2, **change)  # pyright: ignore[reportArgumentType]
    assert run(monkeypatch, ["audit-fairness", "--site", file]) == 2
    found = capsys.readouterr().err.splitlines()
    assert len(found) == 1
    assert found[0].startswith(f"{code}: site.csv")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("prediction,outcome\n" + "0.3,1\n0.4,0\n" * 400, "U-TABLE-COLUMN: site.csv has no group column"),
        ("prediction,outcome,sex\n" + "0.3,0,female\n" * 800, "U-TABLE-CLASS"),
        ("prediction,outcome,sex\n" + "30,0,female\n" * 800, "U-TABLE-VALUE: site.csv line 2: prediction"),
        ("prediction,sex\n" + "0.3,female\n" * 800, "U-TABLE-COLUMN: site.csv lacks the column outcome"),
        ("patient,prediction,outcome,sex\n" + "p1,0.3,0,female\n" * 2, "U-TABLE-DUPLICATE"),
    ],
)
def test_a_table_without_what_an_audit_needs_is_refused(
    text: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """A missing column, one class only, a percentage and a twin each have their code and place."""
    (tmp_path / "site.csv").write_text(text, "utf-8")
    assert run(monkeypatch, ["audit-fairness", "--site", tmp_path / "site.csv"]) == 2
    assert capsys.readouterr().err.startswith(code)


def test_a_changed_window_ends_with_1_and_says_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """monitor ends with 0 where nothing changed, and with 1 and an alarm where outcomes fell short."""
    reference = written(tmp_path / "reference.csv", 1, rows=4_000)
    assert run(monkeypatch, ["monitor", reference, written(tmp_path / "same.csv", 2)]) == 0
    assert "no alarm" in capsys.readouterr().out
    assert run(monkeypatch, ["monitor", "--json", reference, written(tmp_path / "off.csv", 2, bias=0.5)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["alarms"] >= 1
    assert {"score", "calibration"} <= {one["family"] for one in found["findings"] if one["alarm"]}
    assert any(text.startswith("override") for text in found["not_watched"])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["evaluate", "--seeds", "x"], "U-USAGE: Invalid value: write seeds as 101..105 or 101,103"),
        (["evaluate", "--seeds", "1", "--patients", "2000"], "U-EVALUATION-SEEDS"),
        (["evaluate", "--patients", "10"], "U-EVALUATION-SEEDS"),
        (["evaluate", "--model", "nowhere"], "U-MODEL-MISSING"),
        (["audit-fairness", "--model", "nowhere"], "U-MODEL-MISSING"),
        (["audit-fairness", "--bias", "50"], "U-USAGE"),
        (["audit-fairness", "--site", "nowhere.csv"], "U-FILE"),
        (["monitor", "nowhere.csv", "nowhere.csv"], "U-FILE"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: Sequence[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """A wrong option, seed, folder or file ends with its code on standard error, before any work."""
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(line)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path, Path]:
    """Return the status of a small run with --card and --keep, its folder, and the model's folder."""
    out, model = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("model")
    for file in (files("recommender") / "models" / models.NAME).iterdir():
        if file.name != kept.FILE:
            (model / file.name).write_bytes(file.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_figures, "WINDOWS", 1)
        patch.setattr(hard_figures, "LOGS", 1)
        patch.setattr(evaluation_figures, "PATIENTS", 12)
        patch.setattr(evaluation_figures, "CALLS", 10)
        arguments = ["evaluate", "--seeds", "101", "--patients", "2000", "--out", out, "--model", model]
        status = run(patch, [*arguments, "--card", "--keep", "--now", "2026-11-22"])
    return status, out, model


def test_an_evaluation_writes_report_card_and_figures(evaluated: tuple[int, Path, Path]) -> None:
    """One run leaves the report, its figures as JSON and the card, dated and of the same model, with status 0."""
    status, out, _ = evaluated
    assert status == 0
    assert {one.name for one in out.iterdir()} == {
        "report.html",
        "evaluation.json",
        "model-card.html",
        "model-card.json",
    }
    found = evaluation.decode((out / "evaluation.json").read_bytes())
    assert (found.created, found.seeds, found.patients) == ("2026-11-22", (101,), 2_000)
    assert json.loads((out / "model-card.json").read_bytes())["model"] == found.model
    assert found.model in (out / "report.html").read_text("utf-8")


def test_a_kept_evaluation_lies_beside_the_model_and_is_of_it(evaluated: tuple[int, Path, Path]) -> None:
    """--keep puts the run into the model's folder, where the card finds it."""
    _, out, folder = evaluated
    model = models.load(folder)
    found = kept.kept(model.manifest, folder)
    assert found is not None
    assert found == evaluation.decode((out / "evaluation.json").read_bytes())


def test_one_patient_means_the_same_in_every_dialect(evaluated: tuple[int, Path, Path]) -> None:
    """Where no column is lost, columns, first three drugs and every probability are those of plain R4."""
    found = evaluation.decode((evaluated[1] / "evaluation.json").read_bytes())
    figures = {key: row.figure for key in _DIALECTS if (row := found.row(key)) is not None}
    assert figures["dialect_features"] == figures["dialect_top3"] == 1
    assert figures["dialect_difference"] == 0
    assert figures["dialect_whole"] is not None
    assert figures["dialect_whole"] > 0.8


_DIALECTS = ("dialect_whole", "dialect_features", "dialect_top3", "dialect_difference")


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """--out on a file ends at once with U-EVALUATION-OUT."""
    (tmp_path / "file").write_text("", "utf-8")
    assert run(monkeypatch, ["evaluate", "--out", tmp_path / "file"]) == 2
    assert capsys.readouterr().err.startswith("U-EVALUATION-OUT")


def test_figures_are_shown_in_tables_of_one_kind() -> None:
    """Outcomes measured alike share a table, others have their own, and only usual cohorts come first."""
    figures = {
        "held-out": {"remission": {"auc": 0.66, "patients": 20_000.0}, "symptom-change": {"width_90": 110.6}},
        "without severity": {"remission": {"auc": 0.6, "patients": 20_000.0}},
    }
    found = tables(figures)
    assert [(one.heading, one.first) for one in found] == [
        ("Held out", True),
        ("Held out: symptom change", False),
        ("Without severity", False),
    ]
    assert found[0].rows == [("remission", ["0.660", "20,000"])]
    assert found[0].columns == ["AUC", "patients"]


def test_what_the_model_reads_is_told_apart() -> None:
    """Features of the patient and of the drug are listed apart, log-odds ratios by their outcome."""
    assert reads(("age", "log_or_remission", "log_exposure")) == (
        "age",
        "log-odds ratios on remission; its level by genotype (logarithm)",
    )
