"""The gate runner: a change of a model is in the plan and keeps every limit, or it is refused with the reason."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from recommender.errors import ModelError
from recommender.training.site.plan import EVERY, Change, Gate, Plan


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate's answer; ``value`` is None where the measure could not be had."""

    gate: Gate
    value: float | None
    passed: bool

    @property
    def sentence(self) -> str:
        """Return the gate, its figure and, where it was missed, why that matters."""
        told = "not known" if self.value is None else f"{self.value:.4g}"
        limits = [("at least", self.gate.at_least), ("at most", self.gate.at_most), ("above", self.gate.above)]
        wanted = " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)
        said = f"{self.gate.id}: {told}, wanted {wanted}"
        return said if self.passed else f"{said}: {self.gate.why}"


def permitted(plan: Plan, kind: str, *, parts: Collection[str], outcomes: Collection[str]) -> Change:
    """Return the plan's row for a change that differs in ``parts`` for ``outcomes``.

    ModelError U-PLAN-CHANGE for a kind that the plan does not have, and for parts or outcomes beyond its row.
    """
    change = plan.kind(kind)
    if change is None:
        known = ", ".join(one.id for one in plan.change)
        raise _refused(f"“{kind}” is no change of plan {plan.version}, which has: {known}")
    if beyond := sorted(set(parts) - set(change.parts)):
        raise _refused(f"“{kind}” may change {', '.join(change.parts)}, and this one also changes {', '.join(beyond)}")
    if EVERY not in change.outcomes and (beyond := sorted(set(outcomes) - set(change.outcomes))):
        raise _refused(f"“{kind}” is for {', '.join(change.outcomes)}, not for {', '.join(beyond)}")
    return change


def _refused(why: str) -> ModelError:
    return ModelError("U-PLAN-CHANGE", f"{why}: make it as a new release, with a validation of its own.")


def judged(plan: Plan, change: Change, measures: Mapping[str, float]) -> tuple[Verdict, ...]:
    """Return the answer of every gate of a change; a measure that is not there fails its gate."""
    values = [(gate, measures.get(gate.measure)) for gate in plan.gates_of(change)]
    return tuple(Verdict(gate, value, gate.passes(value)) for gate, value in values)


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Return whether every gate let the change through; of no gate, none did."""
    return bool(verdicts) and all(one.passed for one in verdicts)
