"""The page of a patient whom a person must look into: what is on record, who was told, and what a person attests.

It holds no draft and no score. What is recorded here is read at the next opening of the chart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_adapters.dialect.profile import Profile
from service import site_time
from service.cds.words import capital, day
from service.drafts.canonical_json import load_object
from service.drafts.decision import attesting
from service.drafts.decision.attesting import REVIEWERS, Limits, Reviewer, Word
from service.drafts.flags import RESULTS, Alarm, Attested, Flag, Result
from service.drafts.records import AuditEntry
from service.drafts.trail import access
from service.drafts.trail.access import Asked, Interaction
from service.errors import BadRequest, NotFound
from service.smart import sessions
from service.smart.practitioner import Practitioner
from service.smart.sessions import Session
from service.web import chart, forms
from service.web.forms import Form
from service.web.rendering import PageRoute, page
from service.web.words import moment, said

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_CRISIS, _WAITS = "A person assesses the suicide risk before any draft", "Drafting waits for a person"
_CHOICES: Mapping[Result, str] = {
    "may-open": "Drafting may open again where the rules allow it, with warnings and small quantities",
    "stays-closed": "Drafting stays closed",
}
_RESULTS: Mapping[Result, str] = {"may-open": "drafting may open again", "stays-closed": "drafting stays closed"}


@dataclass(frozen=True, slots=True)
class Told:
    """Who saw the alarm on a card, as the EHR names its user; when first and, if again, when last."""

    whom: str
    first: str
    last: str | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An attestation in words; ``current`` when it came after the alarm."""

    by: str
    assessed: str
    result: str
    review: str
    recorded: str
    current: bool


@dataclass(frozen=True, slots=True)
class View:
    """What the page says, worked out from the records; times are those of the site.

    ``standing``: nobody has attested since the alarm; ``consent``: neither consent nor law forbids what would follow.
    """

    flag: str
    head: str
    raised: str
    standing: bool
    reasons: Sequence[str]
    to_tell: Sequence[str]
    told: Sequence[Told]
    recorded: Sequence[Recorded]
    consent: bool


@router.get("/crisis/{flag_id}")
async def crisis(request: Request, flag_id: str) -> Response:
    """Show what a person must look into and what was recorded since."""
    services: Services = request.app.state.services
    session = await sessions.current(request, services)
    flag = await services.store.flag(flag_id)
    if session is None:
        return RedirectResponse(f"/launch?ehr={flag.ehr}&flag={flag.id}", status_code=303)
    person = await _opened(services, session, flag, "read")
    await access.enter(services, session, flag.patient, Asked(flag.patient, "read", "page", "crisis"))
    store, profile = services.store, services.profiles[flag.ehr]
    alarm, history = await store.alarm(flag.id), await store.flag_history(flag.id)
    attested = await store.attestations(flag.ehr, flag.patient)
    return page(
        request,
        session,
        "crisis.html",
        view=view(flag, alarm, history, attested, profile, session.practitioner),
        person=person,
        contact=services.tenant(flag.ehr).crisis_contact,
        results=list(_CHOICES.items()),
        reviewers=list(REVIEWERS.items()),
        may_attest=session.prescribes is not False,
        times=_times(await store.now(), attesting.limits(services.knowledge), profile),
    )


@router.post("/crisis/{flag_id}/attest")
async def attest(request: Request, flag_id: str) -> Response:
    """Record that this practitioner has assessed the risk."""
    services: Services = request.app.state.services
    form = await forms.read(request)
    session = await sessions.acting(request, services, forms.one(form, "csrf"))
    flag = await services.store.flag(flag_id)
    await _opened(services, session, flag, "operation")
    word = _word(form, services.profiles[flag.ehr])
    await attesting.attest(services, flag.patient, session.practitioner, session.token, word)
    return RedirectResponse(f"/crisis/{flag.id}", status_code=303)


@router.get("/crisis/{flag_id}/attest")
async def again(flag_id: str) -> Response:
    """Send a reloaded step back to the page."""
    return RedirectResponse(f"/crisis/{flag_id}", status_code=303)


def view(
    flag: Flag,
    alarm: Alarm | None,
    history: Sequence[AuditEntry],
    attested: Sequence[Attested],
    profile: Profile,
    reader: Practitioner,
) -> View:
    """Return the page of a flag; ``history`` is its chain, ``attested`` what was recorded, the oldest first."""
    names = {one.practitioner: one.by for one in attested} | {reader.reference: reader.display or reader.reference}
    context = load_object(alarm.context) if alarm else {}
    recorded = [_recorded(one, alarm, profile) for one in reversed(attested)]
    return View(
        flag=flag.id,
        head=_CRISIS if context.get("status") == "crisis" else _WAITS,
        raised=moment(alarm.raised, profile) if alarm else "",
        standing=not (recorded and recorded[0].current),
        reasons=[said(text) for text in context.get("reasons", [])],
        to_tell=[_person(one) for one in context.get("to_tell", [])],
        told=_told(history, names, profile),
        recorded=recorded,
        consent=not context.get("silent", False),
    )


def _told(history: Sequence[AuditEntry], names: Mapping[str, str], profile: Profile) -> list[Told]:
    shown: dict[str, list[datetime]] = {}
    for entry in history:
        if entry.event == "shown":
            shown.setdefault(entry.actor, []).append(entry.at)
    times = {who: (moment(at[0], profile), moment(at[-1], profile)) for who, at in shown.items()}
    return [Told(names.get(who, who), first, last if last != first else None) for who, (first, last) in times.items()]


async def _opened(services: "Services", session: Session, flag: Flag, interaction: Interaction) -> chart.Person:
    """Return the patient, whom the EHR opens to this user; another tenant's flag is not there."""
    if flag.ehr != session.practitioner.ehr:
        raise NotFound("U-FLAG-UNKNOWN", "There is nothing under this address; open the patient's chart again.")
    return await chart.person(services, session, flag.patient, Asked(flag.patient, interaction, "page", "crisis"))


def _recorded(one: Attested, alarm: Alarm | None, profile: Profile) -> Recorded:
    return Recorded(
        by=one.by,
        assessed=moment(one.assessed, profile),
        result=_RESULTS[one.result],
        review=f"{one.review_by} on {day(one.review_on)}",
        recorded=moment(one.recorded, profile),
        current=alarm is None or one.recorded > alarm.raised,
    )


def _times(now: datetime, limits: Limits, profile: Profile) -> Mapping[str, str]:
    """Return what the form's fields offer: times of the site, to the minute."""
    here = site_time.local(now, profile)
    return {
        "zone": f"{here:%Z}",
        "first": f"{here - timedelta(days=limits.window_days):%Y-%m-%dT00:00}",
        "today": f"{here:%Y-%m-%d}",
        "soon": f"{here + timedelta(days=limits.review_days):%Y-%m-%d}",
        "latest": f"{here + timedelta(days=limits.window_days):%Y-%m-%d}",
        "days": str(limits.review_days),
    }


def _word(form: Form, profile: Profile) -> Word:
    assessed = site_time.of_local(forms.one(form, "assessed"), profile)
    result, reviewer = forms.one(form, "result"), forms.one(form, "reviewer")
    review_on = _date(forms.one(form, "review_on"))
    if assessed is None or review_on is None or result not in RESULTS or reviewer not in REVIEWERS:
        raise BadRequest("U-REQUEST", "State when the risk was assessed, what follows, and who sees the patient when.")
    return Word(assessed, result, cast(Reviewer, reviewer), review_on)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _person(told: Mapping[str, Any]) -> str:
    return f"{capital(str(told['to']).replace('-', ' '))} ({told['urgency']})"
