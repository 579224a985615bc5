"""The code tables of ``terminology/*.csv`` as one frozen value: codes in, canonical keys out.

Each row names its source (``terminology/sources.csv``) and whether the code was seen there (``verified``). A
row with ``verified=no`` and a code is not read: a wrong code is worse than none. Codes are keyed as
``code_systems`` writes them. Units, bounds and class memberships are general knowledge (source K), codes are not.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

from fhir_adapters import remember
from fhir_adapters.dialect.code_systems import key_code
from fhir_adapters.measuring import observation_tables
from fhir_adapters.measuring.observation_tables import Analyte, ObservationCode, ObservationTables
from fhir_adapters.medication import drug_tables, drug_text
from fhir_adapters.medication.drug_tables import DrugCode, DrugTables
from fhir_adapters.rating import scale_tables
from fhir_adapters.rating.scale_tables import AnswerCode, ScalePart, ScaleTables

K = TypeVar("K")
V = TypeVar("V")
Code = tuple[str, str]  # canonical system, code as code_systems.key_code writes it
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)  # the same object or another: a key of caches
class Terminology:
    """All tables.

    ``class_orderables`` is keyed by RxNorm code, ``drug_names`` by lower-case name. ``drugs``: all drug tables.
    ``none_known`` holds codes that stand for an empty list ("no known allergies") → what they mean:
    ``none-known``, ``none-known-drugs``, ``none-known-of-a-kind`` or ``not-asked``.
    """

    observation_codes: Mapping[Code, ObservationCode]
    analytes: Mapping[str, Analyte]
    observation_tables: ObservationTables
    scale_codes: Mapping[Code, ScalePart]
    scales: Mapping[str, Mapping[str, ScalePart]]
    answer_codes: Mapping[Code, AnswerCode]
    scale_tables: ScaleTables
    condition_codes: Mapping[Code, frozenset[str]]
    status_codes: Mapping[Code, frozenset[str]]
    drug_codes: Mapping[Code, DrugCode]
    drug_names: Mapping[str, str]
    class_members: Mapping[str, frozenset[str]]
    class_orderables: Mapping[str, frozenset[str]]
    allergy_codes: Mapping[Code, tuple[str, ...]]
    none_known: Mapping[Code, str]
    ingredient_classes: Mapping[str, frozenset[str]]
    drugs: DrugTables

    def classes_of(self, ingredient: str) -> frozenset[str]:
        """Return the classes that hold this ingredient; empty for one that no class lists."""
        return self.ingredient_classes.get(ingredient, frozenset())

    def ingredients_in_text(self, text: str) -> tuple[str, ...]:
        """Return the ingredients that a drug text names, sorted; empty unless every word is understood."""
        key = (self, text)
        known = _known_texts.get(key)
        if known is None:
            known = drug_text.ingredients(text, self.drugs.vocabulary)
            return remember.keep(_known_texts, key, known) if len(text) <= _LONGEST else known
        return known


_LONGEST = 200  # characters of a text whose drug is remembered
_known_texts: dict[tuple[Terminology, str], tuple[str, ...]] = {}


@cache
def load() -> Terminology:
    """Return the tables (read once); ProfileError U-PROFILE-TERMINOLOGY when rows contradict each other."""
    scales = scale_tables.load()
    observations = observation_tables.load()
    drugs = drug_tables.load()
    members = drugs.class_members
    return Terminology(
        observation_codes=observations.codes,
        analytes=observations.analytes,
        observation_tables=observations,
        scale_codes=scales.codes,
        scales=scales.parts,
        answer_codes=scales.answers,
        scale_tables=scales,
        condition_codes=_grouped((_code(row), row["key"]) for row in _coded("conditions")),
        status_codes=observation_tables.coded_values(observations),
        drug_codes=drugs.codes,
        drug_names=drugs.names,
        class_members=members,
        class_orderables=drugs.class_orderables,
        allergy_codes={code: drug.ingredients for code, drug in drugs.codes.items()},
        none_known={_code(row): row["meaning"] for row in _coded("none_known")},
        ingredient_classes=_grouped((one, name) for name, held in members.items() for one in held),
        drugs=drugs,
    )


def _rows(table: str) -> Iterator[Row]:
    path = files("fhir_adapters") / "terminology" / f"{table}.csv"
    yield from csv.DictReader(path.read_text(encoding="utf-8").splitlines())


def _coded(table: str) -> Iterator[Row]:
    return (row for row in _rows(table) if row["verified"] != "no")


def _code(row: Row) -> Code:
    return row["system"], key_code(row["system"], row["code"])


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, frozenset[V]]:
    groups: dict[K, set[V]] = defaultdict(set)
    for key, value in pairs:
        groups[key].add(value)
    return {key: frozenset(values) for key, values in groups.items()}
