"""What the rules say of an option, as the page writes it: known points by severity, and what is not known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.assessment import SEVERITIES

NOT_VERIFIED = ", not verified"


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that a rule says, with its severity in words and its source."""

    severity: str
    message: str
    source: str


def known(context: Mapping[str, Any]) -> list[Point]:
    """Return what is known to speak against or ask for watching, the most serious first."""
    said = [r for r in context.get("reasons", []) if not r.get("unknown") and r["severity"] != "none"]
    said.sort(key=lambda reason: SEVERITIES.index(reason["severity"]))
    return [Point(r["severity"], r["message"], _source(r)) for r in said]


def _source(reason: Mapping[str, Any]) -> str:
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
