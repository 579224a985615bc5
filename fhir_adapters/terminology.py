"""The code tables as one frozen value: codes in, canonical keys out."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

Code = tuple[str, str]  # canonical system, normalised code


@dataclass(frozen=True, slots=True)
class Analyte:
    """One thing that is measured; ``unit`` is its canonical UCUM unit, None for coded results and dates.

    ``factors``: UCUM unit → (factor, offset), canonical = factor * value + offset. ``low``/``high``: plausible.
    """

    key: str
    group: str
    kind: Literal["quantity", "coded", "date", "panel"]
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
    """One answer, total or panel of a rating scale, with its range and the answer lists that may answer it."""

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
    """An RxNorm code and the ingredients of what it names (sorted)."""

    ingredients: tuple[str, ...]
    kind: Literal["ingredient", "drug", "pack", "brand", "drug_legacy", "class_orderable"]


@dataclass(frozen=True, slots=True)
class Terminology:
    """All tables; every Mapping is read-only by convention."""

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

    def classes_of(self, ingredient: str) -> frozenset[str]:
        """Return the classes that hold this ingredient."""
        raise NotImplementedError

    def ingredients_in_text(self, text: str) -> tuple[str, ...]:
        """Return the ingredients that a drug text names, sorted; empty unless every word of it is understood."""
        raise NotImplementedError


@cache
def load() -> Terminology:
    """Return the tables."""
    raise NotImplementedError
