"""How much a draft lets dispense."""

import pytest

from fhir_adapters.canonical import Adapted
from recommender.assess import assess
from recommender.assessment import Assessment, Candidate, Dose, Escalation, Gate, Supply
from recommender.catalog import knowledge
from recommender.catalog.rows import GateRow
from recommender.dose import supply
from recommender.drafts import build
from tests.factories import adult, days_ago, diagnosis, patient

K = knowledge.load()
LIMITED = [row for row in K.gates if row.id in K.doses.supplies]


def told(row: GateRow) -> Escalation:
    """Return what a gate row tells."""
    return Escalation(row.to or "prescriber", row.urgency, row.message, row.id)


def test_a_first_supply_lasts_to_the_review_without_repeats() -> None:
    """With nothing against it, a draft is dispensed for four weeks and not repeated."""
    assert supply.limited(Gate("open"), (), K) == Supply(28, 0, ("SU01",), "POLICY")


@pytest.mark.parametrize("row", LIMITED, ids=lambda row: row.id)
def test_a_gate_that_asks_for_small_quantities_gets_them(row: GateRow) -> None:
    """Each gate row with a supply of its own makes the supply smaller, whatever else was told."""
    found = supply.limited(Gate("open"), (told(row),), K)
    assert found.days == K.doses.supplies[row.id].days < 28
    assert supply.limited(Gate("open", supply_days=3), (told(row),), K).days == 3


def test_every_gate_that_speaks_of_the_supply_has_one() -> None:
    """No gate tells somebody to limit the supply while the draft keeps the usual one."""
    speaking = {row.id for row in K.gates if row.effect == "escalate" and "limit the supply" in row.message}
    assert speaking <= K.doses.supplies.keys()


@pytest.mark.parametrize(("mg", "strength", "times", "days", "units"), [(25, 50, 1, 7, 4), (300, 150, 2, 28, 56)])
def test_the_quantity_is_counted_in_whole_units(mg: float, strength: float, times: int, days: int, units: int) -> None:
    """The quantity covers the days of the starting dose, half tablets rounded up to whole ones."""
    dose = Dose(mg, mg, times, (), "", "1", "a tablet", strength, form="tablet")
    candidate = Candidate("sertraline", "36437", "offered", "none", (), dose)
    draft = build(
        candidate,
        patient(),
        replaces=(),
        authored_on="2026-11-22",
        facts=(),
        requester=None,
        supply=Supply(days, 0),
    )
    assert draft["dispenseRequest"]["quantity"] == {"value": units, "unit": "tablet"}


def test_an_earlier_attempt_makes_the_supply_small() -> None:
    """A suicide attempt years ago leaves drafting open with a week's supply."""
    chart = patient(diagnosis("mdd"), diagnosis("suicide_attempt", active=False, onset=days_ago(1500)))
    found: Assessment = assess(Adapted(chart, adult(), "test"), K, None)
    assert "GE01" in {one.rule for one in found.escalations}
    assert supply.limited(found.gate, found.escalations, K).days == 7
