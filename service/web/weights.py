"""The patient's own weights on the page: the options in the order that they give, and what changed by them.

Only the options of the page are weighed, with the figures that are held with their drafts; nothing is stored. A weight
is told in the words of the form, as a share of what remission weighs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.ranker.ranking import Predictions, bands, utilities
from recommender.ranker.weights import DEFAULT_WEIGHTS
from recommender.ranker.words import listed
from service.errors import BadRequest
from service.web import outcomes

SHARES: Mapping[str, str] = {
    "0": "not at all",
    "0.25": "a quarter as much",
    "0.5": "half as much",
    "1": "as much",
    "2": "twice as much",
}
_PREFIX = "weight-"


@dataclass(frozen=True, slots=True)
class Choice:
    """One question of the form: the field's name, the outcome in words, and the share that is chosen."""

    field: str
    name: str
    chosen: str


@dataclass(frozen=True, slots=True)
class Weighed:
    """The form, and what it gives: the order of the options in words, ties as ties, and ``usual`` that without it."""

    choices: Sequence[Choice]
    order: str
    usual: str
    missing: Sequence[str]
    asked: bool


def weigh(contexts: Mapping[str, Mapping[str, Any]], query: Mapping[str, str]) -> Weighed | None:
    """Return the options by the weights of a query; None where fewer than two options have figures.

    ``contexts`` are those of the page's open drafts by drug. Without weights in the query the defaults stand.
    BadRequest U-REQUEST for a share that the form does not have.
    """
    found = {drug: shown for drug, context in contexts.items() if (shown := outcomes.predictions(context))}
    if len(found) < 2:
        return None
    harms = [
        name for name in DEFAULT_WEIGHTS if name not in outcomes.WANTED and any(name in one for one in found.values())
    ]
    chosen = {name: _share(query, name) for name in harms}
    weights = {"remission": DEFAULT_WEIGHTS["remission"], **{name: -float(share) for name, share in chosen.items()}}
    usual = {name: weight for name, weight in DEFAULT_WEIGHTS.items() if name in weights}
    now, before = utilities(found, weights), utilities(found, usual)
    return Weighed(
        choices=[Choice(f"{_PREFIX}{name}", outcomes.NAMES[name], chosen[name]) for name in harms],
        order=_ordered(now),
        usual=_ordered(before),
        missing=_missing(found, weights),
        asked=any(f"{_PREFIX}{name}" in query for name in harms),
    )


def _share(query: Mapping[str, str], name: str) -> str:
    given = query.get(f"{_PREFIX}{name}")
    if given is None:
        return f"{-DEFAULT_WEIGHTS[name]:g}"
    if given not in SHARES:
        raise BadRequest("U-REQUEST", "Choose how much each effect matters from the list.")
    return given


def _ordered(found: Mapping[str, float]) -> str:
    """Return the options best first; those of one band are said to be tied, in no order of theirs."""
    level: dict[int, list[str]] = {}
    for drug, band in bands(found).items():
        level.setdefault(band, []).append(drug)
    drugs = [sorted(level[band]) for band in sorted(level)]
    return ", then ".join(f"{listed(one)}, tied" if len(one) > 1 else listed(one) for one in drugs)


def _missing(found: Predictions, weights: Mapping[str, float]) -> list[str]:
    """Name what is weighed and not known for an option: it counts as the worst of those that are known."""
    return [
        f"{outcomes.NAMES[name].lower()} on {_spoken(drug)}"
        for name, weight in weights.items()
        if weight
        for drug, one in found.items()
        if name not in one
    ]


def _spoken(drug: str) -> str:
    return drug.replace("_", " ")
