"""Gene guidance in words: rows of one drug that say the same stand in one line, the gravest first."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

Row = Mapping[str, str]
_GRAVEST = (
    "avoid", "alternative", "reduce_dose_or_alternative", "reduce_dose", "cap_dose", "slower_titration", "monitor",
    "standard", "no_action", "no_recommendation",
)  # fmt: skip
_ALIKE = ("genes", "action", "dose_change_percent", "max_mg_day", "strength", "population", "source", "verified")
_SEEN = {"yes": "verified", "secondary": "secondary source", "no": "not verified", "site": "approved by the site"}


def in_words(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Yield what is advised for which phenotypes, and where it comes from; alike rows together."""
    groups = defaultdict[tuple[str, ...], list[Row]](list)
    for row in rows:
        groups[tuple(row.get(name, "") for name in _ALIKE)].append(row)
    for held in sorted(groups.values(), key=lambda one: (_rank(one[0]), one[0]["genes"], one[0]["source"])):
        yield _said(held), _where(held)


def _rank(row: Row) -> int:
    return _GRAVEST.index(row["action"]) if row["action"] in _GRAVEST else -1


def _said(rows: Sequence[Row]) -> str:
    first = rows[0]
    change = f" {first['dose_change_percent'].replace('-', '−')} %" if first.get("dose_change_percent") else ""
    cap = f", at most {first['max_mg_day']} mg a day" if first.get("max_mg_day") else ""
    who = f" ({first['population'].replace('_', ' ')})" if first.get("population") else ""
    told = {"; ".join(row[name] for name in ("implication", "note") if row.get(name)) for row in rows}
    why = f" ({told.pop()})" if len(told) == 1 and "" not in told else ""
    strength = f" ({first['strength']})" if first.get("strength") else ""
    advice = f"{first['genes']}: {first['action'].replace('_', ' ')}{change}{cap}{strength}{who}"
    return f"{advice} for {', '.join(map(_phenotypes, rows))}{why}"


def _where(rows: Sequence[Row]) -> str:
    first = rows[0]
    ids = first["id"] if len(rows) == 1 else f"{first['id']} and {len(rows) - 1} more"
    return f"{ids}; {first['source']}, {_SEEN.get(first['verified'], first['verified'])}"


def _phenotypes(row: Row) -> str:
    scores = f" (score {row['scores']})" if row.get("scores") else ""
    parts = (part.strip().replace(" Metabolizer", "").replace("|", " or ") for part in row["phenotypes"].split(";"))
    return " × ".join(part.lower() for part in parts) + scores
