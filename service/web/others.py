"""Every drug that was considered and has no draft, with its reason, as the page lists them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.web import points
from service.web.points import Point

_RULED_OUT, _NOT_READY, _LEVEL = "Ruled out by this chart", "Cannot be drafted here", "Level with a drafted option"
_BEHIND, _NOT_FIRST = "Behind the drafted options", "Not among the first options at this step"
_HEADS = (_RULED_OUT, _NOT_READY, _LEVEL, _BEHIND, _NOT_FIRST)
_BY_VERDICT = {"excluded": _RULED_OUT, "not-draftable": _NOT_READY, "abstained": _NOT_READY}
_SERIOUS = ("warning", "caution")
_NOTHING = Point("none", "nothing more against it on record", "")


@dataclass(frozen=True, slots=True)
class Other:
    """Drugs that one sentence is said of; ``point.severity`` is ``none`` where the sentence weighs nothing."""

    drugs: str
    point: Point
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """Drugs without a draft for one kind of reason, in the order in which they were considered."""

    head: str
    others: Sequence[Other]

    @property
    def count(self) -> int:
        """How many drugs the group holds."""
        return sum(one.count for one in self.others)


def not_drafted(contexts: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Return the drugs of one assessment that have no draft, by kind of reason; empty where none was kept."""
    context = contexts[0]
    best = max((one["band"] for one in contexts if one.get("band")), default=None)
    found: dict[str, dict[Point, list[str]]] = {head: {} for head in _HEADS}
    for one in context.get("not_drafted", ()):
        said = points.point(one["reason"], context) if one["reason"] else _NOTHING
        found[_head(one, best)].setdefault(said, []).append(one["ingredient"].replace("_", " "))
    return [
        Group(head, [Other(", ".join(drugs), _weighed(head, said), len(drugs)) for said, drugs in alike.items()])
        for head, alike in found.items()
        if alike
    ]


def _head(one: Mapping[str, Any], best: int | None) -> str:
    if one["verdict"] in _BY_VERDICT:
        return _BY_VERDICT[one["verdict"]]
    if one["band"] is None or best is None:
        return _NOT_FIRST
    return _LEVEL if one["band"] <= best else _BEHIND


def _weighed(head: str, point: Point) -> Point:
    """Return a point whose severity is told only where it weighs: what rules a drug out needs no second word."""
    tells = head not in (_RULED_OUT, _NOT_READY) and point.severity in _SERIOUS
    return point if tells else Point("none", point.message, point.source, point.cites, point.verified)
