"""What is known of each gene of one patient: phenotypes from diplotypes by dated tables, and how sure that is.

An allele that the tables do not list, a result without a clear function and a gene that was not tested are
three different things, and none of them is normal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from fhir_adapters.canonical import CanonicalPatient, Genotype
from recommender.gene.pgx_rows import INDETERMINATE, NO_RESULT, Pharmacogenomics, Score

Certainty = Literal["derived", "reported", "conflicting", "unconfirmed", "indeterminate", "not-tested"]


@dataclass(frozen=True, slots=True)
class GeneState:
    """One gene of one patient.

    ``phenotypes``: all that the results can mean, each with its activity score where the gene has one; more
    than one when results differ. ``words`` say what stands in the chart, ``facts`` where.
    """

    gene: str
    certainty: Certainty
    phenotypes: Mapping[str, Score | None]
    words: str = ""
    facts: tuple[str, ...] = ()


def of_diplotype(gene: str, diplotype: str, tables: Pharmacogenomics) -> tuple[str, Score | None]:
    """Return the phenotype of a diplotype and its activity score; ``Indeterminate`` where a function is not known."""
    found = [tables.alleles.get((gene, name)) for name in diplotype.split("/")]
    known = [one for one in found if one is not None and one.function not in ("uncertain", "unknown")]
    if len(found) != 2 or len(known) != 2:
        return INDETERMINATE, None
    if gene not in tables.ranges:
        pair = "+".join(sorted(one.function for one in known))
        return tables.pairs.get((gene, pair), INDETERMINATE), None
    scores = [one.activity for one in known if one.activity is not None]
    if len(scores) != 2:
        return INDETERMINATE, None
    score = Score(scores[0].value + scores[1].value, scores[0].open or scores[1].open)
    return of_score(gene, score, tables), score


def of_score(gene: str, score: Score, tables: Pharmacogenomics) -> str:
    """Return the phenotype of an activity score."""
    found = [one.phenotype for one in tables.ranges.get(gene, ()) if one.holds(score)]
    return found[0] if len(found) == 1 else INDETERMINATE


def states(patient: CanonicalPatient, tables: Pharmacogenomics) -> Mapping[str, GeneState]:
    """Return the state of every gene that guidance reads."""
    by_gene: dict[str, list[Genotype]] = {gene: [] for gene in tables.genes}
    for one in patient.genotypes:
        if one.gene in by_gene:
            by_gene[one.gene].append(one)
    return {gene: _state(gene, found, tables) for gene, found in by_gene.items()}


def _state(gene: str, found: list[Genotype], tables: Pharmacogenomics) -> GeneState:
    confirmed = [one for one in found if not one.from_text]
    used = confirmed or found
    phenotypes: dict[str, Score | None] = {}
    for one in used:
        phenotypes.update(_meanings(one, tables))
    if not phenotypes:
        return GeneState(gene, "not-tested", {NO_RESULT: None})
    facts = tuple(sorted({one.source.reference for one in used}))
    return GeneState(gene, _certainty(phenotypes, used, confirmed), _scored(phenotypes), _words(used), facts)


def _meanings(one: Genotype, tables: Pharmacogenomics) -> dict[str, Score | None]:
    if one.attribute == "diplotype":
        if one.gene not in tables.ranges and not any(gene == one.gene for gene, _ in tables.alleles):
            return {}  # an HLA typing: its alleles stand beside it
        phenotype, score = of_diplotype(one.gene, one.value, tables)
        return {phenotype: score}
    if one.attribute == "allele":
        return {f"{one.allele} {one.value}": None}
    if one.attribute == "activity_score":
        return {of_score(one.gene, Score(float(one.value)), tables): Score(float(one.value))}
    return {one.value: None}


def _scored(phenotypes: Mapping[str, Score | None]) -> dict[str, Score | None]:
    """Leave "Indeterminate" out where another result says more: it adds nothing and must not hide it."""
    clear = {name: score for name, score in phenotypes.items() if name != INDETERMINATE}
    return clear or dict(phenotypes)


def _certainty(
    phenotypes: Mapping[str, Score | None], used: Iterable[Genotype], confirmed: Iterable[Genotype]
) -> Certainty:
    clear = set(phenotypes) - {INDETERMINATE}
    if not clear:
        return "indeterminate"
    if not confirmed:
        return "unconfirmed"
    if len(clear) > 1:
        return "conflicting"
    return "derived" if any(one.attribute == "diplotype" for one in used) else "reported"


def _words(used: Iterable[Genotype]) -> str:
    said = (f"{one.allele} {one.value}" if one.allele else one.value for one in used)
    return ", ".join(dict.fromkeys(said))
