"""Every pharmacogenomic row, from the tables themselves: a new row is tested the day it is added."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import pytest

from fhir_adapters.canonical import Genotype, MedicationCourse, Source
from recommender.catalog import knowledge
from recommender.dose.dosing import dose
from recommender.gene import gene_states
from recommender.gene.gene_states import GeneState, of_diplotype, of_score, states
from recommender.gene.pgx_rows import INDETERMINATE, NO_RESULT, Guidance, Score
from recommender.safety import rules
from recommender.safety.findings import Finding
from tests import factories

K = knowledge.load()
ROWS = [row for rows in K.pgx.guidance.values() for row in rows]
TOLD = [row for row in ROWS if K.pgx.action(row).severity != "none" and row.population != "no-alternatives"]
ORIGIN = Source("Observation/g", "valueCodeableConcept", "genomics.phenotype")
DAY = date(2026, 5, 4)


def fact(gene: str, value: str, attribute: str = "phenotype", allele: str | None = None, **more: bool) -> Genotype:
    """One result of one gene."""
    return Genotype(gene, attribute, value, DAY, ORIGIN, allele, **more)  # type: ignore[arg-type]


def results(row: Guidance) -> list[Genotype]:
    """The results for which a row holds: its first phenotypes, its lowest score."""
    found: list[Genotype] = []
    for gene, phenotypes in zip(row.genes, row.phenotypes, strict=True):
        phenotype = sorted(phenotypes)[0]
        if phenotype.startswith("*"):
            allele, value = phenotype.split(" ")
            found.append(fact(gene, value, "allele", allele))
        elif phenotype != NO_RESULT:
            found.append(fact(gene, phenotype))
    return found


def findings(
    drug: str, genotypes: Iterable[Genotype], *courses: MedicationCourse, current: bool = False
) -> list[Finding]:
    """What genes say of a drug for an adult with these results and courses."""
    patient = replace(factories.patient(), genotypes=tuple(genotypes), medications=courses)
    found = rules.evaluate(drug, patient, factories.adult(), K, current=current)
    return [one for one in found if one.reason.rule.startswith("PG")]


def said(drug: str, genotypes: Iterable[Genotype], *courses: MedicationCourse, current: bool = False) -> set[str]:
    """The rows that hold."""
    return {one.reason.rule for one in findings(drug, genotypes, *courses, current=current)}


def taken(drug: str, start: date) -> MedicationCourse:
    """A drug that is taken since a day."""
    origin = Source("MedicationRequest/m", "medicationCodeableConcept", "medications.drug")
    return MedicationCourse(drug, (drug,), (), "taking", start, None, None, origin)


@pytest.mark.parametrize("row", TOLD, ids=lambda row: f"{row.id} {row.drug}")
def test_each_row_is_told_to_whom_it_holds(row: Guidance) -> None:
    """A patient with the row's phenotypes is told, with the row's severity, ceiling and change of dose."""
    if row.population == "over-3-months":
        found = findings(row.drug, results(row), taken(row.drug, date(2026, 1, 1)), current=True)
    else:
        found = findings(row.drug, results(row))
    own = [one for one in found if one.reason.rule == row.id]
    same = [
        one for one in found if one.reason.severity == ("contraindicated" if row.blocks else K.pgx.action(row).severity)
    ]
    assert own or same  # one sentence of one severity stands once
    assert not row.blocks or any(one.reason.blocks for one in found)
    assert row.max_mg is None or min(one.cap_mg_per_day or 1e9 for one in found) <= row.max_mg


@pytest.mark.parametrize(
    "row", [row for row in TOLD if row.scores], ids=lambda row: f"{row.id} {row.drug} {row.scores}"
)
def test_scores_bound_a_row_on_both_sides(row: Guidance) -> None:
    """A row limited to a range of activity scores holds at both ends and not beside them."""
    (low, high), gene = row.scores or (0, 0), "CYP2D6" if "CYP2D6" in row.genes else row.genes[0]
    others = [one for one in results(row) if one.gene != gene]

    def holds(score: float) -> bool:
        return row.id in said(row.drug, [*others, fact(gene, f"{score:g}", "activity_score")])

    assert holds(low)
    assert high == float("inf") or holds(high)
    assert low == 0 or not holds(low - 0.125)
    assert high == float("inf") or not holds(high + 0.125) or row.id in _open_ended(row)


KINDS = ("Poor", "Intermediate", "Normal", "Rapid", "Ultrarapid")
OTHERS = [
    (row, other)
    for row in TOLD
    if len(row.genes) == 1 and not row.population and not any(one.startswith("*") for one in row.phenotypes[0])
    for other in (*(f"{kind} Metabolizer" for kind in KINDS), INDETERMINATE)
    if other not in row.phenotypes[0]
]


@pytest.mark.parametrize(("row", "other"), OTHERS, ids=lambda one: getattr(one, "id", one))
def test_another_phenotype_is_not_told_the_row(row: Guidance, other: str) -> None:
    """A row is told for its own phenotypes only: neither for another one, an indeterminate one nor another gene's."""
    assert row.id not in said(row.drug, [fact(row.genes[0], other)])
    elsewhere = "CYP2B6" if row.genes[0] != "CYP2B6" else "CYP2D6"
    assert row.id not in said(row.drug, [fact(elsewhere, sorted(row.phenotypes[0])[0])])


JOINT = [row for row in TOLD if len(row.genes) == 2 and not row.population]


@pytest.mark.parametrize("row", JOINT, ids=lambda row: f"{row.id} {row.drug}")
@pytest.mark.parametrize("side", [0, 1])
def test_a_joint_row_needs_both_its_genes(row: Guidance, side: int) -> None:
    """A row of two genes is not told where one of them has a phenotype of another row."""
    names = {name for one in JOINT if one.genes == row.genes for name in one.phenotypes[side]} - row.phenotypes[side]
    plain = {one for one in names if not one.startswith("Likely ")} - {NO_RESULT, INDETERMINATE}
    held = [one for one in results(row) if one.gene != row.genes[side]]
    for other in sorted(plain):
        assert row.id not in said(row.drug, [*held, fact(row.genes[side], other)])


def _open_ended(row: Guidance) -> set[str]:
    """Rows whose phenotype ends before their range does are bounded by the phenotype."""
    return {row.id} if any(INDETERMINATE in names for names in row.phenotypes) else set()


@pytest.mark.parametrize(("key", "phenotype"), K.pgx.diplotypes.items(), ids=str)
def test_each_diplotype_has_its_phenotype(key: tuple[str, str], phenotype: str) -> None:
    """The tables' diplotypes follow from their alleles."""
    assert of_diplotype(*key, K.pgx)[0] == phenotype


@pytest.mark.parametrize(
    ("gene", "diplotype", "phenotype", "score"),
    [
        ("CYP2D6", "*10/*41", "Intermediate Metabolizer", Score(0.5)),
        ("CYP2D6", "*1/*41", "Normal Metabolizer", Score(1.25)),
        ("CYP2D6", "*4/*41", "Intermediate Metabolizer", Score(0.25)),
        ("CYP2D6", "*1x2/*4", "Normal Metabolizer", Score(2.0)),
        ("CYP2D6", "*1/*1x2", "Ultrarapid Metabolizer", Score(3.0)),
        ("CYP2D6", "*1/*999", INDETERMINATE, None),
        ("CYP2D6", "*1xN/*4", INDETERMINATE, None),
        ("CYP2D6", "*1/*1/*2", INDETERMINATE, None),
        ("CYP2D6", "*1/*999/*2", INDETERMINATE, None),
        ("CYP2C19", "*2/*17", "Intermediate Metabolizer", None),
        ("CYP2C19", "*17/*17", "Ultrarapid Metabolizer", None),
        ("CYP2C19", "*1/*43", INDETERMINATE, None),
        ("CYP2B6", "*6/*6", "Poor Metabolizer", None),
    ],
)
def test_diplotypes_that_matter(gene: str, diplotype: str, phenotype: str, score: Score | None) -> None:
    """Boundary diplotypes read by the 2022 activity values; an unlisted allele is never normal."""
    assert of_diplotype(gene, diplotype, K.pgx) == (phenotype, score)


def state(gene: str, *genotypes: Genotype) -> GeneState:
    """The state of one gene."""
    return states(replace(factories.patient(), genotypes=genotypes), K.pgx)[gene]


def test_unknown_indeterminate_and_not_tested_are_three_things() -> None:
    """An unlisted allele is indeterminate, no result is not tested, and neither is normal."""
    assert state("CYP2D6").certainty == "not-tested"
    assert state("CYP2D6", fact("CYP2D6", "*1/*999", "diplotype")).certainty == "indeterminate"
    assert state("CYP2D6", fact("CYP2D6", "*1/*1", "diplotype")).certainty == "derived"


def test_results_that_differ_are_all_judged() -> None:
    """A reported normal phenotype does not clear what the diplotype says."""
    mixed = [fact("CYP2C19", "*2/*2", "diplotype"), fact("CYP2C19", "Normal Metabolizer")]
    assert state("CYP2C19", *mixed).certainty == "conflicting"
    assert said("citalopram", [mixed[0]]) <= said("citalopram", mixed)


def test_a_result_that_says_more_stands_before_an_indeterminate_one() -> None:
    """An indeterminate result beside a clear one neither hides it nor makes a conflict of it."""
    found = state("CYP2C19", fact("CYP2C19", INDETERMINATE), fact("CYP2C19", "Poor Metabolizer"))
    assert (set(found.phenotypes), found.certainty) == ({"Poor Metabolizer"}, "reported")


def test_words_say_nothing_where_the_laboratory_reported_a_code() -> None:
    """A result read from words is left out where a coded one of the same gene is on file."""
    found = state("CYP2C19", fact("CYP2C19", "Normal Metabolizer"), fact("CYP2C19", "Poor Metabolizer", from_text=True))
    assert (set(found.phenotypes), found.certainty) == ({"Normal Metabolizer"}, "reported")


def test_a_score_in_two_ranges_is_indeterminate() -> None:
    """Tables that give one score two phenotypes settle nothing."""
    twice = replace(K.pgx, ranges={gene: ranges * 2 for gene, ranges in K.pgx.ranges.items()})
    assert of_score("CYP2D6", Score(1.0), K.pgx) == "Intermediate Metabolizer"
    assert of_score("CYP2D6", Score(1.0), twice) == INDETERMINATE


PLAIN = [
    (row, phenotype, f"Likely {phenotype}")
    for row in TOLD
    if len(row.genes) == 1 and not row.population
    for phenotype in sorted(row.phenotypes[0])
    if phenotype.endswith(" Metabolizer") and not phenotype.startswith("Likely ")
]


@pytest.mark.parametrize(("row", "plain", "likely"), PLAIN, ids=lambda one: getattr(one, "id", one))
def test_a_likely_phenotype_counts_as_the_plain_one_where_its_source_has_no_row_for_it(
    row: Guidance, plain: str, likely: str
) -> None:
    """A "likely" phenotype is told the plain one's row, unless the source has a row of its own for it."""
    same = [one for one in K.pgx.guidance[row.drug] if one.basis.source == row.basis.source]
    own = any(likely in names for one in same for names in one.phenotypes)
    gene = row.genes[0]
    assert row.id in said(row.drug, [fact(gene, plain)])
    assert (row.id in said(row.drug, [fact(gene, likely)])) is (not own or likely in row.phenotypes[0])


@pytest.mark.parametrize("row", [row for row in TOLD if row.population], ids=lambda row: f"{row.id} {row.population}")
@pytest.mark.parametrize("days", [None, 89, 90])
def test_a_drug_taken_for_three_months_is_past_the_time_of_the_reaction(row: Guidance, days: int | None) -> None:
    """What is told to who never took the drug ends on the day when it was taken for three months."""
    courses = () if days is None else (taken(row.drug, factories.days_ago(days)),)
    established = days == K.policies["hla_established_days"]
    told = row.id in said(row.drug, results(row), *courses, current=bool(courses))
    assert told is (established == (row.population == "over-3-months"))


@pytest.mark.parametrize("row", [row for row in TOLD if row.max_mg is not None], ids=lambda row: f"{row.id} {row.drug}")
def test_a_ceiling_is_told(row: Guidance) -> None:
    """A row with a ceiling names it in mg a day."""
    found = [one for one in findings(row.drug, results(row)) if one.reason.rule == row.id]
    assert all(f"not above {row.max_mg:g} mg a day" in one.reason.message for one in found)
    assert found


@pytest.mark.parametrize(
    ("inhibitor", "genotype", "now"),
    [
        ("paroxetine", fact("CYP2D6", "*1/*1", "diplotype"), "poor"),
        ("paroxetine", fact("CYP2D6", "Normal Metabolizer"), "poor"),
        ("duloxetine", fact("CYP2D6", "*1/*1", "diplotype"), "intermediate"),
        ("duloxetine", fact("CYP2D6", "Normal Metabolizer"), ""),
        ("paroxetine", fact("CYP2D6", "Poor Metabolizer"), ""),
        ("paroxetine", fact("CYP2D6", "*1/*999", "diplotype"), ""),
        ("sertraline", fact("CYP2D6", "*1/*1", "diplotype"), ""),
        ("paroxetine", fact("CYP2C19", "*1/*1", "diplotype"), ""),
    ],
    ids=["strong", "no score", "half", "half of no score", "poor already", "unknown allele", "weak", "another gene"],
)
def test_an_inhibitor_weakens_by_its_strength(inhibitor: str, genotype: Genotype, now: str) -> None:
    """A note says as what the enzyme may work, and there is none where that is not known or no change."""
    found = findings("nortriptyline", [genotype], taken(inhibitor, DAY))
    notes = [one.reason.message for one in found if one.reason.rule == "PGX-INH-CYP2D6"]
    assert [f"may work as in a {now} metabolizer" in note for note in notes] == ([True] if now else [])


def test_a_drug_is_no_inhibitor_of_itself() -> None:
    """Paroxetine that is taken adds no note to paroxetine, and adds one to venlafaxine."""
    normal, current = [fact("CYP2D6", "*1/*1", "diplotype")], taken("paroxetine", DAY)
    assert "PGX-INH-CYP2D6" not in said("paroxetine", normal, current, current=True)
    assert "PGX-INH-CYP2D6" in said("venlafaxine", normal, current)


def test_text_needs_confirmation_and_still_warns() -> None:
    """A result read from words is unconfirmed, says so, and its warning stands."""
    (found,) = [
        one for one in findings("escitalopram", [fact("CYP2C19", "Poor Metabolizer", from_text=True)]) if one.change
    ]
    assert "to be confirmed" in found.reason.message


def test_an_inhibitor_is_shown_and_clears_nothing() -> None:
    """A strong inhibitor adds a low-certainty note and removes no finding of the genotype."""
    normal = [fact("CYP2D6", "*1/*1", "diplotype")]
    assert "PGX-INH-CYP2D6" in said("nortriptyline", normal, taken("paroxetine", DAY))
    fast = [fact("CYP2D6", "Ultrarapid Metabolizer")]
    alone = said("nortriptyline", fast)
    assert alone
    assert alone <= said("nortriptyline", fast, taken("paroxetine", DAY))


def test_a_gene_never_raises_a_dose() -> None:
    """No finding asks for more than the usual dose by itself."""
    every = [change for row in TOLD for one in findings(row.drug, results(row)) if (change := one.change)]
    assert every
    assert all(change.factor < 1 for change in every)


def test_the_lowered_dose_can_be_dispensed() -> None:
    """Nortriptyline for a CYP2D6 intermediate metaboliser starts at the next lower strength, 10 mg and not 18.75."""
    patient = replace(factories.patient(), genotypes=(fact("CYP2D6", "*1/*4", "diplotype"),))
    features = factories.adult()
    found = dose("nortriptyline", rules.evaluate("nortriptyline", patient, features, K), features, K)
    assert not isinstance(found, type(None))
    assert getattr(found, "start_mg_per_day", None) == 10


def test_no_result_says_nothing() -> None:
    """Without any genotype there is no pharmacogenomic finding for any drug."""
    assert not [one for drug in K.drugs for one in findings(drug, ())]
    assert gene_states.states(factories.patient(), K.pgx)["CYP2D6"].phenotypes == {NO_RESULT: None}
