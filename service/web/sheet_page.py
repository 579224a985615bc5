"""The page with the patient's sheet, in the site's language or in another that it is written in."""

from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service.cds.language import LANGUAGES
from service.smart import sessions
from service.web import opening, own_choice, patient_sheet, sheet_texts, view
from service.web.rendering import PageRoute, page

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_NAMES = {"en": "English", "de": "Deutsch", "es": "Español"}


@router.get("/review/{draft_id}/sheet")
async def sheet(request: Request, draft_id: str, language: str = "") -> Response:
    """Show the patient's sheet of one assessment, to print."""
    services = opening.services_of(request)
    session = await sessions.current(request, services)
    if session is None:
        return RedirectResponse(f"/review/{quote(draft_id)}", status_code=303)
    opened = await opening.opened(services, session, draft_id)
    if await own_choice.is_owed(opened):
        return RedirectResponse(f"/review/{quote(draft_id)}", status_code=303)
    tenant = services.tenant(opened.draft.ehr)
    drafts, now = view.together(opened.draft, await opening.of_patient(opened)), await services.store.now()
    boxed = {name: drug.boxed_warnings for name, drug in services.knowledge.drugs.items()}
    texts = sheet_texts.of(language if language in LANGUAGES else tenant.language)
    await opening.shown(opened, "sheet")
    left = any(view.is_open(draft, now) for draft in drafts)
    return page(
        request,
        session,
        "sheet.html",
        person=opened.person,
        draft=draft_id,
        texts=texts,
        others=[(one, _NAMES[one]) for one in LANGUAGES if one != texts.language],
        sheet=patient_sheet.sheet(drafts, boxed, opened.person.name, texts, is_open=left),
        contact=tenant.crisis_contact,
    )
