"""The cards of good calls over the synthetic charts: their shape."""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, cast

from conformance.checks import Check, Requirement, Told, Untested, Verdict, failed, passed, untested
from conformance.reference_ehr.cards import INDICATORS, SUMMARY_LIMIT, empties
from conformance.suites.service import requirements as must
from conformance.suites.service.probe import Json, Probe

_GROUP = "cards"
# Synthetic charts of which most services for prescribing would say something, and one of which they would not.
CHARTS = ("amara-osei", "daniel-okafor", "george-papadakis", "ingrid-novak", "jonas-weber", "leila-haddad")
Fault = tuple[str, str, str]  # place, what is wrong, what to do


async def _all(probe: Probe) -> list[tuple[int, int, Json]]:
    """Return (exchange, place, card) of every good call; Untested where no call gave a card."""
    found: list[tuple[int, int, Json]] = []
    for person in CHARTS:
        try:
            answer, cards = await probe.cards(person=person)
        except Untested:
            continue
        found += [(answer.number, n, card) for n, card in enumerate(cards)]
    if not found:
        raise Untested("no call gave a card, so none was judged")
    return found


def _of(
    judge: Callable[[Json], Iterator[Fault]], fine: str, verdict: Verdict = "fail"
) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        cards = await _all(probe)
        said = [
            Told(verdict, wrong, path=f"$.cards[{n}]{place}", fix=fix, exchanges=(number,))
            for number, n, card in cards
            for place, wrong, fix in judge(card)
        ]
        return _each_once(said) or passed(f"{fine} ({len(cards)} cards)", *sorted({number for number, _, _ in cards}))

    return check


def _each_once(said: Sequence[Told]) -> list[Told]:
    return list({(one.message, one.path): one for one in said}.values())


def _summary(card: Json) -> Iterator[Fault]:
    summary = card.get("summary")
    if not isinstance(summary, str) or not summary:
        yield ".summary", "the card has no summary", "say in a sentence what it is about"
    elif len(summary) >= SUMMARY_LIMIT:
        yield ".summary", f"summary has {len(summary)} characters", f"keep it under {SUMMARY_LIMIT} characters"
    if card.get("indicator") not in INDICATORS:
        yield ".indicator", "indicator is none of the three", f"write one of {', '.join(INDICATORS)}"
    source = card.get("source")
    if not isinstance(source, dict) or not isinstance(cast("Json", source).get("label"), str):
        yield ".source.label", "source.label is missing", "name who is behind the card"
    for name in ("suggestions", "links", "overrideReasons"):
        if name in card and objects(card, name) != card[name]:
            yield f".{name}", f"{name} is no list of objects", f"send {name} as a list of objects, or leave it out"


def objects(holder: Json, name: str) -> list[Json]:
    """Return the objects of a list, none where it is no list."""
    held: Any = holder.get(name)
    listed = cast("list[Any]", held) if isinstance(held, list) else []
    return [cast("Json", one) for one in listed if isinstance(one, dict)]


def _named(card: Json) -> Iterator[Fault]:
    if not isinstance(card.get("uuid"), str):
        yield ".uuid", "the card has no uuid", "give it one, or feedback cannot name it"


def _source(card: Json) -> Iterator[Fault]:
    held: Any = card.get("source")
    source = cast("Json", held) if isinstance(held, dict) else {}
    for name in ("url", "icon"):
        if name in source and not re.match(r"https?://", str(source[name])):
            yield f".source.{name}", f"source.{name} is not absolute", "write the whole address"


def _suggested(card: Json) -> Iterator[Fault]:
    suggestions = objects(card, "suggestions")
    behaviour = card.get("selectionBehavior")
    if suggestions and behaviour not in ("at-most-one", "any"):
        yield ".selectionBehavior", "suggestions stand without selectionBehavior", "write at-most-one or any"
    if sum(one.get("isRecommended") is True for one in suggestions) > 1 and behaviour != "any":
        yield ".suggestions", "more than one suggestion is recommended", "recommend one at most"
    for n, one in enumerate(suggestions):
        if not isinstance(one.get("label"), str) or not one["label"]:
            yield f".suggestions[{n}].label", "a suggestion has no label", "say what it does in a few words"


def _acted(card: Json) -> Iterator[Fault]:
    for n, one in enumerate(objects(card, "suggestions")):
        for m, action in enumerate(objects(one, "actions")):
            place = f".suggestions[{n}].actions[{m}]"
            if action.get("type") not in ("create", "update", "delete"):
                yield f"{place}.type", "an action's type is none of the three", "write create, update or delete"
            if not action.get("description"):
                yield f"{place}.description", "an action has no description", "say what would be done"
            if action.get("type") in ("create", "update") and not isinstance(action.get("resource"), dict):
                yield f"{place}.resource", "an action carries no whole resource", "send the resource as an object"


def _linked(card: Json) -> Iterator[Fault]:
    for n, link in enumerate(objects(card, "links")):
        if not link.get("label") or not link.get("url") or link.get("type") not in ("absolute", "smart"):
            yield f".links[{n}]", "a link lacks label, url or type", "give it label, url, and type absolute or smart"
        elif "appContext" in link and link["type"] != "smart":
            yield f".links[{n}].appContext", "appContext stands on a link that is not smart", "leave it out"


def _overridden(card: Json) -> Iterator[Fault]:
    for n, reason in enumerate(objects(card, "overrideReasons")):
        lacking = [name for name in ("code", "system", "display") if not reason.get(name)]
        if lacking:
            yield f".overrideReasons[{n}]", f"an override reason lacks {', '.join(lacking)}", "send a whole Coding"


def _full(card: Json) -> Iterator[Fault]:
    for place in empties(card, ""):
        if place not in ("summary", "indicator", "source", "source.label"):  # cards.attributes
            yield f".{place}", "a field is empty", "leave it out"


async def _uuids(probe: Probe) -> Sequence[Told]:
    """Judge as a failure of ours; the standard lets a card be without, and then nothing comes back on it."""
    return await _of(_named, "every card has a uuid", "fail" if await probe.is_ours() else "warn")(probe)


async def _unique(probe: Probe) -> Sequence[Told]:
    uuids = [card["uuid"] for _, _, card in await _all(probe) if isinstance(card.get("uuid"), str)]
    if not uuids:
        return untested("no card has a uuid")
    if len(set(uuids)) == len(uuids):
        return passed(f"{len(uuids)} cards have {len(uuids)} uuids")
    numbers = {number for number, _, _ in await _all(probe)}
    return failed("two cards share a uuid", *sorted(numbers), expected=f"{len(uuids)} uuids",
                  got=str(len(set(uuids))), path="$.cards[*].uuid", fix="make a new one for each card")  # fmt: skip


def _check(
    name: str, title: str, requirement: Requirement, judge: Callable[[Json], Iterator[Fault]], fine: str
) -> Check[Probe]:
    return Check(f"cards.{name}", title, _GROUP, requirement, "blocks-start", "service-team", _of(judge, fine))


CHECKS: tuple[Check[Probe], ...] = (
    _check("attributes", "Summary, indicator, source", must.A4, _summary, "summary, indicator and source are as asked"),
    Check("cards.uuid", "Cards have uuids", _GROUP, must.A5, "blocks-start", "service-team", _uuids),
    Check("cards.uuid-once", "Uuids stand once", _GROUP, must.A5, "degrades", "service-team", _unique),
    _check("source", "Sources are absolute", must.A7, _source, "sources are absolute"),
    _check("suggestions", "Suggestions are whole", must.A8, _suggested, "suggestions are whole"),
    _check("actions", "Actions are whole", must.A9, _acted, "actions are whole"),
    _check("links", "Links are whole", must.A10, _linked, "links are whole"),
    _check("override-reasons", "Override reasons are Codings", must.A11, _overridden, "override reasons are Codings"),
    _check("no-empties", "Nothing is empty", must.T2, _full, "nothing is empty"),
)
