"""The options' figures as small multiples: the same rows for each option, in words first and then as a bar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from recommender.assessment import Prediction
from service.cds.language import ENGLISH
from service.web.pictures import intervals

NAMES: Mapping[str, str] = {
    "remission": "Remission",
    "response": "Response",
    "adverse-event-stopping": "Stops for side effects",
    "stopping": "Stops for any reason",
    "sexual-dysfunction": "Sexual dysfunction",
    "weight-gain": "Weight gain",
    "sedation": "Sedation",
    "gastrointestinal": "Nausea or gut upset",
    "insomnia": "Insomnia",
}
WANTED = frozenset({"remission", "response"})  # more is better
_ALWAYS = ("remission", "adverse-event-stopping")
_EFFECTS = ("sexual-dysfunction", "weight-gain", "sedation", "gastrointestinal", "insomnia")
_NOT_KNOWN = "not known"
_PEOPLE = 100  # of as many in every row: a reader compares the counts, and misses another whole


@dataclass(frozen=True, slots=True)
class Figure:
    """One outcome of one option: its name, the chance in words, its bar, and whether there is a chance to tell."""

    name: str
    words: str
    bar: Markup
    is_known: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a page: ``of`` by option, ``most`` of 100 at the end of each bar, and what nobody knows."""

    of: Sequence[Sequence[Figure]]
    most: int
    nowhere: Sequence[str]


def predictions(context: Mapping[str, Any], key: str = "predictions") -> dict[str, Prediction]:
    """Return the predictions that a context holds, those of no change under ``no_change``."""
    kept: Mapping[str, Mapping[str, float]] = context.get(key) or {}
    return {name: Prediction(**found) for name, found in kept.items() if name in NAMES}


def figures(contexts: Sequence[Mapping[str, Any]]) -> Figures:
    """Return the rows of each draft and, last, of no change; a side effect that none is known for has no row."""
    drugs = [predictions(context) for context in contexts]
    options = [*drugs, predictions(contexts[0], "no_change")]
    effects = [name for name in _EFFECTS if any(name in one for one in options)]
    shown = (*_ALWAYS, *effects)
    most = intervals.scale(one[name] for one in options for name in shown if name in one)
    ranked = any(drugs)
    return Figures(
        of=[
            [_figure(name, one.get(name), most, estimated=one is not options[-1] or bool(one)) for name in shown]
            for one in options
        ],
        most=most,
        nowhere=[NAMES[name].lower() for name in _EFFECTS if name not in effects] if ranked else [],
    )


def chance(found: Prediction) -> str:
    """Return a chance in words with its interval, of a hundred people: ``22 in 100 (9 to 46)``."""
    low, middle, high = (round(value * _PEOPLE) for value in (found.low, found.p, found.high))
    if middle == 0:
        return ENGLISH.fewer_than_one.format(whole=_PEOPLE)
    template = ENGLISH.in_whole if low == high else ENGLISH.in_whole_range
    return template.format(count=middle, whole=_PEOPLE, low=low, high=high)


def _figure(name: str, found: Prediction | None, most: int, *, estimated: bool) -> Figure:
    missing = _NOT_KNOWN if estimated and name not in _ALWAYS else ENGLISH.not_estimated
    said = missing if found is None else chance(found)
    return Figure(NAMES[name], said, intervals.bar(found, most), found is not None)
