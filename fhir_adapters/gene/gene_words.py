"""Genes and their results in words: gene names in text, and reports such as "CYP2C19 *1/*17 - Rapid Metabolizer".

A result that was read from words is marked ``from_text``: a person must confirm it.
"""

import re
from collections.abc import Iterator

from fhir_adapters.canonical import Genotype, Original, Refusal
from fhir_adapters.facts import Reading, first_day, moment, source
from fhir_adapters.gene import star_alleles
from fhir_adapters.gene.gene_tables import GeneTables
from fhir_adapters.measuring.observations import refused_status
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

_WORD = re.compile(r"\bHLA-[A-Z]{1,4}\d?\b|\b[A-Z][A-Z0-9]{2,7}\b")
# One line: a gene, a diplotype, a phenotype, with or without the words and signs that stand between them.
_LINE = re.compile(
    r"\s*(?P<gene>[A-Z][A-Z0-9]{2,7})(?:\s+(?:genotype|gene|diplotype|result|is))*\s*[:=,-]?\s*"
    r"(?P<diplotype>\*\S+\s*/\s*\*[^\s,;()]+)"
    r"(?:\s*[-–,;:(]*\s*(?P<phenotype>[A-Za-z -]*[Mm]etaboli[sz]er)\)?)?\s*[.;]?\s*"
)


def named(concept: wire.CodeableConcept, tables: GeneTables) -> set[str]:
    """Return the genes that a gene component names: by HGNC number, by symbol, by display."""
    found: set[str] = set()
    for coding in concept.coding:
        number = (coding.code or "").removeprefix("HGNC:")
        found |= {tables.hgnc[number]} if number in tables.hgnc else set[str]()
        found |= in_text(coding.display or "", tables) | in_text(coding.code or "", tables)
    return found or in_text(concept.text or "", tables)


def in_text(text: str, tables: GeneTables) -> set[str]:
    """Return the symbols of known genes in a text."""
    return {word for word in _WORD.findall(text.replace("_", " ").replace("*", " *")) if word in tables.genes}


def plain(text: str | None, tables: GeneTables) -> str:
    """Return the words of an answer as the table has them: small letters, without the gene's name."""
    words = (text or "").replace("metaboliser", "metabolizer").replace("Metaboliser", "metabolizer").split()
    kept = [word for word in words if word.rstrip(":") not in tables.genes]
    return " ".join(kept).lower().strip(" .:-")


def reports(reading: Reading, tables: GeneTables) -> Iterator[Genotype | Refusal]:
    """Yield what the conclusions of DiagnosticReports say of genes, line by line."""
    for report in reading.chart.diagnostic_reports:
        text = report.conclusion or ""
        if not in_text(text, tables):
            continue
        reference = reference_of(report)
        if reason := refused_status(reading, report.status):
            yield Refusal(reference, "status", reason)
            continue
        for line in re.split(r"[\n;]|(?<=[a-z])\.\s", text):
            yield from _line(reading, report, reference, line, tables)


def _line(
    reading: Reading, report: wire.DiagnosticReport, reference: str, line: str, tables: GeneTables
) -> Iterator[Genotype]:
    found = _LINE.fullmatch(line)
    if found is None or found["gene"] not in tables.genes:
        return
    when = report.effectiveDateTime or (report.effectivePeriod.end if report.effectivePeriod else None) or report.issued
    origin = source(reading, reference, "conclusion", "genomics.text", Original(line.strip()), ("genotype-from-text",))
    gene, day, instant = found["gene"], first_day(when), moment(when)
    if value := star_alleles.diplotype(found["diplotype"]):
        yield Genotype(gene, "diplotype", value, day, origin, from_text=True, moment=instant)
    phenotype = tables.words["phenotype"].get(plain(found["phenotype"], tables))
    if phenotype:
        yield Genotype(gene, "phenotype", phenotype, day, origin, from_text=True, moment=instant)
