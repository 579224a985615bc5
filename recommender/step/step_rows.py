"""What the guideline tables say besides the steps: phases, adequate trials, published estimates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recommender.catalog.rows import Basis


@dataclass(frozen=True, slots=True)
class Phase:
    """The phase of a condition that a diagnosis code tells, with its words.

    ``code`` is an ICD-10-CM prefix without its dot.
    """

    code: str
    condition: str
    phase: str
    words: str
    indication: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class AdequateTrial:
    """How long a drug is taken in ``condition`` before it can be judged; ``words`` as the source says it."""

    condition: str
    weeks: float
    words: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Estimate:
    """One published estimate of a drug or class: ``low`` and ``high`` are its 95 % interval, None where none is told.

    ``ranks``: drugs of the condition are compared by this outcome. ``better`` says which direction is.
    """

    id: str
    condition: str
    drug: str
    outcome: str
    value: float
    low: float | None
    high: float | None
    better: Literal["lower", "higher"]
    ranks: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class StepKnowledge:
    """The guideline tables, indexed.

    ``estimates``: condition → formulary name → the estimates of it and of its classes, in table order.
    """

    phases: tuple[Phase, ...]
    trials: Mapping[str, AdequateTrial]
    estimates: Mapping[str, Mapping[str, tuple[Estimate, ...]]]
