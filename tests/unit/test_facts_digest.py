"""What makes facts the same facts."""

from dataclasses import replace
from datetime import date

import pytest

from fhir_adapters.canonical import Refusal
from recommender.assessment import Attestation, Gate
from service.drafts.facts import facts_digest
from tests.fixtures import assessments as made

CHART, FOUND = made.adapted(phq9_total=17.0), made.assessment()


def test_another_day_is_no_other_fact() -> None:
    """The digest stays when only the day of assessment changes."""
    tomorrow = date(2026, 11, 23)
    chart = replace(CHART, features=replace(CHART.features, as_of=tomorrow))
    assert facts_digest(chart, replace(FOUND, as_of=tomorrow)) == facts_digest(CHART, FOUND)


@pytest.mark.parametrize(
    "change",
    [
        {"birth_date": date(1963, 5, 2)},
        {"sex": "male"},
        {"deceased": True},
        {"lists": {"medications": "partial"}},
        {"refusals": (Refusal("Observation/9", "valueQuantity", "unit unknown"),)},
    ],
)
def test_any_fact_of_the_chart_changes_it(change: dict[str, object]) -> None:
    """The digest changes with any fact of the canonical patient."""
    chart = replace(CHART, patient=replace(CHART.patient, **change))  # type: ignore[arg-type]
    assert facts_digest(chart, FOUND) != facts_digest(CHART, FOUND)


@pytest.mark.parametrize("name", ["features", "knowledge", "model"])
def test_any_version_changes_it(name: str) -> None:
    """The digest changes with the version of features, knowledge or model."""
    found = replace(FOUND, versions={**FOUND.versions, name: "other"})
    assert facts_digest(CHART, found) != facts_digest(CHART, FOUND)


@pytest.mark.parametrize(
    "gate", [replace(FOUND.gate, warnings=("The review is overdue.",)), replace(FOUND.gate, supply_days=7)]
)
def test_what_a_gate_asks_for_changes_it(gate: Gate) -> None:
    """Warnings and days of supply are in the drafts, so drafts without them do not stand for drafts with them."""
    assert facts_digest(CHART, replace(FOUND, gate=gate)) != facts_digest(CHART, FOUND)


def test_what_was_attested_is_a_fact() -> None:
    """An attestation, and any part of it, changes the digest; the same ones do not."""
    word = Attestation("Dr Example", date(2026, 11, 22), "may-open", "Dr Example", date(2026, 11, 29))
    digests = {
        facts_digest(CHART, FOUND),
        facts_digest(CHART, FOUND, (word,)),
        facts_digest(CHART, FOUND, (replace(word, result="stays-closed"),)),
        facts_digest(CHART, FOUND, (replace(word, review_on=date(2026, 11, 28)),)),
        facts_digest(CHART, FOUND, (word, word)),
    }
    assert len(digests) == 5
    assert facts_digest(CHART, FOUND, (replace(word),)) in digests


def test_a_decision_that_turned_with_the_day_changes_it() -> None:
    """A gate that closed, because a score became stale, ends the drafts of yesterday."""
    found = replace(FOUND, gate=replace(FOUND.gate, status="insufficient-data"))
    assert facts_digest(CHART, found) != facts_digest(CHART, FOUND)
