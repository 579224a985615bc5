"""What speaks for an option: chart facts that the guidelines judge, and figures that are clearly ahead.

A figure counts only where its interval lies wholly on the better side of the other drug's, so that chance is not sold
as an advantage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.assessment import Prediction
from service.web import outcomes
from service.web import points as rules
from service.web.points import Cite, Point
from service.web.words import said

FEW = 3
# Rows of guideline_steps.csv, and the judgement of a trial, by the side that they speak for.
FOR_A_DRUG = ("GS20", "GS19", "TRIAL-ADEQUATE", "GS05", "GS04")
FOR_NO_CHANGE = (
    "TRIAL-UNKNOWN",
    "TRIAL-INADEQUATE",
    "GS25",
    "GS24",
    "GS21",
    "GS18",
    "GS116",
    "GS115",
    "GS03",
)


@dataclass(frozen=True, slots=True)
class Excluded:
    """Drugs that one fact of the chart excludes, with the resources that it is read from."""

    why: str
    drugs: str
    cites: tuple[Cite, ...] = ()


def for_a_drug(context: Mapping[str, Any]) -> list[Point]:
    """Return the chart facts that speak for a change, or for a drug at all."""
    return _of(context, FOR_A_DRUG)


def for_no_change(context: Mapping[str, Any]) -> list[Point]:
    """Return the chart facts that speak for leaving things as they are."""
    return _of(context, FOR_NO_CHANGE)


def ahead(ingredient: str, contexts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return in words where a drug's figures are clearly better than those of another option."""
    own = outcomes.predictions(contexts[ingredient])
    found_ahead: list[str] = []
    for other, context in contexts.items():
        beside = outcomes.predictions(context)
        for name, found in own.items():
            if other != ingredient and name in beside and _better(name, found, beside[name]):
                found_ahead.append(_clause(name, found, beside[name], other))
    return found_ahead[:FEW]


def ruled_out(context: Mapping[str, Any]) -> list[Excluded]:
    """Return what the chart excludes, grouped by the fact that does."""
    stands_on = {one["ingredient"]: one["reason"] for one in context.get("not_drafted", ()) if one["reason"]}
    groups: dict[tuple[str, tuple[Cite, ...]], list[str]] = {}
    for one in context.get("ruled_out", []):
        why, reason = said(one["message"].partition(": ")[0]), stands_on.get(one["ingredient"])
        same = reason if reason and reason["message"] == one["message"] else None
        cites = rules.point(same, context).cites if same else ()
        groups.setdefault((why, cites), []).append(one["ingredient"].replace("_", " "))
    return [Excluded(why, ", ".join(drugs), cites) for (why, cites), drugs in groups.items()]


def _of(context: Mapping[str, Any], wanted: Sequence[str]) -> list[Point]:
    found = [r for r in context.get("step_reasons", []) if r.get("rule") in wanted and not r.get("unknown")]
    found.sort(key=lambda reason: wanted.index(reason["rule"]))
    return [rules.point(reason, context) for reason in found[:FEW]]


def _better(name: str, found: Prediction, beside: Prediction) -> bool:
    return found.low > beside.high if name in outcomes.WANTED else found.high < beside.low


def _clause(name: str, found: Prediction, beside: Prediction, other: str) -> str:
    drug = other.replace("_", " ")
    return f"{outcomes.NAMES[name]}: {outcomes.chance(found)}, on {drug} {outcomes.chance(beside)}."
