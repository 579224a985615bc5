"""What a review page stands on: the chart facts and the sources of its points, by name."""

import re
from collections.abc import Mapping, Sequence

from recommender.catalog.rows import Source
from service.web.points import Change, Cite, Point
from service.web.view import Review

_OURS = "a rule of this service"
_RULE = re.compile(r"\brule [A-Z]+[0-9]+[a-z]?\b")
_KEYS = re.compile(r"(?P<begin>\(source: |Source: )(?P<keys>[A-Z][\w+-]*)")
Named = tuple[str, str]


def sources(review: Review) -> list[str]:
    """Return what the options stand on, as the joined keys of a point's sources, each once in order of appearance."""
    return list(dict.fromkeys(one.source for one in (*_points(review), *_switches(review)) if one.source))


def cites(review: Review) -> list[Cite]:
    """Return every chart fact that the page stands on, once each, in order of appearance."""
    told = (*review.ruled_out, *_points(review), *_unchosen(review))
    return list(dict.fromkeys(cite for one in told for cite in one.cites))


def origins(review: Review) -> list[str]:
    """Return what the list of drugs without a draft stands on, as the joined keys of each reason's sources."""
    return list(dict.fromkeys(point.source for point in _unchosen(review) if point.source))


def named(known: Mapping[str, Source], keys: str) -> list[Named]:
    """Return what joined keys stand for, and where each is; a key that is not known stands for itself."""
    found = [(key, known.get(key)) for key in keys.split("+")]
    return [(one.what, one.address) if one else (key, "") for key, one in found]


def briefly(known: Mapping[str, Source], keys: str) -> str:
    """Return the name of the first source that is known, and how many more there are."""
    found = [known[key].what for key in keys.split("+") if key in known]
    if not found:
        return _OURS
    first = re.split(r"[:;]", found[0])[0]
    if first.count("(") > first.count(")"):
        first = first.partition("(")[0].rstrip()
    return first if len(found) == 1 else f"{first}, and {len(found) - 1} more"


def in_words(known: Mapping[str, Source], text: str) -> str:
    """Return a sentence with the names of its sources in place of their keys, and no key of a rule."""
    told = _KEYS.sub(lambda found: found["begin"] + briefly(known, found["keys"]), text)
    return _RULE.sub("a safety rule", told)


def _points(review: Review) -> list[Point]:
    own = [p for option in review.options for p in (*option.points, *option.more, *option.pending, *option.speaks_for)]
    return [*review.either_way, *review.for_a_drug, *own, *review.guidelines]


def _switches(review: Review) -> Sequence[Change]:
    return [change for option in review.options for change in option.switch]


def _unchosen(review: Review) -> Sequence[Point]:
    return [other.point for group in review.not_drafted for other in group.others]
