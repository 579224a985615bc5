"""What would change the order of the drugs, said by comparison: how much an outcome counts beside remission."""

from collections.abc import Mapping, Sequence
from typing import Any

from recommender.ranker.words import listed, moves, outcome_words

_COUNTS = (
    (0.1, "a tenth as much"),
    (0.2, "a fifth as much"),
    (0.25, "a quarter as much"),
    (1 / 3, "a third as much"),
    (0.5, "half as much"),
    (2 / 3, "two thirds as much"),
    (0.75, "three quarters as much"),
    (1.0, "as much"),
    (1.25, "one and a quarter times as much"),
    (1.5, "one and a half times as much"),
    (2.0, "twice as much"),
)
_PARTS = (
    (0.1, "a tenth"),
    (0.25, "a quarter"),
    (1 / 3, "a third"),
    (0.5, "half"),
    (2 / 3, "two thirds"),
    (0.75, "three quarters"),
)
_LITTLE = 0.1
_REMISSION = "remission"


def sentences(order: Mapping[str, Any]) -> list[str]:
    """Return what made the order, and what would change it; what is kept in words already stays as it is."""
    moved = [one if isinstance(one, str) else _moved(one) for one in order.get("moved_by", ())]
    unmeasured = [one if isinstance(one, str) else _unmeasured(one) for one in order.get("unmeasured", ())]
    return [*order.get("differences", ()), *moved, *unmeasured]


def _moved(one: Mapping[str, Any]) -> str:
    name, now, then = outcome_words(one["outcome"]), abs(one["weight"]), abs(one["changes_at"])
    said = _of_remission(now, then) if one["outcome"] == _REMISSION else _beside(name, now, then)
    guessed = one["message"].partition(". ")[2]  # what is not known of a drug, and how it then counts
    return " ".join(filter(None, (f"{said}, {_would(one)}.", guessed)))


def _beside(name: str, now: float, then: float) -> str:
    if not now:
        return f"{name.capitalize()} does not count now: if it counted {_about(then)} as remission"
    wanted = _about(then)
    if wanted == f"about {_counts(now)}":
        wanted = f"a little {'more' if then > now else 'less'}"
    return f"{name.capitalize()} counts {_counts(now)} as remission now: if it counted {wanted}"


def _of_remission(now: float, then: float) -> str:
    if then > now:
        return "If remission counted more than it does now"
    share = min(_PARTS, key=lambda pair: abs(pair[0] - then / now))[1]
    return f"If remission counted about {share} of what it counts now"


def _about(share: float) -> str:
    return "a little, less than a tenth as much" if share < _LITTLE else f"about {_counts(share)}"


def _counts(share: float) -> str:
    return min(_COUNTS, key=lambda pair: abs(pair[0] - share))[1]


def _unmeasured(one: Mapping[str, Any]) -> str:
    ends = f"{moves(one['enter'], one['leave'])}."
    return f"{one['message'].removesuffix(ends)}{_would(one)}."


def _would(one: Mapping[str, Sequence[str]]) -> str:
    """Say who would come level with the best drug and who would fall behind it."""
    comes = [f"{listed(one['enter'])} would come level with the best"] if one["enter"] else []
    falls = [f"{listed(one['leave'])} would fall behind the best"] if one["leave"] else []
    return " and ".join([*comes, *falls])
