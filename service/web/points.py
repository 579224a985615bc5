"""What the rules say of an option, as the page writes it: known points by severity, and what is not known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from recommender.assessment import SEVERITIES
from service.cds import changes
from service.cds.words import day

NOT_VERIFIED = ", not verified"


@dataclass(frozen=True, slots=True)
class Cite:
    """A chart fact behind a point: what it says, of which day, and its resource in the EHR."""

    what: str
    day: str
    reference: str


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that a rule says, with its severity in words, its source, and the chart facts that it stands on."""

    severity: str
    message: str
    source: str
    cites: tuple[Cite, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """How to change from a present drug: the way in few words, and the plan; ``folded`` where the way says enough."""

    head: str
    message: str
    source: str
    folded: bool


def guidelines(context: Mapping[str, Any]) -> list[Point]:
    """Return what guidelines say at this step, psychotherapy among it, and how the treatment history reads."""
    said = [r for r in context.get("step_reasons", []) if not r.get("unknown")]
    return [point(r, context) for r in said]


def switches(context: Mapping[str, Any]) -> list[Change]:
    """Return how to change from each present drug; a plan that no source holds is never folded away."""
    return [
        Change(
            f"Change-over from {one['replaces'].replace('_', ' ')}: {changes.WAYS.get(one['way'], changes.PHARMACIST)}",
            one["plan"],
            _source(one),
            folded=bool(one["rule"]),
        )
        for one in context.get("switch", [])
    ]


def known(context: Mapping[str, Any], cited: Mapping[str, Any] | None = None) -> list[Point]:
    """Return what is known to speak against or ask for watching, the most serious first.

    ``cited`` holds the chart facts where ``context`` is not the draft's own.
    """
    said = [r for r in context.get("reasons", []) if not r.get("unknown") and r["severity"] != "none"]
    said.sort(key=lambda reason: SEVERITIES.index(reason["severity"]))
    return [point(r, cited or context) for r in said]


def point(reason: Mapping[str, Any], context: Mapping[str, Any]) -> Point:
    """Return a reason as the page writes it."""
    facts: Mapping[str, Mapping[str, str]] = context.get("cited", {})
    cites = (_cite(reference, facts.get(reference, {})) for reference in reason.get("facts", ()))
    return Point(reason["severity"], reason["message"], _source(reason), tuple(cites))


def _cite(reference: str, fact: Mapping[str, str]) -> Cite:
    when = day(date.fromisoformat(fact["date"])) if fact.get("date") else ""
    return Cite(fact.get("what", ""), when, reference)


def _source(reason: Mapping[str, Any]) -> str:
    if not reason["source"]:
        return ""
    return reason["source"] if reason.get("verified") else f"{reason['source']}{NOT_VERIFIED}"


def unknown(context: Mapping[str, Any], same: frozenset[str]) -> list[str]:
    """Return what the rules could not judge, each once, without what is said of every draft."""
    missing = [_missing(r) for r in context.get("reasons", []) if r.get("unknown")]
    return [text for text in dict.fromkeys(missing) if text not in same]


def _missing(reason: Mapping[str, Any]) -> str:
    return (
        f"{reason.get('missing')} {reason.get('gap') or 'is not known'}" if reason.get("missing") else reason["message"]
    )


def shared(contexts: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return what is said, or not known, of every draft: it is shown once."""
    every: list[frozenset[str]] = [
        frozenset([*(p.message for p in known(c)), *(_missing(r) for r in c.get("reasons", []) if r.get("unknown"))])
        for c in contexts
    ]
    return every[0].intersection(*every[1:]) if len(every) > 1 else frozenset()
