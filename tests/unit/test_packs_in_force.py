"""A site's knowledge pack in force: what acts, what is only told, and by whose word."""

from pathlib import Path

from fhir_adapters import terminology
from fhir_adapters.canonical import Adapted
from recommender.assess import assess
from recommender.assessment import Candidate, Dose, Reason
from recommender.catalog import knowledge, packs
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.knowledge_diff import changes
from recommender.dose.dosing import dose
from recommender.safety import rules
from tests import factories as make
from tests.fixtures.packs import APPROVED, read, row, write

K = knowledge.load()
MAOI = {"id": "SR001"}  # an SSRI within 14 days of an MAO inhibitor


def said(drug: str, known: Knowledge, *facts: object) -> list[Reason]:
    """Return what the rules say of a drug for a depressed man of 45 with these facts, as far as it is known."""
    chart = make.patient(*facts)  # pyright: ignore[reportArgumentType]
    return [one.reason for one in rules.evaluate(drug, chart, make.adult(), known) if not one.reason.unknown]


def candidate(drug: str, known: Knowledge) -> Candidate:
    """Return how a depressed man of 45 without anything else is assessed for a drug."""
    adapted = Adapted(make.patient(make.diagnosis("mdd")), make.adult(), "base-r4")
    return next(one for one in assess(adapted, known, None).candidates if one.ingredient == drug)


def start(drug: str, known: Knowledge) -> Dose | Reason:
    """Return the dose of a drug for that man, whatever the rules say."""
    return dose(drug, (), make.adult(), known)


def test_a_retired_rule_still_tells_what_it_would_have_said(tmp_path: Path) -> None:
    """A rule out of force excludes nothing, and where it would have held the clinician reads who decided so."""
    known = packs.load(write(tmp_path, safety_rules=[{**MAOI, "retired": "yes", **APPROVED}]))
    taken = make.course("phenelzine", start=make.days_ago(30))
    shipped = {one.rule: one for one in said("sertraline", K, taken)}
    told = {one.rule: one for one in said("sertraline", known, taken)}
    assert shipped["SR001"].blocks
    assert (told["SR001"].severity, told["SR001"].blocks) == ("monitor", False)
    assert told["SR001"].message.startswith("Not applied at this site (approved by Chief pharmacist, North Hospital on")
    assert told["SR001"].source.endswith("+PACK-NORTH")
    assert "SR001" not in {one.rule for one in said("sertraline", known)}


def test_a_softened_rule_says_both_what_holds_here_and_what_was_shipped(tmp_path: Path) -> None:
    """The site's severity acts, with the pack as its source, and the shipped rule is told beside it."""
    known = packs.load(write(tmp_path, safety_rules=[{**MAOI, "severity": "warning", **APPROVED}]))
    told = {one.rule: one for one in said("sertraline", known, make.course("phenelzine", start=make.days_ago(30)))}
    assert (told["SR001"].severity, told["SR001"].source.endswith("+PACK-NORTH")) == ("warning", True)
    assert told["SR001~shipped"].message.startswith("Not applied at this site")


def test_a_narrowed_rule_is_told_where_it_holds_no_longer(tmp_path: Path) -> None:
    """With a shorter wash-out, day ten after the MAO inhibitor is not silent."""
    known = packs.load(write(tmp_path, safety_rules=[{**MAOI, "value": "7", **APPROVED}]))
    stopped = make.course("phenelzine", taking="stopped", start=make.days_ago(90), stop=make.days_ago(10))
    told = {one.rule: one for one in said("sertraline", known, stopped)}
    assert "SR001" not in told
    assert not told["SR001~shipped"].blocks


def test_a_new_rule_acts_and_names_the_pack(tmp_path: Path) -> None:
    """A local contraindication excludes at once; its source is the site's own."""
    rule = {**row("safety_rules", id="SR033"), "id": "NORTH-1", "severity": "contraindicated", "source": ""}
    known = packs.load(write(tmp_path, safety_rules=[{**rule, "verified": "site"}]))
    found = {one.rule: one for one in said("sertraline", known, make.course("lithium"))}["NORTH-1"]
    assert (found.blocks, found.source, found.verified) == (True, "PACK-NORTH", True)
    assert known.sources["PACK-NORTH"].what.startswith("knowledge pack north 2026.1, approved by Chief pharmacist")


def test_a_weakened_gate_is_told_as_a_notice(tmp_path: Path) -> None:
    """Where the shipped gate would have closed, an open one says so and by whose word."""
    known = packs.load(write(tmp_path, gates=[{"id": "GO12", "value": "5", **APPROVED}]))
    chart = Adapted(make.patient(make.diagnosis("mdd")), make.adult(phq9_total=7.0), "base-r4")
    assert assess(chart, K, None).gate.status == "out-of-scope"
    gate = assess(chart, known, None).gate
    assert gate.status == "open"
    assert any(one.startswith("Not applied at this site (approved by") and "PHQ-9 7" in one for one in gate.reasons)


def test_a_place_that_the_site_opened_says_so(tmp_path: Path) -> None:
    """Nevada is closed until the site attests otherwise, and its attestation is read with every assessment."""
    known = packs.load(write(tmp_path, jurisdictions=[{"jurisdiction": "US-NV", "drafting": "open", **APPROVED}]))
    chart = Adapted(make.patient(make.diagnosis("mdd")), make.adult(), "base-r4")
    assert assess(chart, K, None, jurisdiction="US-NV").gate.status == "jurisdiction"
    gate = assess(chart, known, None, jurisdiction="US-NV").gate
    assert gate.status == "open"
    assert any("Changed by this site, drafting closed → open (approved by" in one for one in gate.reasons)


def test_a_dose_that_nobody_verified_is_drafted_only_by_approval(tmp_path: Path) -> None:
    """An unverified dose is not draftable; a name, a day and a reason make it so, and every candidate says whose."""
    shipped = packs.shipped_tables()
    rows = ({**one, "dose_verified": "secondary"} for one in shipped["formulary"] if one["ingredient"] == "sertraline")
    others = (one for one in shipped["formulary"] if one["ingredient"] != "sertraline")
    unread = {**shipped, "formulary": (*rows, *others)}
    pack = read(write(tmp_path, formulary=[{"ingredient": "sertraline", "dose_verified": "site", **APPROVED}]))
    before = knowledge.build(unread, terminology.load())
    after = knowledge.build(packs.merge(unread, pack), terminology.load(), "north@2026.1")
    assert isinstance(start("sertraline", before), Reason)
    assert isinstance(start("sertraline", after), Dose)
    found = candidate("sertraline", after)
    assert candidate("sertraline", before).verdict == "not-draftable"
    assert any(
        one.rule == "PACK-NORTH-sertraline" and "dose_verified secondary → site (approved by Chief" in one.message
        for one in found.reasons
    )


def test_a_changed_dose_is_the_sites_own_and_no_longer_the_labels(tmp_path: Path) -> None:
    """A lower ceiling is in force at once, and is not passed off as what the label says."""
    opened = packs.opened(write(tmp_path, formulary=[{"ingredient": "citalopram", "max_mg_day": "30"}]))
    drug = opened.knowledge.drugs["citalopram"]
    assert (drug.max_mg, drug.dose_verified, drug.code_verified) == (30, "site", "yes")
    found = start("citalopram", opened.knowledge)
    assert isinstance(found, Dose)
    assert found.max_mg_per_day <= 30


def test_a_drug_off_the_formulary_still_counts_for_the_others(tmp_path: Path) -> None:
    """What the site does not stock is not drafted, but a patient who takes it is as much at risk."""
    retired = [{"ingredient": name, "retired": "yes", **APPROVED} for name in ("phenelzine", "paroxetine")]
    known = packs.load(write(tmp_path, formulary=retired))
    refused = start("paroxetine", known)
    assert isinstance(refused, Reason)
    assert "not on this site's formulary (approved by Chief pharmacist" in refused.message
    assert candidate("paroxetine", known).verdict == "not-draftable"
    assert any(one.rule == "SR001" and one.blocks for one in said("sertraline", known, make.course("phenelzine")))


def test_the_version_names_the_pack_and_changes_with_every_word_of_an_approval(tmp_path: Path) -> None:
    """The pack's name and version stand in the version of the knowledge; its hash holds name, day and reason."""
    rows = [{**MAOI, "retired": "yes", **APPROVED}]
    first = packs.load(write(tmp_path / "a", safety_rules=rows)).version
    second = packs.load(write(tmp_path / "b", safety_rules=[{**rows[0], "approved_reason": "another"}])).version
    assert first.endswith("+north@2026.1")
    assert len({first, second, K.version}) == 3
    assert packs.load(write(tmp_path / "c", safety_rules=rows)).version == first


def test_rows_as_shipped_change_nothing(tmp_path: Path) -> None:
    """A whole shipped table in a pack is no change: its rows are those of the shipped one."""
    opened = packs.opened(write(tmp_path, safety_rules=packs.shipped_tables()["safety_rules"]))
    assert [one.key for one in opened.changes] == ["PACK-NORTH"]


def test_without_a_pack_nothing_differs() -> None:
    """No folder is the shipped knowledge itself."""
    assert packs.load(None) is K
    assert changes(packs.shipped_tables(), packs.shipped_tables()) == ()
