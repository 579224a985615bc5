"""The page on which a signer edits a draft: the same rules run again before anything is kept."""

from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service import telemetry
from service.drafts.commit import checks
from service.drafts.decision import decisions
from service.errors import BadRequest, Unprocessable, http_status
from service.smart import sessions
from service.web import basis, editing, forms, opening, own_choice, view
from service.web.editing import Fields
from service.web.opening import Opened
from service.web.rendering import PageRoute, page

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_OTHER_SHAPE = "This draft was edited elsewhere, in a shape that this page does not hold: edit it there, or reject it."


@router.get("/review/{draft_id}/edit")
async def edit(request: Request, draft_id: str) -> Response:
    """Show the form of one draft."""
    services = opening.services_of(request)
    session = await sessions.current(request, services)
    if session is None:
        return RedirectResponse(f"/review/{quote(draft_id)}", status_code=303)
    opened = await opening.opened(services, session, draft_id)
    if await own_choice.is_owed(opened):
        return RedirectResponse(f"/review/{quote(draft_id)}", status_code=303)
    checks.unsigned(opened.draft, await services.store.now())
    await opening.shown(opened, "edit")
    return _form(request, opened, _fields(opened), None)


@router.post("/review/{draft_id}/edit")
async def change(request: Request, draft_id: str) -> Response:
    """Judge the edited draft; keep the order that it makes and go to it, or say what stands against it."""
    opened, form = await opening.acting(request, draft_id)
    if await own_choice.is_owed(opened):
        return RedirectResponse(f"/review/{quote(draft_id)}", status_code=303)
    shown = forms.one(form, "version")
    checks.version(opened.draft, int(shown) if shown.isdecimal() else 0)
    sent = editing.given(form, _fields(opened))
    session = opened.session
    try:
        order = editing.edited(opened.draft, sent)
        kept = await decisions.prepare(opened.services, draft_id, session.practitioner, session.token, order)
    except (Unprocessable, BadRequest) as error:
        telemetry.ERRORS.labels(error.code).inc()
        await opening.shown(opened, "edit")
        return _form(request, opened, sent, error)
    return RedirectResponse(f"/review/{draft_id}/order?digest={quote(kept.digest)}", status_code=303)


def _fields(opened: Opened) -> Fields:
    found = editing.fields(opened.draft)
    if found is None:
        raise Unprocessable("U-ORDER-FIELD", _OTHER_SHAPE)
    return found


def _form(request: Request, opened: Opened, shown: Fields, error: Unprocessable | BadRequest | None) -> Response:
    return page(
        request,
        opened.session,
        "edit.html",
        200 if error is None else http_status(error),
        person=opened.person,
        draft=opened.draft,
        label=view.label(opened.draft),
        shown=shown,
        times=editing.TIMES,
        refused=None if error is None else basis.in_words(opened.services.knowledge.sources, error.message),
        code=None if error is None else error.code,
    )
