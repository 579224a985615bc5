"""What a rule or a gene says of one drug: a reason, and what it does to the dose."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from recommender.assessment import Reason
from recommender.catalog.rows import Rule
from recommender.dose.dose_rows import Adjustment


@dataclass(frozen=True, slots=True)
class DoseChange:
    """A part of the usual dose, 0 to 1, ``on`` the start, the maintenance or both; ``words`` name why."""

    factor: float
    on: Literal["", "start", "maintenance", "all"]
    words: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A change of dose that cannot be settled: what ``rule`` would do; ``gap`` names what is not known."""

    rule: Rule
    adjusted: Adjustment | None
    gap: str

    @property
    def careful(self) -> bool:
        """Say whether its values hold until the gap is closed, because a source asks for it."""
        return self.adjusted is not None and self.adjusted.when_unknown == "careful"


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One reason, and the doses in mg a day that it allows at most: the ceiling and the start.

    None without one, or when it is not known. ``change`` is the part of the usual dose that it asks for,
    ``interval`` says in words that a source wants no daily dose, ``pending`` what a missing input leaves open.
    ``cause`` is what the limit comes from (a rule's trigger), empty for a gene.
    """

    reason: Reason
    cap_mg_per_day: float | None
    change: DoseChange | None = None
    start_mg_per_day: float | None = None
    interval: str = ""
    pending: tuple[Pending, ...] = ()
    cause: str = ""


def stricter(first: Finding, other: Finding) -> Finding:
    """Return ``first`` with what ``other`` asks of the dose where that is less: a dose limit is never dropped."""
    changes = [one.change for one in (first, other) if one.change is not None]
    return Finding(
        first.reason,
        _least(first.cap_mg_per_day, other.cap_mg_per_day),
        min(changes, key=lambda change: change.factor, default=None),
        _least(first.start_mg_per_day, other.start_mg_per_day),
        first.interval or other.interval,
        (*first.pending, *other.pending),
        first.cause,
    )


def _least(one: float | None, other: float | None) -> float | None:
    return min((mg for mg in (one, other) if mg is not None), default=None)
