"""The page on which a practitioner records what the patient says about AI suggestions, and sees what was recorded.

It is reached from a draft, from the patient's sheet, and from the worklist of a launch for one patient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_adapters.dialect.profile import Profile
from service.drafts.decision import consenting
from service.drafts.decision.consenting import Word
from service.drafts.records import AuditEntry
from service.drafts.trail import access
from service.drafts.trail.access import Asked
from service.errors import BadRequest
from service.smart import sessions
from service.smart.sessions import Session
from service.web import chart, forms, opening
from service.web.rendering import PageRoute, page
from service.web.words import moment

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_DECISIONS = {
    "deny": "The patient does not want AI suggestions",
    "permit": "The patient agrees to AI suggestions",
}
_TOLD_BY = {"patient": "the patient", "representative": "a person who may decide for the patient"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded word in plain text; times are those of the site."""

    said: str
    told_by: str
    by: str
    at: str


@router.get("/review/{draft_id}/consent")
async def of_draft(request: Request, draft_id: str) -> Response:
    """Show the form for the patient of a draft."""
    services = opening.services_of(request)
    session = await sessions.current(request, services)
    if session is None:
        return RedirectResponse(f"/review/{draft_id}", status_code=303)
    opened = await opening.opened(services, session, draft_id)
    return await _show(request, services, session, opened.draft.patient, draft_id)


@router.post("/review/{draft_id}/consent")
async def record_of_draft(request: Request, draft_id: str) -> Response:
    """Record what the patient of a draft says; a denial withdraws the draft with the others."""
    opened, form = await opening.acting(request, draft_id)
    await consenting.record(opened.services, opened.draft.patient, opened.session.practitioner, _word(form))
    return RedirectResponse(f"/review/{draft_id}/consent", status_code=303)


@router.get("/consent")
async def of_launch(request: Request) -> Response:
    """Show the form for the patient that this session was launched for."""
    services = opening.services_of(request)
    session = await sessions.current(request, services)
    if session is None or session.patient is None:
        return RedirectResponse("/review", status_code=303)
    return await _show(request, services, session, session.patient, None)


@router.post("/consent")
async def record_of_launch(request: Request) -> Response:
    """Record what the patient of this session's launch says."""
    services, form = opening.services_of(request), await forms.read(request)
    session = await sessions.acting(request, services, forms.one(form, "csrf"))
    if session.patient is None:
        raise BadRequest("U-REQUEST", "This window was opened for no patient: open it from the patient's chart.")
    await chart.person(services, session, session.patient, Asked(session.patient, "operation", "page", "consent"))
    await consenting.record(services, session.patient, session.practitioner, _word(form))
    return RedirectResponse("/consent", status_code=303)


def recorded(entries: Sequence[AuditEntry], profile: Profile) -> list[Recorded]:
    """Return recorded words, the newest first."""
    return [
        Recorded(
            said=_DECISIONS[entry.detail["decision"]],
            told_by=_TOLD_BY[entry.detail["told_by"]],
            by=entry.detail.get("display") or entry.actor,
            at=moment(entry.at, profile),
        )
        for entry in reversed(entries)
    ]


def _word(form: forms.Form) -> Word:
    found = consenting.read_word(forms.one(form, "decision"), forms.one(form, "told_by"))
    if found is None:
        raise BadRequest("U-REQUEST", "Choose what the patient said, and who said it.")
    return found


async def _show(request: Request, services: "Services", session: Session, patient: str, draft: str | None) -> Response:
    ehr, asked = session.practitioner.ehr, Asked(patient, "read", "page", "consent")
    person = await chart.person(services, session, patient, asked)
    await access.enter(services, session, patient, asked)
    entries = await consenting.history(services.store, ehr, patient)
    return page(
        request,
        session,
        "consent.html",
        person=person,
        draft=draft,
        action=f"/review/{draft}/consent" if draft else "/consent",
        recorded=recorded(entries, services.profiles[ehr]),
        default=services.tenant(ehr).consent_default,
        decisions=list(_DECISIONS.items()),
        tellers=list(_TOLD_BY.items()),
    )
