"""What ``assess --json`` prints of a gate, and what a terminal shows of it."""

from dataclasses import replace

import pytest

from recommender.assessment import Gate, Switch
from recommender.serialize import assessment_json
from service import terminal
from tests.fixtures import assessments as made


def test_an_ordinary_gate_has_status_and_reasons_alone() -> None:
    """What does not hold is absent, never null or empty."""
    found = assessment_json(made.assessment(), made.adapted(phq9_total=17.0))
    assert found["gate"] == {"status": "open", "reasons": []}


def test_a_reopened_gate_says_what_is_to_be_done_and_for_how_many_days() -> None:
    """Warnings and the days of supply of a reopened gate are in the contract; so is that nothing may be worked out."""
    opened = replace(made.assessment(), gate=Gate("open", (), ("Ask again.",), 7))
    assert assessment_json(opened, made.adapted())["gate"] == {
        "status": "open",
        "reasons": [],
        "warnings": ["Ask again."],
        "supply_days": 7,
    }
    silent = replace(made.assessment("consent-withheld"), gate=Gate("consent-withheld", ("x",), silent=True))
    assert assessment_json(silent, made.adapted())["gate"]["silent"] is True


def test_a_terminal_shows_warnings_first_and_denials_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the gate come its warnings; a Consent's internal reason is written out."""
    opened = replace(made.assessment(), gate=Gate("open", (), ("Ask again.",), 7))
    terminal.print_assessment("f", opened, made.adapted())
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "first: Ask again."
    denied = made.assessment("consent-withheld", "denies-treatment-use")
    terminal.print_assessment("f", denied, made.adapted())
    assert "A Consent on record says no to the use of this patient's data for treatment." in capsys.readouterr().out


def test_a_terminal_names_what_guidelines_name_and_how_to_change_over(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the model does not rank, the options in guideline order are printed; with an option, plan and pending."""
    found = made.assessment()
    first, *rest = found.candidates
    assert first.dose
    plan = Switch("citalopram", "TP01", "taper", "Reduce it, then start.", "T-TAM", verified=False)
    told = replace(first, switch=(plan,), dose=replace(first.dose, pending=("Age is not known: less (S-1).",)))
    shown = replace(
        found,
        candidates=(told, *rest),
        focus="generalised-anxiety-disorder",
        ranked_by="guideline order (NICE)",
        named=("sertraline", "doxepin_low_dose"),
    )
    terminal.print_assessment("f", shown, made.adapted())
    lines = capsys.readouterr().out.splitlines()
    assert "plan: generalised anxiety disorder, switch; ordered by guideline order (NICE)" in lines
    assert "named by guidelines: sertraline, doxepin low dose" in lines
    assert "    may lower the dose: Age is not known: less (S-1)." in lines
    assert "    change-over from citalopram: Reduce it, then start. (T-TAM, not verified)" in lines
