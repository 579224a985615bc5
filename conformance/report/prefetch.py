"""The section on what an EHR sent as a CDS client, from a run's facts: rows for a page, lines for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What came for a key: in words, and the colour that the page has for it.
_WORDS: Mapping[str, tuple[str, str]] = {
    "sent": ("sent", "fed"),
    "empty": ("empty", "stale"),
    "null": ("null", "absent"),
    "omitted": ("not sent", "absent"),
    "error": ("an OperationOutcome", "refused"),
    "odd": ("no FHIR", "refused"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One prefetch key: what it fills, what came over all calls, and how often it was what the same query returns."""

    key: str
    holds: str
    required: bool
    parts: Sequence[tuple[str, str, int]]
    same: str
    bad: bool

    @property
    def told(self) -> str:
        """Return what came in words."""
        return ", ".join(f"{count} {words}" for _, words, count in self.parts)


def rows(facts: Mapping[str, Any]) -> list[Row]:
    """Return the keys in the order of discovery."""
    return [_row(one) for one in facts.get("prefetch", ())]


def heard(facts: Mapping[str, Any]) -> str:
    """Return how much came in one sentence, empty for a run that heard nothing."""
    found = facts.get("heard")
    if not found:
        return ""
    calls = ", ".join(f"{count} {hook}" for hook, count in found["calls"].items())
    people = "1 patient" if found["patients"] == 1 else f"{found['patients']} patients"
    gap = f"; shortest time between two: {found['shortest_gap_s']:g} s" if "shortest_gap_s" in found else ""
    return f"Hook calls: {calls}{gap}; for {people}. Feedback: {found['feedback']}."


def summary(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a terminal says: how many keys came in every call, and how many were compared."""
    found = rows(facts)
    if not found:
        return
    always = [one for one in found if all(words in ("sent", "empty") for _, words, _ in one.parts)]
    compared = [one for one in facts["prefetch"] if one["compared"]]
    same = [one for one in compared if one["same"] == one["compared"]]
    told = f"{len(same)} of {len(compared)} are what the same query returns" if compared else "none was compared"
    yield f"prefetch: {len(always)} of {len(found)} keys came in every call, {told}"


def _row(one: Mapping[str, Any]) -> Row:
    parts = [(_WORDS[state][1], _WORDS[state][0], count) for state in _WORDS if (count := one["states"].get(state))]
    same = f"in {one['same']} of {one['compared']}" if one["compared"] else "not compared"
    bad = one["same"] < one["compared"] or any(colour not in ("fed", "stale") for colour, _, _ in parts)
    return Row(one["key"], one["holds"], one["required"], parts, same, bad)
