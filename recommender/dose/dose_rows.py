"""The rows of the dose tables as frozen types; dose_tables.py reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recommender.catalog.rows import Basis

Unknown = Literal["usual", "careful"]
Way = Literal["direct", "cross-taper", "taper", "wash-out", "specialist", "stop"]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a safety or dose rule does to a dose besides its ceiling.

    ``start_mg`` is the most to begin with a day, ``factor`` (0 to 1) a part of every usual dose, ``interval`` the
    words of a source that wants no daily dose at all. ``when_unknown``: ``careful`` lets the values of the rule hold
    while its input is not known, ``usual`` names the gap and leaves the dose.
    """

    rule: str
    start_mg: float | None
    factor: float | None
    interval: str
    when_unknown: Unknown
    basis: Basis


@dataclass(frozen=True, slots=True)
class IndicationDose:
    """The doses of a drug in one indication (key of the formulary), mg a day; None leaves the formulary's."""

    id: str
    drug: str
    indication: str
    start_mg: float | None
    usual_min_mg: float | None
    usual_max_mg: float | None
    max_mg: float | None
    geriatric_from_age: float | None
    geriatric_start_mg: float | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class Titration:
    """How fast a dose may rise: a first step to ``first_mg`` a day, then by at most ``step_mg``; days are the least."""

    drug: str
    first_mg: float | None
    first_days: float | None
    step_mg: float | None
    step_days: float | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class SupplyRow:
    """For how many days, with how many repeats, to dispense when the gate row ``rule`` was told (``*`` always)."""

    id: str
    rule: str
    days: int
    repeats: int
    basis: Basis


@dataclass(frozen=True, slots=True)
class LabRange:
    """A laboratory value of the Child-Pugh score: 2 points from ``low`` to ``high``, both included."""

    feature: str
    low: float
    high: float
    below: int
    above: int
    basis: Basis


@dataclass(frozen=True, slots=True)
class ChildPugh:
    """The score: its laboratory values, its findings (name → ``system|code``), points of each class, triggers."""

    labs: tuple[LabRange, ...]
    findings: Mapping[str, frozenset[str]]
    classes: Mapping[str, tuple[float, float]]
    triggers: Mapping[str, frozenset[str]]
    basis: Basis


@dataclass(frozen=True, slots=True)
class Taper:
    """How to change from ``old`` to ``new`` (drugs or classes) in words; ``new`` is empty for stopping alone."""

    id: str
    old: str
    new: str
    way: Way
    plan: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Doses:
    """All dose tables. ``adjustments`` by rule, ``indications`` by drug and indication, ``supplies`` by gate row.
    ``tapers_from``: formulary name → the rows that mean it as the present drug, with how closely they name it."""

    adjustments: Mapping[str, Adjustment]
    indications: Mapping[tuple[str, str], IndicationDose]
    titrations: Mapping[str, Titration]
    supplies: Mapping[str, SupplyRow]
    child_pugh: ChildPugh
    tapers: tuple[Taper, ...]
    tapers_from: Mapping[str, tuple[tuple[int, Taper], ...]]
