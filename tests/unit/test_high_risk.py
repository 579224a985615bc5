"""Which drafts are of high risk: a table of drugs and of what the rules said."""

import pytest

from recommender.assessment import Reason
from recommender.catalog import knowledge
from recommender.gate.high_risk import high_risk, rows

KNOWLEDGE = knowledge.load()


def said(rule: str, severity: str = "warning", **more: bool) -> Reason:
    """Return a reason by one rule."""
    return Reason(rule, severity, "said", "POLICY", False, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("drug", "reasons", "found"),
    [
        ("sertraline", [], []),
        ("clozapine", [], ["HR01"]),
        ("lithium", [], ["HR02"]),
        ("phenelzine", [], ["HR03"]),
        ("tranylcypromine", [said("SR432", "monitor")], ["HR03", "HR04"]),
        ("nefazodone", [said("SR425", "monitor")], ["HR04"]),
        ("sertraline", [said("SR087")], ["HR10"]),
        ("sertraline", [said("SR087", unknown=True)], ["HR10"]),
        ("citalopram", [said("SR460")], ["HR05"]),
        ("citalopram", [said("SR040", unknown=True)], ["HR05"]),
        ("citalopram", [said("SR040", unknown=True, at_risk=False)], []),
        ("citalopram", [said("SR041"), said("SR406")], ["HR07", "HR08"]),
        ("citalopram", [said("SR460", "none")], []),
        ("sertraline", [said("SR076", "caution")], ["HR09"]),
        ("sertraline", [said("SR082", "monitor")], []),
    ],
)
def test_a_drug_and_what_was_said_of_it_make_the_risk(drug: str, reasons: list[Reason], found: list[str]) -> None:
    """Rows hold by the drug, by a rule or by what a rule reads; an answer that is missing counts where it is wanted."""
    assert [row.id for row in high_risk(drug, reasons, KNOWLEDGE)] == found


def test_every_row_names_what_there_is() -> None:
    """Each key is a drug or class, a rule or a trigger of the knowledge, and each source is listed."""
    rules = {rule.id for rule in KNOWLEDGE.rules}
    known = {
        "drug": {*KNOWLEDGE.drugs, *KNOWLEDGE.classes},
        "rule": rules,
        "trigger": {rule.trigger for rule in KNOWLEDGE.rules},
    }
    assert [row.id for row in rows() if row.key not in known[row.kind]] == []
    assert {key for row in rows() for key in row.source.split("+")} <= KNOWLEDGE.sources.keys()
