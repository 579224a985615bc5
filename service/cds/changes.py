"""How a card says the change from a present drug to an option, and what may lower an option's dose, in few words.

The whole plan stands on the page. Neither is an order.
"""

import re
from collections.abc import Mapping, Sequence

from recommender.assessment import Assessment, Candidate, Switch
from recommender.catalog.rows import Source
from service.cds import options
from service.cds.language import ENGLISH, Phrases
from service.cds.words import capital, clause, escape, sentence, source_name

WAYS: Mapping[str, str] = ENGLISH.ways
PHARMACIST = WAYS["unknown"]
_FEW = 2
# How the recommender ends a sentence on a dose: the keys of the sources that it stands on.
BASIS = re.compile(r" \((?P<keys>[A-Z][\w+-]*)(?P<doubt>, not verified)?\)\.$")


def over(assessment: Assessment, sources: Mapping[str, Source], say: Phrases) -> str:
    """Return how to change to each option, grouped by the way and its source; the plan itself is on the page."""
    ways: dict[str, list[str]] = {}
    for one in options.offered(assessment):
        for plan in one.switch:
            pair = say.from_to.format(old=_spoken(plan.replaces), new=_spoken(one.ingredient))
            ways.setdefault(_way(plan, sources, say), []).append(pair)
    said = " ".join(f"{capital(', '.join(pairs))}: {way}." for way, pairs in ways.items())
    return say.change_over.format(said=said) if said else ""


def _way(plan: Switch, sources: Mapping[str, Source], say: Phrases) -> str:
    way = say.ways.get(plan.way, say.ways["unknown"])
    if not plan.source:
        return way
    doubt = "" if plan.verified else f", {say.not_verified}"
    return f"{way} ({source_name(plan.source, sources, say)}{doubt})"


def may_lower(assessment: Assessment, sources: Mapping[str, Source], say: Phrases) -> str:
    """Return what is not known of the chart and would lower the dose of an option."""
    found = options.offered(assessment)
    said = [_sourced(text, sources, say) for text in _common(found)]
    said += [
        f"{capital(_spoken(one.ingredient))}: {_sourced(text, sources, say)}"
        for one in found
        for text in _own(one, found)
    ]
    return say.may_lower.format(said=" ".join(said[:_FEW])) if said else ""


def _sourced(text: str, sources: Mapping[str, Source], say: Phrases) -> str:
    """Return a sentence with the names of its sources in place of their keys, escaped."""
    found = BASIS.search(text)
    if found is None:
        return sentence(text)
    doubt = f", {say.not_verified}" if found["doubt"] else ""
    return f"{clause(text[: found.start()])} ({source_name(found['keys'], sources, say)}{doubt})."


def _common(found: Sequence[Candidate]) -> list[str]:
    first, *others = [one.dose.pending if one.dose else () for one in found] or [()]
    return [text for text in first if others and all(text in other for other in others)]


def _own(one: Candidate, found: Sequence[Candidate]) -> list[str]:
    common = _common(found)
    return [text for text in (one.dose.pending if one.dose else ()) if text not in common]


def _spoken(name: str) -> str:
    return escape(name.replace("_", " "))
