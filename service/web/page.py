"""The clinician's page of a draft: read, prepare, reject, take back, refer, later. It works without scripts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_adapters.dialect.profile import Profile
from service.cds.cards import OVERRIDE_REASONS
from service.drafts.decision import authority, decisions, referring, revoking
from service.drafts.records import Draft, Signature
from service.drafts.states import SIGNED
from service.errors import BadRequest
from service.smart import sessions
from service.switches import in_force
from service.web import (
    basis,
    closing,
    consent_page,
    edit_page,
    fact_page,
    fate,
    forms,
    offering,
    opening,
    own_choice,
    record,
    sheet_page,
    sign_page,
    view,
    weights,
    words,
    worklist,
)
from service.web.opening import Opened, acting, services_of
from service.web.rendering import PageRoute, page

router = APIRouter(include_in_schema=False, route_class=PageRoute)
router.include_router(edit_page.router)
router.include_router(fact_page.router)
router.include_router(worklist.router)
router.include_router(consent_page.router)
router.include_router(own_choice.router)
router.include_router(sheet_page.router)
router.include_router(sign_page.router)


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
        condition=words.condition(opened.draft),
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
    back = ("/review", "Sign in again")
    response = page(request, None, "message.html", heading="Signed out", message=message, code="", back=back)
    await sessions.end(request, services, response)
    return response


async def _show(request: Request, opened: Opened) -> Response:
    await opening.shown(opened, "review")
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
    ended = await closing.histories(opened, drafts)
    profile, named = opened.services.profiles[draft.ehr], opened.services.knowledge.sources
    shown = view.review(draft, drafts, now, boxed, closing.awaited(ended), profile)
    stopped = await in_force.of(store, draft.ehr)
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
        barred={d.id: why for d in waiting if (why := offering.barred(opened, d, stopped))},
        rejected=closing.reasons(ended),
        next=None if shown.open or signed else await closing.what_next(opened, ended),
        asked_later=opened.session.prescribes is None,
        placed=[_placed(d, await store.signature(d.id), profile) for d in signed],
        weighed=weights.weigh(_open_contexts(drafts, now), request.query_params),
        shares=weights.SHARES,
        base=opened.services.tenant(draft.ehr).fhir_base,
        cites=basis.cites(shown),
        sources={keys: basis.named(named, keys) for keys in basis.sources(shown)},
        origins={keys: basis.briefly(named, keys) for keys in basis.origins(shown)},
        reasons=[(known["code"], known["display"]) for known in OVERRIDE_REASONS],
    )


def _open_contexts(drafts: Sequence[Draft], now: datetime) -> dict[str, Mapping[str, Any]]:
    return {draft.ingredient: record.read(draft.context) for draft in drafts if view.is_open(draft, now)}


def _placed(draft: Draft, signature: Signature | None, profile: Profile) -> fate.Placed:
    replaces = record.replaces(record.read(draft.context))
    return fate.placed(draft, signature, view.label(draft), replaces, profile)


def _sign_in(ehr: str, draft: str) -> Response:
    return RedirectResponse(f"/launch?ehr={ehr}&draft={draft}", status_code=303)
