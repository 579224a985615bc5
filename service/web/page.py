"""The clinician's page: list, read, prepare, sign, reject. Works without scripts."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from fhir_adapters import wire
from fhir_adapters.errors import UndersignError
from service.cds.cards import NO_CHANGE, OVERRIDE_REASONS
from service.drafts import decisions
from service.drafts.store import Draft
from service.errors import Forbidden, NotFound, http_status
from service.smart import sessions
from service.smart.sessions import Session
from service.web import view

if TYPE_CHECKING:
    from service.bootstrap import Services

_HERE = Path(__file__).parent
router = APIRouter(include_in_schema=False)
static = StaticFiles(directory=_HERE / "static")
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_HEADINGS = {400: "That did not work", 403: "Not allowed", 404: "Not found", 409: "The draft has moved on"}


@router.get("/review")
async def worklist(request: Request) -> Response:
    """List what is held at the signed-in practitioner's EHR."""
    services = _services(request)
    session = await sessions.current(request, services)
    if session is None:
        return _sign_in(services, services.settings.ehr[0].id, None)
    found = await services.store.find(
        ehr=session.practitioner.ehr, patient=session.patient, states=view.OPEN_STATES, limit=200
    )
    rows = [_row(d) for d in found]
    return _page(request, session, "list.html", {"rows": rows})


@router.get("/review/{draft_id}")
async def review(request: Request, draft_id: str) -> Response:
    """Show one draft beside its alternatives."""
    services = _services(request)
    session = await sessions.current(request, services)
    if session is None:
        draft = await services.store.read(draft_id)
        return _sign_in(services, draft.ehr, draft_id)
    try:
        draft = await _draft(services, session, draft_id)
        return await _show(request, services, session, draft)
    except UndersignError as error:
        return _refused(request, session, error, None)


@router.post("/review/{draft_id}/prepare")
async def prepare(request: Request, draft_id: str) -> Response:
    """Show the exact order that would be signed."""
    services = _services(request)
    session, _ = await _acting(request, services)
    try:
        draft = await _draft(services, session, draft_id)
        prepared = await decisions.prepare(services, draft_id, session.practitioner, session.token, None)
        shown = {
            "view": view.draft_view(draft, signable=True),
            "patient": await _patient(services, session, draft),
            "prepared": prepared,
            "order": view.order_lines(prepared.order),
            "text": prepared.order.decode(),
        }
        return _page(request, session, "sign.html", shown)
    except UndersignError as error:
        return _refused(request, session, error, draft_id)


@router.post("/review/{draft_id}/sign")
async def sign(request: Request, draft_id: str) -> Response:
    """Sign the prepared bytes."""
    services = _services(request)
    session, form = await _acting(request, services)
    try:
        await _draft(services, session, draft_id)
        await decisions.sign(
            services,
            draft_id,
            session.practitioner,
            session.token,
            version=int(form.get("version", "0")),
            digest=form.get("digest", ""),
            acknowledgements=tuple(str(v) for v in (await request.form()).getlist("acknowledgement")),
            reason=form.get("reason") or None,
        )
    except UndersignError as error:
        return _refused(request, session, error, draft_id)
    return RedirectResponse(f"/review/{draft_id}", status_code=303)


@router.post("/review/{draft_id}/reject")
async def reject(request: Request, draft_id: str) -> Response:
    """Reject the draft with a coded reason."""
    services = _services(request)
    session, form = await _acting(request, services)
    try:
        await _draft(services, session, draft_id)
        await decisions.reject(
            services,
            draft_id,
            session.practitioner,
            version=None,
            reason=form.get("reason") or None,
            comment=form.get("comment") or None,
        )
    except UndersignError as error:
        return _refused(request, session, error, draft_id)
    return RedirectResponse(f"/review/{draft_id}", status_code=303)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    services = _services(request)
    session, _ = await _acting(request, services)
    shown = {"heading": "Signed out", "message": "Close this window.", "code": "", "back": None}
    response = _page(request, None, "message.html", shown)
    await sessions.end(request, services, response)
    _ = session
    return response


def _services(request: Request) -> "Services":
    return request.app.state.services


async def _acting(request: Request, services: "Services") -> tuple[Session, Mapping[str, str]]:
    form = await request.form(max_files=0, max_fields=100)
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return await sessions.acting(request, services, fields.get("csrf")), fields


async def _draft(services: "Services", session: Session, draft_id: str) -> Draft:
    draft = await services.store.read(draft_id)
    if draft.ehr != session.practitioner.ehr:
        raise NotFound("U-DRAFT-UNKNOWN", "There is no such draft.")
    if session.patient is not None and session.patient != draft.patient:
        raise Forbidden("U-SESSION-PATIENT", "This window was opened for another patient: open the draft's chart.")
    return draft


async def _show(request: Request, services: "Services", session: Session, draft: Draft) -> Response:
    siblings = await services.store.find(ehr=draft.ehr, patient=draft.patient)
    together = [d for d in siblings if d.facts == draft.facts]
    signable = services.tenant(draft.ehr).write_back != "card"
    shown = {
        "view": view.draft_view(draft, signable=signable),
        "options": view.options(draft, together, NO_CHANGE),
        "patient": await _patient(services, session, draft),
        "reasons": [(r["code"], r["display"]) for r in OVERRIDE_REASONS],
    }
    return _page(request, session, "review.html", shown)


async def _patient(services: "Services", session: Session, draft: Draft) -> Mapping[str, str]:
    """Read the patient strip live with the user's own token: whose draft this is must never be guessed."""
    raw = await services.clients[draft.ehr].read(draft.patient, session.token)
    patient = msgspec.json.decode(raw, type=wire.Patient)
    name = next(iter(patient.name), None)
    words = (name.text or " ".join([*name.given, name.family or ""])) if name else "no name on record"
    return {
        "name": words.strip(),
        "born": patient.birthDate or "not recorded",
        "id": draft.patient.split("/")[-1],
    }


def _row(draft: Draft) -> Mapping[str, str]:
    return {
        "id": draft.id,
        "option": view.read(draft.context).get("option", draft.ingredient),
        "patient": draft.patient,
        "state": draft.state,
        "created": f"{draft.created:%Y-%m-%d %H:%M}",
        "expires": f"{draft.expires:%Y-%m-%d %H:%M}",
    }


def _sign_in(services: "Services", ehr: str, draft: str | None) -> Response:
    _ = services
    return RedirectResponse(f"/launch?ehr={ehr}" + (f"&draft={draft}" if draft else ""), status_code=303)


def _refused(request: Request, session: Session | None, error: UndersignError, draft: str | None) -> Response:
    status = http_status(error)
    shown = {
        "heading": _HEADINGS.get(status, "That did not work"),
        "message": error.message,
        "code": error.code,
        "back": f"/review/{draft}" if draft else None,
    }
    return _page(request, session, "message.html", shown, status)


def _page(
    request: Request, session: Session | None, template: str, shown: Mapping[str, Any], status: int = 200
) -> HTMLResponse:
    services = _services(request)
    practitioner = session.practitioner if session else None
    text = _templates.get_template(template).render(
        practitioner=(practitioner.display or practitioner.reference) if practitioner else None,
        csrf=session.csrf if session else None,
        development=services.settings.server.development,
        **shown,
    )
    return HTMLResponse(text, status, headers=_headers(services, session))


def _headers(services: "Services", session: Session | None) -> dict[str, str]:
    origins = services.tenant(session.practitioner.ehr).origins if session else ()
    frames = " ".join(origins) or "'none'"
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors {frames}"
    )
    return {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
