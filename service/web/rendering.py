"""How a page leaves the service: templates, headers, the style sheet, and refusals as pages instead of JSON.

Everything from a chart is escaped by the templates; characters that hide text or turn its direction are taken
out before that, since escaping leaves them alive.
"""

import hashlib
import re
from collections.abc import Callable, Coroutine
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
from service.errors import Unauthenticated, http_status

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.smart.sessions import Session

_HERE = Path(__file__).parent
# Control characters and the marks of Unicode UAX #9, but not the joiners that names in some scripts need.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]")
_STYLE = hashlib.sha256((_HERE / "static" / "style.css").read_bytes()).hexdigest()[:12]
_HEADINGS = {
    401: "Please sign in again",
    403: "Not allowed",
    404: "Not found",
    409: "The draft has moved on",
    502: "The EHR did not answer",
    503: "Not ready",
}
# What the code alone would not tell a clinician: what still can be done, and by whom.
_WORDS = {
    "U-SIGNER-ROLE": "The EHR has no active role for you that may prescribe, so you can read and reject this draft "
    "but not sign it. The EHR's registry can tell you why.",
    "U-DRAFT-SIGNED": "This draft was signed in the meantime. Open it to see where the order is.",
    "U-DRAFT-STATE": "This draft was decided on or closed in the meantime. Open it to see what became of it.",
    "U-DRAFT-EXPIRED": "This draft's time is over and nothing was ordered. Open the chart again in the EHR for what "
    "holds now.",
    "U-ACKNOWLEDGE": "Nothing was signed: not every point was ticked. Open the draft and read the order again.",
    "U-ATTEST-CLOSED": "A practitioner has attested that drafting stays closed for this patient. Nothing was signed.",
    "U-ORDER-PENDING": "Nothing was signed: another order of this patient was signed here or accepted in the EHR, and "
    "is not confirmed there yet. See to that one first.",
    "U-ORDER-EXISTS": "Nothing was signed: the EHR has an active order of this drug that is newer than this draft. "
    "Open the chart again in the EHR.",
    "U-ORDER-UNKNOWN": "Nothing was signed: the EHR has an order that may be of this drug and newer than this draft. "
    "Look at the orders there, then open the chart again.",
    "U-CONSENT-WITHHELD": "Nothing was signed: the patient has said no to suggestions by AI, here or in the EHR, or "
    "the site asks for a yes that is not there. Decide without a draft.",
    "U-STEP-UP": "Nothing was signed: this draft is of high risk, and your sign-in is too old or too weak for it. Sign "
    "in again, then open the draft and sign it.",
    "U-SUPERVISION": "Nothing was signed: this site leaves this draft to a specialist. The draft's page makes a "
    "referral to a psychiatrist.",
    "U-AUTH": "Your session has ended or the EHR no longer takes it. What you did not finish was not kept.",
}


_CRISIS_WORDS = {
    "U-SIGNER-ROLE": "The EHR has no active role for you that may prescribe, so nothing was recorded. Somebody who may "
    "prescribe has to state that the risk was assessed. The EHR's registry can tell you why.",
}


class PageRoute(APIRoute):
    """A route for browsers: what the service refuses is answered as a page that says what to do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route with refusals shown as pages."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except UndersignError as error:
                return refusal(request, error)

        return handle


class Static(StaticFiles):
    """Our own style sheet: kept by browsers, since its address changes with its content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with its caching header."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


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
        style=f"/static/style.css?v={_STYLE}",
        **shown,
    )
    return HTMLResponse(text, status, headers=_headers(services, session))


def refusal(request: Request, error: UndersignError) -> Response:
    """Return an error as a page, with the way back to the draft where the address names one."""
    telemetry.ERRORS.labels(error.code).inc()
    status, back = http_status(error), _back(request, error)
    message = (_WORDS | (_CRISIS_WORDS if "flag_id" in request.path_params else {})).get(error.code, error.message)
    response = page(
        request,
        None,
        "message.html",
        status,
        heading=_HEADINGS.get(status, "That did not work"),
        message=f"{message[:1].upper()}{message[1:].rstrip('.')}.",
        code=error.code,
        back=back if back and _leads_back(error) else None,
    )
    if isinstance(error, Unauthenticated):
        from service.smart import sessions  # it needs the errors above

        sessions.clear_cookie(response, sessions.COOKIE, request.app.state.services.settings)
    return response


def _back(request: Request, error: UndersignError) -> tuple[str, str] | None:
    """Return address and name of the page that a refused step came from, or that it needs first."""
    draft, flag = (request.path_params.get(name) for name in ("draft_id", "flag_id"))
    if flag:
        return f"/crisis/{flag}", "Back to the page"
    if draft and error.code == "U-STEP-UP":
        return f"/step-up?draft={draft}", "Sign in again"
    return (f"/review/{draft}", "Open the draft") if draft else None


def _leads_back(error: UndersignError) -> bool:
    """Return whether the draft can still be shown: to a user who may only read, but not to another's."""
    return http_status(error) not in (403, 404) or error.code.startswith(
        ("U-SIGNER-", "U-CSRF", "U-STEP-UP", "U-SUPERVISION")
    )


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
