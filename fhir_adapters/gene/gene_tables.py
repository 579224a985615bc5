"""Codes of pharmacogenes, of their results and of the answers, as one frozen value (``terminology/gene*.csv``)."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast

Code = tuple[str, str]
Reads = Literal["genotype", "haplotype", "phenotype", "allele"]


@dataclass(frozen=True, slots=True)
class ResultCode:
    """What a result code tells; ``gene`` None where a component or the text must name it."""

    reads: Reads
    gene: str | None
    allele: str | None


@dataclass(frozen=True, slots=True)
class GeneTables:
    """``genes``: HGNC symbols. ``hgnc``: number → symbol. ``watched``: gene → allele that a rule asks for.

    ``answers``: code → value, ``words``: small letters → value, both by what is read: ``phenotype`` or
    ``allele``. ``result_codes`` are the codes of ``results`` without their system, for a first look.
    """

    genes: frozenset[str]
    hgnc: Mapping[str, str]
    watched: Mapping[str, str]
    results: Mapping[Code, ResultCode]
    result_codes: frozenset[str]
    answers: Mapping[str, Mapping[Code, str]]
    words: Mapping[str, Mapping[str, str]]


@cache
def load() -> GeneTables:
    """Return the tables, read once."""
    genes = list(_rows("genes"))
    results = {(row["system"], row["code"]): _result(row) for row in _rows("gene_results") if row["verified"] != "no"}
    answers = list(_rows("gene_answers"))
    kinds = {row["reads"] for row in answers}
    coded = [row for row in answers if row["code"] and row["verified"] != "no"]
    return GeneTables(
        genes=frozenset(row["gene"] for row in genes),
        hgnc={row["hgnc"]: row["gene"] for row in genes if row["hgnc"]},
        watched={row["gene"]: row["watched_alleles"] for row in genes if row["watched_alleles"]},
        results=results,
        result_codes=frozenset(code for _, code in results),
        answers={
            kind: {(row["system"], row["code"]): row["value"] for row in coded if row["reads"] == kind}
            for kind in kinds
        },
        words={
            kind: {row["text"]: row["value"] for row in answers if row["text"] and row["reads"] == kind}
            for kind in kinds
        },
    )


def _rows(table: str) -> Iterator[Mapping[str, str]]:
    path = files("fhir_adapters") / "terminology" / f"{table}.csv"
    yield from csv.DictReader(path.read_text(encoding="utf-8").splitlines())


def _result(row: Mapping[str, str]) -> ResultCode:
    return ResultCode(cast("Reads", row["reads"]), row["gene"] or None, row["allele"] or None)
