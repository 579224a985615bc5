"""What is wrong with a CDS service's answer, as an EHR sees it: what CDS Hooks 2.0 requires of cards."""

from collections.abc import Iterator
from typing import Any

from conformance.reference_ehr.codec import is_list, is_object

INDICATORS = ("info", "warning", "critical")
SUMMARY_LIMIT = 140


def problems(answer: Any) -> tuple[str, ...]:
    """Return one sentence for every requirement that the answer breaks; empty when it keeps them all."""
    if not is_object(answer) or not is_list(answer.get("cards")):
        return ("The answer is not an object with a list of cards.",)
    found = [f"cards[{n}]: {text}" for n, card in enumerate(answer["cards"]) for text in _card(card)]
    found += [f"{path} is empty; leave it out." for path in empties(answer, "")]
    if "systemActions" in answer:
        found.append("systemActions would be applied with no person in between.")
    return tuple(found)


def _card(card: Any) -> Iterator[str]:
    if not is_object(card):
        yield "is not an object."
        return
    summary = card.get("summary")
    if not isinstance(summary, str) or not 0 < len(summary) < SUMMARY_LIMIT:
        yield f"summary has to be a text under {SUMMARY_LIMIT} characters."
    if card.get("indicator") not in INDICATORS:
        yield "indicator has to be info, warning or critical."
    source = card.get("source")
    if not is_object(source) or not isinstance(source.get("label"), str):
        yield "source.label is missing."
    suggestions = card.get("suggestions", [])
    if suggestions and card.get("selectionBehavior") not in ("at-most-one", "any"):
        yield "suggestions need selectionBehavior at-most-one or any."
    yield from _suggestions(suggestions)
    yield from _links(card.get("links", []))


def _suggestions(suggestions: Any) -> Iterator[str]:
    for number, suggestion in enumerate(suggestions):
        where = f"suggestions[{number}]"
        if not isinstance(suggestion.get("label"), str):
            yield f"{where}.label is missing."
        for action in suggestion.get("actions", []):
            if action.get("type") not in ("create", "update", "delete") or not action.get("description"):
                yield f"{where}: an action needs a type and a description."
            resource = action.get("resource")
            if action.get("type") == "create" and not is_object(resource):
                yield f"{where}: a create action needs a whole resource."


def _links(links: Any) -> Iterator[str]:
    for number, link in enumerate(links):
        if not link.get("label") or not link.get("url") or link.get("type") not in ("absolute", "smart"):
            yield f"links[{number}] needs label, url and type absolute or smart."
        elif "appContext" in link and link["type"] != "smart":
            yield f"links[{number}]: appContext goes with smart links only."


def empties(value: Any, path: str) -> Iterator[str]:
    """Yield the places of null, "", [] and {}: only ``cards`` itself may be empty (2.0 "Use of JSON")."""
    if value is None or value == "" or value == [] or value == {}:
        if path != ".cards":
            yield path.lstrip(".") or "answer"
    elif is_object(value):
        for key, inner in value.items():
            yield from empties(inner, f"{path}.{key}")
    elif is_list(value):
        for number, inner in enumerate(value):
            yield from empties(inner, f"{path}[{number}]")
