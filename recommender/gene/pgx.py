"""What genes say of one drug: each source's advice side by side, the strictest safety limit acting.

An inhibitor that is taken may make an enzyme work less than its gene says. That is shown with low certainty, and
never clears what the genotype warns of.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from recommender.assessment import Reason
from recommender.gene.gene_states import GeneState, of_score
from recommender.gene.pgx_rows import NO_RESULT, Guidance, Inhibitor, Pharmacogenomics, Score
from recommender.safety.chart import Chart, Subject, Taken
from recommender.safety.findings import DoseChange, Finding

_SOURCES = {"PGX-CPIC": "CPIC", "PGX-FDA": "FDA table", "PGX-LABEL": "label"}
_UNSURE = {
    "conflicting": "results differ, the stricter counts; ",
    "unconfirmed": "read from text, to be confirmed; ",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """One row of guidance that holds for a patient, with the gene states that it stands on."""

    row: Guidance
    states: tuple[GeneState, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What is said of an enzyme that ``inhibitor``, taken now, weakens; it is the same for each drug of the gene."""

    inhibitor: Taken
    gene: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Genes:
    """What is known of one patient's genes before any drug is judged: those that were tested, and what weakens them."""

    tested: frozenset[str]
    notes: tuple[Note, ...]


def genes(chart: Chart) -> Genes:
    """Return what is the same for every drug."""
    tested = frozenset(gene for gene, state in chart.genes.items() if state.certainty != "not-tested")
    return Genes(tested, tuple(_notes(chart)) if tested else ())


def findings(subject: Subject, genes: Genes, chart: Chart) -> tuple[Finding, ...]:
    """Return what the patient's genes say of a drug; nothing where no gene was tested."""
    if not genes.tested:
        return ()
    rows = chart.knowledge.pgx.guidance.get(subject.name, ())
    held = [one for row in rows if (one := _holds(row, genes, subject, chart))]
    told = [_finding(one, subject, chart) for one in held if chart.knowledge.pgx.action(one.row).severity != "none"]
    return (*told, *_inhibited(genes.notes, subject, chart, rows))


def _holds(row: Guidance, genes: Genes, subject: Subject, chart: Chart) -> Advice | None:
    """Return the row as advice when every gene of it can be what it says, and one of them was tested."""
    if genes.tested.isdisjoint(row.genes):
        return None
    for gene, wanted in zip(row.genes, row.phenotypes, strict=True):
        if not _may_be(chart.genes[gene], wanted, row, chart):
            return None
    if row.population and not _population(row, subject, chart):
        return None
    return Advice(row, tuple(chart.genes[gene] for gene in row.genes))


def _may_be(state: GeneState, wanted: frozenset[str], row: Guidance, chart: Chart) -> bool:
    for name, score in state.phenotypes.items():
        if (name in wanted or _likely(name, wanted, row, chart)) and _in_range(score, row.scores):
            return True
    return False


def _likely(phenotype: str, wanted: frozenset[str], row: Guidance, chart: Chart) -> bool:
    """Say whether a "likely" phenotype counts as the plain one: where the source has no row for it."""
    plain = phenotype.removeprefix("Likely ")
    if plain == phenotype or plain not in wanted:
        return False
    source = row.basis.source
    own = chart.knowledge.pgx.guidance[row.drug]
    return not any(phenotype in names for one in own if one.basis.source == source for names in one.phenotypes)


def _in_range(score: Score | None, limits: tuple[float, float] | None) -> bool:
    """A phenotype without a score may have any score of it: the row holds."""
    if score is None or limits is None:
        return True
    return limits[0] <= score.value <= limits[1] or (score.open and score.value <= limits[1])


def _population(row: Guidance, subject: Subject, chart: Chart) -> bool:
    if row.population == "no-alternatives":
        return False  # a person's judgement, never ours
    return (row.population == "over-3-months") == _established(subject, chart)


def _established(subject: Subject, chart: Chart) -> bool:
    """Say whether the drug has been taken for longer than the time in which the reaction comes."""
    days = chart.knowledge.policies["hla_established_days"]
    starts = (one.course.start for one in chart.active if one.names & subject.names)
    return any(_older(start, chart.day, days) for start in starts)


def _older(start: date | None, day: date, days: float) -> bool:
    return start is not None and (day - start).days >= days


def _finding(advice: Advice, subject: Subject, chart: Chart) -> Finding:
    row = advice.row
    severity = "contraindicated" if row.blocks else chart.knowledge.pgx.action(row).severity
    tested = [state for state in advice.states if state.certainty != "not-tested"]
    reason = Reason(
        rule=row.id,
        severity=severity,
        message=_message(advice, subject, chart),
        source=row.basis.source,
        verified=row.basis.verified,
        blocks=row.blocks,
        facts=tuple(sorted({fact for state in tested for fact in state.facts})),
    )
    return Finding(reason, row.max_mg, _change(row, reason.message) or _change_of_one(advice, chart))


def _change_of_one(advice: Advice, chart: Chart) -> DoseChange | None:
    """Return what the same source asks for where one of two genes alone is known, the least of it.

    A joint row that advises against a drug without a dose does not undo the lower dose that one of its genes asks for.
    """
    row = advice.row
    if len(row.genes) < 2 or row.change_percent is not None:
        return None
    genes = " and ".join(_state_words(state) for state in advice.states)
    words = f"{genes}: {source_name(row)} gives no dose for both, so that for one of them holds."
    rows = (one for one in chart.knowledge.pgx.guidance[row.drug] if _is_part(one, advice, chart))
    found = [change for one in rows if (change := _change(one, words))]
    return min(found, key=lambda change: change.factor, default=None)


def _is_part(one: Guidance, advice: Advice, chart: Chart) -> bool:
    """Say whether a row is about one of the genes of the advice, the other one not tested."""
    row = advice.row
    if (one.genes, one.basis.source) != (row.genes, row.basis.source):
        return False
    known = [wanted for wanted in one.phenotypes if NO_RESULT not in wanted]
    holds = (
        NO_RESULT in wanted or _may_be(state, wanted, one, chart)
        for state, wanted in zip(advice.states, one.phenotypes, strict=True)
    )
    return len(known) == 1 and all(holds)


def _change(row: Guidance, words: str) -> DoseChange | None:
    """Only what lowers a dose acts by itself; a higher one is a person's decision."""
    if row.change_percent is None or row.change_percent >= 0 or not row.basis_of_change:
        return None
    return DoseChange(1 + row.change_percent / 100, row.basis_of_change, f"{row.id}: {words}")


def _message(advice: Advice, subject: Subject, chart: Chart) -> str:
    row = advice.row
    genes = " and ".join(_state_words(state) for state in advice.states)
    unsure = "".join(_UNSURE.get(state.certainty, "") for state in advice.states)
    strength = row.strength if row.strength in ("strong", "moderate", "optional") else ""
    source = f"{source_name(row)} ({strength})" if strength else source_name(row)
    words = chart.knowledge.pgx.action(row).words.format(drug=subject.spoken)
    less = -(row.change_percent or 0)
    amount = f", {less:g} % less {_ON[row.basis_of_change]}" if less > 0 else ""
    cap = f", not above {row.max_mg:g} mg a day" if row.max_mg is not None else ""
    note = f" ({row.note})" if row.note else ""
    return f"{genes}: {unsure}{source}: {words}{amount}{cap}{note}."


_ON = {"start": "at the start", "maintenance": "in maintenance", "all": "throughout", "": ""}


def source_name(row: Guidance) -> str:
    """Return a source as people call it: CPIC, FDA table, label."""
    return next((name for key, name in _SOURCES.items() if row.basis.source.startswith(key)), row.basis.source)


def _state_words(state: GeneState) -> str:
    if state.certainty == "not-tested":
        return f"{state.gene} not tested"
    phenotypes = " or ".join(
        f"{name.lower()}{f', activity score {score}' if score else ''}" for name, score in state.phenotypes.items()
    )
    return (
        f"{state.gene} {phenotypes}"
        if state.words.lower() in phenotypes
        else f"{state.gene} {state.words} ({phenotypes})"
    )


def _inhibited(notes: Sequence[Note], subject: Subject, chart: Chart, rows: Iterable[Guidance]) -> Iterator[Finding]:
    """Yield a note for each enzyme of the drug that another drug, taken now, weakens."""
    if notes:
        action = chart.knowledge.pgx.action
        own = {gene for row in rows for gene in row.genes if action(row).severity != "none"}
        for note in notes:
            if note.gene in own and not note.inhibitor.names <= subject.names:
                yield note.finding


def _notes(chart: Chart) -> Iterator[Note]:
    for one in chart.active:
        for name in sorted(one.names):
            for row in chart.knowledge.pgx.inhibitors.get(name, ()):
                if row.gene in chart.genes and row.kind == "inhibitor":
                    finding = _weaker(row, one.course.source.reference, chart)
                    if finding is not None:
                        yield Note(one, row.gene, finding)


def _weaker(row: Inhibitor, reference: str, chart: Chart) -> Finding | None:
    state = chart.genes[row.gene]
    now = _weakened(row, state, chart.knowledge.pgx)
    if now is None or set(now) == set(state.phenotypes):
        return None
    by_gene = " or ".join(name.lower() for name in state.phenotypes)
    message = (
        f"{row.drug.capitalize()} is a {row.strength} {row.gene} inhibitor: by genotype {by_gene}, while it is taken "
        f"the enzyme may work as in a {' or '.join(now).lower()} (low certainty; it clears no genotype warning)."
    )
    facts = tuple(sorted({*state.facts, reference}))
    reason = Reason(f"PGX-INH-{row.gene}", "monitor", message, row.basis.source, row.basis.verified, facts=facts)
    return Finding(reason, None)


def _weakened(row: Inhibitor, state: GeneState, tables: Pharmacogenomics) -> tuple[str, ...] | None:
    """Return the phenotypes that the enzyme may show, None where the source gives no number to go by."""
    if row.multiplier is None or row.multiplier >= 1 or state.certainty in ("not-tested", "indeterminate"):
        return None
    scores = [score for score in state.phenotypes.values() if score is not None]
    if row.multiplier == 0:
        return ("Poor Metabolizer",)
    weaker = (Score(score.value * row.multiplier, score.open) for score in scores)
    return tuple(dict.fromkeys(of_score(row.gene, score, tables) for score in weaker)) or None
