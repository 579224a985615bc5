"""The worklist: orders that a person must look after, what is held by urgency, and what goes on by itself."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_adapters.dialect.profile import Profile
from service.drafts.decision import authority
from service.drafts.records import Draft
from service.drafts.states import UNSIGNED
from service.drafts.trail import access
from service.drafts.trail.access import Asked
from service.errors import Forbidden
from service.smart import sessions
from service.smart.sessions import Session
from service.web import chart, opening, orders_under_way, record, view, words
from service.web.chart import Person
from service.web.orders_under_way import GOING_ON, IN_FORCE, STUCK
from service.web.rendering import PageRoute, page

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter(include_in_schema=False, route_class=PageRoute)
LISTED_PATIENTS = 20
_LIMIT = 5_000  # drafts that are looked at; the newest, so what there are more of is told
_ASKED = 3 * LISTED_PATIENTS  # patients whom the EHR is asked about, since it may open only some to this user
_SOON = timedelta(hours=24)
_OWN_FIRST = "high risk: your own choice comes before the options"
_URGENCIES = ("now", "today", "routine")
_WORDS = {"now": "Now", "today": "Today", "routine": "Routine"}


@dataclass(frozen=True, slots=True)
class Row:
    """One assessment that waits: its patient, its options, how urgent a person is asked for, and when it ends.

    ``why`` says what makes it urgent; ``soon`` that its time runs out within a day.
    """

    id: str
    person: Person
    summary: str
    options: Sequence[str]
    urgency: str
    why: str
    made: str
    held_until: str
    soon: bool


@router.get("/review")
async def worklist(request: Request) -> Response:
    """List what waits at the practitioner's EHR, for the patients that the EHR opens to them."""
    services = opening.services_of(request)
    session = await sessions.current(request, services)
    if session is None:
        return _choose(request, services)
    ehr, patient, store = session.practitioner.ehr, session.patient, services.store
    profile = services.profiles[ehr]
    now = await store.now()
    found = await store.find(ehr=ehr, patient=patient, states=UNSIGNED, limit=_LIMIT)
    held = [draft for draft in found if view.is_open(draft, now)]
    wanted = (*STUCK, *GOING_ON, *(IN_FORCE if patient else ()))
    decided = await store.find(ehr=ehr, patient=patient, states=wanted, limit=_LIMIT)
    stuck, others = _parted(decided)
    patients = list(dict.fromkeys(draft.patient for draft in (*stuck, *by_urgency(held), *others)))
    people = await _people(services, session, patients[:_ASKED])
    listed = dict(list(people.items())[:LISTED_PATIENTS])
    more = _LIMIT in (len(found), len(decided)) or len(people) > len(listed) or len(patients) > _ASKED
    flag = await store.flag_of(ehr, patient) if patient else None
    asked = Asked("", "search-type", "page", "list", query="review")
    person = await chart.person(services, session, patient, asked) if patient else None
    await access.enter_each(services, session, {*listed, *([patient] if patient else ())}, asked)
    return page(
        request,
        session,
        "list.html",
        rows=rows(held, listed, now, {d.id for d in held if authority.risks(d, services.knowledge)}, profile),
        orders=orders_under_way.orders(decided, listed, profile),
        more=more,
        flag=flag.id if flag else None,
        launched=patient is not None,
        person=person,
    )


def rows(
    held: Iterable[Draft],
    people: Mapping[str, Person],
    now: datetime,
    risky: Collection[str] = (),
    profile: Profile | None = None,
) -> list[Row]:
    """Return one row an assessment: the most urgent first, then what ends first, then by patient.

    The options of ``risky`` drafts are not told here: the clinician's own choice comes before them.
    """
    ordered = sorted(by_urgency(held), key=_assessment)
    found = [list(drafts) for (patient, *_), drafts in groupby(ordered, _assessment) if patient in people]
    found.sort(key=lambda drafts: (_rank(drafts[0]), drafts[0].expires, people[drafts[0].patient].name))
    return [_row(drafts, people[drafts[0].patient], now, risky, profile) for drafts in found]


def by_urgency(held: Iterable[Draft]) -> list[Draft]:
    """Return drafts with the most urgent first, then those that end first."""
    return sorted(held, key=lambda draft: (_rank(draft), draft.expires, draft.patient, draft.rank))


def _rank(draft: Draft) -> int:
    return _URGENCIES.index(_urgency(draft)[0])


def _urgency(draft: Draft) -> tuple[str, str]:
    """Return how soon a person is asked for, and why; routine where nobody is."""
    told = [one for one in record.read(draft.context).get("to_tell", []) if one["urgency"] in _URGENCIES]
    first = min(told, key=lambda one: _URGENCIES.index(one["urgency"]), default=None)
    return (first["urgency"], first["reason"]) if first else ("routine", "")


def _row(
    drafts: Sequence[Draft], person: Person, now: datetime, risky: Collection[str], profile: Profile | None
) -> Row:
    ranked = sorted(drafts, key=lambda draft: draft.rank)
    first = ranked[0]
    urgency, why = _urgency(first)
    return Row(
        id=first.id,
        person=person,
        summary=record.read(first.context).get("summary", ""),
        options=[_OWN_FIRST] if any(d.id in risky for d in ranked) else [view.label(draft) for draft in ranked],
        urgency=_WORDS[urgency],
        why=words.said(why) if urgency != "routine" else "",
        made=words.moment(first.created, profile),
        held_until=words.moment(first.expires, profile),
        soon=first.expires - now < _SOON,
    )


def _parted(decided: Iterable[Draft]) -> tuple[list[Draft], list[Draft]]:
    """Part the orders that a person must look after from the others."""
    found = list(decided)
    return [one for one in found if one.state in STUCK], [one for one in found if one.state not in STUCK]


async def _people(services: "Services", session: Session, patients: Sequence[str]) -> Mapping[str, Person]:
    """Return the patients that the EHR opens to this user; the others' drafts are not theirs to see."""
    found = await asyncio.gather(*(_person(services, session, patient) for patient in patients))
    return {patient: person for patient, person in zip(patients, found, strict=True) if person is not None}


async def _person(services: "Services", session: Session, patient: str) -> Person | None:
    try:
        return await chart.person(services, session, patient)
    except Forbidden:
        return None


def _assessment(draft: Draft) -> tuple[str, str, str]:
    return draft.patient, draft.facts, draft.created.isoformat()


def _choose(request: Request, services: "Services") -> Response:
    tenants = services.settings.ehr
    if len(tenants) == 1:
        return RedirectResponse(f"/launch?ehr={tenants[0].id}", status_code=303)
    return page(request, None, "choose.html", tenants=[(ehr.id, ehr.name) for ehr in tenants])
