"""What every card must satisfy: CDS Hooks 2.0.1 "Card attributes" and this project's own promises."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec

from service.cds import language
from service.cds.heads import SUMMARY_LIMIT
from service.cds.words import MARKUP, pushes
from service.errors import ServiceError

_INDICATORS = ("info", "warning", "critical")


def require_clean(card: Mapping[str, Any], public_url: str, spoken: str = "en") -> None:
    """Raise ServiceError U-CARD for a card with a fault: development's loud version of ``check_card``."""
    if faults := check_card(card, public_url, spoken):
        raise ServiceError("U-CARD", f"a card of this service breaks its own rules: {'; '.join(faults)}")


def check_card(card: Mapping[str, Any], public_url: str, spoken: str = "en") -> tuple[str, ...]:
    """Return the faults of a card in a language, empty for a good one; links may lead to ``public_url`` only."""
    found = cast(dict[str, Any], msgspec.json.decode(msgspec.json.encode(card)))
    return (
        *_text_faults(found, spoken),
        *_source_faults(found, public_url),
        *_suggestion_faults(found.get("suggestions", []), found),
        *_link_faults(found.get("links", []), public_url),
        *_reason_faults(found.get("overrideReasons", [])),
        *(f"{path} is empty" for path in _empty(found, "card")),
    )


def _text_faults(card: Mapping[str, Any], spoken: str) -> Iterator[str]:
    summary, detail = card.get("summary", ""), card.get("detail", "")
    if not 0 < len(summary) <= SUMMARY_LIMIT:
        yield f"summary has {len(summary)} characters"
    if pushes(summary, language.of(spoken)):
        yield "summary pushes"
    if card.get("indicator") not in _INDICATORS:
        yield "indicator"
    if not card.get("uuid"):
        yield "uuid is missing"
    if MARKUP.search(detail) or MARKUP.search(summary):
        yield "text has an image, a link or HTML"
    benefit = language.of(spoken).in_whole.format(count=r"\d", whole="10")
    crisis = card.get("source", {}).get("topic", {}).get("code") == "crisis"
    if crisis and (card.get("suggestions") or re.search(benefit, detail)):
        yield "a crisis card has suggestions or figures of benefit"


def _source_faults(card: Mapping[str, Any], public_url: str) -> Iterator[str]:
    source = card.get("source", {})
    if not source.get("label") or not source.get("url", "").startswith(f"{public_url}/"):
        yield "source has no label or a foreign url"
    if not {"system", "code"} <= set(source.get("topic", {})):
        yield "source.topic is no Coding"


def _suggestion_faults(suggestions: list[Any], card: Mapping[str, Any]) -> Iterator[str]:
    if len(suggestions) > 3:
        yield "more than three suggestions"
    if bool(suggestions) != (card.get("selectionBehavior") == "at-most-one"):
        yield "selectionBehavior"
    if suggestions and all(suggestion.get("actions") for suggestion in suggestions):
        yield "no change is not among the suggestions"
    for suggestion in suggestions:
        if not suggestion.get("label") or not suggestion.get("uuid"):
            yield "a suggestion without label or uuid"
        if "isRecommended" in suggestion:
            yield "a suggestion is recommended over another"
        for action in suggestion.get("actions", []):
            yield from _action_faults(action)


def _action_faults(action: Mapping[str, Any]) -> Iterator[str]:
    resource = action.get("resource", {})
    kind = (resource.get("resourceType"), resource.get("status"), resource.get("intent"))
    if action.get("type") != "create" or not action.get("description"):
        yield "an action is not a described create"
    if kind != ("MedicationRequest", "draft", "proposal"):
        yield "an action's resource is not a draft proposal"
    if not resource.get("id"):
        yield "a draft without its id"


def _link_faults(links: list[Any], public_url: str) -> Iterator[str]:
    for link in links:
        if link.get("type") not in ("absolute", "smart") or not link.get("label"):
            yield "a link without label or type"
        if not link.get("url", "").startswith(f"{public_url}/"):
            yield "a link leads elsewhere"
        if "autolaunchable" in link:
            yield "a link that launches by itself"
        if ("appContext" in link) != (link.get("type") == "smart"):
            yield "appContext without smart, or smart without appContext"
        if link.get("type") == "smart" and link.get("url") != f"{public_url}/launch":
            yield "a smart link that is not where this service is launched"


def _reason_faults(reasons: list[Any]) -> Iterator[str]:
    if reasons and not 4 <= len(reasons) <= 6:
        yield "override reasons are not four to six"
    if any(not {"system", "code", "display"} <= set(reason) for reason in reasons):
        yield "an override reason is no Coding with display"


def _empty(value: Any, path: str) -> Iterable[str]:
    """CDS Hooks 2.0.1: no null, empty string, list or object anywhere."""
    if value is None or value in ("", [], {}):
        yield path
    elif isinstance(value, dict):
        for key, inner in cast(dict[str, Any], value).items():
            yield from _empty(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in cast(list[Any], value):
            yield from _empty(inner, path)
