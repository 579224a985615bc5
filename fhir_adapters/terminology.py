"""The code tables of ``terminology/*.csv`` as one frozen value: codes in, canonical keys out.

Each row names its source (``terminology/sources.csv``) and whether the code was seen there (``verified``). A
row with ``verified=no`` and a code is not read: a wrong code is worse than none. Codes are keyed as
``coding`` writes them. Units, bounds and class memberships are general knowledge (source K), codes are not.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar, cast

from fhir_adapters import drug_text
from fhir_adapters.coding import RXNORM, key_code
from fhir_adapters.errors import ProfileError

K = TypeVar("K")
V = TypeVar("V")
Code = tuple[str, str]  # canonical system, code as coding.key_code writes it
Row = Mapping[str, str]
AnalyteKind = Literal["quantity", "coded", "date", "panel"]
DrugKind = Literal["ingredient", "drug", "pack", "brand", "drug_legacy", "class_orderable"]


@dataclass(frozen=True, slots=True)
class Analyte:
    """One thing that is observed; ``unit`` is its canonical UCUM unit, None for other kinds than quantities.

    ``factors``: UCUM unit → (factor, offset), canonical = factor * value + offset. ``low`` and ``high`` are
    the plausible bounds in the canonical unit.
    """

    key: str
    group: str
    kind: AnalyteKind
    unit: str | None
    factors: Mapping[str, tuple[float, float]]
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ObservationCode:
    """An analyte's code; where one analyte has several, the lower ``preference`` wins on the same day."""

    key: str
    preference: int


@dataclass(frozen=True, slots=True)
class ScalePart:
    """One answer, total or panel of a rating scale, its range, and the answer lists that may answer it."""

    scale: str
    part: str
    low: float | None
    high: float | None
    answer_lists: frozenset[str]


@dataclass(frozen=True, slots=True)
class AnswerCode:
    """An answer code and the score that it stands for."""

    answer_list: str
    ordinal: float


@dataclass(frozen=True, slots=True)
class DrugCode:
    """An RxNorm code and all ingredients of what it names (sorted)."""

    ingredients: tuple[str, ...]
    kind: DrugKind


@dataclass(frozen=True, slots=True)
class Terminology:
    """All tables.

    ``drug_codes`` and ``class_orderables`` are keyed by RxNorm code, ``drug_names`` by lower-case name.
    ``none_known`` holds codes that stand for an empty list ("no known allergies") → what they mean:
    ``none-known``, ``none-known-drugs``, ``none-known-of-a-kind`` or ``not-asked``.
    """

    observation_codes: Mapping[Code, ObservationCode]
    analytes: Mapping[str, Analyte]
    scale_codes: Mapping[Code, ScalePart]
    scales: Mapping[str, Mapping[str, ScalePart]]
    answer_codes: Mapping[Code, AnswerCode]
    condition_codes: Mapping[Code, frozenset[str]]
    status_codes: Mapping[Code, str]
    drug_codes: Mapping[str, DrugCode]
    drug_names: Mapping[str, str]
    class_members: Mapping[str, frozenset[str]]
    class_orderables: Mapping[str, frozenset[str]]
    allergy_codes: Mapping[Code, tuple[str, ...]]
    none_known: Mapping[Code, str]
    ingredient_classes: Mapping[str, frozenset[str]]
    vocabulary: drug_text.Vocabulary

    def classes_of(self, ingredient: str) -> frozenset[str]:
        """Return the classes that hold this ingredient; empty for one that no class lists."""
        return self.ingredient_classes.get(ingredient, frozenset())

    def ingredients_in_text(self, text: str) -> tuple[str, ...]:
        """Return the ingredients that a drug text names, sorted; empty unless every word is understood."""
        return drug_text.ingredients(text, self.vocabulary)


@cache
def load() -> Terminology:
    """Return the tables (read once); ProfileError U-PROFILE-TERMINOLOGY when rows contradict each other."""
    parts = {_code(row): _scale_part(row) for row in _coded("scales")}
    drug_codes = _drug_codes()
    members = _grouped((row["class"], row["ingredient"]) for row in _rows("drug_classes"))
    names = _drug_names()
    return Terminology(
        observation_codes={
            _code(row): ObservationCode(row["key"], int(row["preference"])) for row in _coded("observations")
        },
        analytes={row["key"]: _analyte(row) for row in _rows("analytes")},
        scale_codes=parts,
        scales=_by_scale(parts.values()),
        answer_codes=_answer_codes(),
        condition_codes=_grouped((_code(row), row["key"]) for row in _coded("conditions")),
        status_codes={_code(row): row["key"] for row in _coded("status_values")},
        drug_codes=drug_codes,
        drug_names=names,
        class_members=members,
        class_orderables=_grouped((row["rxnorm_code"], row["class"]) for row in _coded("class_orderables")),
        allergy_codes={(RXNORM, code): drug.ingredients for code, drug in drug_codes.items()},
        none_known={_code(row): row["meaning"] for row in _coded("none_known")},
        ingredient_classes=_grouped((one, name) for name, held in members.items() for one in held),
        vocabulary=_vocabulary(names),
    )


def _rows(table: str) -> Iterator[Row]:
    path = files("fhir_adapters") / "terminology" / f"{table}.csv"
    yield from csv.DictReader(path.read_text(encoding="utf-8").splitlines())


def _coded(table: str) -> Iterator[Row]:
    return (row for row in _rows(table) if row["verified"] != "no")


def _code(row: Row) -> Code:
    return row["system"], key_code(row["system"], row["code"])


def _number(text: str) -> float | None:
    return float(text) if text else None


def _analyte(row: Row) -> Analyte:
    factors = {row["ucum"]: (1.0, 0.0)} if row["ucum"] else {}
    for alternate in filter(None, row["alternates"].split(";")):
        unit, _, conversion = alternate.rpartition("=")
        factor, _, offset = conversion.partition(":")
        factors[unit] = (float(factor), float(offset or 0))
    kind = cast("AnalyteKind", row["kind"])
    bounds = _number(row["low"]), _number(row["high"])
    return Analyte(row["key"], row["group"], kind, row["ucum"] or None, factors, *bounds)


def _scale_part(row: Row) -> ScalePart:
    lists = frozenset(filter(None, row["answer_lists"].split(";")))
    return ScalePart(row["scale"], row["part"], _number(row["low"]), _number(row["high"]), lists)


def _by_scale(parts: Iterable[ScalePart]) -> dict[str, dict[str, ScalePart]]:
    scales: dict[str, dict[str, ScalePart]] = defaultdict(dict)
    for part in parts:
        scales[part.scale][part.part] = part
    return dict(scales)


def _answer_codes() -> dict[Code, AnswerCode]:
    answers: dict[Code, AnswerCode] = {}
    for row in _coded("answer_codes"):
        answer = AnswerCode(row["answer_list"], float(row["ordinal"]))
        if answers.setdefault(_code(row), answer) != answer:
            raise ProfileError("U-PROFILE-TERMINOLOGY", f"answer_codes.csv gives {row['code']} two scores; keep one")
    return answers


def _drug_codes() -> dict[str, DrugCode]:
    found: dict[str, DrugCode] = {}
    for table, kind in (
        ("class_orderables", "class_orderable"),
        ("orderables", ""),
        ("ingredients", "ingredient"),
    ):
        for row in _coded(table):
            names = row["ingredients"].split("+") if "ingredients" in row else [row["ingredient"]]
            if row["rxnorm_code"] and names[0]:
                name_kind = cast("DrugKind", kind or row["kind"])
                drug = DrugCode(tuple(sorted(names)), name_kind)
                _agree(found.get(row["rxnorm_code"]), drug, row["rxnorm_code"])
                found[row["rxnorm_code"]] = drug
    return found


def _agree(known: DrugCode | None, drug: DrugCode, code: str) -> None:
    if known is not None and known.ingredients != drug.ingredients:
        raise ProfileError("U-PROFILE-TERMINOLOGY", f"RxNorm {code} has two sets of ingredients; correct the tables")


def _drug_names() -> dict[str, str]:
    names = {row["ingredient"]: row["ingredient"] for row in _rows("ingredients")}
    return names | {row["name"]: row["ingredient"] for row in _rows("drug_names")}


def _vocabulary(names: Mapping[str, str]) -> drug_text.Vocabulary:
    roles = {row["word"]: row["role"] for row in _rows("drug_words")}
    salts = frozenset(word for word, role in roles.items() if role == "salt")
    return drug_text.Vocabulary({tuple(name.split()): ingredient for name, ingredient in names.items()},
                                salts, frozenset(roles) - salts)  # fmt: skip


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, frozenset[V]]:
    groups: dict[K, set[V]] = defaultdict(set)
    for key, value in pairs:
        groups[key].add(value)
    return {key: frozenset(values) for key, values in groups.items()}
