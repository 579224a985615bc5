"""The plan: what is treated, at which step, which drugs are considered and which may be offered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fhir_adapters.canonical import MedicationCourse
from recommender.assessment import Escalation, Reason
from recommender.step.focus import Focus
from recommender.step.treatment_history import History

BY_MODEL = "the learned ranker for adult depression"


@dataclass(frozen=True, slots=True)
class Line:
    """Where the guidelines put a drug: ``number`` 1 first, 0 where it is the step that is reached now.

    ``backing`` counts the rows that put it there; ``reasons`` are all that name it.
    """

    number: int
    backing: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is treated, at which step, and which drugs are considered.

    ``considered`` are formulary names in formulary order; ``first_line`` those that may be offered now; ``current``
    the active courses of such drugs; ``related`` says of a drug why changing to it from the present one is no change.
    ``conditions`` holds the one that is planned for first. ``lines`` are the guideline's, empty where the model ranks;
    ``withheld`` says of a drug why no draft of it can be made for this condition; ``said`` what else is said of one;
    ``serves`` which further conditions it is labelled for. ``routes`` are the people who decide; ``before`` the rules
    among ``steps_reason`` that say which psychotherapy comes first. ``ranked_by`` says in words what orders the drugs.
    ``step``: start, switch, continue (the present drug is kept), optimise (its dose is raised first), or watch (no
    drug is proposed, as while it is said that the present one is not taken).
    """

    conditions: tuple[str, ...]
    step: str
    steps_reason: tuple[Reason, ...]
    considered: tuple[str, ...]
    first_line: frozenset[str]
    current: tuple[MedicationCourse, ...]
    related: Mapping[str, Reason]
    focus: Focus | None = None
    history: History = field(default_factory=History)
    ranked_by: str = BY_MODEL
    lines: Mapping[str, Line] = field(default_factory=dict[str, Line])
    withheld: Mapping[str, Reason] = field(default_factory=dict[str, Reason])
    said: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict[str, tuple[Reason, ...]])
    serves: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    routes: tuple[Escalation, ...] = ()
    before: frozenset[str] = frozenset()

    @property
    def by_guideline(self) -> bool:
        """Whether guideline order and published estimates rank, and not the model."""
        return self.ranked_by != BY_MODEL

    @property
    def indication(self) -> str | None:
        """The formulary's key of the condition that is planned for, None where none is."""
        return (self.focus.indication or None) if self.focus else None
