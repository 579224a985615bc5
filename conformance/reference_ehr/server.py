"""The reference EHR as an ASGI application: the FHIR API, the authorisation server and the EHR's own pages.

The pages and the EHR's own buttons (``/launch``, ``/hooks/…``) ask for no login: this is a loopback program.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from urllib.parse import parse_qsl

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from conformance.reference_ehr import discovery, fhir_api, pages
from conformance.reference_ehr.codec import decode, encode
from conformance.reference_ehr.ehr import SERVICE_CLIENT, ReferenceEhr
from conformance.reference_ehr.oauth import Redirect
from conformance.reference_ehr.parameters import parameter
from conformance.reference_ehr.refusals import (
    Json,
    OAuthRefusal,
    Refusal,
    invalid,
    not_found,
    operation_outcome,
)
from conformance.reference_ehr.search import search, values

router = APIRouter()
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def create_app(ehr: ReferenceEhr) -> FastAPI:
    """Return the application that serves ``ehr``; the EHR's HTTP client is closed with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await ehr.http.aclose()

    app = FastAPI(title="Reference EHR", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.ehr = ehr
    app.include_router(router)
    app.include_router(fhir_api.router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(OAuthRefusal, _oauth_refused)
    app.add_exception_handler(HTTPException, _http_refused)
    return app


@router.get("/")
async def front(request: Request) -> HTMLResponse:
    """Say what this is and is not, and list the patients."""
    ehr = _ehr(request)
    return HTMLResponse(pages.front(ehr.root, ehr.people))


@router.get("/charts/{patient}")
async def chart(request: Request, patient: str) -> HTMLResponse:
    """Show one patient's record as a page."""
    ehr = _ehr(request)
    person = next((person for person in ehr.people if person.id == patient), None)
    if person is None:
        raise not_found("patient")
    return HTMLResponse(pages.chart(person, _record(ehr, patient)))


@router.get("/jwks.json")
async def jwks(request: Request) -> Response:
    """Return the EHR's public keys."""
    return _json(_ehr(request).keys.jwks(), {"Cache-Control": "max-age=300"})


@router.get("/.well-known/openid-configuration")
async def openid(request: Request) -> RedirectResponse:
    """Point to the discovery document under the issuer."""
    return RedirectResponse(f"{_ehr(request).base}/.well-known/openid-configuration", 307)


@router.get("/authorize")
async def authorize(request: Request) -> Response:
    """Ask who the user is, or send the browser back to the app with a code."""
    return _authorize(_ehr(request), dict(request.query_params))


@router.post("/authorize")
async def authorize_post(request: Request) -> Response:
    """Take the authorisation request as a form (SMART ``authorize-post``)."""
    return _authorize(_ehr(request), await _form(request))


@router.post("/token")
async def token(request: Request) -> Response:
    """Exchange a code or an assertion for an access token."""
    return _json(await _ehr(request).authorization.token(await _form(request)), NO_STORE)


@router.post("/launch")
async def launch(request: Request) -> Response:
    """Start an app in a chart: ``{"patient", "user", "client"?, "appContext"?}`` gives the address to open."""
    asked = decode(await request.body())
    client = str(asked.get("client", SERVICE_CLIENT))
    handed = _text(asked, "appContext") if "appContext" in asked else None
    address = _ehr(request).authorization.launch(client, _text(asked, "patient"), _text(asked, "user"), handed)
    return _json({"url": address})


@router.post("/hooks/patient-view")
async def open_chart(request: Request) -> Response:
    """Open a chart as a user: ``{"patient", "user"}`` calls the CDS service and returns what came back."""
    asked = decode(await request.body())
    calls = await _ehr(request).cds.patient_view(_text(asked, "user"), _text(asked, "patient"))
    return _json({"calls": [asdict(call) for call in calls]})


@router.post("/hooks/feedback")
async def feedback(request: Request) -> Response:
    """Send feedback on cards: ``{"service", "feedback": […]}`` as CDS Hooks has it."""
    asked = decode(await request.body())
    status = await _ehr(request).cds.feedback(_text(asked, "service"), asked.get("feedback", []))
    return _json({"status": status})


def _ehr(request: Request) -> ReferenceEhr:
    return request.app.state.ehr


def _record(ehr: ReferenceEhr, patient: str) -> dict[str, list[Json]]:
    record: dict[str, list[Json]] = {}
    for name in [one for one in pages.CHART_TYPES if one in discovery.served(ehr.dialect)]:
        key = "patient" if parameter(name, "patient") else "subject"
        record[name] = [_named(ehr, v.body) for v in search(ehr.store, ehr.base, name, [(key, patient)]).matches]
    return record


def _named(ehr: ReferenceEhr, order: Json) -> Json:
    """Return an order with the name of the Medication that it refers to; any other resource as it is."""
    places = ("medicationReference.reference", "medication.reference.reference")
    addresses = [address for place in places for address in values(order, place)]
    found = ehr.store.find(addresses[0]) if addresses else None
    return {**order, "medicationCodeableConcept": found.body.get("code", {})} if found else order


def _authorize(ehr: ReferenceEhr, query: Mapping[str, str]) -> Response:
    answer = ehr.authorization.authorize(query)
    if isinstance(answer, Redirect):
        return RedirectResponse(answer.url, 302, NO_STORE)
    page = pages.choice(answer, ehr.authorization.accounts.values(), ehr.people)
    return HTMLResponse(page, headers=NO_STORE)


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def _text(asked: Json, name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise invalid(f"{name} is missing.")
    return value


def _json(body: object, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    return Response(encode(body), status, headers=headers, media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return fhir_api.fhir_response(operation_outcome(error), error.status, headers)


async def _oauth_refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, OAuthRefusal):
        raise error
    return _json({"error": error.error, "error_description": error.message}, NO_STORE, error.status)


async def _http_refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    refusal = Refusal(error.status_code, "not-supported", "U-REF-HTTP", "This EHR has no such interaction.")
    return fhir_api.fhir_response(operation_outcome(refusal), error.status_code)
