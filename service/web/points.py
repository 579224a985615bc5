"""What the rules say of an option, as the page writes it: known points by severity, and what is not known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from recommender.assessment import SEVERITIES
from service.cds import changes
from service.cds.words import capital, day
from service.web.words import said

_WRITTEN = {
    "{1.73_m2}": "1.73 m²",
    "kg/m2": "kg/m²",
    "1.73m2": "1.73 m²",
    "mm[Hg]": "mmHg",
    "10*9/L": "10⁹/L",
    "10*3/uL": "10³/µL",
    "{beats}/min": "a minute",
    " {steps}/d": " steps a day",
    "{score}": "",
}


@dataclass(frozen=True, slots=True)
class Cite:
    """A chart fact behind a point: what it says, of which day, and its resource in the EHR."""

    what: str
    day: str
    reference: str


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that a rule says, with its severity in words and the chart facts that it stands on.

    ``source`` are the keys of its sources, joined by a plus sign; ``verified`` whether somebody has read them.
    """

    severity: str
    message: str
    source: str
    cites: tuple[Cite, ...] = ()
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """How to change from a present drug: the way in few words, and the plan; ``folded`` where the way says enough."""

    head: str
    message: str
    source: str
    folded: bool
    verified: bool = True


def guidelines(context: Mapping[str, Any]) -> list[Point]:
    """Return what guidelines say at this step, psychotherapy among it, and how the treatment history reads."""
    found = [r for r in context.get("step_reasons", []) if not r.get("unknown")]
    return [point(r, context) for r in found]


def switches(context: Mapping[str, Any]) -> list[Change]:
    """Return how to change from each present drug; a plan that no source holds is never folded away."""
    return [
        Change(
            f"Change-over from {one['replaces'].replace('_', ' ')}: {changes.WAYS.get(one['way'], changes.PHARMACIST)}",
            said(one["plan"]),
            one["source"],
            folded=bool(one["rule"]),
            verified=_verified(one),
        )
        for one in context.get("switch", [])
    ]


def known(context: Mapping[str, Any], cited: Mapping[str, Any] | None = None) -> list[Point]:
    """Return what is known to speak against or ask for watching, the most serious first.

    ``cited`` holds the chart facts where ``context`` is not the draft's own.
    """
    found = [r for r in context.get("reasons", []) if not r.get("unknown") and r["severity"] != "none"]
    found.sort(key=lambda reason: SEVERITIES.index(reason["severity"]))
    return [point(r, cited or context) for r in found]


def point(reason: Mapping[str, Any], context: Mapping[str, Any]) -> Point:
    """Return a reason as the page writes it."""
    facts: Mapping[str, Mapping[str, str]] = context.get("cited", {})
    cites = (cite(reference, facts.get(reference, {})) for reference in reason.get("facts", ()))
    return Point(reason["severity"], _units(said(reason["message"])), reason["source"], tuple(cites), _verified(reason))


def cite(reference: str, fact: Mapping[str, str]) -> Cite:
    """Return a chart fact as the page writes it."""
    when = day(date.fromisoformat(fact["date"])) if fact.get("date") else ""
    what = _units(fact.get("what", ""))
    return Cite(capital(what) if what[:2].islower() else what, when, reference)  # but not eGFR


def _units(text: str) -> str:
    """Return a chart fact with its UCUM unit as people write it."""
    for ucum, written in _WRITTEN.items():
        text = text.replace(ucum, written)
    return text


def pending(texts: Sequence[str]) -> list[Point]:
    """Return what is not known and would lower a dose, with the sources that end each sentence on a dose."""
    return [_pending(text) for text in texts]


def _pending(text: str) -> Point:
    found = changes.BASIS.search(text)
    if found is None:
        return Point("none", said(text), "")
    return Point("none", f"{said(text[: found.start()])}.", found["keys"], verified=not found["doubt"])


def _verified(reason: Mapping[str, Any]) -> bool:
    return bool(reason.get("verified")) or not reason["source"]


def unknown(context: Mapping[str, Any], same: frozenset[str]) -> list[str]:
    """Return what the rules could not judge, each once, without what is said of every draft."""
    missing = [_missing(r) for r in context.get("reasons", []) if r.get("unknown")]
    return [text for text in dict.fromkeys(missing) if text not in same]


def _missing(reason: Mapping[str, Any]) -> str:
    missing = reason.get("missing")
    return said(f"{missing} {reason.get('gap') or 'is not known'}" if missing else reason["message"])


def shared(contexts: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return what is said, or not known, of every draft: it is shown once."""
    every: list[frozenset[str]] = [
        frozenset([*(p.message for p in known(c)), *(_missing(r) for r in c.get("reasons", []) if r.get("unknown"))])
        for c in contexts
    ]
    return every[0].intersection(*every[1:]) if len(every) > 1 else frozenset()
