"""Observations as tables: analytes with their units and bounds, their codes and names, and coded results.

``terminology/analytes.csv``, ``observations.csv``, ``observation_texts.csv``, ``status_values.csv`` and
``status_texts.csv``.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast

from fhir_adapters.dialect.code_systems import key_code
from fhir_adapters.errors import ProfileError

Code = tuple[str, str]
AnalyteKind = Literal["quantity", "coded", "date", "panel"]
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Analyte:
    """One thing that is observed; ``unit`` is its canonical UCUM unit, None for other kinds than quantities.

    ``factors``: UCUM unit → (factor, offset), canonical = factor * value + offset. ``low`` and ``high`` are
    the plausible bounds in the canonical unit. ``unconvertible``: units whose factor depends on the assay.
    """

    key: str
    group: str
    kind: AnalyteKind
    unit: str | None
    factors: Mapping[str, tuple[float, float]]
    low: float | None
    high: float | None
    unconvertible: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ObservationCode:
    """An analyte's code; where one analyte has several at one time, the lower ``preference`` counts.

    Codes that differ in their unit alone have one preference: they must agree. ``refused``: why a value under
    this code is never used, None for all but a few.
    """

    key: str
    preference: int
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class ObservationTables:
    """All tables.

    ``texts``: an Observation.code text as ``profile.plain_text`` writes it → analyte key, where the text means
    that analyte wherever it is written. ``values`` and ``value_texts``: analyte and code, or text, → the
    result's key; ``unknown``: codes that say that the result is not known, for any analyte.
    """

    codes: Mapping[Code, ObservationCode]
    analytes: Mapping[str, Analyte]
    texts: Mapping[str, str]
    values: Mapping[tuple[str, Code], str]
    value_texts: Mapping[tuple[str, str], str]
    unknown: frozenset[Code]


@cache
def load() -> ObservationTables:
    """Return the tables (read once); ProfileError U-PROFILE-TERMINOLOGY when rows contradict each other."""
    values = [(row["of"], _code(row), row["key"]) for row in _coded("status_values")]
    return ObservationTables(
        codes=_codes(),
        analytes={row["key"]: _analyte(row) for row in _rows("analytes")},
        texts={row["text"]: row["key"] for row in _coded("observation_texts")},
        values={(of, code): key for of, code, key in values if of},
        value_texts={(row["of"], row["text"]): row["key"] for row in _coded("status_texts")},
        unknown=frozenset(code for of, code, key in values if not of and key == "unknown"),
    )


def _codes() -> dict[Code, ObservationCode]:
    found: dict[Code, ObservationCode] = {}
    for row in _coded("observations"):
        known = ObservationCode(row["key"], int(row["preference"]), row["refused"] or None)
        if found.setdefault(_code(row), known) != known:
            raise ProfileError("U-PROFILE-TERMINOLOGY", f"observations.csv gives {row['code']} twice; keep one")
    return found


def _analyte(row: Row) -> Analyte:
    factors = {row["ucum"]: (1.0, 0.0)} if row["ucum"] else {}
    for alternate in filter(None, row["alternates"].split(";")):
        unit, _, conversion = alternate.rpartition("=")
        factor, _, offset = conversion.partition(":")
        factors[unit] = (float(factor), float(offset or 0))
    kind = cast("AnalyteKind", row["kind"])
    low, high = (float(row[bound]) if row[bound] else None for bound in ("low", "high"))
    unconvertible = frozenset(filter(None, row["unconvertible"].split(";")))
    return Analyte(row["key"], row["group"], kind, row["ucum"] or None, factors, low, high, unconvertible)


def coded_values(tables: ObservationTables) -> dict[Code, frozenset[str]]:
    """Return each code of a coded result → the results that it may mean, over all analytes."""
    found: dict[Code, set[str]] = defaultdict(set)
    for (_, code), key in tables.values.items():
        found[code].add(key)
    return {code: frozenset(keys) for code, keys in found.items()}


def _code(row: Row) -> Code:
    return row["system"], key_code(row["system"], row["code"])


def _rows(table: str) -> Iterator[Row]:
    path = files("fhir_adapters") / "terminology" / f"{table}.csv"
    yield from csv.DictReader(path.read_text(encoding="utf-8").splitlines())


def _coded(table: str) -> Iterator[Row]:
    return (row for row in _rows(table) if row["verified"] != "no")
