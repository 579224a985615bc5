"""The writers' own code tables: one row a code, each with the source in which it was seen (``tables/``).

They know nothing of the adapters' tables, so that the reference EHR judges from outside.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

from conformance.reference_ehr.dialects.elements import (
    ICD_10_CM,
    LOINC,
    RXNORM,
    Concept,
    Resource,
    code_in,
    coding,
)

SYSTEMS: Mapping[str, str] = {
    "atc": "http://www.whocc.no/atc",
    "atc-de": "http://fhir.de/CodeSystem/bfarm/atc",
    "dmd": "http://snomed.info/sct",
    "ndc": "http://hl7.org/fhir/sid/ndc",
    "pzn": "http://fhir.de/CodeSystem/ifa/pzn",
    "rxnorm-ingredient": RXNORM,
    "icd-9-cm": "http://hl7.org/fhir/sid/icd-9-cm",
    "icd-10-gm": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "ciel": "https://api.openconceptlab.org/orgs/CIEL/sources/CIEL",
    "epic-flowsheet-row": "urn:oid:1.2.840.114350.1.13.1.1.7.2.707679",
    "epic-flowsheet-id": "http://open.epic.com/FHIR/StructureDefinition/observation-flowsheet-id",
    "loinc-answer": LOINC,
}
"""Scheme, as the tables name it → the system under which that dialect serves it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """How one dialect writes a unit: ``value`` times ``factor`` plus ``offset``, under other words and code."""

    unit: str | None
    code: str | None
    factor: Decimal
    offset: Decimal


def drug_codings(drug: Concept, scheme: str) -> list[Resource]:
    """Return the codes of a drug in another scheme, by its RxNorm code; none where none was seen."""
    return _codings("drugs", code_in(drug, RXNORM), scheme)


def problem_codings(problem: Concept, scheme: str) -> list[Resource]:
    """Return the codes of a problem in another scheme, by its ICD-10-CM code; none where none was seen."""
    return _codings("problems", code_in(problem, ICD_10_CM), scheme)


def measure_codings(code: Concept, scheme: str) -> list[Resource]:
    """Return the codes of an Observation in another scheme, by its LOINC code; none where none was seen."""
    return _codings("measures", code_in(code, LOINC), scheme)


def answer_codings(answer: Concept, system: str, scheme: str) -> list[Resource]:
    """Return the codes of a coded result in another scheme, by its code in ``system``."""
    return _codings("answers", code_in(answer, system), scheme)


def unit(dialect: str, loinc: str | None, ucum: str | None) -> Unit | None:
    """Return how a dialect writes the unit of a quantity; None when it writes it in plain UCUM.

    A row for the one Observation goes before a row for the unit whatever it measures.
    """
    rows = _units()
    return rows.get((dialect, loinc or "", ucum or "")) or rows.get((dialect, "", ucum or ""))


def _codings(table: str, code: str | None, scheme: str) -> list[Resource]:
    found = _table(table).get((code or "", scheme), ())
    return [coding(SYSTEMS[scheme], one, display or None) for one, display in found]


@cache
def _table(name: str) -> Mapping[tuple[str, str], tuple[tuple[str, str], ...]]:
    found: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for row in rows(name):
        key = row["of"], row["scheme"]
        found[key] = (*found.get(key, ()), (row["code"], row["display"]))
    return found


@cache
def _units() -> Mapping[tuple[str, str, str], Unit]:
    return {
        (row["dialect"], row["of"], row["ucum"]): Unit(
            row["unit"] or None, row["code"] or None, Decimal(row["factor"] or 1), Decimal(row["offset"] or 0)
        )
        for row in rows("units")
    }


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of one table as they stand in its file."""
    table = files("conformance.reference_ehr.dialects").joinpath("tables", f"{name}.csv")
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
