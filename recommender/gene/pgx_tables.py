"""The pharmacogenomic tables, read and checked: every diplotype row must follow from alleles and ranges."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast, get_args

from recommender.assessment import SEVERITIES, Severity
from recommender.catalog.tables import Table, basis, cell, number, refused
from recommender.errors import KnowledgeError
from recommender.gene.gene_states import of_diplotype
from recommender.gene.pgx_rows import (
    ON,
    Action,
    ActionRow,
    Allele,
    Function,
    Guidance,
    Inhibitor,
    Pharmacogenomics,
    Score,
    ScoreRange,
)

NAMES = ("pgx_alleles", "pgx_phenotypes", "pgx_guidance", "pgx_inhibitors", "pgx_actions")
_YES = {"yes": True, "no": False}
Row = Mapping[str, str]
T = TypeVar("T")


def build(read: Mapping[str, Table]) -> Pharmacogenomics:
    """Return the rows of the four tables; KnowledgeError where a cell or a diplotype contradicts the rest."""
    alleles = {(one.gene, one.name): one for one in map(_allele, read["pgx_alleles"])}
    scored = (row for row in read["pgx_phenotypes"] if row["kind"] == "score")
    ranges = _by((row["gene"], _range(row)) for row in scored)
    guidance = [_guidance(row) for row in read["pgx_guidance"]]
    return Pharmacogenomics(
        alleles=alleles,
        ranges=ranges,
        pairs=_phenotypes(read["pgx_phenotypes"], "functions"),
        diplotypes=_phenotypes(read["pgx_phenotypes"], "diplotype"),
        guidance=_by((one.drug, one) for one in guidance),
        inhibitors=_by((row["drug"], _inhibitor(row)) for row in read["pgx_inhibitors"]),
        actions={(row["action"], row["strength"]): _action(row) for row in read["pgx_actions"]},
        genes=frozenset(gene for one in guidance for gene in one.genes),
    )


def _by(pairs: Iterable[tuple[str, T]]) -> dict[str, tuple[T, ...]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return {key: tuple(values) for key, values in groups.items()}


def _phenotypes(rows: Table, kind: str) -> dict[tuple[str, str], str]:
    return {(row["gene"], row["key"]): row["phenotype"] for row in rows if row["kind"] == kind}


def _allele(row: Row) -> Allele:
    if cell(row, "function") not in get_args(Function):
        raise refused(row, "function")
    return Allele(row["gene"], row["allele"], cast("Function", row["function"]), _score(row), basis(row))


def _score(row: Row) -> Score | None:
    text = cell(row, "activity")
    try:
        return Score(float(text.removeprefix(">=")), text.startswith(">=")) if text else None
    except ValueError:
        raise refused(row, "activity") from None


def _range(row: Row) -> ScoreRange:
    low = number(row, "low")
    if low is None:
        raise refused(row, "low")
    return ScoreRange(
        row["phenotype"], low, _flag(row, "low_included"), number(row, "high"), _flag(row, "high_included")
    )


def _flag(row: Row, column: str) -> bool:
    return cell(row, column) == "yes"


def _guidance(row: Row) -> Guidance:
    genes = tuple(cell(row, "genes").split("+"))
    phenotypes = tuple(frozenset(part.strip().split("|")) for part in cell(row, "phenotypes").split(";"))
    if len(genes) != len(phenotypes):
        raise refused(row, "phenotypes")
    if cell(row, "action") not in get_args(Action):
        raise refused(row, "action")
    if cell(row, "dose_basis") not in get_args(ON) or cell(row, "blocks") not in _YES:
        raise refused(row, "dose_basis")
    return Guidance(
        id=row["id"],
        drug=row["drug"],
        genes=genes,
        phenotypes=phenotypes,
        scores=_scores(row),
        population=cell(row, "population"),
        action=cast("Action", row["action"]),
        change_percent=number(row, "dose_change_percent"),
        basis_of_change=cast("ON", row["dose_basis"]),
        max_mg=number(row, "max_mg_day"),
        slower=_flag(row, "slower_titration"),
        strength=cell(row, "strength"),
        implication=cell(row, "implication"),
        note=cell(row, "note"),
        blocks=_YES[row["blocks"]],
        basis=basis(row),
    )


def _scores(row: Row) -> tuple[float, float] | None:
    """Return the range ``0.25-0.5``, ``1`` or ``>=2.5`` as two ends, both included."""
    text = cell(row, "scores")
    if not text:
        return None
    try:
        if text.startswith(">="):
            return float(text[2:]), float("inf")
        low, _, high = text.partition("-")
        return float(low), float(high or low)
    except ValueError:
        raise refused(row, "scores") from None


def _inhibitor(row: Row) -> Inhibitor:
    kind = "inhibitor" if cell(row, "kind") == "inhibitor" else "inducer"
    return Inhibitor(
        row["drug"], kind, row["gene"], row["strength"], number(row, "multiplier"), row["rule"], basis(row)
    )


def _action(row: Row) -> ActionRow:
    if cell(row, "severity") not in SEVERITIES:
        raise refused(row, "severity")
    words = cell(row, "words").replace("{drug}", "")
    if "{" in words or "}" in words:
        raise refused(row, "words")
    return ActionRow(cast("Severity", row["severity"]), cell(row, "words"), basis(row))


def check(tables: Pharmacogenomics, drugs: Iterable[str]) -> None:
    """Refuse guidance for drugs outside the formulary, and diplotypes that the rules would read otherwise."""
    unnamed = sorted(
        {row.action for rows in tables.guidance.values() for row in rows} - {name for name, _ in tables.actions}
    )
    if unnamed:
        raise KnowledgeError("U-KNOWLEDGE-PGX", f"pgx_actions.csv has no row for {unnamed[0]}: add it")
    strangers = sorted(set(tables.guidance) - set(drugs))
    if strangers:
        raise KnowledgeError("U-KNOWLEDGE-DRUG", f"pgx_guidance.csv names {strangers[0]}: it is not in the formulary")
    for (gene, diplotype), phenotype in tables.diplotypes.items():
        derived, _ = of_diplotype(gene, diplotype, tables)
        if derived != phenotype:
            text = f"{gene} {diplotype} is {phenotype} in pgx_phenotypes.csv, {derived} by its alleles"
            raise KnowledgeError("U-KNOWLEDGE-PGX", f"{text}: correct one of them")
