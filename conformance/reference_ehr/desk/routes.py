"""The EHR's pages: sign-in, the list of charts, a chart with its cards, and apps in it."""

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from conformance import plain_words as words
from conformance.reference_ehr.desk import advice, orders, record
from conformance.reference_ehr.desk.advice import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, Answer, Shown
from conformance.reference_ehr.desk.rendering import DeskRoute, ehr_of, page, style, visits_of
from conformance.reference_ehr.desk.visits import Visit
from conformance.reference_ehr.discovery import WHAT_IT_IS_NOT
from conformance.reference_ehr.ehr import SERVICE_CLIENT
from conformance.reference_ehr.patients import Person
from conformance.reference_ehr.refusals import Json, invalid, not_found

router = APIRouter(include_in_schema=False, route_class=DeskRoute)
_APP = "app"
"""The link that every chart has: the app itself, launched for the chart, without a card."""


@router.get("/desk.css")
async def sheet() -> Response:
    """Return the style sheet of all pages."""
    return style()


@router.get("/")
async def front(request: Request) -> Response:
    """Say what this is and is not; let somebody sign in, and list the charts."""
    ehr = ehr_of(request)
    told = {"what": WHAT_IT_IS_NOT, "root": ehr.root, "service": ehr.service_url, "dialect": ehr.dialect}
    everyone = {"people": ehr.people, "accounts": ehr.authorization.accounts.values()}
    return page(request, "front.html", told | everyone)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in as one of the synthetic users; there are no passwords."""
    ehr, visits, form = ehr_of(request), visits_of(request), await fields(request)
    visits.same_origin(request)
    account = ehr.authorization.accounts.get(form.get("username", ""))
    if account is None:
        raise invalid("There is no such user here.")
    there = form.get("chart", "")
    response = to(f"/charts/{there}" if any(one.id == there for one in ehr.people) else "/")
    visits.end(request, response)
    visits.begin(response, account)
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Sign out; orders that were not signed stay."""
    visits, response = visits_of(request), to("/")
    visits.same_origin(request)
    visits.end(request, response)
    return response


@router.get("/charts/{patient}")
async def chart(request: Request, patient: str) -> Response:
    """Show a chart; on opening it the EHR calls ``patient-view``, on showing it again it does not."""
    ehr, visit = ehr_of(request), visits_of(request).of(request)
    person = record.person(ehr, patient)
    if visit is not None and visit.open(patient):
        visit.answers[PATIENT_VIEW] = await advice.ask(ehr, PATIENT_VIEW, context(visit, patient))
    answer = visit.answers.get(PATIENT_VIEW, Answer()) if visit else None
    accounts = ehr.authorization.accounts.values()
    found = record.chart(ehr, patient)
    return shown(request, visit, person, "chart.html", chart=found, answer=answer, accounts=accounts)


@router.post("/charts/{patient}/again")
async def again(request: Request, patient: str) -> Response:
    """Close the chart and open it anew: the hook is called again."""
    visits_of(request).acting(request).patient = ""
    return to(f"/charts/{record.person(ehr_of(request), patient).id}")


@router.post("/charts/{patient}/cards/{card}/accept")
async def accept(request: Request, patient: str, card: str) -> Response:
    """Take a suggestion: what it creates becomes an unsigned order, and the service is told."""
    ehr, (visit, form) = ehr_of(request), await opened(request, patient)
    hook, found = on_screen(visit, card)
    number = form.get("suggestion", "")
    if found.fate or not number.isdecimal() or int(number) >= len(found.suggestions):
        raise invalid("That suggestion was decided on, or is not on the screen any more.")
    suggestion = found.suggestions[int(number)]
    new = [orders.accepted(one, patient, found.id) for one in created(suggestion)]
    visits_of(request).unsigned(visit, patient).extend(new)
    visit.answers[hook] = visit.answers[hook].marked(card, await advice.accept(ehr, found, suggestion))
    visit.said = "Placed among the unsigned orders. Nothing is ordered until you sign." if new else ""
    return to(f"/charts/{patient}/orders" if new or hook == ORDER_SELECT else f"/charts/{patient}")


@router.post("/charts/{patient}/cards/{card}/override")
async def override(request: Request, patient: str, card: str) -> Response:
    """Put a card aside with one of its reasons; the service is told."""
    ehr, (visit, form) = ehr_of(request), await opened(request, patient)
    hook, found = on_screen(visit, card)
    if found.fate:
        raise invalid("That card was decided on.")
    fate = await advice.override(ehr, found, form.get("reason", ""), form.get("comment", "").strip()[:500])
    visit.answers[hook] = visit.answers[hook].marked(card, fate)
    places = {ORDER_SELECT: "/orders", ORDER_SIGN: "/sign"}
    return to(f"/charts/{patient}{places.get(hook, '')}")


@router.get("/charts/{patient}/app")
async def app(request: Request, patient: str, card: str = _APP, link: int = 0) -> Response:
    """Show an app inside the chart, in a frame."""
    ehr, visit = ehr_of(request), visits_of(request).required(request)
    person = record.person(ehr, patient)
    if visit.open(patient):
        visit.answers[PATIENT_VIEW] = await advice.ask(ehr, PATIENT_VIEW, context(visit, patient))
        card, link = _APP, 0  # the cards of the chart before are gone
    if ehr.service_url is None:
        raise not_found("app")
    return shown(request, visit, person, "app.html", address=f"/charts/{patient}/launch?card={card}&link={link}")


@router.get("/charts/{patient}/launch")
async def launch(request: Request, patient: str, card: str = _APP, link: int = 0) -> Response:
    """Send the browser to an app: a card's link, launched for this chart where it is a SMART one, or the app itself."""
    ehr, visit = ehr_of(request), visits_of(request).required(request)
    if visit.patient != patient:
        raise invalid("Another chart is open now: an app opens in the chart that is open.")
    links: list[Json] = [{"type": "smart"}] if card == _APP else list(on_screen(visit, card)[1].links)
    if not 0 <= link < len(links):
        raise not_found("link")
    chosen = links[link]
    if chosen.get("type") != "smart":
        return RedirectResponse(str(chosen["url"]), 303)
    username, handed = visit.account.username, chosen.get("appContext")
    return RedirectResponse(ehr.authorization.launch(SERVICE_CLIENT, patient, username, handed, visit.begun), 303)


def shown(request: Request, visit: Visit | None, person: Person, template: str, **more: object) -> Response:
    """Return a page of a chart, with its banner, its tabs, and what is to be said once."""
    ehr, visits = ehr_of(request), visits_of(request)
    banner: dict[str, object] = {
        "person": person,
        "patient": person.resources[0],
        "age": words.age(person.resources[0], ehr.store.clock().date()),
        "pending": len(visits.unsigned(visit, person.id)) if visit else 0,
        "service": ehr.service_url,
        "said": visit.take_said() if visit else "",
    }
    return page(request, template, banner | more)


async def opened(request: Request, patient: str) -> tuple[Visit, dict[str, str]]:
    """Return the visit and the fields of a form that acts in a chart; refuses when another chart is open."""
    visit = visits_of(request).acting(request)
    if visit.patient != record.person(ehr_of(request), patient).id:
        raise invalid("Another chart is open now. Nothing was done: open this chart again.")
    return visit, await fields(request)


def on_screen(visit: Visit, card: str) -> tuple[str, Shown]:
    """Return a card of the open chart and the hook that brought it; refuses with 404."""
    for hook, answer in visit.answers.items():
        if any(one.id == card for one in answer.cards):
            return hook, answer.find(card)
    raise not_found("card")


def created(suggestion: Json) -> list[Json]:
    """Return the resources that a suggestion creates; this EHR carries out nothing else."""
    return [one["resource"] for one in suggestion.get("actions", []) if one.get("type") == "create"]


def context(visit: Visit, patient: str, **more: Any) -> dict[str, Any]:
    """Return the context of a hook."""
    return {"userId": visit.account.fhir_user, "patientId": patient, **more}


async def fields(request: Request) -> dict[str, str]:
    """Return the fields of a form, the first value of each."""
    found = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return {name: value[0] for name, value in found.items()}


def to(address: str) -> RedirectResponse:
    """Return the way on after a form, so that loading again sends nothing again."""
    return RedirectResponse(address, 303)
