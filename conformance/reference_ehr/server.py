"""The reference EHR as an ASGI application: the FHIR API, the authorisation server and the EHR's own pages.

The EHR's own buttons (``/launch``, ``/hooks/…``) ask for no login, its pages for no password: it is on loopback.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from conformance.reference_ehr import fhir_api, hooks
from conformance.reference_ehr.codec import decode, encode
from conformance.reference_ehr.desk import login, order_routes, routes
from conformance.reference_ehr.desk.rendering import ehr_of as _ehr
from conformance.reference_ehr.desk.rendering import visits_of
from conformance.reference_ehr.desk.visits import Visits
from conformance.reference_ehr.ehr import SERVICE_CLIENT, ReferenceEhr
from conformance.reference_ehr.oauth_facts import Redirect, SignedIn
from conformance.reference_ehr.refusals import Json, OAuthRefusal, Refusal, invalid, operation_outcome

router = APIRouter()
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def create_app(ehr: ReferenceEhr) -> FastAPI:
    """Return the application that serves ``ehr``; the EHR's HTTP client is closed with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await ehr.http.aclose()

    app = FastAPI(title="Reference EHR", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.ehr, app.state.visits = ehr, Visits(ehr.root, ehr.store.clock)
    for one in (router, hooks.router, routes.router, order_routes.router):
        app.include_router(one)
    app.include_router(fhir_api.router)
    app.include_router(fhir_api.bulk_router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(OAuthRefusal, _oauth_refused)
    app.add_exception_handler(HTTPException, _http_refused)
    return app


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
    return _authorize(request, dict(request.query_params))


@router.post("/authorize")
async def authorize_post(request: Request) -> Response:
    """Take the authorisation request as a form (SMART ``authorize-post``)."""
    return _authorize(request, await _form(request))


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


def _authorize(request: Request, query: Mapping[str, str]) -> Response:
    ehr, visit = _ehr(request), visits_of(request).of(request)
    signed_in = SignedIn(visit.account.username, visit.begun) if visit else None
    answer = ehr.authorization.authorize(query, signed_in)
    return RedirectResponse(answer.url, 302, NO_STORE) if isinstance(answer, Redirect) else login.page(request, answer)


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
