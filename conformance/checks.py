"""What a check is and what it says: one requirement, one verdict, who has to act, and the exact fix.

A check asks a probe for facts and never relies on a check before it, so any one can run alone and in any order.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

Verdict = Literal["pass", "fail", "warn", "not-tested", "broken"]
# ``service-team``: whoever makes or runs the CDS service that is judged; ``undersign``: a fault of this program.
Acts = Literal["ehr-team", "integration-engineer", "service-team", "undersign", "network", "nobody"]
# What follows where the requirement is not met, for the recommender and not for a certificate.
Consequence = Literal["blocks-start", "blocks-write-back", "degrades", "information"]
Tag = Literal["write", "slow"]

# Worst first: the verdict of a check is the worst that it says.
VERDICTS: tuple[Verdict, ...] = ("broken", "fail", "warn", "not-tested", "pass")
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Requirement:
    """What is required: an id, one sentence of ours, and where it is written."""

    id: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a check says. ``message`` is a true sentence about what was seen.

    ``expected`` and ``got`` are short and hold no patient's name; ``path`` is the JSON path of what was judged;
    ``fix`` is the line to paste or the sentence for who acts; ``exchanges`` are the numbers of the requests in the
    evidence. ``acts`` stands where somebody else than the check's own has to act.
    """

    verdict: Verdict
    message: str
    expected: str = ""
    got: str = ""
    path: str = ""
    fix: str = ""
    acts: Acts | None = None
    exchanges: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Check(Generic[P]):
    """One requirement, and how it is judged over a probe. ``required``: a run without its verdict says little."""

    id: str
    title: str
    group: str
    requirement: Requirement
    consequence: Consequence
    acts: Acts
    run: Callable[[P], Awaitable[Sequence[Told]]]
    tags: frozenset[Tag] = frozenset()

    @property
    def required(self) -> bool:
        """Whether the service cannot start, or cannot write back, without it."""
        return self.consequence.startswith("blocks-")


@dataclass(frozen=True, slots=True)
class Result:
    """What one check said; ``asked`` is False where its requirement is none of what was checked."""

    check: Check[Any]
    told: tuple[Told, ...]
    waived: str = ""
    asked: bool = True

    @property
    def verdict(self) -> Verdict:
        """The worst verdict; a check that says nothing tested nothing."""
        return worst(one.verdict for one in self.told)

    @property
    def said(self) -> Told:
        """The first of the worst things said: what a line about this check shows."""
        none = Told("not-tested", "nothing to judge")
        return next((one for one in self.told if one.verdict == self.verdict), none)

    @property
    def required(self) -> bool:
        """Whether a run without this verdict says little."""
        return self.check.required and self.asked

    @property
    def acts(self) -> Acts:
        """Who has to act, by the gravest thing said."""
        if self.verdict in ("pass", "not-tested"):
            return "nobody"
        named: list[Acts] = [one.acts for one in self.told if one.verdict == self.verdict and one.acts]
        return named[0] if named else self.check.acts


class Untested(Exception):
    """A check cannot judge, through nobody's fault or by choice: no data, no scope, switched off, budget spent."""

    def __init__(self, why: str, exchanges: Sequence[int] = ()) -> None:
        super().__init__(why)
        self.why, self.exchanges = why, tuple(exchanges)


class NotAsked(Untested):
    """The requirement is none of what is checked: it does not count among what was to be tested."""


class Broken(Exception):
    """A check could not run: the network, or this program; with ``acts`` None whoever the check is about."""

    def __init__(self, why: str, acts: Acts | None = "network", exchanges: Sequence[int] = (), fix: str = "") -> None:
        super().__init__(why)
        self.why, self.fix = why, fix
        self.acts: Acts | None = acts
        self.exchanges = tuple(exchanges)


@dataclass(frozen=True, slots=True)
class Suite(Generic[P]):
    """Checks over one kind of probe. ``open`` makes the probe of a run from its target."""

    name: str
    title: str
    checks: tuple[Check[P], ...]
    notes: tuple[str, ...] = field(default=())

    def find(self, check_id: str) -> Check[P] | None:
        """Return a check by its id."""
        return next((one for one in self.checks if one.id == check_id), None)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict, not-tested for none."""
    found = set(verdicts)
    ordered: list[Verdict] = [one for one in VERDICTS if one in found]
    return ordered[0] if ordered else "not-tested"


def passed(message: str, *exchanges: int) -> tuple[Told, ...]:
    """Return that the requirement is met."""
    return (Told("pass", message, exchanges=exchanges),)


def failed(
    message: str, *exchanges: int, expected: str = "", got: str = "", path: str = "", fix: str = ""
) -> tuple[Told, ...]:
    """Return that the requirement is not met."""
    return (Told("fail", message, expected, got, path, fix, exchanges=exchanges),)


def warned(
    message: str, *exchanges: int, expected: str = "", got: str = "", path: str = "", fix: str = ""
) -> tuple[Told, ...]:
    """Return that it is met in a way that will make trouble."""
    return (Told("warn", message, expected, got, path, fix, exchanges=exchanges),)


def untested(message: str, *exchanges: int) -> tuple[Told, ...]:
    """Return that it was not judged, and why."""
    return (Told("not-tested", message, exchanges=exchanges),)
