"""The section on what an EHR feeds, from a run's facts: rows for a page, lines for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_GOOD, _NONE = "fed", ("absent", "not-supplied")
WORDS: Mapping[str, str] = {
    "fed": "fed",
    "uncoded": "without a known code",
    "wrong-system": "wrong code system",
    "wrong-unit": "wrong unit",
    "conflicting": "conflicting",
    "refused": "unreadable",
    "stale": "too old",
    "absent": "absent",
    "not-supplied": "list not served",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One feature: what became of it in the patients, worst last, what follows, and what to do.

    ``reasons`` are the adapters' own words for what cannot be used. ``state`` is ``fed`` (in all), ``bad`` (there,
    and cannot be used), ``some`` (absent or too old in some) or ``none``. ``read``: a rule, gate, step or model
    reads it.
    """

    name: str
    meaning: str
    parts: Sequence[tuple[str, str, int]]
    state: str
    effect: str
    fix: Sequence[str]
    reasons: str = ""
    read: bool = True

    @property
    def told(self) -> str:
        """Return the outcomes in words."""
        return ", ".join(f"{count} {words}" for _, words, count in self.parts)

    @property
    def line(self) -> str:
        """Return the row as one plain line: what became of it, and, where it lacks, what follows and what to do."""
        why = f" ({self.reasons})" if self.reasons else ""
        without = f"; without it: {self.effect}" if self.effect and self.state != "fed" else ""
        cure = f"; to do: {'; '.join(self.fix)}" if self.fix and self.state != "fed" else ""
        return f"{self.name}: {self.told}{why}{without}{cure}"


def rows(facts: Mapping[str, Any]) -> list[Row]:
    """Return the features of a run's facts: what has to be mended first, then what some lack, then the rest."""
    states = ("bad", "some", "none", "fed")
    found = [_row(one) for one in facts.get("coverage", {}).get("features", ())]
    return sorted(found, key=lambda row: states.index(row.state))


def told(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield all of it as plain lines, of a run's facts; none where no chart was read."""
    if facts.get("coverage"):
        yield from summary(facts["coverage"])
        yield from (row.line for row in rows(facts))
        yield from (f"check and paste: {one['table']} {one['line']}" for one in facts["coverage"].get("lines", ()))


def groups(facts: Mapping[str, Any]) -> list[tuple[str, list[Row], list[str]]]:
    """Return (group, its rows, the features that nobody has) in the order of the features."""
    found: dict[str, tuple[list[Row], list[str]]] = {}
    for one in facts["features"]:
        row = _row(one)
        rows, nobody = found.setdefault(str(one["group"]), ([], []))
        if row.state == "none":
            nobody.append(row.name)
        else:
            rows.append(row)
    # What has to be mended stands first in its group.
    return [
        (group, sorted(rows, key=lambda row: row.state != "bad"), nobody) for group, (rows, nobody) in found.items()
    ]


def summary(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a terminal says: how much is fed, what is there and not used, what nobody has that is read."""
    rows = [_row(one) for one in facts["features"]]
    read = [row for row in rows if row.read]
    fed = [row for row in read if any(name == _GOOD for name, _, _ in row.parts)]
    people = "1 patient" if facts["patients"] == 1 else f"{facts['patients']} patients"
    yield f"features: {len(fed)} of the {len(read)} that are read are fed ({people}, profile {facts['profile']})"
    bad = [row for row in rows if row.state == "bad"]
    if bad:
        yield "there and not used: " + _named([f"{row.name} ({row.told})" for row in bad], 4)
    nobody = [row for row in read if row.state == "none"]
    if nobody:
        yield "nobody has: " + _named([row.name for row in nobody], 10)


def _row(one: Mapping[str, Any]) -> Row:
    outcomes: Mapping[str, int] = one["outcomes"]
    parts = [(name, words, outcomes[name]) for name, words in WORDS.items() if outcomes.get(name)]
    bad = any(name not in (_GOOD, "stale", *_NONE) for name, _, _ in parts)
    none = all(name in _NONE for name, _, _ in parts)
    state = "bad" if bad else "none" if none else "fed" if len(parts) == 1 and parts[0][0] == _GOOD else "some"
    why = ", ".join(f"{reason} ({count})" for reason, count in one.get("reasons", {}).items())
    shown = why if state == "bad" else ""
    return Row(one["name"], one["meaning"], parts, state, one.get("effect", ""), one.get("fix", ()), shown, one["read"])


def _named(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
