"""What the commands on knowledge say of it: drafting, counts, unused rows, one drug's sheet, what differs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters import terminology
from recommender import draftable
from recommender.assessment import Dose
from recommender.catalog import drug_sheet, knowledge, orphans, packs
from recommender.catalog.knowledge_counts import counts, table_counts
from recommender.catalog.knowledge_diff import Tables, changes
from recommender.dose.dosing import dose
from recommender.errors import KnowledgeError
from service.knowledge_pages.genes import in_words
from tests import factories as make
from tests.fixtures.packs import whole

SHIPPED = packs.opened(None)
K, TABLES = SHIPPED.knowledge, SHIPPED.tables
RULES = [rule for rule in K.rules if rule.evaluable]


@pytest.mark.parametrize("drug", K.drugs)
def test_a_drug_is_called_draftable_exactly_when_an_adult_can_have_a_draft(drug: str) -> None:
    """The report agrees with the doses and with who decides before a drug is begun."""
    drafted = isinstance(dose(drug, (), make.features(age=40.0), K), Dose) and not K.routes.get(drug)
    assert (draftable.why_not(drug, K) == ()) is drafted


def test_every_row_of_every_table_is_counted_once() -> None:
    """Verified, secondary, approved and unverified rows are all rows, but for sources, which have no such mark."""
    for name, found in counts(SHIPPED)["tables"].items():
        seen = sum(found.get(mark, 0) for mark in ("verified", "secondary", "site", "unverified"))
        assert found["rows"] == len(TABLES[name])
        assert seen == (0 if name == "sources" else found["rows"])


def test_a_retired_row_is_counted_apart() -> None:
    """What is out of force is no row that acts, and the shipped copy of a changed row is neither."""
    rows = ({"id": "A", "verified": "yes"}, {"id": "B", "verified": "yes", "retired": "yes"})
    told = {"id": "A~shipped", "verified": "yes", "retired": "yes"}
    found = table_counts((*rows, told))
    assert (found["rows"], found["verified"], found["retired"]) == (1, 1, 1)


def added(table: str, **cells: str) -> Tables:
    """Return the shipped tables with one more row."""
    return {**TABLES, table: (*TABLES[table], whole(table, source="POLICY", date="2026-11-22", verified="no", **cells))}


@pytest.mark.parametrize(
    ("table", "cells", "warning"),
    [
        ("sources", {"key": "L-NOBODY"}, "sources: no row cites L-NOBODY"),
        ("classes", {"name": "moon_drugs", "members": "sertraline"}, "classes: nothing uses moon_drugs"),
        (
            "triggers",
            {"kind": "drug", "key": "moon", "drugs": "sertraline", "complete": "yes"},
            "triggers: no rule uses drug/moon",
        ),
    ],
)
def test_a_row_that_nobody_uses_is_warned_of(table: str, cells: dict[str, str], warning: str) -> None:
    """A source, class or trigger that leads nowhere is named, and only then."""
    tables = added(table, **cells)
    found = orphans.warnings(tables, knowledge.build(tables, terminology.load()), terminology.load())
    assert warning in found
    assert warning not in orphans.warnings(TABLES, K, terminology.load())


@pytest.mark.parametrize("drug", K.drugs)
def test_a_sheet_holds_every_rule_of_the_drug_with_the_address_of_its_source(drug: str) -> None:
    """No rule that is judged for a drug is missing from its sheet, and no source key is without an address."""
    found = drug_sheet.sheet(drug, SHIPPED)
    assert {rule["id"] for rule in found["rules"]} == {rule.id for rule in K.rules_of.get(drug, ())}
    for rule in found["rules"]:
        assert rule["verified"] in ("yes", "secondary", "no")
        assert set(rule["source"].split("+")) <= found["sources"].keys()
        assert "{" not in rule["message"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("Sertraline", "sertraline"), ("doxepin low dose", "doxepin_low_dose"), ("divalproex", "valproate")],
)
def test_a_drug_is_found_as_people_write_it(written: str, meant: str) -> None:
    """Capitals, blanks and the other names of a substance lead to the formulary row."""
    assert drug_sheet.sheet(written, SHIPPED)["drug"] == meant


def test_a_drug_that_nobody_knows_is_refused_with_the_nearest_name() -> None:
    """A slip of the pen shows no other drug's sheet."""
    with pytest.raises(KnowledgeError, match="did you mean sertraline") as caught:
        drug_sheet.sheet("sertralin", SHIPPED)
    assert caught.value.code == "U-DRUG-UNKNOWN"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_when_a_rule_holds_is_said_with_its_threshold(rule: object) -> None:
    """The words of a rule name its threshold wherever it has one, and never an operator or a unit of the tables."""
    one = next(held for held in RULES if held is rule)
    text = drug_sheet.when(one)
    if one.value is not None and one.operator not in ("present", "active"):
        assert f"{one.value:g}" in text
    assert not {">=", "<=", "{score}", "active_or_within_days"} & set(text.split())


@pytest.mark.parametrize("drug", sorted({row["drug"] for row in TABLES["pgx_guidance"]}))
def test_gene_guidance_in_words_loses_no_row_and_begins_with_the_gravest(drug: str) -> None:
    """Rows that say the same share a line; the lines together stand for every row."""
    rows = [row for row in TABLES["pgx_guidance"] if row["drug"] == drug]
    lines = list(in_words(rows))
    more = [int(where.split(" and ")[1].split()[0]) if " and " in where.split(";")[0] else 0 for _, where in lines]
    assert len(lines) + sum(more) == len(rows)
    if any(row["action"] == "avoid" for row in rows):
        assert ": avoid" in lines[0][0]


@given(table=st.sampled_from(sorted(TABLES)), data=st.data())
def test_one_changed_cell_is_one_change_of_that_cell(table: str, data: st.DataObject) -> None:
    """Of two sets of tables that differ in one cell, the difference is that row, that column and both cells."""
    rows = TABLES[table]
    at = data.draw(st.integers(0, len(rows) - 1))
    columns = [name for name in rows[at] if name not in packs.key_columns(table, rows[at])]
    column = data.draw(st.sampled_from(columns))
    other = {**rows[at], column: rows[at][column] + "!"}
    found = changes(TABLES, {**TABLES, table: (*rows[:at], other, *rows[at + 1 :])})
    assert [(one.table, one.kind, dict(one.cells)) for one in found] == [
        (table, "changed", {column: (rows[at][column], other[column])})
    ]


def test_a_row_that_is_gone_is_told_as_removed() -> None:
    """Between two versions a row that was dropped lets more through, and nobody stands for it."""
    found = changes(TABLES, {**TABLES, "safety_rules": TABLES["safety_rules"][1:]})
    assert [(one.kind, one.key, bool(one.weakens), one.approval) for one in found] == [("removed", "SR001", True, "")]
