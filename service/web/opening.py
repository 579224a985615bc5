"""Which draft a browser may see or act on: a session of the draft's tenant, and the patient as the EHR has it now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from service.drafts import decisions
from service.drafts.records import Draft
from service.smart import sessions
from service.smart.sessions import Session
from service.web import chart, forms
from service.web.chart import Person
from service.web.forms import Form

if TYPE_CHECKING:
    from service.bootstrap import Services


@dataclass(frozen=True, slots=True)
class Opened:
    """A draft that this session may see, with its patient as the EHR has it now."""

    services: "Services"
    session: Session
    draft: Draft
    person: Person


def services_of(request: Request) -> "Services":
    """Return what the application holds."""
    return request.app.state.services


async def acting(request: Request, draft_id: str) -> tuple[Opened, Form]:
    """Return the draft that a form acts on, and its fields; Unauthenticated, Forbidden U-CSRF as sessions have it."""
    services, form = services_of(request), await forms.read(request)
    session = await sessions.acting(request, services, forms.one(form, "csrf"))
    return await opened(services, session, draft_id), form


async def opened(services: "Services", session: Session, draft_id: str) -> Opened:
    """Return a draft of the session's tenant; NotFound U-DRAFT-UNKNOWN, Forbidden U-SESSION-PATIENT."""
    draft = await decisions.own_draft(services, session.practitioner.ehr, draft_id)
    return Opened(services, session, draft, await chart.person(services, session, draft.patient))


async def of_patient(opened: Opened) -> Sequence[Draft]:
    """Return all drafts of the patient, ended ones too."""
    return await opened.services.store.find(ehr=opened.draft.ehr, patient=opened.draft.patient)
