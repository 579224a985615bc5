"""How a page leaves the service: templates, headers, the style sheet, and refusals as pages instead of JSON.

Everything from a chart is escaped by the templates; characters that hide text or turn its direction are taken
out before that, since escaping leaves them alive.
"""

import hashlib
import re
from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from fhir_adapters.errors import UndersignError
from service import telemetry
from service.errors import Forbidden, Unauthenticated, http_status
from service.web import refusal_words, sent_again, sheet_texts

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.smart.sessions import Session

_HERE = Path(__file__).parent
# Control characters and the marks of Unicode UAX #9, but not the joiners that names in some scripts need.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]")
_SHEETS = ("house.css", "style.css")


class PageRoute(APIRoute):
    """A route for browsers: what the service refuses is answered as a page that says what to do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route with refusals shown as pages."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except UndersignError as error:
                return refusal(request, *await _met(request, error))

        return handle


class Static(StaticFiles):
    """Our own style sheet: kept by browsers, since its address changes with its content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with its caching header."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def house_style() -> str:
    """Return the style that pages and printed files share, to be put inside a file that loads nothing."""
    return (_HERE / "static" / "house.css").read_text("utf-8")


@cache
def _version(name: str) -> str:
    return hashlib.sha256((_HERE / "static" / name).read_bytes()).hexdigest()[:12]


def plain(value: object) -> object:
    """Return text without characters that hide or turn what stands around them; other values as they are."""
    return _HIDDEN.sub(" ", value) if isinstance(value, str) and not isinstance(value, Markup) else value


static = Static(directory=_HERE / "static")
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=plain,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(request: Request, session: "Session | None", template: str, status: int = 200, **shown: object) -> Response:
    """Return a template as an answer; a session adds who is signed in, and lets its EHR frame the page."""
    services: Services = request.app.state.services
    who = session.practitioner if session else None
    text = _templates.get_template(template).render(
        practitioner=(who.display or who.reference) if who else None,
        csrf=session.csrf if session else None,
        development=services.settings.server.development,
        styles=[f"/static/{name}?v={_version(name)}" for name in _SHEETS],
        site=sheet_texts.of(services.tenant(who.ehr).language if who else "en"),
        **shown,
    )
    return HTMLResponse(text, status, headers=_headers(services, session))


def refusal(request: Request, error: UndersignError, session: "Session | None" = None) -> Response:
    """Return an error as a page: what to do, the way back where there is one, and what had been typed.

    ``session`` is the one of now where the page that was sent is of an earlier one: what was typed can then be sent
    under its name, by one more press.
    """
    telemetry.ERRORS.labels(error.code).inc()
    services: Services = request.app.state.services
    status, sent = http_status(error), sent_again.of(request, services.settings.server.public_url)
    again = sent if sent and sent.fields and (session or sent_again.may_pass(status, error.code)) else None
    response = page(
        request,
        None,
        "message.html",
        status,
        heading=refusal_words.heading(error),
        message=refusal_words.words(error, acting=sent is not None, crisis="flag_id" in request.path_params),
        code=error.code,
        back=_back(request, error),
        typed=sent.typed if sent else (),
        again=again,
        anew=session.practitioner if session else None,
        token=session.csrf if session else sent.csrf if sent and status != 401 else "",
        signed_out=isinstance(error, Unauthenticated),
    )
    if again:  # with no-referrer, browsers send "Origin: null" with its form
        response.headers["Referrer-Policy"] = "same-origin"
    if isinstance(error, Unauthenticated):
        from service.smart import sessions  # it needs the errors above

        sessions.clear_cookie(response, sessions.COOKIE, services.settings)
    return response


def _back(request: Request, error: UndersignError) -> tuple[str, str] | None:
    """Return address and name of the page that a refused step came from, or that it needs first."""
    draft, flag = (request.path_params.get(name) for name in ("draft_id", "flag_id"))
    if isinstance(error, Unauthenticated):
        return f"/review/{draft}" if draft else f"/crisis/{flag}" if flag else "/review", "Sign in again"
    if error.code == "U-DRAFT-UNKNOWN":
        return "/review", "Open the worklist"
    if not _leads_back(error):
        return None
    if draft and error.code == "U-STEP-UP":
        return f"/step-up?draft={draft}", "Sign in again"
    if draft or flag:
        return (f"/review/{draft}", "Open the draft") if draft else (f"/crisis/{flag}", "Back to the page")
    return (request.url.path, "Try again") if sent_again.may_pass(http_status(error), error.code) else None


def _leads_back(error: UndersignError) -> bool:
    """Return whether the draft can still be shown: to a user who may only read, but not to another's."""
    return http_status(error) not in (403, 404) or error.code.startswith(
        ("U-SIGNER-", "U-CSRF", "U-STEP-UP", "U-SUPERVISION")
    )


async def _met(request: Request, error: UndersignError) -> "tuple[UndersignError, Session | None]":
    """Return what a form of an earlier session meets: the session of now, or that this is of another patient."""
    services: Services = request.app.state.services
    if error.code != "U-CSRF" or sent_again.of(request, services.settings.server.public_url) is None:
        return error, None
    from service.smart import sessions  # it needs the errors above

    session, draft = await sessions.current(request, services), request.path_params.get("draft_id")
    if session is None or session.patient is None or draft is None:
        return error, session
    if (await services.store.read(draft)).patient == session.patient:
        return error, session
    return Forbidden("U-SESSION-PATIENT", "Another patient was opened in this browser, which closed this page."), None


def _headers(services: "Services", session: "Session | None") -> dict[str, str]:
    # Without a session a page holds nothing of a patient and nothing to press: any tenant may frame it.
    tenants = [services.tenant(session.practitioner.ehr)] if session else services.settings.ehr
    frames = " ".join(origin for ehr in tenants for origin in ehr.origins) or "'none'"
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors {frames}"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
    # Not no-referrer where there are forms: with that, browsers send "Origin: null" with our own (Fetch, "append
    # a request `Origin` header"), and the anti-forgery check could not tell them from another site's.
    return headers | ({"Referrer-Policy": "same-origin"} if session else {})
