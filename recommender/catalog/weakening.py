"""What a changed row would let through that the row before it did not: the part of a pack that needs a name.

Refuse, do not guess: a column counts as weakened by any change, unless it only tells (``words``), or has a
direction that says which change is the stricter one. Some rows no pack may weaken (``floor``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from recommender.assessment import SEVERITIES

Row = Mapping[str, str]
Weaker = Callable[[str, str], bool]
NO_RANK = 9


@dataclass(frozen=True, slots=True)
class Guard:
    """How the columns of one table are judged.

    ``words`` never weaken. ``directions``: column → whether a change from one cell to another is the weaker. Every
    other column weakens by any change. ``retiring`` a row weakens or does not. ``floor`` says why no pack may weaken
    or retire any row of the table, empty where an approval suffices. ``adding``: what a new row lets through, as
    words, empty for nothing.
    """

    words: frozenset[str] = frozenset()
    directions: Mapping[str, Weaker] | None = None
    retiring: bool = True
    floor: str = ""
    adding: Callable[[Row], str] = lambda row: "a new row"


def _number(cell: str, empty: float) -> float:
    try:
        return float(cell) if cell else empty
    except ValueError:
        return float("nan")  # the check of the merged tables refuses the cell by its name


def lower(empty: float) -> Weaker:
    """Lower is stricter; an empty cell counts as ``empty``."""
    return lambda before, after: not _number(after, empty) <= _number(before, empty)


def higher(empty: float) -> Weaker:
    """Higher is stricter; an empty cell counts as ``empty``."""
    return lambda before, after: not _number(after, empty) >= _number(before, empty)


def ranked(*strictest_first: str) -> Weaker:
    """Cells from the strictest to the laxest; ``a|b`` are equally strict, what is not listed is the laxest."""
    ranks = {cell: at for at, cells in enumerate(strictest_first) for cell in cells.split("|")}
    return lambda before, after: ranks.get(after, NO_RANK) > ranks.get(before, NO_RANK)


def _parts(cell: str) -> set[str]:
    return {part.strip() for part in cell.split(";") if part.strip()}


def more(before: str, after: str) -> bool:
    """Of a list joined by ``;`` more is stricter."""
    return not _parts(after) >= _parts(before)


def fewer(before: str, after: str) -> bool:
    """Of a list joined by ``;`` fewer is stricter."""
    return not _parts(after) <= _parts(before)


def fewer_labelled(before: str, after: str) -> bool:
    """Of indications (``mdd:yes;gad:no``) fewer labelled ones are stricter."""
    labelled = [{part for part in _parts(cell) if part.endswith(":yes")} for cell in (before, after)]
    return not labelled[1] <= labelled[0]


ANY, NEVER = float("inf"), float("-inf")
_VERIFIED: dict[str, Weaker] = {"verified": ranked("no", "secondary", "yes|site")}
_TOLD = frozenset({"source", "date", "note", "message", "retired", "weakens"})
_APPROVED = frozenset({"approved_by", "approved_on", "approved_reason"})


def _ordered(row: Row) -> str:
    return "a product that may be ordered" if row.get("verified") in ("yes", "site") else ""


def _opened(row: Row) -> str:
    return "a place where drafting is open" if row.get("drafting") != "closed" else ""


def _reopening(row: Row) -> str:
    opens = row.get("effect") in ("assessment", "follow-up")
    return f"a gate's {row['effect']}" if opens else ""


def _offering(row: Row) -> str:
    restricts = row.get("kind") in ("not-initial", "note", "review", "unknown")
    return "" if restricts else f"a guideline line of kind {row.get('kind')}"


def _nothing(row: Row) -> str:
    return ""


_RULES = Guard(
    words=frozenset({"label", "message_replacing", "monitoring", "why_not", "basis", "unknown_source", "window_days"}),
    directions={
        **_VERIFIED,
        "severity": ranked(*SEVERITIES),
        "evaluable": ranked("yes", "no"),
        "unknown": ranked("block", "ask", "skip"),
        "cap_mg_day": lower(ANY),
        "age_from": lower(NEVER),
        "sex": lambda before, after: after != "",
    },
    adding=_nothing,
)
# A table that is not listed, or a column that has no direction, weakens by any change.
GUARDS: Mapping[str, Guard] = {
    "sources": Guard(words=frozenset({"address", "what"}), floor="sources are shared", adding=_nothing),
    "formulary": Guard(
        words=frozenset({"atc", "dose_text", "schedule_text", "rxnorm_scd_name", "half_life", "dose_notes"}),
        directions={
            **_VERIFIED,
            **dict.fromkeys(("start_mg_day", "max_mg_day"), lower(NEVER)),  # without one the drug is not drafted
            **dict.fromkeys(("usual_min_mg_day", "usual_max_mg_day"), lower(ANY)),
            **dict.fromkeys(("geriatric_from_age", "geriatric_start_mg_day", "geriatric_max_mg_day"), lower(ANY)),
            "boxed_warnings": more,
            "indications": fewer_labelled,
            "dea_schedule": lambda before, after: after == "none",
            "code_verified": ranked("no", "partial", "yes|site"),
            "dose_verified": ranked("no", "secondary", "label|site"),
        },
        retiring=False,
        adding=lambda row: "a drug",  # its substances may be those of a drug that rules know by another name
    ),
    "orderables": Guard(directions=_VERIFIED, retiring=False, adding=_ordered),
    "classes": Guard(
        words=frozenset({"basis"}),
        directions={**_VERIFIED, "members": more},
        floor="rules find drugs by it: change the rules instead, they stay in sight",
        adding=_nothing,
    ),
    "safety_rules": _RULES,
    "dose_rules": _RULES,
    "dose_adjustments": Guard(
        directions={
            **_VERIFIED,
            "start_mg_day": lower(ANY),
            "factor": lower(1),
            "when_unknown": ranked("careful", ""),
        },
        adding=_nothing,
    ),
    "supply": Guard(directions={**_VERIFIED, "days": lower(ANY), "repeats": lower(ANY)}),
    "triggers": Guard(
        directions=_VERIFIED,
        floor="rules read the chart by it: change the rules instead, they stay in sight",
        adding=_nothing,
    ),
    "cross_reactions": Guard(
        words=frozenset({"reason"}), directions={**_VERIFIED, "severity": ranked(*SEVERITIES)}, adding=_nothing
    ),
    "gates": Guard(
        directions={
            **_VERIFIED,
            "window_days": higher(ANY),
            "urgency": ranked("now", "today", "routine"),
            "except_codes": fewer,
        },
        adding=_reopening,
    ),
    "jurisdictions": Guard(
        words=frozenset({"in_force", "notice"}),
        directions={**_VERIFIED, "drafting": ranked("closed", "open"), "consent": ranked("opt-in", "")},
        adding=_opened,
    ),
    "guideline_steps": Guard(directions=_VERIFIED, adding=_offering),
    "conditions": Guard(directions=_VERIFIED, retiring=False),
    "policies": Guard(directions=_VERIFIED),
    "pgx_alleles": Guard(directions=_VERIFIED, floor="what an allele does is the source's"),
    "pgx_phenotypes": Guard(directions=_VERIFIED, floor="how a phenotype follows is the source's"),
    "pgx_guidance": Guard(
        words=frozenset({"implication", "max_words"}),
        directions={
            **_VERIFIED,
            "max_mg_day": lower(ANY),
            "dose_change_percent": lower(0),
            "blocks": ranked("yes", "no"),
            "slower_titration": ranked("yes", "no"),
        },
        adding=_nothing,
    ),
    "pgx_inhibitors": Guard(directions=_VERIFIED, adding=_nothing),
    "pgx_actions": Guard(words=frozenset({"words"}), directions=_VERIFIED, floor="how grave advice is, is told alike"),
}
NEVER_ADDED: Mapping[str, str] = {
    "policies": "nothing would read it",
    "pgx_actions": "how grave advice is, is told alike",
}
_CRISIS = frozenset({"crisis", "consent-withheld"})
_SETTLED_BY = frozenset({"assessed_by", "superseded_by", "to"})  # a site's own assessments may be named there
_DIRECTED: Mapping[str, Weaker] = {
    ">": lower(NEVER),
    ">=": lower(NEVER),
    "<": higher(ANY),
    "<=": higher(ANY),
    "active_or_within_days": higher(NEVER),
    "stopped_within": higher(NEVER),
}


def added(table: str, row: Row) -> tuple[str, ...]:
    """Return what a new row lets through, in words; empty for nothing."""
    found = GUARDS.get(table, Guard()).adding(row)
    return (f"adds {found}",) if found else ()


def retired(table: str) -> tuple[str, ...]:
    """Return what taking a row out of force lets through, in words; empty for nothing."""
    return ("takes it out of force",) if GUARDS.get(table, Guard()).retiring else ()


def changed(table: str, before: Row, after: Row) -> tuple[str, ...]:
    """Return the columns that let through more than before, with both cells: ``max_mg_day 200 → 250``."""
    return tuple(f"{name} {old or 'empty'} → {new or 'empty'}" for name, old, new in _weaker(table, before, after))


def floor(table: str, before: Row, after: Row | None) -> str:
    """Return why no pack may make this change (``after`` is None to retire), empty where an approval suffices."""
    guard = GUARDS.get(table, Guard())
    columns = {name for name, _, _ in _weaker(table, before, after)} if after else {"retired"}
    if not columns or (after is None and not guard.retiring):
        return ""
    if guard.floor:
        return guard.floor
    if table == "gates":
        return _gate_floor(before, columns)
    if table == "formulary" and "dea_schedule" in columns:
        return "a controlled drug is never drafted here"
    needed = table == "policies" or (table == "jurisdictions" and before["jurisdiction"] in ("", "*"))
    return "the program needs a row of this key: change its cells" if needed and after is None else ""


def _gate_floor(before: Row, columns: set[str]) -> str:
    if before["effect"] in _CRISIS and columns - _SETTLED_BY:
        return "no pack closes an eye to a crisis or a refusal"
    if before["reads"] == "deceased":
        return "nothing is drafted for the dead"
    if before["effect"] == "out-of-scope" and before["reads"] == "feature:age":
        return "doses, rules and model are those of adults"
    return ""


def _weaker(table: str, before: Row, after: Row) -> Iterator[tuple[str, str, str]]:
    guard = GUARDS.get(table, Guard())
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, ""), after.get(name, "")
        if old == new or name in _TOLD or name in _APPROVED or name in guard.words:
            continue
        weaker = (guard.directions or {}).get(name)
        if guard is _RULES and name == "value" and before["operator"] == after["operator"]:
            weaker = _DIRECTED.get(before["operator"])
        if weaker is None or weaker(old, new):
            yield name, old, new
