"""Feedback on cards: what was done with each becomes part of its drafts' history. It is never a signature."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from fastapi import APIRouter, Request, Response

from service import body, telemetry
from service.cds import client_auth, discovery
from service.cds.cards import no_change_id
from service.drafts.records import State
from service.drafts.states import AWAITING
from service.ehr import tenants
from service.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter()
_MOST_ITEMS = 100


class _Suggestion(msgspec.Struct):
    id: str


class _Coding(msgspec.Struct, omit_defaults=True):
    code: str
    system: str | None = None
    display: str | None = None


class _Override(msgspec.Struct):
    reason: _Coding | None = None
    userComment: str | None = None  # noqa: N815


class Item(msgspec.Struct):
    """What was done with one card. Reasons may come from the EHR's own list, so any code is taken."""

    card: str
    outcome: Literal["accepted", "overridden"]
    outcomeTimestamp: str  # noqa: N815
    acceptedSuggestions: list[_Suggestion] = []  # noqa: N815
    overrideReason: _Override | None = None  # noqa: N815


class _Feedback(msgspec.Struct):
    feedback: list[Item]


@router.post("/cds-services/{service_id}/feedback", summary="Feedback on cards")
async def feedback(service_id: str, request: Request) -> Response:
    """Record feedback on one or several cards; all of it or, when a card is unknown, none."""
    services: Services = request.app.state.services
    discovery.service(service_id)
    tokens = request.headers.getlist("authorization")
    caller = await client_auth.authenticate(tokens, services, service_id, feedback=True)
    allowed = {ehr.id for ehr in tenants.candidates(caller, services.settings)}
    raw = await body.read_json(request, services.settings.server.body_limit_bytes)
    items = parse(raw)
    drafts = [await _drafts(item.card, allowed, services) for item in items]
    for item, ids in zip(items, drafts, strict=True):
        await _record(item, ids, f"ehr:{','.join(sorted(allowed))}", services)
        telemetry.FEEDBACK.labels(item.outcome).inc()
    return Response(status_code=200)  # no body: CDS Hooks forbids an empty object


def parse(raw: bytes) -> list[Item]:
    """Return the items of a body that strict JSON has passed; BadRequest U-CDS-FEEDBACK."""
    try:
        items = msgspec.json.decode(raw, type=_Feedback).feedback
    except msgspec.ValidationError as error:
        raise BadRequest(
            "U-CDS-FEEDBACK",
            "not CDS Hooks feedback: each item needs card, outcome "
            "(accepted or overridden) and outcomeTimestamp as strings",
        ) from error
    if not 0 < len(items) <= _MOST_ITEMS:
        raise BadRequest("U-CDS-FEEDBACK", f"feedback needs 1 to {_MOST_ITEMS} items")
    if any(item.outcome == "accepted" and not item.acceptedSuggestions for item in items):
        raise BadRequest("U-CDS-FEEDBACK", "outcome accepted needs acceptedSuggestions")
    if not all(_is_instant(item.outcomeTimestamp) for item in items):
        raise BadRequest("U-CDS-FEEDBACK", "outcomeTimestamp is a time such as 2026-11-22T10:45:00Z (RFC 3339)")
    return items


def _is_instant(text: str) -> bool:
    """Say whether a text is a day with a time; without a zone it is UTC, as the standard wants."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text.upper()


async def _drafts(card: str, allowed: set[str], services: "Services") -> list[str]:
    """Return a card's drafts; a card of another tenant is as unknown as one that never was."""
    ids = await services.store.card_drafts(card)
    if ids is None:
        raise _unknown()
    for draft in ids:
        if (await services.store.read(draft)).ehr not in allowed:
            raise _unknown()
    return list(ids)


def _unknown() -> NotFound:
    return NotFound("U-CDS-CARD", "no such card of this EHR; send the uuid that the card came with")


async def _record(item: Item, drafts: list[str], actor: str, services: "Services") -> None:
    detail = _detail(item)
    if item.outcome == "overridden":
        await _mark(drafts, "overridden", actor, detail, services)
        return
    taken = {suggestion.id for suggestion in item.acceptedSuggestions}
    # What was accepted stands unsigned in the EHR: it is signed there, and looked for there until it is in force.
    await _mark([draft for draft in drafts if draft in taken], AWAITING, actor, detail, services)
    if no_change_id(item.card) in taken:
        await _mark(drafts, "overridden", actor, detail | {"reason": {"code": "no-change"}}, services)


async def _mark(
    drafts: list[str],
    state: State,
    actor: str,
    detail: dict[str, Any],
    services: "Services",
) -> None:
    if drafts:
        await services.store.mark(drafts, state, actor, detail)


def _detail(item: Item) -> dict[str, Any]:
    detail: dict[str, Any] = {"card": item.card, "outcomeTimestamp": item.outcomeTimestamp}
    if item.overrideReason and item.overrideReason.reason:
        detail["reason"] = msgspec.to_builtins(item.overrideReason.reason)
    if item.overrideReason and item.overrideReason.userComment:
        detail["comment"] = item.overrideReason.userComment
    return detail
