"""What ``assess --json`` prints of a gate, and what a terminal shows of it."""

from dataclasses import replace

import pytest

from recommender.assessment import Gate
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
