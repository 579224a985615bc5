"""High-risk drafts: rows of ``knowledge/high_risk.csv`` over what the rules said of a drug.

A signer of such a draft proves who they are anew. A row is of a drug or class, of a rule, or of every rule with one
trigger. What the chart could not answer counts as if it held, unless sources ask it only of patients at another risk.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast, get_args

from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.errors import KnowledgeError

RiskKind = Literal["drug", "rule", "trigger"]


@dataclass(frozen=True, slots=True)
class RiskRow:
    """One row: ``key`` is an ingredient or class, a rule's id, or a trigger's key."""

    id: str
    kind: RiskKind
    key: str
    words: str
    source: str


@cache
def rows() -> tuple[RiskRow, ...]:
    """Return the rows; KnowledgeError U-KNOWLEDGE-ROW for one that cannot be read."""
    text = (files("recommender") / "knowledge" / "high_risk.csv").read_text("utf-8")
    return tuple(map(_row, csv.DictReader(text.splitlines())))


def high_risk(ingredient: str, reasons: Iterable[Reason], knowledge: Knowledge) -> tuple[RiskRow, ...]:
    """Return the rows that make a draft of this drug a high-risk one, empty for none.

    ``ingredient`` is an ingredient or formulary name, ``reasons`` are those that the draft was offered with.
    """
    told = {reason.rule for reason in reasons if _counts(reason)}
    triggers = {rule.trigger for rule in knowledge.rules_of.get(_name(ingredient, knowledge), ()) if rule.id in told}
    return tuple(row for row in rows() if _holds(row, ingredient, told, triggers, knowledge))


def _holds(row: RiskRow, ingredient: str, told: set[str], triggers: set[str], knowledge: Knowledge) -> bool:
    if row.kind == "drug":
        names = {ingredient, _name(ingredient, knowledge)}
        return row.key in names or any(knowledge.in_class(name, row.key) for name in names)
    return row.key in (told if row.kind == "rule" else triggers)


def _counts(reason: Reason) -> bool:
    return reason.at_risk if reason.unknown else reason.severity != "none"


def _name(ingredient: str, knowledge: Knowledge) -> str:
    return knowledge.aliases.get(ingredient, ingredient)


def _row(row: dict[str, str]) -> RiskRow:
    try:
        kind = row["kind"]
        if kind not in get_args(RiskKind) or not row["key"] or not row["words"]:
            raise KnowledgeError("U-KNOWLEDGE-ROW", f"high_risk.csv: {row['id']} cannot be read; correct the row.")
        return RiskRow(row["id"], cast(RiskKind, kind), row["key"], row["words"], row["source"])
    except KeyError as error:
        raise KnowledgeError("U-KNOWLEDGE-ROW", f"high_risk.csv has no column {error}; add it.") from error
