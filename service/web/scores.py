"""The scores that an assessment stands on, as the page writes them: each with its date."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from service.cds import focus
from service.cds.words import day


def why(context: Mapping[str, Any]) -> str:
    """Return the score of the condition that is planned for, PHQ-9 with the one before it, and its item 9."""
    facts = {fact["name"]: fact for fact in context.get("facts", [])}
    depression = focus.SCORES[focus.DEPRESSION]
    wanted = dict.fromkeys((focus.SCORES.get(context.get("focus") or "", depression), depression))
    said = [_score(facts, feature, label) for feature, label in wanted]
    item = facts.get("phq9_item9")
    if item:
        said.append(f"Item 9, thoughts of death or self-harm: answered {item['value']:g} of 3{_on(item)}.")
    return " ".join(filter(None, said))


def _score(facts: Mapping[str, Mapping[str, Any]], feature: str, label: str) -> str:
    score, before = facts.get(feature), facts.get("phq9_previous") if feature == "phq9_total" else None
    if score is None:
        return ""
    earlier = f" (earlier {before['value']:g}{_on(before)})" if before else ""
    return f"{label} {score['value']:g}{_on(score)}{earlier}."


def _on(fact: Mapping[str, Any]) -> str:
    return f" on {on_day(fact['effective'])}" if fact.get("effective") else ", date not on record"


def on_day(text: str) -> str:
    """Return an ISO date as people write it."""
    return day(date.fromisoformat(text))
