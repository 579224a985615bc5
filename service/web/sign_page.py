"""The exact order that will be signed, and its signature."""

import asyncio
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service.drafts.commit import checks
from service.drafts.decision import authority, decisions
from service.drafts.records import Prepared
from service.errors import Conflict
from service.smart import sessions
from service.web import basis, forms, opening, own_choice, record, view, words
from service.web.opening import Opened, acting, services_of
from service.web.rendering import PageRoute, page

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter(include_in_schema=False, route_class=PageRoute)
# The write-back takes a moment: a page that waits for it need not be loaded again by hand.
_SETTLE_TRIES, _SETTLE_S = 15, 0.1


@router.get("/review/{draft_id}/order")
async def order(request: Request, draft_id: str, digest: str = "") -> Response:
    """Show the exact order that was prepared for this practitioner, to sign it."""
    services = services_of(request)
    session = await sessions.current(request, services)
    if session is None:
        return RedirectResponse(f"/review/{draft_id}", status_code=303)
    opened = await opening.opened(services, session, draft_id)
    # Whoever comes back to an order that was decided on is shown what became of it.
    if not view.is_open(opened.draft, await services.store.now()) or await own_choice.is_owed(opened):
        return RedirectResponse(f"/review/{draft_id}", status_code=303)
    prepared, named = await _prepared(opened, digest), services.knowledge.sources
    context = record.read(opened.draft.context)
    await opening.shown(opened, "order")
    return page(
        request,
        session,
        "sign.html",
        person=opened.person,
        label=view.label(opened.draft),
        prepared=prepared,
        lines=words.order_lines(prepared.order, services.profiles[opened.draft.ehr]),
        asked=[words.said(basis.in_words(named, text)) for text in prepared.acknowledgements],
        carried=words.carried(prepared.order),
        changed=words.changes(opened.draft),
        text=prepared.order.decode(),
        replaces=record.replaces(context),
        step_up=_wants_step_up(opened),
        follows=words.FOLLOWS.get(services.tenant(opened.draft.ehr).write_back, ""),
    )


@router.post("/review/{draft_id}/sign")
async def sign(request: Request, draft_id: str) -> Response:
    """Sign the prepared bytes."""
    opened, form = await acting(request, draft_id)
    if await own_choice.is_owed(opened):
        return RedirectResponse(f"/review/{draft_id}", status_code=303)
    try:
        await _sign(opened, form)
    except Conflict as error:
        # A second press on the same button is the same signature, and is shown where that is.
        if error.code != "U-DRAFT-SIGNED" or not await _is_own(opened, forms.one(form, "digest")):
            raise
    await _settle(opened.services, draft_id)
    return RedirectResponse(f"/review/{draft_id}", status_code=303)


async def _sign(opened: Opened, form: forms.Form) -> None:
    prepared = await _prepared(opened, forms.one(form, "digest"))
    ticked = [text for n, text in enumerate(prepared.acknowledgements) if str(n) in form.get("acknowledgement", ())]
    await decisions.sign(
        opened.services,
        opened.draft.id,
        opened.session.practitioner,
        opened.session.token,
        version=prepared.version,
        digest=prepared.digest,
        acknowledgements=ticked,
        reason=forms.one(form, "note") or None,
        seen=await own_choice.seen(opened),
    )


async def _is_own(opened: Opened, digest: str) -> bool:
    """Say whether this practitioner has signed these very bytes already."""
    found = await opened.services.store.signature(opened.draft.id)
    return found is not None and (found.digest, found.practitioner) == (digest, opened.session.practitioner.reference)


def _wants_step_up(opened: Opened) -> bool:
    services, draft, who = opened.services, opened.draft, opened.session.practitioner
    users, sign = services.tenant(draft.ehr).users, services.settings.sign
    risky = authority.risks(draft, services.knowledge)
    return bool(risky) and not authority.is_stepped_up(who, sign, users, services.clock())


async def _prepared(opened: Opened, digest: str) -> Prepared:
    store, draft = opened.services.store, opened.draft
    checks.unsigned(draft, await store.now())
    found = await store.prepared(draft.id, digest, opened.session.practitioner.reference)
    if found is None or found.version != draft.version:
        raise Conflict("U-DIGEST", "This order is not the one that was prepared for you: prepare it again.")
    return found


async def _settle(services: "Services", draft_id: str) -> None:
    for _ in range(_SETTLE_TRIES):
        if (await services.store.read(draft_id)).state not in ("signed", "writing", "written"):
            return
        await asyncio.sleep(_SETTLE_S)
