"""The clinician's pages of a draft: read, prepare, sign, reject, later. They work without scripts."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service.cds.cards import OVERRIDE_REASONS
from service.drafts import authority, checks, decisions, referring, revoking
from service.drafts.records import Draft, Prepared, Signature
from service.drafts.states import ENDED, SIGNED
from service.drafts.store import Store
from service.errors import BadRequest, Conflict
from service.smart import sessions
from service.web import (
    consent_page,
    edit_page,
    fate,
    forms,
    offering,
    opening,
    own_choice,
    record,
    sheet_page,
    view,
    weights,
    words,
    worklist,
)
from service.web.opening import Opened, acting, services_of
from service.web.rendering import PageRoute, page

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter(include_in_schema=False, route_class=PageRoute)
router.include_router(edit_page.router)
router.include_router(worklist.router)
router.include_router(consent_page.router)
router.include_router(own_choice.router)
router.include_router(sheet_page.router)
# The write-back takes a moment: a page that waits for it need not be loaded again by hand.
_SETTLE_TRIES, _SETTLE_S = 15, 0.1


@router.get("/review/{draft_id}")
async def review(request: Request, draft_id: str) -> Response:
    """Show the options of one assessment side by side, or what became of them."""
    services = services_of(request)
    session = await sessions.current(request, services)
    if session is None:
        draft = await services.store.read(draft_id)
        return _sign_in(draft.ehr, draft_id)
    return await _show(request, await opening.opened(services, session, draft_id))


@router.post("/review/{draft_id}/prepare")
async def prepare(request: Request, draft_id: str) -> Response:
    """Keep the exact order that would be signed, and go to it."""
    opened, _ = await acting(request, draft_id)
    session = opened.session
    if await own_choice.is_owed(opened):
        return RedirectResponse(f"/review/{draft_id}", status_code=303)
    kept = await decisions.prepare(opened.services, draft_id, session.practitioner, session.token, None)
    return RedirectResponse(f"/review/{draft_id}/order?digest={quote(kept.digest)}", status_code=303)


@router.get("/review/{draft_id}/order")
async def order(request: Request, draft_id: str, digest: str = "") -> Response:
    """Show the exact order that was prepared for this practitioner, to sign it."""
    services = services_of(request)
    session = await sessions.current(request, services)
    if session is None:
        return RedirectResponse(f"/review/{draft_id}", status_code=303)
    opened = await opening.opened(services, session, draft_id)
    if await own_choice.is_owed(opened):
        return RedirectResponse(f"/review/{draft_id}", status_code=303)
    prepared = await _prepared(opened, digest)
    context = record.read(opened.draft.context)
    return page(
        request,
        session,
        "sign.html",
        person=opened.person,
        label=view.label(opened.draft),
        prepared=prepared,
        lines=words.order_lines(prepared.order),
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
    prepared = await _prepared(opened, forms.one(form, "digest"))
    ticked = [text for n, text in enumerate(prepared.acknowledgements) if str(n) in form.get("acknowledgement", ())]
    await decisions.sign(
        opened.services,
        draft_id,
        opened.session.practitioner,
        opened.session.token,
        version=prepared.version,
        digest=prepared.digest,
        acknowledgements=ticked,
        reason=forms.one(form, "note") or None,
        seen=await own_choice.seen(opened),
    )
    await _settle(opened.services, draft_id)
    return RedirectResponse(f"/review/{draft_id}", status_code=303)


@router.post("/review/{draft_id}/reject")
async def reject(request: Request, draft_id: str) -> Response:
    """Reject one draft or several of an assessment with a coded reason, as they were when shown."""
    opened, form = await acting(request, draft_id)
    reason = forms.one(form, "reason")
    if reason not in {known["code"] for known in OVERRIDE_REASONS}:
        raise BadRequest("U-REQUEST", "Choose one of the reasons to reject a draft.")
    given = [value.partition("/") for value in form.get("draft", ())]
    shown = {draft: version for draft, _, version in given if version.isdecimal()}
    siblings = {draft.id for draft in view.together(opened.draft, await opening.of_patient(opened))}
    if not shown or len(shown) != len(given) or not shown.keys() <= siblings:
        raise BadRequest("U-REQUEST", "Tick at least one of the drafts to reject.")
    for draft, version in shown.items():
        await decisions.reject(
            opened.services,
            draft,
            opened.session.practitioner,
            version=int(version),
            reason=reason,
            comment=forms.one(form, "comment") or None,
        )
    return RedirectResponse(f"/review/{draft_id}", status_code=303)


@router.post("/review/{draft_id}/revoke")
async def revoke(request: Request, draft_id: str) -> Response:
    """Take a signature back while nothing of the order is in the EHR."""
    opened, form = await acting(request, draft_id)
    await revoking.revoke(
        opened.services,
        draft_id,
        opened.session.practitioner,
        opened.session.token,
        reason=None,
        comment=forms.one(form, "comment") or None,
    )
    return RedirectResponse(f"/review/{draft_id}", status_code=303)


@router.post("/review/{draft_id}/refer")
async def refer(request: Request, draft_id: str) -> Response:
    """Make the draft of a referral to a psychiatrist, and show it to be ordered in the EHR."""
    opened, _ = await acting(request, draft_id)
    session = opened.session
    raw = await referring.refer(opened.services, draft_id, session.practitioner, session.token)
    return page(
        request,
        session,
        "referral.html",
        person=opened.person,
        draft=draft_id,
        referral=record.read(raw),
        text=raw.decode(),
    )


@router.get("/review/{draft_id}/{step}")
async def step(draft_id: str, step: str) -> Response:
    """Send a reloaded or bookmarked step back to the draft."""
    return RedirectResponse(f"/review/{quote(draft_id)}", status_code=303)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    services = services_of(request)
    await sessions.acting(request, services, forms.one(await forms.read(request), "csrf"))
    message = "You can close this window. Drafts that you did not decide on stay held until their time runs out."
    response = page(request, None, "message.html", heading="Signed out", message=message, code="", back=None)
    await sessions.end(request, services, response)
    return response


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


async def _show(request: Request, opened: Opened) -> Response:
    store, draft = opened.services.store, opened.draft
    drafts = view.together(draft, await opening.of_patient(opened))
    now = await store.now()
    waiting = [d for d in drafts if view.is_open(d, now)]
    risks = authority.risks_of(waiting, opened.services.knowledge)
    own = await own_choice.made(opened)
    if risks and own is None:
        return own_choice.show(request, opened, waiting, risks)
    if waiting:
        await own_choice.remember_opening(opened)
    signed = [d for d in drafts if d.state in SIGNED]
    boxed = {name: drug.boxed_warnings for name, drug in opened.services.knowledge.drugs.items()}
    awaited = {d.id for d in drafts if d.state in ENDED and await _was_awaited(store, d)}
    shown = view.review(draft, drafts, now, boxed, awaited)
    flag = await store.flag_of(draft.ehr, draft.patient) if shown.warnings else None
    return page(
        request,
        opened.session,
        "review.html",
        review=shown,
        flag=flag.id if flag else None,
        own=own_choice.words(own, opened.services.knowledge) if own else None,
        risks=risks,
        referable=opened.session.prescribes is not False
        and any(authority.is_complex(d, opened.services.knowledge) for d in waiting),
        person=opened.person,
        barred={d.id: words for d in waiting if (words := offering.barred(opened, d))},
        asked_later=opened.session.prescribes is None,
        placed=[_placed(d, await store.signature(d.id)) for d in signed],
        weighed=weights.weigh(_open_contexts(drafts, now), request.query_params),
        shares=weights.SHARES,
        base=opened.services.tenant(draft.ehr).fhir_base,
        cites=view.cites(shown),
        sources={keys: _source(opened.services, keys) for keys in view.sources(shown)},
        reasons=[(known["code"], known["display"]) for known in OVERRIDE_REASONS],
    )


async def _was_awaited(store: Store, draft: Draft) -> bool:
    return any(entry.event == "awaited" for entry in await store.history(draft.id))


def _open_contexts(drafts: Sequence[Draft], now: datetime) -> dict[str, Mapping[str, Any]]:
    return {draft.ingredient: record.read(draft.context) for draft in drafts if view.is_open(draft, now)}


def _placed(draft: Draft, signature: Signature | None) -> fate.Placed:
    return fate.placed(draft, signature, view.label(draft), record.replaces(record.read(draft.context)))


def _source(services: "Services", keys: str) -> list[tuple[str, str]]:
    """Return what a point's sources stand for, and where each is; a key that is not known stands for itself."""
    known = services.knowledge.sources
    found = [(key, known.get(key)) for key in keys.split("+")]
    return [(one.what, one.address) if one else (key, "") for key, one in found]


async def _settle(services: "Services", draft_id: str) -> None:
    for _ in range(_SETTLE_TRIES):
        if (await services.store.read(draft_id)).state not in ("signed", "writing", "written"):
            return
        await asyncio.sleep(_SETTLE_S)


def _sign_in(ehr: str, draft: str) -> Response:
    return RedirectResponse(f"/launch?ehr={ehr}&draft={draft}", status_code=303)
