"""Decision support as an EHR has it: which cards a hook brought, and what the user did with each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

from markupsafe import Markup

from conformance.reference_ehr.codec import is_list, is_object
from conformance.reference_ehr.desk.markdown import rendered
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.refusals import Json, Refusal, not_found

PATIENT_VIEW, ORDER_SELECT, ORDER_SIGN = "patient-view", "order-select", "order-sign"


@dataclass(frozen=True, slots=True)
class Shown:
    """One card on the screen; ``fate`` says what the user did with it, "" while that is nothing."""

    id: str
    service: str
    card: Json
    fate: str = ""

    @property
    def detail(self) -> Markup:
        """The card's detail as safe HTML."""
        return rendered(str(self.card.get("detail", "")))

    @property
    def suggestions(self) -> Sequence[Json]:
        """What can be accepted."""
        return self.card.get("suggestions", [])

    @property
    def reasons(self) -> Sequence[Json]:
        """The coded reasons with which it can be overridden."""
        return self.card.get("overrideReasons", [])

    @property
    def links(self) -> Sequence[Json]:
        """The links, those that are no web address left out."""
        return [
            one for one in self.card.get("links", []) if str(one.get("url", "")).startswith(("https://", "http://"))
        ]

    @property
    def stops(self) -> bool:
        """Say whether it wants a reason before anything is signed over it."""
        return self.card.get("indicator") == "critical" and bool(self.reasons) and not self.fate


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hook brought: cards, and in words what did not work. ``asked`` counts the services that were called."""

    cards: tuple[Shown, ...] = ()
    troubles: tuple[str, ...] = ()
    asked: int = 0

    def find(self, card: str) -> Shown:
        """Return one of the cards; refuses with 404."""
        for one in self.cards:
            if one.id == card:
                return one
        raise not_found("card")

    def marked(self, card: str, fate: str) -> "Answer":
        """Return the same with what became of one card."""
        return replace(self, cards=tuple(replace(one, fate=fate) if one.id == card else one for one in self.cards))


async def ask(ehr: ReferenceEhr, hook: str, context: Mapping[str, Any]) -> Answer:
    """Call every service of a hook. A service that fails costs its advice, never the page."""
    if ehr.service_url is None:
        return Answer()
    try:
        services = [one for one in await ehr.cds.discover() if one.get("hook") == hook]
        calls = [await ehr.cds.call(one, context) for one in services]
    except Refusal:
        return Answer((), ("Decision support did not answer. The chart is complete without it.",))
    cards: list[Shown] = []
    troubles: list[str] = []
    for call in calls:
        if call.status == 200 and not call.problems:
            cards += [Shown(_id(card, n), call.service, card) for n, card in enumerate(call.answer["cards"])]
        else:
            troubles.append(_trouble(call.service, call.status, call.answer, call.problems))
    return Answer(tuple(cards), tuple(troubles), len(calls))


def _id(card: Json, number: int) -> str:
    return str(card.get("uuid") or f"card-{number}")


def _trouble(service: str, status: int, answer: Any, problems: Sequence[str]) -> str:
    if status == 200:
        return f"{service} answered with cards that break CDS Hooks, so none is shown: {' '.join(problems)}"
    issues: Any = answer.get("issue") if is_object(answer) else None
    first: Any = issues[0] if is_list(issues) and issues else {}
    said = first.get("details", {}).get("text") if is_object(first) else None
    return f"{service} refused, status {status}." + (f" {said}" if isinstance(said, str) else "")


async def accept(ehr: ReferenceEhr, shown: Shown, suggestion: Json) -> str:
    """Tell the service that a suggestion was taken; returns what to say of the card."""
    taken = [{"id": suggestion["uuid"]}] if "uuid" in suggestion else []
    told = await _tell(ehr, shown, {"outcome": "accepted", "acceptedSuggestions": taken})
    return f"Accepted: {suggestion['label']}. {told}"


async def override(ehr: ReferenceEhr, shown: Shown, code: str, comment: str) -> str:
    """Tell the service that the card was overridden, with one of its reasons or none; returns what to say of it."""
    reason = next((one for one in shown.reasons if one.get("code") == code), None)
    kept = {"code": reason["code"], "system": reason["system"]} if reason and "system" in reason else None
    said = {**({"reason": kept} if kept else {}), **({"userComment": comment} if comment else {})}
    told = await _tell(ehr, shown, {"outcome": "overridden", **({"overrideReason": said} if said else {})})
    return f"Overridden: {reason['display'] if reason else 'no reason given'}. {told}"


async def _tell(ehr: ReferenceEhr, shown: Shown, outcome: Json) -> str:
    when = ehr.store.clock().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    try:
        status = await ehr.cds.feedback(shown.service, [{"card": shown.id, **outcome, "outcomeTimestamp": when}])
    except Refusal:
        status = 0
    return "The service was told." if status == 200 else "The service could not be told."
