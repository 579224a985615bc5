"""The predetermined change plan: the rows of ``knowledge/change_plan.toml``, checked."""

import tomllib
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec

from recommender.errors import KnowledgeError

EVERY = "*"


class Trees(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs from the shipped model's training parameters while a site's trees are grown."""

    num_leaves: int
    learning_rate: float
    lambda_l2: float
    min_data_in_leaf: int


class Protocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a change is made and judged: the figures of ``[protocol]``, explained there."""

    holdout: float
    stopping_share: float
    confidence: float
    policy_confidence: float
    least_outcomes: int
    least_of_a_class: int
    leak_auc: float
    least_propensity: float
    least_observed: float
    least_given: int
    largest_weight: float
    platt_sd_intercept: float
    platt_sd_slope: float
    rounds: int
    patience: int
    roll_back: str
    record: str
    trees: Trees


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of change: what of a model folder may differ, for which outcomes, and through which gates."""

    id: str
    description: str
    parts: tuple[str, ...]
    outcomes: tuple[str, ...]
    gates: tuple[str, ...]
    benefit: str
    risk: str
    mitigation: str


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit on one measure; ``why`` says what it means that the limit was missed."""

    id: str
    measure: str
    why: str
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None

    def passes(self, value: float | None) -> bool:
        """Return whether a measure keeps the limit; one that could not be had (None, NaN) does not."""
        if value is None or value != value:
            return False
        least = self.at_least is None or value >= self.at_least
        most = self.at_most is None or value <= self.at_most
        return least and most and (self.above is None or value > self.above)


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole plan; ``authorised`` names the authority that has seen it."""

    version: str
    date: date
    authorised: str
    protocol: Protocol
    change: tuple[Change, ...]
    gate: tuple[Gate, ...]

    def kind(self, name: str) -> Change | None:
        """Return the kind of change of that name, None for one that the plan does not have."""
        return next((one for one in self.change if one.id == name), None)

    def gates_of(self, change: Change) -> tuple[Gate, ...]:
        """Return the gates of a change, in its order."""
        by_id = {one.id: one for one in self.gate}
        return tuple(by_id[name] for name in change.gates)


@cache
def load() -> Plan:
    """Return the shipped plan; KnowledgeError U-PLAN-FILE."""
    return parse((files("recommender") / "knowledge" / "change_plan.toml").read_text("utf-8"))


def parse(text: str) -> Plan:
    """Return a plan whose changes name gates that exist, each gate with a limit; KnowledgeError U-PLAN-FILE."""
    try:
        plan = msgspec.convert(tomllib.loads(text), Plan)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _wrong(str(error)) from error
    known = [one.id for one in plan.gate]
    if len(set(known)) < len(known) or len({one.id for one in plan.change}) < len(plan.change):
        raise _wrong("two changes or two gates have one id")
    for change in plan.change:
        if not change.gates or set(change.gates) - set(known):
            raise _wrong(f"change {change.id} wants gates, each with a row of its own")
    for gate in plan.gate:
        if gate.at_least is None and gate.at_most is None and gate.above is None:
            raise _wrong(f"gate {gate.id} has no limit")
    return plan


def _wrong(why: str) -> KnowledgeError:
    return KnowledgeError("U-PLAN-FILE", f"change_plan.toml cannot be used: {why}; correct it or reinstall.")
