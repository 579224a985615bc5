"""A site's knowledge pack as it is written: what is refused, what needs a name, what no pack may do."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog import packs, weakening
from recommender.catalog.knowledge_diff import changes
from recommender.errors import KnowledgeError, PackError
from tests.fixtures.packs import ABOUT, APPROVED, read, row, whole, write, write_tables

Row = Mapping[str, str]


def faults(folder: Path) -> list[str]:
    """Return every fault of a pack, code first."""
    with pytest.raises(KnowledgeError) as caught:
        packs.opened(folder)
    found = caught.value.faults if isinstance(caught.value, PackError) else (caught.value,)
    return [f"{one.code}: {one.message}" for one in found]


# ---- what is written wrongly


@pytest.mark.parametrize(
    ("table", "cells", "code", "text"),
    [
        (
            "formulary",
            {"ingredient": "sertralin", "max_mg_day": "100"},
            "U-PACK-ROW",
            "formulary has no row sertralin; did you mean sertraline?",
        ),
        (
            "formulary",
            {"ingredient": "sertraline", "max_mg": "100"},
            "U-PACK-COLUMN",
            "no column 'max_mg'; did you mean max_mg_day?",
        ),
        (
            "formulary",
            {"ingredient;max_mg_day": "sertraline;100"},
            "U-PACK-COLUMN",
            "no column 'ingredient;max_mg_day'; separate columns by commas",
        ),
        ("safety_rule", {"id": "SR001"}, "U-PACK-FILE", "a pack has no such file; did you mean safety_rules.csv?"),
        ("preferences", {"key": "x"}, "U-PACK-FILE", "the model is made from it"),
        ("safety_rules", {"id": "SR001", "retired": "true"}, "U-PACK-VALUE", "retired is yes or left empty"),
        ("safety_rules", {"id": "SR001", "approved_by": "us"}, "U-PACK-VALUE", "an approval needs"),
        (
            "safety_rules",
            {"id": "SR001", **APPROVED, "approved_on": "20.11.2026"},
            "U-PACK-VALUE",
            "approved_on must be a day",
        ),
        (
            "safety_rules",
            {"id": "SR001", **APPROVED, "approved_on": "2026-11-23"},
            "U-PACK-VALUE",
            "approved on 2026-11-23, after the pack's own date",
        ),
        (
            "safety_rules",
            {"id": "SR1000", "retired": "yes", **APPROVED},
            "U-PACK-ROW",
            "safety_rules has no row SR1000",
        ),
        ("sources", {"key": "K", "address": "elsewhere"}, "U-PACK-FLOOR", "a shipped source stays as it is"),
        ("gates", whole("gates", id="GC01~shipped"), "U-PACK-ROW", "PACK- and ~ are not for a row's own key"),
        ("sources", whole("sources", key="PACK-SOUTH"), "U-PACK-ROW", "PACK- and ~ are not for a row's own key"),
    ],
)
def test_a_pack_that_is_written_wrongly_is_refused(
    tmp_path: Path, table: str, cells: Row, code: str, text: str
) -> None:
    """What no table, column or row is known by is told with its file, and with the nearest name that is."""
    found = faults(write_tables(tmp_path, {table: [cells]}))
    assert any(one.startswith(f"{code}: {table}.csv") and f": {text}" in one for one in found)


@pytest.mark.parametrize(
    ("about", "fault"),
    [
        ({"naem": "north"}, "U-PACK-KEY: pack.toml: no key naem; did you mean name?"),
        ({"name": "North Hospital"}, "U-PACK-VALUE: pack.toml: name must be small letters, digits and hyphens"),
        ({"version": "2026 1"}, "U-PACK-VALUE: pack.toml: version must be one word of letters, digits"),
        ({"date": "20261122"}, "U-PACK-VALUE: pack.toml: date must be a day such as 2026-11-22"),
        ({"approved_by": ""}, "U-PACK-VALUE: pack.toml: approved_by is missing; it is needed"),
    ],
)
def test_a_pack_says_what_it_is_and_who_stands_for_it(tmp_path: Path, about: Row, fault: str) -> None:
    """pack.toml needs its five keys, each of its form, and no other."""
    assert any(one.startswith(fault) for one in faults(write(tmp_path, {**ABOUT, **about})))


def test_every_fault_of_a_pack_is_told_at_once(tmp_path: Path) -> None:
    """Two rows with a fault each are two faults, and the error of the start counts them."""
    folder = write(tmp_path, safety_rules=[{"id": "SR001", "severity": "caution"}, {"id": "SR002", "severity": "none"}])
    assert len(faults(folder)) == 2
    with pytest.raises(PackError, match=r"and 1 more: undersign knowledge check"):
        packs.load(folder)


def test_a_line_with_a_cell_too_many_is_refused(tmp_path: Path) -> None:
    """A comma that nobody quoted cannot move a cell into the next column."""
    folder = write(tmp_path, formulary=[{"ingredient": "sertraline", "dose_notes": "x"}])
    (folder / "formulary.csv").write_text("ingredient,dose_notes\nsertraline,start low, go slow\n", "utf-8")
    assert "U-PACK-ROW: formulary.csv line 2: 3 cells, the first line has 2" in faults(folder)[0]


def test_merged_rows_are_checked_like_shipped_ones(tmp_path: Path) -> None:
    """A new rule for a drug that nobody has is refused by the check of the shipped tables."""
    rule = {**row("safety_rules", id="SR001"), "id": "NORTH-1", "drug": "unobtainium"}
    assert faults(write(tmp_path, safety_rules=[rule]))[0].startswith("U-KNOWLEDGE-DRUG: NORTH-1")


# ---- what needs a name

SEROTONERGIC = row("classes", name="serotonergic_antidepressant")
STRICTER = [
    ("formulary", {"ingredient": "sertraline", "max_mg_day": "150"}),
    ("formulary", {"ingredient": "sertraline", "start_mg_day": "25"}),
    ("formulary", {"ingredient": "sertraline", "geriatric_from_age": "65", "geriatric_max_mg_day": "100"}),
    ("formulary", {"ingredient": "sertraline", "boxed_warnings": "suicidality_under_25;local_warning"}),
    ("formulary", {"ingredient": "sertraline", "dose_verified": "no"}),
    ("formulary", {"ingredient": "sertraline", "dose_notes": "as our own leaflet has it"}),
    ("safety_rules", {"id": "SR001", "value": "21"}),
    ("safety_rules", {"id": "SR001", "unknown": "block"}),
    ("safety_rules", {"id": "SR077", "severity": "contraindicated"}),
    ("safety_rules", {"id": "SR035", "cap_mg_day": "10"}),
    ("safety_rules", {"id": "SR001", "message": "{trigger}: wait 14 days before {drug}."}),
    ("cross_reactions", {"id": "XR04", "message": "{trigger}: not {drug}."}),
    ("gates", {"id": "GC01", "window_days": "180"}),
    ("gates", {"id": "GC01", "urgency": "now"}),
    ("jurisdictions", {"jurisdiction": "US-TX", "drafting": "closed"}),
    ("classes", {**SEROTONERGIC, "members": SEROTONERGIC["members"] + ";trazodone"}),
]
WEAKER = [
    ("formulary", {"ingredient": "sertraline", "max_mg_day": "250"}),
    ("formulary", {"ingredient": "sertraline", "start_mg_day": "100"}),
    ("formulary", {"ingredient": "sertraline", "indications": "mdd:yes;gad:yes"}),
    ("formulary", {"ingredient": "sertraline", "boxed_warnings": "(empty)"}),
    ("formulary", {"ingredient": "sertraline", "rxnorm": "2556"}),
    ("formulary", {"ingredient": "sertraline", "doses_per_day": "2"}),
    ("formulary", {"ingredient": "citalopram", "geriatric_max_mg_day": "40"}),
    ("formulary", {"ingredient": "citalopram", "geriatric_max_mg_day": "(empty)"}),
    ("formulary", {"ingredient": "citalopram", "geriatric_from_age": "70"}),
    ("safety_rules", {"id": "SR001", "severity": "warning"}),
    ("safety_rules", {"id": "SR001", "value": "7"}),
    ("safety_rules", {"id": "SR001", "value": "(empty)"}),
    ("safety_rules", {"id": "SR001", "sex": "female"}),
    ("safety_rules", {"id": "SR001", "age_from": "65"}),
    ("safety_rules", {"id": "SR001", "drug": "fluoxetine"}),
    ("safety_rules", {"id": "SR001", "operator": "active"}),
    ("safety_rules", {"id": "SR001", "evaluable": "no", "why_not": "not here"}),
    ("safety_rules", {"id": "SR035", "cap_mg_day": "40"}),
    ("safety_rules", {"id": "SR035", "cap_mg_day": "(empty)"}),
    ("safety_rules", {"id": "SR001", "retired": "yes"}),
    ("cross_reactions", {"id": "XR04", "severity": "warning"}),
    ("cross_reactions", {"id": "XR04", "verified": "yes"}),
    ("gates", {"id": "GO12", "value": "5"}),
    ("gates", {"id": "GI02", "retired": "yes"}),
    ("gates", {"id": "GC01", "assessed_by": "GA01"}),
    ("gates", {"id": "GR03", "retired": "yes"}),
    ("jurisdictions", {"jurisdiction": "US-NV", "drafting": "open"}),
    ("jurisdictions", {"jurisdiction": "US-ME", "consent": "(empty)"}),
    ("jurisdictions", {"jurisdiction": "US-NV", "retired": "yes"}),
    ("jurisdictions", whole("jurisdictions", jurisdiction="US-CA", drafting="open", verified="site")),
    ("guideline_steps", {"id": "GS02", "retired": "yes"}),
    ("policies", {"key": "childbearing_age_to", "value": "45"}),
    ("pgx_guidance", {"id": "PG003", "max_mg_day": "40"}),
    ("pgx_guidance", {"id": "PG003", "action": "standard"}),
    ("pgx_guidance", {"id": "PG003", "retired": "yes"}),
    ("pgx_inhibitors", {"drug": "paroxetine", "gene": "CYP2D6", "retired": "yes"}),
    (
        "pgx_alleles",
        whole("pgx_alleles", gene="CYP2D6", allele="*999", function="normal", activity="1", verified="site"),
    ),
    ("formulary", {**row("formulary", ingredient="sertraline"), "ingredient": "sertraline_ours", "verified": "no"}),
    ("orderables", {**row("orderables", rxnorm="312941"), "rxnorm": "1", "strength_mg": "75"}),
    ("conditions", whole("conditions", key="bipolar_disorder", name="bipolar", indication="mdd", verified="site")),
]


def label(value: object) -> str | None:
    """Name a case by the cells that it changes."""
    return ",".join(f"{k}={v}"[:40] for k, v in list(value.items())[:3]) if isinstance(value, Mapping) else None


@pytest.mark.parametrize(("table", "cells"), STRICTER, ids=label)
def test_what_is_stricter_needs_nobody_beside_the_pack(tmp_path: Path, table: str, cells: Row) -> None:
    """A row that only tells or restricts more is taken as it is, and lets nothing through."""
    found = packs.opened(write_tables(tmp_path, {table: [cells]})).changes
    assert any(one.table == table for one in found)
    assert [one.weakens for one in found if one.weakens] == []


@pytest.mark.parametrize(("table", "cells"), WEAKER, ids=label)
def test_what_lets_more_through_needs_a_name_a_day_and_a_reason(tmp_path: Path, table: str, cells: Row) -> None:
    """Without an approval of its own the row is refused; with one it is listed with that approval."""
    assert faults(write_tables(tmp_path, {table: [cells]}))[0].startswith("U-PACK-APPROVAL")
    shipped = packs.shipped_tables()
    folder = write_tables(tmp_path, {table: [{**cells, **APPROVED}]})
    weaker = [one for one in changes(shipped, packs.merge(shipped, read(folder))) if one.weakens]
    assert [one.approval for one in weaker] == [
        "approved by Chief pharmacist, North Hospital on 2026-11-20: medicines committee, paper 7"
    ]


@pytest.mark.parametrize(
    ("table", "cells"),
    [
        ("gates", {"id": "GC01", "retired": "yes"}),
        ("gates", {"id": "GC01", "value": "2"}),
        ("gates", {"id": "GC01", "window_days": "30"}),
        ("gates", {"id": "GC07", "urgency": "routine"}),
        ("gates", {"id": "GC07", "reopens": "yes"}),
        ("gates", {"id": "GC01", "effect": "notice"}),
        ("gates", {"id": "GK01", "retired": "yes"}),
        ("gates", {"id": "GO01", "retired": "yes"}),
        ("gates", {"id": "GO02", "value": "12"}),
        ("formulary", {"ingredient": "zolpidem", "dea_schedule": "none"}),
        ("triggers", {"kind": "drug", "key": "maoi", "drugs": "phenelzine"}),
        ("triggers", {"kind": "drug", "key": "maoi", "retired": "yes"}),
        ("classes", {"name": "antipsychotic", "members": "sga"}),
        ("classes", {"name": "antipsychotic", "retired": "yes"}),
        ("pgx_alleles", {"gene": "CYP2B6", "allele": "*1", "function": "no"}),
        ("pgx_actions", {"action": "standard", "strength": "*", "severity": "warning"}),
        ("policies", whole("policies", key="adequate_trial_day", value="7", verified="site")),
        ("policies", {"key": "adequate_trial_days", "retired": "yes"}),
        ("jurisdictions", {"jurisdiction": "*", "retired": "yes"}),
    ],
    ids=label,
)
def test_some_rows_no_approval_weakens(tmp_path: Path, table: str, cells: Row) -> None:
    """Crisis, refusal, childhood, controlled drugs and what rules read by are the same at every site."""
    table_rows = {**cells, **APPROVED}
    if table == "pgx_actions":
        table_rows["severity"] = (
            "none" if row("pgx_actions", action="avoid", strength="*")["severity"] != "none" else "x"
        )
        table_rows["action"] = "avoid"
    assert faults(write_tables(tmp_path, {table: [table_rows]}))[0].startswith("U-PACK-FLOOR")


@given(before=st.integers(1, 400), after=st.integers(1, 400))
def test_a_ceiling_is_weaker_exactly_when_it_is_higher(before: int, after: int) -> None:
    """Of any two ceilings the higher one lets more through, and none lets through most."""
    old, new = {"id": "X", "cap_mg_day": str(before)}, {"id": "X", "cap_mg_day": str(after)}
    assert bool(weakening.changed("safety_rules", old, new)) is (after > before)
    assert weakening.changed("safety_rules", old, {"id": "X", "cap_mg_day": ""})


@given(column=st.text("abcdefgh_", min_size=1, max_size=12), cells=st.tuples(st.text(max_size=5), st.text(max_size=5)))
def test_a_column_that_nobody_described_weakens_by_any_change(column: str, cells: tuple[str, str]) -> None:
    """Of what is not known to be stricter, every change needs a name."""
    before, after = ({"id": "X", column: cell} for cell in cells)
    assert bool(weakening.changed("a_table_of_tomorrow", before, after)) is (cells[0] != cells[1])
