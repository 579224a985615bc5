"""Genes: diplotypes, metaboliser phenotypes and HLA alleles from the shapes that laboratories send.

A code alone is not trusted: public exporters use the code of one gene for another. What the result's code,
its gene component and its text say must be one gene, or the result is refused as ``genes-disagree``. A
phenotype without a gene takes it from the one genotype that it was derived from. Nothing is ever assumed to
be normal: a gene without a result is missing.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from fhir_adapters.canonical import GeneAttribute, Genotype, Original, Refusal
from fhir_adapters.facts import Reading, codes, first_day, moment, newest_first, source, written
from fhir_adapters.gene import gene_tables, gene_words, star_alleles
from fhir_adapters.gene.gene_tables import GeneTables, ResultCode
from fhir_adapters.measuring.observations import absent_reason, refused_status
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

_GENE_STUDIED = "48018-6"
_GENE_EXTENSION = "http://hl7.org/fhir/StructureDefinition/observation-geneticsGene"
_ALLELE_EXTENSION = "http://hl7.org/fhir/StructureDefinition/observation-geneticsAlleleName"
_IMPLICATIONS = frozenset({"therapeutic-implication", "predicted-therapeutic-implication"})


class Result(NamedTuple):
    """One Observation that tells of a gene, with all words in which it may name it."""

    of: wire.Observation
    meaning: ResultCode
    concept: wire.CodeableConcept
    path: str
    genes: frozenset[str]
    reference: str
    effective: date | None
    instant: str | None

    def refuse(self, reason: str, path: str = "") -> Refusal:
        """Return the refusal of this result, under the gene where that is known."""
        gene = next(iter(self.genes)) if len(self.genes) == 1 else None
        return Refusal(self.reference, path or self.path, reason, key_of(gene) if gene else None, self.effective)


def key_of(gene: str) -> str:
    """Return the key under which refusals of a gene stand: ``cyp2d6``, ``hla_b``."""
    return gene.lower().replace("-", "_")


def read(reading: Reading) -> tuple[tuple[Genotype, ...], tuple[Refusal, ...]]:
    """Return the genotypes, newest first, and the results that could not be used."""
    tables = gene_tables.load()
    results = list(_results(reading, tables))
    named = {_id(one.reference): one.genes for one in results if one.meaning.reads == "genotype"}
    found: list[Genotype | Refusal] = []
    halves: list[tuple[Result, str]] = []
    for result in results:
        result = _with_gene(result, named)
        if _is_of_no_gene(reading, result, tables):
            continue
        if reason := _unusable(reading, result):
            found.append(result.refuse(reason))
        elif result.meaning.reads == "haplotype":
            found.extend(_half(result, halves))
        else:
            found.extend(_READS[result.meaning.reads](reading, result, tables))
    found.extend(_joined(reading, halves))
    found.extend(gene_words.reports(reading, tables))
    genotypes = (one for one in found if isinstance(one, Genotype))
    ordered = newest_first(
        genotypes,
        lambda one: (one.effective, one.moment),
        lambda one: (one.gene, one.attribute, one.source.reference, one.source.path),
    )
    return ordered, tuple(one for one in found if isinstance(one, Refusal))


def _results(reading: Reading, tables: GeneTables) -> Iterator[Result]:
    for observation in reading.chart.observations:
        if _may_tell(observation.code, tables):
            meaning = _meaning(codes(reading, observation.code.coding), tables)
            if meaning is not None:
                yield from _told(observation, meaning, tables)


def _may_tell(code: wire.CodeableConcept, tables: GeneTables) -> bool:
    """Return False for nearly all Observations, at a glance."""
    for one in code.coding:  # noqa: SIM110 - a generator for each Observation costs five times as much
        if one.code in tables.result_codes:
            return True
    return False


def _meaning(found: Iterable[gene_tables.Code], tables: GeneTables) -> ResultCode | None:
    """Return what the codes tell; two genes in one code list leave the gene open, to be refused."""
    known = [tables.results[code] for code in found if code in tables.results]
    named = [one for one in known if one.gene]
    if len({one.gene for one in named}) > 1:
        return ResultCode(named[0].reads, "/".join(sorted({one.gene or "" for one in named})), None)
    return named[0] if named else known[0] if known else None


def _told(observation: wire.Observation, meaning: ResultCode, tables: GeneTables) -> Iterator[Result]:
    """Yield the result of an Observation: its value, or those of its implication components."""
    when = observation.effectiveDateTime or observation.effectiveInstant
    when = when or (observation.effectivePeriod.end if observation.effectivePeriod else None) or observation.issued
    concept, path = _value(observation)
    studied = _studied(observation)
    if studied and not any(gene_words.named(one, tables) for one in studied):
        return  # a gene that no rule reads
    implied = [
        (f"component[{place}].valueCodeableConcept", one.valueCodeableConcept)
        for place, one in enumerate(observation.component)
        if one.valueCodeableConcept and any(coding.code in _IMPLICATIONS for coding in one.code.coding)
    ]
    for place, told in implied or [(path, concept)]:
        genes = frozenset(_genes(observation, meaning, told, tables))
        yield Result(observation, meaning, told, place, genes, reference_of(observation), first_day(when), moment(when))


def _value(observation: wire.Observation) -> tuple[wire.CodeableConcept, str]:
    if observation.valueCodeableConcept is not None:
        return observation.valueCodeableConcept, "valueCodeableConcept"
    if observation.valueString is not None:
        return wire.CodeableConcept(text=observation.valueString), "valueString"
    alleles = [
        one.valueCodeableConcept.text or "" if one.valueCodeableConcept else ""
        for one in observation.extension
        if one.url == _ALLELE_EXTENSION
    ]
    if len(alleles) == 2:  # STU3: the genetics extensions of Observation
        return wire.CodeableConcept(text="/".join(alleles)), "extension"
    return wire.CodeableConcept(), "value"


def _genes(
    observation: wire.Observation, meaning: ResultCode, concept: wire.CodeableConcept, tables: GeneTables
) -> Iterator[str]:
    """Yield every gene that the code, the gene component and the words of a result name."""
    if meaning.gene:
        yield from meaning.gene.split("/")
    for component in _studied(observation):
        yield from gene_words.named(component, tables)
    for text in (observation.code.text, concept.text, *(one.display or one.code for one in concept.coding)):
        yield from gene_words.in_text(text or "", tables)


def _studied(observation: wire.Observation) -> list[wire.CodeableConcept]:
    """Return the gene components, and the gene of STU3's genetics extension."""
    components = [
        one.valueCodeableConcept
        for one in observation.component
        if one.valueCodeableConcept and any(coding.code == _GENE_STUDIED for coding in one.code.coding)
    ]
    extensions = (one.valueCodeableConcept for one in observation.extension if one.url == _GENE_EXTENSION)
    return [*components, *(one for one in extensions if one)]


def _with_gene(result: Result, named: Mapping[str, frozenset[str]]) -> Result:
    """A phenotype that names no gene has that of the one genotype which it was derived from."""
    if result.genes or result.meaning.reads != "phenotype":
        return result
    genes = {gene for one in result.of.derivedFrom for gene in named.get(_id(one.reference), ())}
    return result._replace(genes=frozenset(genes))


def _id(reference: str | None) -> str:
    whole = (reference or "").split("/_history/")[0]
    return whole.rsplit("/", 1)[-1].removeprefix("urn:uuid:")


def _is_of_no_gene(reading: Reading, result: Result, tables: GeneTables) -> bool:
    """Return whether an implication names no gene and no metaboliser: a tumour's variant implies drugs as well."""
    if result.genes or not result.path.startswith("component"):
        return False
    table, words = tables.answers["phenotype"], tables.words["phenotype"]
    texts = (result.concept.text, *(one.display for one in result.concept.coding))
    said = any(gene_words.plain(text, tables) in words for text in texts)
    return not said and not any(code in table for code in codes(reading, result.concept.coding))


def _unusable(reading: Reading, result: Result) -> str | None:
    """Return why a result tells of no gene: its status, its absence, or genes that do not agree."""
    if reason := refused_status(reading, result.of.status):
        return reason
    if reason := absent_reason(result.of.dataAbsentReason):
        return reason
    return None if len(result.genes) == 1 else "genes-disagree" if result.genes else "gene-missing"


def _fact(
    reading: Reading, result: Result, attribute: GeneAttribute, value: str, repairs: Iterable[str] = ()
) -> Genotype:
    (gene,) = result.genes
    shown = result.concept.text or next((one.display or one.code for one in result.concept.coding), None)
    original = Original(shown, None, written(result.of.code.coding))
    origin = source(reading, result.reference, result.path, f"genomics.{attribute}", original, repairs)
    return Genotype(gene, attribute, value, result.effective, origin, moment=result.instant)


def _genotype(reading: Reading, result: Result, tables: GeneTables) -> Iterator[Genotype | Refusal]:
    (gene,) = result.genes
    if gene in tables.watched:
        yield from _typed(reading, result, tables)
        return
    texts = (result.concept.text, *(text for one in result.concept.coding for text in (one.code, one.display)))
    found = {value for text in texts if text and (value := star_alleles.diplotype(text.replace("_", " ")))}
    if len(found) == 1:
        yield _fact(reading, result, "diplotype", found.pop())
    else:
        yield result.refuse("alleles-disagree" if found else "alleles-unknown")


def _typed(reading: Reading, result: Result, tables: GeneTables) -> Iterator[Genotype | Refusal]:
    """Two typed HLA alleles tell of the watched one too, if they are typed finely enough."""
    (gene,) = result.genes
    texts = (result.concept.text, *(text for one in result.concept.coding for text in (one.code, one.display)))
    found = {pair for text in texts if text and (pair := star_alleles.hla_pair(text))}
    if len(found) != 1:
        yield result.refuse("alleles-disagree" if found else "alleles-unknown")
        return
    pair = found.pop()
    watched = tables.watched[gene]
    yield _fact(reading, result, "diplotype", "/".join(pair))
    if watched not in pair and watched.split(":")[0] in pair:
        yield result.refuse("resolution-too-low")
        return
    present = _fact(reading, result, "allele", "positive" if watched in pair else "negative", ("from-typing",))
    yield _of_allele(present, watched)


def _phenotype(reading: Reading, result: Result, tables: GeneTables) -> Iterator[Genotype | Refusal]:
    yield from _answered(reading, result, tables, "phenotype")


def _allele(reading: Reading, result: Result, tables: GeneTables) -> Iterator[Genotype | Refusal]:
    for one in _answered(reading, result, tables, "allele"):
        yield one if isinstance(one, Refusal) else _of_allele(one, result.meaning.allele or "")


def _answered(
    reading: Reading, result: Result, tables: GeneTables, attribute: GeneAttribute
) -> Iterator[Genotype | Refusal]:
    table, words = tables.answers[attribute], tables.words[attribute]
    coded = {table[code] for code in codes(reading, result.concept.coding) if code in table}
    texts = (result.concept.text, *(one.display for one in result.concept.coding))
    told = {words[plain] for text in texts if (plain := gene_words.plain(text, tables)) in words}
    if len(coded | told) == 1:
        made = () if coded else ("value-from-text",)
        yield _fact(reading, result, attribute, (coded | told).pop(), made)
    else:
        yield result.refuse("codes-disagree" if coded | told else "value-code-unknown")


def _of_allele(fact: Genotype, allele: str) -> Genotype:
    return Genotype(fact.gene, "allele", fact.value, fact.effective, fact.source, allele, fact.from_text, fact.moment)


def _half(result: Result, halves: list[tuple[Result, str]]) -> Iterator[Refusal]:
    """Keep one allele of two; HLA haplotypes are told by their genotype."""
    texts = (result.concept.text, *(text for one in result.concept.coding for text in (one.code, one.display)))
    found = {value for text in texts if text and (value := star_alleles.haplotype(text.replace("_", " ")))}
    if len(found) == 1:
        halves.append((result, found.pop()))
    elif not any(gene.startswith("HLA") for gene in result.genes):
        yield result.refuse("alleles-unknown")


def _joined(reading: Reading, halves: list[tuple[Result, str]]) -> Iterator[Genotype | Refusal]:
    """Two alleles of one gene of one time are a diplotype; one alone is half an answer, and no answer."""
    groups: dict[tuple[str, date | None, str | None], list[tuple[Result, str]]] = {}
    for result, allele in halves:
        (gene,) = result.genes
        groups.setdefault((gene, result.effective, result.instant), []).append((result, allele))
    for group in groups.values():
        ordered = sorted(group, key=lambda one: one[0].reference)
        first = ordered[0][0]
        value = star_alleles.diplotype("/".join(allele for _, allele in ordered)) if len(ordered) == 2 else None
        if value is None:
            yield first.refuse("one-allele-only" if len(ordered) == 1 else "alleles-disagree")
        else:
            told = first._replace(path=f"{first.path} with {ordered[1][0].reference}")
            yield _fact(reading, told, "diplotype", value, ("alleles-joined",))


_READS = {"genotype": _genotype, "phenotype": _phenotype, "allele": _allele}
