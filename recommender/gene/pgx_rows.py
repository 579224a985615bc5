"""Pharmacogenomic facts as rows: alleles, phenotypes, guidance, inhibitors (``knowledge/pgx_*.csv``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recommender.assessment import Severity
from recommender.catalog.rows import Basis

Function = Literal["normal", "decreased", "no", "increased", "uncertain", "unknown"]
Action = Literal[
    "standard", "avoid", "alternative", "reduce_dose", "reduce_dose_or_alternative", "slower_titration",
    "cap_dose", "monitor", "no_action", "no_recommendation",
]  # fmt: skip
ON = Literal["", "start", "maintenance", "all"]
NO_RESULT = "No Result"
INDETERMINATE = "Indeterminate"


@dataclass(frozen=True, slots=True)
class Score:
    """An activity score; ``open`` means "this or more": three copies or more have no exact value."""

    value: float
    open: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.open else ''}{self.value:g}"


@dataclass(frozen=True, slots=True)
class Allele:
    """What one star allele does; ``activity`` only where the gene is scored."""

    gene: str
    name: str
    function: Function
    activity: Score | None
    basis: Basis


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """A phenotype by activity score, each end included or not; an empty end is open."""

    phenotype: str
    low: float
    low_included: bool
    high: float | None
    high_included: bool

    def holds(self, score: Score) -> bool:
        """Say whether a score lies in the range; an open score only in a range that is open above."""
        above = score.value > self.low or (self.low_included and score.value == self.low)
        if self.high is None:
            return above
        below = score.value < self.high or (self.high_included and score.value == self.high)
        return above and below and not score.open


@dataclass(frozen=True, slots=True)
class Guidance:
    """What one source advises for one drug and one combination of phenotypes.

    ``phenotypes``: for each of ``genes`` the phenotypes that it holds for. ``scores``: the range of the
    activity score that it is limited to, None for any. ``change_percent`` is signed and relative to the usual dose,
    on ``basis_of_change``; None where the source gives no number.
    """

    id: str
    drug: str
    genes: tuple[str, ...]
    phenotypes: tuple[frozenset[str], ...]
    scores: tuple[float, float] | None
    population: str
    action: Action
    change_percent: float | None
    basis_of_change: ON
    max_mg: float | None
    slower: bool
    strength: str
    implication: str
    note: str
    blocks: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class Inhibitor:
    """A drug that weakens an enzyme (or, as an ``inducer``, strengthens it) while it is taken."""

    drug: str
    kind: Literal["inhibitor", "inducer"]
    gene: str
    strength: str
    multiplier: float | None
    rule: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class ActionRow:
    """How an action of one strength is shown: its severity, and the words for it."""

    severity: Severity
    words: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Pharmacogenomics:
    """All rows, indexed: alleles by gene and name, ranges and function pairs by gene, guidance by drug."""

    alleles: Mapping[tuple[str, str], Allele]
    ranges: Mapping[str, tuple[ScoreRange, ...]]
    pairs: Mapping[tuple[str, str], str]
    diplotypes: Mapping[tuple[str, str], str]
    guidance: Mapping[str, tuple[Guidance, ...]]
    inhibitors: Mapping[str, tuple[Inhibitor, ...]]
    actions: Mapping[tuple[str, str], ActionRow]
    genes: frozenset[str]

    def action(self, row: Guidance) -> ActionRow:
        """Return how a row's action is shown: by its strength, else by the action alone."""
        return self.actions.get((row.action, row.strength)) or self.actions[row.action, "*"]
