"""The knowledge tables: what is in them, and what the loader refuses."""

import string
from collections.abc import Callable, Mapping

import pytest

from fhir_adapters import terminology
from recommender.catalog import knowledge, tables
from recommender.errors import KnowledgeError

K = knowledge.load()
TABLES = {name: tables.read(name) for name in knowledge.NAMES}


def test_the_tables_hold_what_was_carried_over() -> None:
    """The formulary has 91 rows; of 561 rules, 547 are judged and 14 say why not; all rows have a source."""
    rules = [rule for rule in K.rules if rule.grounds != "cross_reaction"]
    judged = [rule for rule in rules if rule.evaluable]
    assert (len(K.drugs), len(rules), len(judged)) == (91, 561, 547)
    assert all(rule.why_not for rule in rules if not rule.evaluable)


def test_no_contraindication_of_an_antidepressant_is_left_unjudged() -> None:
    """Every contraindication that can concern an antidepressant is judged, but those of the crisis gate."""
    antidepressants = K.classes["antidepressant"]
    left = {
        rule.id
        for rule in K.rules
        if not rule.evaluable
        and rule.severity == "contraindicated"
        and K.classes.get(rule.drug, frozenset({rule.drug})) & antidepressants
    }
    assert left == {"SR340", "SR341", "SR344"}


def test_every_row_says_where_it_comes_from_and_when() -> None:
    """Every row of every table but the sources has a source that is listed, a date and its verification."""
    for name, rows in TABLES.items():
        for row in rows if name != "sources" else ():
            assert set(row["source"].split("+")) <= set(K.sources)
            assert row["date"]
            assert row["verified"] in ("yes", "no", "secondary")


def test_every_message_can_be_filled() -> None:
    """Every message uses known placeholders only and ends as a sentence."""
    allowed = {"trigger", "drug", "value", "unit", "date", "reason", "supply", "review", None}
    messages = [rule.message for rule in K.rules] + [row.message for row in K.gates if row.effect != "assessment"]
    messages += [row.message for row in K.guideline_steps]
    for message in messages:
        assert {field for _, field, _, _ in string.Formatter().parse(message)} <= allowed
        assert message.endswith(".")


def test_the_version_changes_with_any_cell() -> None:
    """The version is the newest date and a hash that changes when one cell changes."""
    row = {**TABLES["gates"][0], "message": "Something: else."}
    changed = {**TABLES, "gates": (row, *TABLES["gates"][1:])}
    other = knowledge.build(changed, terminology.load()).version
    assert K.version.startswith("2026-")
    assert other != K.version
    assert knowledge.build(TABLES, terminology.load()).version == K.version


def test_orderables_belong_to_the_row_that_they_serve() -> None:
    """A formulary row gets tablets and capsules of its own salt and release, never of another product."""
    names = {drug: {one.name for one in found} for drug, found in K.orderables.items()}
    assert "24 HR venlafaxine 75 MG Extended Release Oral Capsule" in names["venlafaxine"]
    assert "venlafaxine 75 MG Oral Tablet" not in names["venlafaxine"]
    assert all("24 HR bupropion hydrochloride" in name for name in names["bupropion"])
    assert not any("PMDD" in name or "Delayed" in name for name in names["fluoxetine"])
    assert all(one.basis.verified for found in K.orderables.values() for one in found)


def test_the_ordered_product_is_the_one_of_the_formulary() -> None:
    """Every formulary product that is a tablet or capsule is among its own orderables."""
    for drug, row in ((row["ingredient"], row) for row in TABLES["formulary"]):
        if row["form"] in knowledge.ORDERABLE_FORMS and any(
            one["rxnorm"] == row["rxnorm_scd"] for one in TABLES["orderables"]
        ):
            assert row["rxnorm_scd"] in {one.rxnorm for one in K.orderables[drug]}


@pytest.mark.parametrize(
    ("drug", "name", "expected"),
    [
        ("sertraline", "antidepressant", True),
        ("bupropion", "serotonergic_antidepressant", False),
        ("dextromethorphan-bupropion", "serotonergic_antidepressant", True),
        ("doxepin_low_dose", "tca", False),
        ("doxepin_low_dose", "antidepressant", False),
        ("doxepin", "tca", True),
        ("selegiline", "maoi", True),
        ("lithium", "any_psychotropic", True),
        ("fluoxetine", "cyp2d6_inhibitor", True),
        ("paliperidone", "lai_antipsychotic", False),
        ("tramadol", "meperidine_tramadol_dextromethorphan", True),
    ],
)
def test_classes_hold_what_they_should(drug: str, name: str, expected: bool) -> None:
    """Classes are spelled out through their member classes, and products of one substance stay apart."""
    assert K.in_class(drug, name) is expected


Row = Mapping[str, str]


def broken(table: str, change: Callable[[Row], Row], at: int = 0) -> dict[str, tables.Table]:
    """Return the tables with one row changed."""
    rows = list(TABLES[table])
    rows[at] = change(rows[at])
    return {**TABLES, table: tuple(rows)}


@pytest.mark.parametrize(
    ("table", "cells", "code"),
    [
        ("safety_rules", {"operator": "roughly"}, "U-KNOWLEDGE-OPERATOR"),
        ("safety_rules", {"value": ""}, "U-KNOWLEDGE-OPERATOR"),
        ("safety_rules", {"value": "many"}, "U-KNOWLEDGE-VALUE"),
        ("safety_rules", {"severity": "bad"}, "U-KNOWLEDGE-VALUE"),
        ("safety_rules", {"trigger": "moonlight"}, "U-KNOWLEDGE-TRIGGER"),
        ("safety_rules", {"drug": "unobtainium"}, "U-KNOWLEDGE-DRUG"),
        ("safety_rules", {"source": "L-NOWHERE"}, "U-KNOWLEDGE-SOURCE"),
        ("safety_rules", {"unknown_source": "L-NOWHERE"}, "U-KNOWLEDGE-SOURCE"),
        ("safety_rules", {"id": "SR002"}, "U-KNOWLEDGE-DUPLICATE"),
        ("safety_rules", {"evaluable": "no"}, "U-KNOWLEDGE-VALUE"),
        ("safety_rules", {"message": "{trigger}: avoid {drgu}."}, "U-KNOWLEDGE-VALUE"),
        ("safety_rules", {"message_replacing": "Replaces {trigger."}, "U-KNOWLEDGE-VALUE"),
        ("pgx_actions", {"words": "avoid {drgu}"}, "U-KNOWLEDGE-VALUE"),
        ("triggers", {"drugs": "moonlight"}, "U-KNOWLEDGE-TRIGGER"),
        ("triggers", {"conditions": "lunacy"}, "U-KNOWLEDGE-TRIGGER"),
        ("triggers", {"feature": "aura"}, "U-KNOWLEDGE-TRIGGER"),
        ("triggers", {"scale": "tarot/total>=7"}, "U-KNOWLEDGE-TRIGGER"),
        ("gates", {"reads": "feature:aura"}, "U-KNOWLEDGE-TRIGGER"),
        ("gates", {"operator": "roughly"}, "U-KNOWLEDGE-TRIGGER"),
        ("gates", {"to": "nobody"}, "U-KNOWLEDGE-VALUE"),
        ("gates", {"taking": "moonlight"}, "U-KNOWLEDGE-DRUG"),
        ("gates", {"assessed_by": "GA99"}, "U-KNOWLEDGE-TRIGGER"),
        ("gates", {"superseded_by": "tarot/total"}, "U-KNOWLEDGE-TRIGGER"),
        ("gates", {"message": "Something without what to do."}, "U-KNOWLEDGE-VALUE"),
        ("guideline_steps", {"drugs": "unobtainium"}, "U-KNOWLEDGE-DRUG"),
        ("guideline_steps", {"reads": "aura"}, "U-KNOWLEDGE-TRIGGER"),
        ("formulary", {"start_mg_day": "some"}, "U-KNOWLEDGE-VALUE"),
        ("orderables", {"strength_mg": ""}, "U-KNOWLEDGE-VALUE"),
        ("jurisdictions", {"drafting": "perhaps"}, "U-KNOWLEDGE-VALUE"),
        ("cross_reactions", {"drug": "unobtainium"}, "U-KNOWLEDGE-DRUG"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(table: str, cells: Row, code: str) -> None:
    """A row with an unknown operator, trigger, drug, source or value is refused with its own code."""
    with pytest.raises(KnowledgeError) as caught:
        knowledge.build(broken(table, lambda row: {**row, **cells}), terminology.load())
    assert caught.value.code == code


def test_a_unit_that_is_not_the_features_is_refused() -> None:
    """A threshold in another unit than its feature is refused, never converted in silence."""
    at = next(n for n, row in enumerate(TABLES["safety_rules"]) if row["trigger"] == "potassium")
    with pytest.raises(KnowledgeError) as caught:
        knowledge.build(broken("safety_rules", lambda row: {**row, "unit": "mg/dL"}, at), terminology.load())
    assert caught.value.code == "U-KNOWLEDGE-UNIT"


@pytest.mark.parametrize(
    ("key", "table", "cells", "code"),
    [
        ("potassium", "triggers", {"feature": ""}, "U-KNOWLEDGE-TRIGGER"),
        ("lithium_level_age_days", "triggers", {"feature": ""}, "U-KNOWLEDGE-TRIGGER"),
        ("diabetes_or_hba1c", "safety_rules", {"operator": "present", "value": ""}, "U-KNOWLEDGE-OPERATOR"),
    ],
)
def test_a_measurement_that_no_rule_could_compare_is_refused(key: str, table: str, cells: Row, code: str) -> None:
    """A rule that compares a value reads one and says how, or the tables are refused."""
    column = "key" if table == "triggers" else "trigger"
    at = next(n for n, row in enumerate(TABLES[table]) if row[column] == key)
    with pytest.raises(KnowledgeError) as caught:
        knowledge.build(broken(table, lambda row: {**row, **cells}, at), terminology.load())
    assert caught.value.code == code


def test_a_column_that_is_gone_is_named() -> None:
    """A table without one of its columns is refused by the name of the column."""
    without = broken("gates", lambda row: {key: value for key, value in row.items() if key != "urgency"})
    with pytest.raises(KnowledgeError, match="urgency") as caught:
        knowledge.build(without, terminology.load())
    assert caught.value.code == "U-KNOWLEDGE-COLUMN"
