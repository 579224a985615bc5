"""SMART App Launch of the clinician's page: EHR launch and standalone, PKCE, state, nonce, id_token; signing in again.

https://hl7.org/fhir/smart-app-launch/app-launch.html (2.x). ``iss`` must be a configured tenant's base to the
byte: nothing else is ever asked for a token.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_adapters.dialect.profile import Profile
from fhir_adapters.survey import searches
from service.errors import BadRequest, EhrFailed, Forbidden, NotFound, Unauthenticated
from service.settings import Ehr
from service.smart import app_context, sessions, tokens
from service.smart.app_context import AppContext
from service.smart.practitioner import Practitioner
from service.web.rendering import PageRoute

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SCOPES = ("openid", "fhirUser", "user/Practitioner.rs", "user/PractitionerRole.rs")
_KIND = "launch"
_COOKIE = "undersign_launch"
_TIME = timedelta(minutes=10)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Launch(msgspec.Struct, frozen=True):
    """A launch under way: what the callback has to find again.

    ``subject`` and ``patient`` are those of the session whose user signs in again.
    """

    ehr: str
    verifier: str
    nonce: str
    browser: str
    draft: str | None
    flag: str | None = None
    subject: str | None = None
    patient: str | None = None


@router.get("/launch")
async def launch(request: Request) -> Response:
    """Start a launch: from the EHR (``iss``, ``launch``) or from a card's link (``ehr``, ``draft`` or ``flag``)."""
    services: Services = request.app.state.services
    query = request.query_params
    ehr = _tenant(services, query.get("iss"), query.get("ehr"))
    started = _new(ehr, draft=_opaque(query.get("draft")), flag=_opaque(query.get("flag")))
    launch_id = query.get("launch")
    return await _to_ehr(services, ehr, started, {"launch": launch_id} if launch_id else {})


@router.get("/step-up")
async def step_up(request: Request) -> Response:
    """Let the user of this session prove again who they are, and come back to the draft.

    ``max_age`` makes ``auth_time`` a claim of the id_token (OpenID Connect Core §3.1.2.1); whether the login was new
    and strong enough is asked when a draft is signed, never believed from here.
    """
    services: Services = request.app.state.services
    draft = _opaque(request.query_params.get("draft"))
    session = await sessions.current(request, services)
    if session is None:
        return RedirectResponse(f"/review/{draft}" if draft else "/review", status_code=303)
    ehr = services.tenant(session.practitioner.ehr)
    started = _new(ehr, draft=draft, subject=session.practitioner.subject, patient=session.patient)
    wanted = {"acr_values": " ".join(ehr.users.step_up_acr)} if ehr.users.step_up_acr else {}
    age = str(services.settings.sign.step_up_max_age_s)
    return await _to_ehr(services, ehr, started, {"prompt": "login", "max_age": age, **wanted})


@router.get("/callback")
async def callback(request: Request) -> Response:
    """Finish a launch: code for tokens, id_token checked, session begun, on to the page."""
    services: Services = request.app.state.services
    query = request.query_params
    started = await _started(request, services, query.get("state"))
    if "error" in query or not query.get("code"):
        raise Forbidden("U-LAUNCH-DENIED", "The EHR did not grant access: open the page from the EHR again.")
    ehr = services.tenant(started.ehr)
    answer = await _exchange(services, ehr, query["code"], started.verifier)
    session = await _session(services, ehr, answer, started)
    handed = app_context.read(services.sealer, ehr.id, answer.get("appContext"), datetime.now(UTC))
    response = RedirectResponse(_target(started, handed), status_code=303)
    sessions.clear_cookie(response, _COOKIE, services.settings)
    await sessions.forget(request, services)
    await sessions.start(services, response, session, ehr)
    return response


def _new(ehr: Ehr, **about: str | None) -> Launch:
    return Launch(
        ehr=ehr.id,
        verifier=secrets.token_urlsafe(48),
        nonce=secrets.token_urlsafe(24),
        browser=secrets.token_urlsafe(32),
        **{"draft": None, **about},
    )


async def _to_ehr(services: "Services", ehr: Ehr, started: Launch, more: Mapping[str, str]) -> Response:
    """Keep the launch and send the browser to the EHR's sign-in, with ``more`` beside what is always asked."""
    asked = (await services.clients[ehr.id].smart_configuration()).authorization_endpoint
    if asked is None:
        raise EhrFailed("U-EHR-SMART", "The EHR's discovery names no authorisation endpoint; ask its operators.")
    state = secrets.token_urlsafe(32)
    sealed = services.sealer.seal(msgspec.json.encode(started), _KIND + state)
    await services.store.keep(_KIND, state, sealed, datetime.now(UTC) + _TIME)
    question = _question(services, ehr, started, state, more)
    response = RedirectResponse(f"{asked}{'&' if '?' in asked else '?'}{question}", status_code=303)
    sessions.set_cookie(response, _cookie(state), started.browser, services.settings, ehr, _TIME)
    return response


def _cookie(state: str) -> str:
    """Return the name of a launch's own cookie: several may be under way in one browser."""
    return f"{_COOKIE}_{hashlib.sha256(state.encode()).hexdigest()[:16]}"


def _opaque(given: str | None) -> str | None:
    """Return what is to be opened after the sign-in; it becomes part of an address, so only an id may pass."""
    if given is not None and not _UUID.fullmatch(given):
        raise NotFound("U-DRAFT-UNKNOWN", "There is no such draft; open the page from the EHR again.")
    return given


def _target(started: Launch, handed: AppContext) -> str:
    """Return the page that was asked for: by the address of the launch, else by the card's link."""
    draft, flag = (started.draft, started.flag) if started.draft or started.flag else (handed.draft, handed.flag)
    if flag:
        return f"/crisis/{flag}"
    return f"/review/{draft}" if draft else "/review"


def _tenant(services: "Services", iss: str | None, ehr_id: str | None) -> Ehr:
    for ehr in services.settings.ehr:
        if (iss is not None and iss == ehr.fhir_base) or (iss is None and ehr_id == ehr.id):
            return ehr
    raise Forbidden("U-LAUNCH-ISS", "This EHR is not configured here: iss must be a configured fhir_base.")


def _question(services: "Services", ehr: Ehr, started: Launch, state: str, more: Mapping[str, str]) -> str:
    digest = hashlib.sha256(started.verifier.encode()).digest()
    scopes = (*user_scopes(services.profiles[ehr.id]), *(["launch"] if "launch" in more else []))
    asked = {
        "response_type": "code",
        "client_id": ehr.smart_client_id,
        "redirect_uri": redirect_uri(services),
        "scope": " ".join(scopes),
        "state": state,
        "nonce": started.nonce,
        "aud": ehr.fhir_base,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    return urlencode({**asked, **more})


def user_scopes(profile: Profile) -> tuple[str, ...]:
    """Return what is asked for in a user's name: the chart is read once more before a signature, Consents with it."""
    return (*SCOPES, *(f"user/{kind}.rs" for kind in searches.kinds(profile)))


def redirect_uri(services: "Services") -> str:
    """Return the one redirect address that is registered with every EHR."""
    return services.settings.server.public_url.rstrip("/") + "/callback"


async def _started(request: Request, services: "Services", state: str | None) -> Launch:
    sealed = await services.store.drop(_KIND, state) if state else None
    plain = services.sealer.open(sealed, f"{_KIND}{state}") if sealed is not None else None
    if plain is None:
        raise BadRequest("U-LAUNCH-STATE", "This sign-in is unknown or too old: open the page from the EHR again.")
    started = msgspec.json.decode(plain, type=Launch)
    browser = request.cookies.get(sessions.cookie(_cookie(state or ""), services.settings), "")
    if not secrets.compare_digest(browser.encode(), started.browser.encode()):
        raise BadRequest("U-LAUNCH-STATE", "This sign-in was begun in another browser: open the page again.")
    return started


async def _exchange(services: "Services", ehr: Ehr, code: str, verifier: str) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(services),
        "client_id": ehr.smart_client_id,
        "code_verifier": verifier,
    }
    return await services.clients[ehr.id].token(form)


async def _session(services: "Services", ehr: Ehr, answer: dict[str, Any], started: Launch) -> sessions.Session:
    identity = await tokens.check_id_token(services, ehr, answer.get("id_token"), started.nonce)
    if started.subject is not None and started.subject != identity.subject:
        raise Forbidden("U-STEP-UP-USER", "Somebody else signed in: open the page from the EHR again.")
    access, life = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(access, str) or not isinstance(life, int | float) or isinstance(life, bool):
        raise Forbidden("U-LAUNCH-DENIED", "The EHR's token answer lacks access_token or expires_in.")
    now = datetime.now(UTC)
    patient = tokens.patient_of(answer, ehr.id)
    practitioner = Practitioner(
        reference=identity.fhir_user,
        display=identity.name,
        ehr=ehr.id,
        role=None,
        subject=identity.subject,
        method="smart-session",
        authenticated=identity.auth_time or now,
        auth_time=identity.auth_time,
        acr=identity.acr,
        amr=identity.amr,
    )
    prescribes, specialist = await _role(services, practitioner, access)
    return sessions.Session(
        practitioner=practitioner,
        token=access,
        patient=started.patient or patient,
        csrf=secrets.token_urlsafe(32),
        expires=now + timedelta(seconds=min(float(life), 3600)),
        prescribes=prescribes,
        specialist=specialist,
    )


async def _role(services: "Services", who: Practitioner, token: str) -> tuple[bool | None, bool | None]:
    """Return whether this user may prescribe and is a specialist, as far as the EHR says it now."""
    try:
        found = await services.clients[who.ehr].practitioner_may_prescribe(who.reference, token)
    except Forbidden as error:
        return (False, None) if error.code.startswith("U-SIGNER-") else (None, None)
    except (EhrFailed, Unauthenticated):
        return None, None
    return True, found.specialist
