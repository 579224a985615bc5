"""Feedback on cards: what was done with each becomes part of its drafts' history. It is never a signature."""

import re
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from fastapi import APIRouter, Request, Response

from service import body, telemetry
from service.cds import client_auth, discovery
from service.cds.cards import ORDER_OVERRIDE_REASONS, OVERRIDE_REASONS, no_change_id
from service.drafts.records import State
from service.drafts.states import AWAITING
from service.ehr import tenants
from service.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter()
_MOST_ITEMS = 100
_MOST_TEXT, _MOST_CODE = 10_000, 256  # characters of a comment, and of a code, system or display: all are kept
_REASONS = frozenset(one["code"] for one in (*OVERRIDE_REASONS, *ORDER_OVERRIDE_REASONS))
# RFC 3339 §5.6; without a zone, as some clients send it, it is UTC as the standard wants.
_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)


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
    acceptedSuggestions: list[_Suggestion] | None = None  # noqa: N815
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
    for ehr in allowed:  # without a token, in development, nobody knows whose it is before its card is found
        services.feedback_limits[ehr].take()
    raw = await body.read_json(request, services.settings.server.body_limit_bytes)
    items = parse(raw)
    shown = [await _shown(item, allowed, services) for item in items]
    for item, (ehr, drafts) in zip(items, shown, strict=True):
        actor = f"ehr:{ehr}"
        if drafts:
            await _record(item, drafts, actor, services)
        else:
            await _enter(item, ehr, service_id, actor, services)
        _tell(item, ehr, service_id, len(drafts))
    return Response(status_code=200)  # no body: CDS Hooks forbids an empty object


def _tell(item: Item, ehr: str, service_id: str, drafts: int) -> None:
    """Count an item and write its line; a reason of the EHR's own may be anything, so only ours is named."""
    telemetry.FEEDBACK.labels(item.outcome).inc()
    coding = item.overrideReason.reason if item.overrideReason else None
    told = {"reason": coding.code if coding.code in _REASONS else "another"} if coding else {}
    telemetry.log().info(
        "feedback", ehr=ehr, service=service_id, card=item.card, outcome=item.outcome, count=drafts, **told
    )


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
    if not all(_fits(item.overrideReason) for item in items if item.overrideReason):
        raise BadRequest(
            "U-CDS-FEEDBACK",
            f"an overrideReason has at most {_MOST_TEXT} characters of userComment and {_MOST_CODE} of each other text",
        )
    return items


def _is_instant(text: str) -> bool:
    """Say whether a text is a day with a time; a leap second is one too, which Python's dates do not know."""
    if not _INSTANT.fullmatch(text):
        return False
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _fits(override: _Override) -> bool:
    coding = override.reason or _Coding("")
    short = all(len(text or "") <= _MOST_CODE for text in (coding.code, coding.system, coding.display))
    return short and len(override.userComment or "") <= _MOST_TEXT


async def _shown(item: Item, allowed: set[str], services: "Services") -> tuple[str, list[str]]:
    """Return the tenant and the drafts of a card; a card of another tenant is as unknown as one that never was.

    BadRequest U-CDS-FEEDBACK where something was accepted that the card did not show.
    """
    ehr, ids = await services.store.card_ehr(item.card), await services.store.card_drafts(item.card)
    if ehr is None or ids is None or ehr not in allowed:
        raise NotFound("U-CDS-CARD", "no such card of this EHR; send the uuid that the card came with")
    if not _taken(item) <= {*ids, no_change_id(item.card)}:
        raise BadRequest("U-CDS-FEEDBACK", "acceptedSuggestions has an id that is no suggestion's of this card")
    return ehr, list(ids)


def _taken(item: Item) -> set[str]:
    return {one.id for one in item.acceptedSuggestions or ()} if item.outcome == "accepted" else set()


async def _enter(item: Item, ehr: str, service_id: str, actor: str, services: "Services") -> None:
    """Enter what was done with a card that showed no draft, a stop at signing: it has no draft's history to be part of.

    A comment may hold clinical text, which no chain keeps; that there was one is said.
    """
    detail = {name: value for name, value in _detail(item).items() if name != "comment"}
    said = bool(item.overrideReason and item.overrideReason.userComment)
    told = {**detail, "outcome": item.outcome, "commented": said}
    await services.store.enter("feedback", ehr, service_id, "feedback", actor, told)


async def _record(item: Item, drafts: list[str], actor: str, services: "Services") -> None:
    detail = _detail(item)
    if item.outcome == "overridden":
        await _mark(drafts, "overridden", actor, detail, services)
        return
    taken = _taken(item)
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
