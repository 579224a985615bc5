"""Which draft a browser may see or act on: a session of the draft's tenant, and the patient as the EHR has it now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from starlette.requests import Request

from service.drafts.decision import decisions
from service.drafts.records import Draft
from service.drafts.trail import access
from service.drafts.trail.access import Asked, Interaction
from service.smart import sessions
from service.smart.sessions import Session
from service.web import chart, forms, view
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
    return await opened(services, session, draft_id, "operation"), form


async def opened(services: "Services", session: Session, draft_id: str, interaction: Interaction = "read") -> Opened:
    """Return a draft of the session's tenant; NotFound U-DRAFT-UNKNOWN, Forbidden U-SESSION-PATIENT, recorded."""
    draft = await decisions.own_draft(services, session.practitioner.ehr, draft_id)
    asked = Asked(_reference(draft), interaction, "page")
    return Opened(services, session, draft, await chart.person(services, session, draft.patient, asked))


async def shown(opened: Opened, name: str) -> None:
    """Record, before the page of this name is made, that this person reads the draft; Unavailable U-STORE-*."""
    asked = Asked(_reference(opened.draft), "read", "page", name)
    await access.enter(opened.services, opened.session, opened.draft.patient, asked)


async def looked_at(opened: Opened, since: datetime) -> set[str]:
    """Return the names of the pages of the assessment's drafts that this person opened, from that moment on."""
    services, draft, me = opened.services, opened.draft, opened.session.practitioner.reference
    here = {_reference(one) for one in view.together(draft, await of_patient(opened))}
    now = services.clock()
    entries = await access.of_patient(services.store, draft.ehr, draft.patient, now, now.year - since.year)
    own = (one.detail for one in entries if one.actor == me and one.at >= since and one.event == access.READ)
    return {detail["name"] for detail in own if detail.get("what") in here and "name" in detail}


async def of_patient(opened: Opened) -> Sequence[Draft]:
    """Return all drafts of the patient, ended ones too."""
    return await opened.services.store.find(ehr=opened.draft.ehr, patient=opened.draft.patient)


def _reference(draft: Draft) -> str:
    return f"MedicationRequest/{draft.id}"
